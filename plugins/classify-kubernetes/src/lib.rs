//! Grades requests to the Kubernetes API: verb, resource, name, what the body asks for, and the command of an exec,
//! which is read as classify-shell reads it.
//!
//! It refuses to guess: a verb, a subresource or a path that it does not know, and a body that nobody could read,
//! are of unknown effect; so is what a custom resource makes its controller do.

mod body;
mod grade;
pub mod labels;
mod resources;

use portcullis_plugin_classify_shell as shell;
use portcullis_sdk::call::Call;
use portcullis_sdk::prelude::*;

/// The classifier; it has no configuration.
#[derive(Debug)]
pub struct ClassifyKubernetes;

impl Classifier for ClassifyKubernetes {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        shell::prepare();
        Ok(Self)
    }

    fn classify(&mut self, message: &Message<'_>) -> Opinion {
        let text = message.text();
        match message.stage() {
            Stage::Request => match serde_json::from_str::<Call>(text) {
                Ok(call) => grade::grade(&call, text.len()),
                Err(_) => Opinion::unknown("unparsed"),
            },
            Stage::PodExec => match serde_json::from_str::<Vec<String>>(text) {
                Ok(words) => grade::command(&words),
                Err(_) => Opinion::unknown("unparsed"),
            },
            _ => Opinion::unknown("unlisted-request"),
        }
    }
}

portcullis_sdk::export_classifier!(ClassifyKubernetes);

#[cfg(test)]
mod tests;
