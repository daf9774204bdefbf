//! Requests that are no text: a call to the Kubernetes API and an operation on files, in the words that plugins
//! and policies read. As JSON they are the `text` of a message; `portcullis_sdk::call` is the reading side.
//!
//! Refuses to guess: what the gateway could not read is [`CallBody::Opaque`], never left out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request to a Kubernetes API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// `get list watch create update patch delete deletecollection`, and whatever the HTTP method was:
    /// `exec attach portforward proxy`. Of what is no resource the method in lower case.
    pub verb: String,
    /// The path of what is no resource (`/healthz`), and what stands behind `proxy`.
    pub path: Option<String>,
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Resource, plural lower case; `None` when the path names none.
    pub resource: Option<String>,
    /// Subresource.
    pub subresource: Option<String>,
    /// Namespace; `None` for all of them and for what has none.
    pub namespace: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// `labelSelector`, as sent.
    pub label_selector: Option<String>,
    /// `fieldSelector`, as sent.
    pub field_selector: Option<String>,
    /// `dryRun=All`: nothing is changed.
    pub dry_run: bool,
    /// Media type of the body: which kind of patch it is.
    pub content_type: Option<String>,
    /// Exec: the words of the command.
    pub command: Vec<String>,
    /// Exec, attach, log: the container, if named.
    pub container: Option<String>,
    /// Exec, attach: bytes will follow on standard input.
    pub stdin: bool,
    /// Exec, attach: a terminal.
    pub tty: bool,
    /// Port-forward: the ports that are named so far. Over SPDY each is named when it is first used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The body.
    pub body: CallBody,
}

/// The body of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallBody {
    /// There is none.
    None,
    /// Read: an object, or a patch as `content_type` says. YAML and protobuf stand here as JSON.
    Object(Value),
    /// There is one, and it could not be read.
    Opaque,
}

/// One operation on the files of a server, as SFTP words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOperation {
    /// `open read write opendir readdir stat setstat mkdir rmdir remove rename symlink hardlink readlink
    /// realpath statvfs fsync copy extended`.
    pub operation: String,
    /// The path it works on; that of the handle where it has one. Lossy UTF-8.
    pub path: Option<String>,
    /// The other path of rename, symlink, hardlink and copy.
    pub target: Option<String>,
    /// Open: `read write append create truncate exclusive`.
    pub flags: Vec<String>,
    /// Permission bits that it sets.
    pub mode: Option<u32>,
    /// Owner that it sets.
    pub uid: Option<u32>,
    /// Group that it sets.
    pub gid: Option<u32>,
    /// Size that it sets.
    pub size: Option<u64>,
    /// Name of an extended request.
    pub extension: Option<String>,
}
