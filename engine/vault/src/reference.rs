//! Where a secret stands, in words: `env:NAME`, `vault:SERVER/PATH#FIELD` and the like. It holds no secret and is safe
//! to print; a text that is none of these is refused and never repeated, because it may be the secret itself.

use crate::error::VaultError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable of the gateway.
    Env(String),
    /// `file:/path`: a file; a final line break is not part of the secret.
    File(PathBuf),
    /// `systemd:NAME`: a credential that systemd hands to the unit, in `$CREDENTIALS_DIRECTORY`.
    Systemd(String),
    /// `store:NAME`: an entry of the encrypted store.
    Store(String),
    /// `command:NAME`, `command:NAME#FIELD`: what a command of the configuration prints.
    Command {
        /// The command's name in `secrets.commands`.
        name: String,
        /// The member of the JSON that it prints; `value` when not given.
        field: Option<String>,
    },
    /// `vault:SERVER/PATH#FIELD`: a field of a KV version 2 secret in HashiCorp Vault or OpenBao.
    Vault {
        /// The server's name in `secrets.vault`.
        server: String,
        /// The path below the mount.
        path: String,
        /// The field.
        field: String,
    },
    /// `aws:ACCOUNT/SECRET`, `aws:ACCOUNT/SECRET#FIELD`: a secret of AWS Secrets Manager.
    Aws {
        /// The account's name in `secrets.aws`.
        account: String,
        /// Name or ARN of the secret.
        secret: String,
        /// A member, where the secret is a JSON object.
        field: Option<String>,
    },
    /// `kubernetes:NAMESPACE/NAME#KEY`: a key of a Secret in the cluster that the gateway runs in.
    Kubernetes {
        /// The namespace.
        namespace: String,
        /// The Secret.
        name: String,
        /// The key in its data.
        key: String,
    },
}

/// How references are written, for messages.
pub const FORMS: &str = "`env:NAME`, `file:/path`, `systemd:NAME`, `store:NAME`, `command:NAME`, `vault:SERVER/PATH#FIELD`, \
`aws:ACCOUNT/SECRET` or `kubernetes:NAMESPACE/NAME#KEY`";

impl SecretRef {
    /// The same with a relative file taken from `folder`.
    #[must_use]
    pub fn beside(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other,
        }
    }

    /// True when it is read on this machine, without asking anybody: at every use, so that what is rotated is seen at
    /// once. These may also open a backend.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Self::Env(_) | Self::File(_) | Self::Systemd(_) | Self::Store(_)
        )
    }

    /// What of the configuration it needs: the section below `secrets` and the name there.
    #[must_use]
    pub fn needs(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Env(_) | Self::File(_) | Self::Systemd(_) => None,
            Self::Store(_) => Some(("store", "")),
            Self::Command { name, .. } => Some(("commands", name)),
            Self::Vault { server, .. } => Some(("vault", server)),
            Self::Aws { account, .. } => Some(("aws", account)),
            Self::Kubernetes { .. } => Some(("kubernetes", "")),
        }
    }
}

impl FromStr for SecretRef {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        let (kind, rest) = text.split_once(':').ok_or(VaultError::Reference)?;
        let read = match kind {
            "env" => word(rest).map(Self::Env),
            "file" => (!rest.is_empty()).then(|| Self::File(rest.into())),
            "systemd" => name(rest).map(Self::Systemd),
            "store" => path(rest).map(Self::Store),
            "command" => command(rest),
            "vault" => vault(rest),
            "aws" => aws(rest),
            "kubernetes" => kubernetes(rest),
            _ => None,
        };
        read.ok_or(VaultError::Reference)
    }
}

fn command(text: &str) -> Option<SecretRef> {
    let (named, field) = with_field(text)?;
    Some(SecretRef::Command {
        name: name(named)?,
        field,
    })
}

fn vault(text: &str) -> Option<SecretRef> {
    let (place, field) = with_field(text)?;
    let (server, below) = place.split_once('/')?;
    Some(SecretRef::Vault {
        server: name(server)?,
        path: path(below)?,
        field: field?,
    })
}

