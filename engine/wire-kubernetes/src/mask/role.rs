//! What names mean: which members of which objects hold secrets whatever they look like.

/// Annotations that hold a copy of the object they stand on: kubectl's, and those of kapp, Rancher and Banzai Cloud, of which
/// the last two compress it.
pub(crate) const COPIES: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kapp.k14s.io/original",
    "objectset.rio.cattle.io/applied",
    "banzaicloud.com/last-applied",
];

/// Lists of names with values, which are masked by their names.
pub(crate) const ENVIRONMENTS: [&str; 2] = ["env", "httpHeaders"];

/// True where a string may hold an object of its own, or a list of them: what a tool keeps under any name is masked like the
/// object itself. Whoever guards what is masked asks here as well.
pub(crate) fn holds_object(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// A member's name, where it means something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Name {
    #[default]
    Other,
    BinaryData,
    Cells,
    Copy,
    Data,
    Env,
    Items,
    Kind,
    Message,
    Called,
    Rows,
    Spec,
    Status,
    StringData,
    Token,
    Value,
}

impl Name {
    /// From the name as it is read.
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"binaryData" => Self::BinaryData,
            // Of a row, in which kubectl shows the words of events.
            b"cells" => Self::Cells,
            b"data" => Self::Data,
            b"items" => Self::Items,
            b"kind" => Self::Kind,
            // Of an error or a condition, and of an event.
            b"message" | b"note" => Self::Message,
            b"name" => Self::Called,
            b"rows" => Self::Rows,
            b"spec" => Self::Spec,
            b"status" => Self::Status,
            b"stringData" => Self::StringData,
            b"token" => Self::Token,
            b"value" => Self::Value,
            list if ENVIRONMENTS.iter().any(|name| name.as_bytes() == list) => Self::Env,
            copy if copy.contains(&b'/') && COPIES.iter().any(|name| name.as_bytes() == copy) => {
                Self::Copy
            }
            _ => Self::Other,
        }
    }
}

/// An object's kind, where it means something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Other,
    ConfigMap,
    Secret,
    SecretList,
    TokenRequest,
    TokenReview,
}

impl Kind {
    /// From the value of `kind`.
    pub(super) fn of(kind: &[u8]) -> Self {
        match kind {
            b"ConfigMap" => Self::ConfigMap,
            b"Secret" => Self::Secret,
            b"SecretList" => Self::SecretList,
            b"TokenRequest" => Self::TokenRequest,
            b"TokenReview" => Self::TokenReview,
            _ => Self::Other,
        }
    }
}

/// What a value is, by where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Anything.
    Plain,
    /// A secret.
    Secret,
    /// A secret in base64.
    SecretBlob,
    /// Anything, in base64.
    Blob,
}

/// Words in the name of a variable whose value is nobody's business.
const TELLING: [&str; 16] = [
    "ACCESS_KEY",
    "API_KEY",
    "APIKEY",
    "AUTH",
    "CONNECTION_STRING",
    "CREDENTIAL",
    "DSN",
    "ENCRYPTION_KEY",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PRIVATE_KEY",
    "PWD",
    "SECRET",
    "SIGNING_KEY",
    "TOKEN",
];

/// The same as the last word of a name, or all of it: in the middle they mean other things.
const TELLING_LAST: [&str; 3] = ["COOKIE", "JWT", "PASS"];

/// True when a variable's name says that its value is a secret.
pub(super) fn tells_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    let points_elsewhere = ["_FILE", "_PATH", "_URL", "_NAME", "_TTL", "_ENABLED"];
    let last = name.rsplit('_').next().unwrap_or_default();
    (TELLING_LAST.contains(&last) || TELLING.iter().any(|word| name.contains(word)))
        && !points_elsewhere.iter().any(|end| name.ends_with(end))
}
