//! `config`: the schema for editors, and the file as the gateway understood it. Secrets stand in the file
//! by reference, so printing it shows none.

use crate::cli::{Exit, paint};
use crate::config;
use clap::Subcommand;
use std::path::PathBuf;

/// The configuration file.
#[derive(Debug, Subcommand)]
pub enum Configuration {
    /// Print the JSON Schema of portcullis.yaml
    Schema,
    /// Print the configuration with every default written out
    Print {
        /// The configuration file
        #[arg(
            long,
            env = "PORTCULLIS_CONFIG",
            hide_env_values = true,
            default_value = "/etc/portcullis/portcullis.yaml"
        )]
        config: PathBuf,
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn configuration(configuration: &Configuration) -> Result<(), Exit> {
    match configuration {
        Configuration::Schema => Ok(paint::json(&config::json_schema())?),
        Configuration::Print { config, json } => {
            let loaded = config::load(config)?;
            match json {
                true => Ok(paint::json(&loaded.config)?),
                false => Ok(paint::say(config::effective(&loaded.config).trim_end())?),
            }
        }
    }
}
