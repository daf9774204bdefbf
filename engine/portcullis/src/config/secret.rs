//! Secrets by reference. A configuration file names where a secret stands and never holds one, so that
//! it can be printed, diffed and committed. A literal value is refused with what to write instead.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Where a secret stands, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef(portcullis_vault::SecretRef);

/// A text that refers to no secret. It never repeats the text: that may be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret is named, never written down: use {}",
    portcullis_vault::FORMS
)]
pub struct NotAReference;

impl SecretRef {
    /// The same for the vault, which alone reads it. Relative files stand beside the configuration, in
    /// `beside`.
    #[must_use]
    pub fn for_vault(&self, beside: &Path) -> portcullis_vault::SecretRef {
        self.0.clone().beside(beside)
    }

    /// As it is written.
    #[must_use]
    pub fn written(&self) -> &portcullis_vault::SecretRef {
        &self.0
    }
}

impl FromStr for SecretRef {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        text.parse().map(Self).map_err(|_| NotAReference)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
            "description": format!("where a secret stands: {}", portcullis_vault::FORMS),
            "pattern": "^(env|file|systemd|store|command|vault|aws|kubernetes):.+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        for text in ["hunter2", "env:", "env:A B", "file:", "vault:x", "12345"] {
            let error = serde_yaml::from_str::<SecretRef>(text).expect_err(text);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(!error.to_string().contains("12345"), "{error}");
        }
    }

    #[test]
    fn a_relative_file_stands_beside_the_configuration() {
        let reference: SecretRef = "file:secrets/pg".parse().expect("a reference");
        let vault = reference.for_vault(Path::new("/etc/portcullis"));
        assert_eq!(vault.to_string(), "file:/etc/portcullis/secrets/pg");
    }
}
