//! The payload of a session's first entry, so that whoever lists or replays the record finds who and what
//! in the same place for every protocol. Refuses nothing: it only fixes the shape.

use bytes::Bytes;
use portcullis_model::Session;
use serde_json::{Map, Value};

/// `{"session": session, …more}`: the JSON of an Admit entry. `more` holds the connect decision with its
/// whole input and the digests of the plugins.
#[must_use]
pub fn admit_payload(session: &Session, more: Map<String, Value>) -> Bytes {
    let mut payload = Map::new();
    // A session is made of strings, numbers and maps with string keys: it always has a JSON form.
    let session = serde_json::to_value(session).unwrap_or(Value::Null);
    payload.insert("session".to_owned(), session);
    payload.extend(more);
    Bytes::from(Value::Object(payload).to_string())
}
