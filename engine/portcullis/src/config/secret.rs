//! Secrets by reference. A configuration file names where a secret stands and never holds one, so that
//! it can be printed, diffed and committed. A literal value is refused with what to write instead.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable of the gateway.
    Env(String),
    /// `file:/path`: the contents of a file, without a trailing line break.
    File(PathBuf),
}

/// A text that refers to no secret. It never repeats the text: that may be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is named, never written down: use `env:NAME` or `file:/path`")]
pub struct NotAReference;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The variable is not set, or is empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is empty or no UTF-8.
    #[error("{} holds no text", .0.display())]
    Empty(PathBuf),
    /// Others may read the file.
    #[error("{} may be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl SecretRef {
    /// Reads the secret. Relative files stand beside the configuration, in `beside`.
    ///
    /// # Errors
    /// When it is missing, empty, or a file that group or others may read.
    pub fn read(&self, beside: &Path) -> Result<Zeroizing<String>, Unreadable> {
        match self {
            Self::Env(name) => std::env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .map(Zeroizing::new)
                .ok_or_else(|| Unreadable::Unset(name.clone())),
            Self::File(path) => read_file(&beside.join(path)),
        }
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| Unreadable::File {
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path)
        .map_err(failed)?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o007 != 0 {
        return Err(Unreadable::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(Unreadable::Empty(path.to_owned()));
    }
    Ok(Zeroizing::new(value.to_owned()))
}

impl FromStr for SecretRef {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        match text.split_once(':') {
            Some(("env", name))
                if !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') =>
            {
                Ok(Self::Env(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err(NotAReference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = SecretRef;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretRef, E> {
                text.parse().map_err(E::custom)
            }
            // A number may be the secret itself: it must not be repeated by an "invalid type" error.
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretRef, E> {
                Err(E::custom(NotAReference))
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretRef, E> {
                Err(E::custom(NotAReference))
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretRef, E> {
                Err(E::custom(NotAReference))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("SecretRef")
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "where a secret stands: `env:NAME` or `file:/path`",
            "pattern": "^(env:[A-Za-z0-9_]+|file:.+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        for text in ["hunter2", "env:", "env:A B", "file:", "vault:x", "12345"] {
            let error = serde_yaml::from_str::<SecretRef>(text).expect_err(text);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!error.to_string().contains("12345"), "{error}");
        }
    }

    #[test]
    fn a_file_loses_its_last_line_break_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, " a secret \n").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let secret = SecretRef::File(PathBuf::from("secret")).read(folder.path());
        assert_eq!(*secret.expect("readable"), " a secret ");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, "x").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        let answer = SecretRef::File(path).read(folder.path());
        assert!(matches!(
            answer,
            Err(Unreadable::Exposed { mode: 0o644, .. })
        ));
    }
}