fn aws(text: &str) -> Option<SecretRef> {
    let (place, field) = with_field(text)?;
    let (account, secret) = place.split_once('/')?;
    // What Secrets Manager takes in a name, and the colons of an ARN.
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-:".contains(c);
    Some(SecretRef::Aws {
        account: name(account)?,
        secret: (!secret.is_empty() && secret.chars().all(fits)).then(|| secret.to_owned())?,
        field,
    })
}

fn kubernetes(text: &str) -> Option<SecretRef> {
    let (place, field) = with_field(text)?;
    let (namespace, named) = place.split_once('/')?;
    Some(SecretRef::Kubernetes {
        namespace: name(namespace)?,
        name: name(named)?,
        key: field?,
    })
}

/// What stands before `#`, and the field behind it.
fn with_field(text: &str) -> Option<(&str, Option<String>)> {
    match text.split_once('#') {
        None => Some((text, None)),
        Some((before, field)) => Some((before, Some(name(field)?))),
    }
}

fn word(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
}

/// Letters, digits, `_`, `-` and `.`, but no way to another folder.
fn name(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let some = !text.is_empty() && text.chars().all(fits) && !matches!(text, "." | "..");
    some.then(|| text.to_owned())
}

/// Names with slashes between.
fn path(text: &str) -> Option<String> {
    text.split('/')
        .all(|part| name(part).is_some())
        .then(|| text.to_owned())
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = |f: &mut fmt::Formatter<'_>, field: &Option<String>| match field {
            Some(field) => write!(f, "#{field}"),
            None => Ok(()),
        };
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
            Self::Store(name) => write!(f, "store:{name}"),
            Self::Command { name, field: of } => {
                write!(f, "command:{name}")?;
                field(f, of)
            }
            Self::Vault {
                server,
                path,
                field,
            } => write!(f, "vault:{server}/{path}#{field}"),
            Self::Aws {
                account,
                secret,
                field: of,
            } => {
                write!(f, "aws:{account}/{secret}")?;
                field(f, of)
            }
            Self::Kubernetes {
                namespace,
                name,
                key,
            } => write!(f, "kubernetes:{namespace}/{name}#{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back() {
        for good in [
            "env:PGPASSWORD",
            "file:/run/secrets/pg",
            "file:secrets/pg",
            "systemd:pg-admin",
            "store:pg/admin",
            "command:op",
            "command:op#password",
            "vault:main/apps/orders/db#password",
            "aws:prod/orders/db-1",
            "aws:prod/arn:aws:secretsmanager:eu-central-1:123456789012:secret:orders-AbCdEf#password",
            "kubernetes:default/orders-db#password",
        ] {
            assert_eq!(good.parse::<SecretRef>().expect(good).to_string(), good);
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        for bad in [
            "",
            "hunter2",
            "env:",
            "env:A B",
            "file:",
            "systemd:",
            "systemd:../shadow",
            "systemd:..",
            "store:",
            "store:a//b",
            "store:../b",
            "command:",
            "command:op#",
            "vault:secret",
            "vault:main/apps/db",
            "vault:main/#password",
            "vault:main/../sys/seal#x",
            "vault:main/a?version=1#x",
            "aws:prod",
            "aws:prod/",
            "aws:prod/a b",
            "kubernetes:default#x",
            "kubernetes:default/a/b#x",
            "kubernetes:default/a",
            "gcp:x/y",
        ] {
            let error = bad.parse::<SecretRef>().expect_err(bad);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn only_files_move() {
        let beside = |text: &str| {
            let reference: SecretRef = text.parse().unwrap();
            reference.beside(Path::new("/etc/portcullis")).to_string()
        };
        assert_eq!(beside("file:secrets/pg"), "file:/etc/portcullis/secrets/pg");
        assert_eq!(beside("file:/run/pg"), "file:/run/pg");
        assert_eq!(beside("store:pg"), "store:pg");
    }
}
