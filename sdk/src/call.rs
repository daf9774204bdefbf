//! Requests that are no text: a call to the Kubernetes API and an operation on files. They are the `text` of
//! messages whose [`crate::Stage`] says so. Read leniently: a gateway that knows more sends more, and what is
//! missing reads as the worst.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request to a Kubernetes API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// `get list watch create update patch delete deletecollection`, and whatever the HTTP method was:
    /// `exec attach portforward proxy`. Of what is no resource the method in lower case.
    pub verb: String,
    /// The path of what is no resource (`/healthz`), and what stands behind `proxy`.
    #[serde(default)]
    pub path: Option<String>,
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version.
    #[serde(default)]
    pub version: String,
    /// Resource, plural lower case; `None` when the path names none.
    #[serde(default)]
    pub resource: Option<String>,
    /// Subresource.
    #[serde(default)]
    pub subresource: Option<String>,
    /// Namespace; `None` for all of them and for what has none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// `labelSelector`, as sent.
    #[serde(default)]
    pub label_selector: Option<String>,
    /// `fieldSelector`, as sent.
    #[serde(default)]
    pub field_selector: Option<String>,
    /// `dryRun=All`: nothing is changed.
    #[serde(default)]
    pub dry_run: bool,
    /// Media type of the body: which kind of patch it is.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Exec: the words of the command.
    #[serde(default)]
    pub command: Vec<String>,
    /// Exec, attach, log: the container, if named.
    #[serde(default)]
    pub container: Option<String>,
    /// Exec, attach: bytes will follow on standard input.
    #[serde(default)]
    pub stdin: bool,
    /// Exec, attach: a terminal.
    #[serde(default)]
    pub tty: bool,
    /// The body; one that is missing counts as unread.
    #[serde(default)]
    pub body: CallBody,
}

/// The body of a [`Call`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallBody {
    /// There is none.
    None,
    /// Read: an object, or a patch as `content_type` says. YAML and protobuf stand here as JSON.
    Object(Value),
    /// There is one, and it could not be read.
    #[default]
    Opaque,
}

/// One operation on the files of a server, as SFTP words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOperation {
    /// `open read write opendir readdir stat setstat mkdir rmdir remove rename symlink hardlink readlink
    /// realpath statvfs fsync copy extended`.
    pub operation: String,
    /// The path it works on; that of the handle where it has one. Lossy UTF-8.
    #[serde(default)]
    pub path: Option<String>,
    /// The other path of rename, symlink, hardlink and copy.
    #[serde(default)]
    pub target: Option<String>,
    /// Open: `read write append create truncate exclusive`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Permission bits that it sets.
    #[serde(default)]
    pub mode: Option<u32>,
    /// Owner that it sets.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Group that it sets.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Size that it sets.
    #[serde(default)]
    pub size: Option<u64>,
    /// Name of an extended request.
    #[serde(default)]
    pub extension: Option<String>,
}
