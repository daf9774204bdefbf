//! `portcullis.yaml`: read, checked, and explained where it is wrong. The only module that knows YAML
//! and the only one that reads the environment. It refuses what it does not know: a key that nobody
//! reads is an error, because it is usually a misspelt protection.

mod approvals;
mod check;
mod cluster;
mod console;
mod duration;
mod fresh_login;
mod issuer;
mod journal;
mod login;
mod presets;
mod problem;
mod schema;
mod secret;
mod secrets;
mod spans;
#[cfg(test)]
mod tests;

pub use approvals::*;
pub use check::references;
pub use cluster::{ClusterCertificate, SessionAccount};
pub use console::Console;
pub use duration::{NotAPeriod, Period};
pub use issuer::*;
pub use journal::*;
pub use login::{Login, LoginProvider, PeopleCertificates, SamlProvider};
pub use presets::Preset;
pub use problem::{Notes, Problem, Problems};
pub use schema::*;
pub use secret::{NotAReference, SecretRef};
pub use secrets::*;
pub use spans::{Place, Step, locate};

use std::path::{Path, PathBuf};

/// Larger files are refused before they are parsed.
const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A configuration that was read, with where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// The file.
    pub file: PathBuf,
    /// Its text, to find places in.
    pub text: String,
    /// What should not stay so, and does not stop the gateway.
    pub warnings: Problems,
}

impl Loaded {
    /// The folder that relative paths start from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new("."))
    }

    /// A path of the file: relative ones stand beside the configuration.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder().join(path)
    }

    /// The admin socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        match &self.config.admin.socket {
            Some(socket) => self.path(socket),
            None => self.path(&self.config.state_dir).join("admin.sock"),
        }
    }

    /// A sheet to note further problems of this file on.
    #[must_use]
    pub fn notes(&self) -> Notes<'_> {
        Notes::new(&self.file, &self.text)
    }
}

/// Reads and checks a configuration.
///
/// # Errors
/// Everything that is wrong with it, each with place and remedy.
pub fn load(file: &Path) -> Result<Loaded, Problems> {
    let text = read(file)?;
    parse(file, text)
}

/// The same from a text that was already read.
///
/// # Errors
/// See [`load`].
pub fn parse(file: &Path, text: String) -> Result<Loaded, Problems> {
    let mut config: Config = serde_yaml::from_str(&text).map_err(|e| shape_problem(file, &e))?;
    config.issuers.iter_mut().for_each(Issuer::fill);
    let mut notes = Notes::new(file, &text);
    check::check(&config, &mut notes);
    let problems = notes.finish();
    if problems.stop() {
        return Err(problems);
    }
    Ok(Loaded {
        config,
        file: file.to_owned(),
        text,
        warnings: problems,
    })
}

/// The plugins of a configuration that need not be complete: what is not pinned yet is about to be.
///
/// # Errors
/// When it cannot be read as YAML, or a plugin's entry is malformed.
pub fn plugins_of(file: &Path, text: &str) -> Result<Vec<Plugin>, Problems> {
    #[derive(serde::Deserialize)]
    struct Plugins {
        #[serde(default)]
        plugins: Vec<Plugin>,
    }
    let read: Plugins = serde_yaml::from_str(text).map_err(|e| shape_problem(file, &e))?;
    Ok(read.plugins)
}

/// Any YAML file as a JSON value, with its text to find places in.
///
/// # Errors
/// When it cannot be read, or is no YAML.
pub fn value(file: &Path) -> Result<(serde_json::Value, String), Problems> {
    let text = read(file)?;
    let value = serde_yaml::from_str(&text).map_err(|e| shape_problem(file, &e))?;
    Ok((value, text))
}

/// The configuration as the gateway understood it, with every default written out.
#[must_use]
pub fn effective(config: &Config) -> String {
    serde_yaml::to_string(config).expect("invariant: every type of the schema can be written")
}

fn read(file: &Path) -> Result<String, Problems> {
    let fail = |message: String, remedy: &str| {
        let mut notes = Notes::new(file, "");
        notes.error(&Place::root(), message, remedy);
        notes.finish()
    };
    let size = std::fs::metadata(file).map_err(|error| {
        fail(
            format!("cannot be read: {error}"),
            "name the file with `--config FILE`; an example ships as dist/portcullis.yaml",
        )
    })?;
    if size.len() > CONFIG_BYTES_MAX {
        return Err(fail(
            format!(
                "is {} bytes long; {CONFIG_BYTES_MAX} are read at most",
                size.len()
            ),
            "move users and groups into the policies' data file",
        ));
    }
    std::fs::read_to_string(file)
        .map_err(|error| fail(format!("cannot be read: {error}"), "save it as UTF-8 text"))
}

/// What the YAML reader has to say, in our form.
fn shape_problem(file: &Path, error: &serde_yaml::Error) -> Problems {
    let location = error.location();
    let mut message = error.to_string();
    if let Some(location) = &location {
        let tail = format!(" at line {} column {}", location.line(), location.column());
        message = message.replace(&tail, "");
    }
    // The reader begins with the place where it knows it: `listeners[0]: unknown field …`.
    let (place, message) = match message.split_once(": ") {
        Some((place, rest)) if !place.contains([' ', '`']) => (place.to_owned(), rest.to_owned()),
        _ => (String::new(), message),
    };
    let remedy = remedy(&message);
    Problems(vec![Problem {
        file: file.to_owned(),
        line: location.as_ref().map(serde_yaml::Location::line),
        column: location.as_ref().map(serde_yaml::Location::column),
        place,
        message,
        remedy,
        warning: false,
    }])
}

fn remedy(message: &str) -> String {
    let advice = if message.contains("unknown field") {
        "correct or remove the key; `portcullis config schema` lists all keys"
    } else if message.contains("missing field") {
        "add the key; `portcullis config schema` says what it holds"
    } else if message.contains("unknown variant") {
        "use one of the words it expects"
    } else if message.contains("duplicate") {
        "keep one of the two"
    } else if message.contains("invalid type") {
        "`portcullis config schema` says what belongs here"
    } else if message.contains("never written down") {
        "put the secret into a file with mode 0600 and name it as `file:/path`"
    } else if message.contains("write for example") {
        "give a number and its unit"
    } else {
        "correct the YAML at this place"
    };
    advice.to_owned()
}
