//! Decisions made whole again. The gate shortens an entry that came out like one before: it names that entry
//! by sequence and digest, and holds only what its input has of its own. Whoever reads entries gets the whole
//! decision; whoever verifies them sees the bytes as they were written.
//!
//! Refuses an entry whose base is another one than it was written on. Where the base is no longer in the
//! record, the entry stays as it is.

use crate::frame::sha256;
use bytes::Bytes;
use portcullis_gate::EntryKind;
use portcullis_model::{SessionId, limits};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// How a shortened entry begins; a whole one begins with its stage.
const SHORTENED: &[u8] = b"{\"base\":";

/// The last whole decisions of each session that is being read.
#[derive(Default)]
pub(crate) struct Wholes {
    sessions: HashMap<SessionId, VecDeque<(u64, Bytes)>>,
}

#[derive(Deserialize)]
struct Shortened {
    base: Reference,
    input: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Reference {
    sequence: u64,
    sha256: String,
}

/// An entry does not rest on what it says it does.
#[derive(Debug)]
pub(crate) struct Unfounded;

impl Wholes {
    /// Takes the next entry in the order of the log and gives its payload, whole.
    pub(crate) fn see(
        &mut self,
        session: SessionId,
        sequence: u64,
        kind: u8,
        payload: Bytes,
    ) -> Result<Bytes, Unfounded> {
        if kind == EntryKind::End as u8 {
            self.sessions.remove(&session);
        }
        if kind != EntryKind::Decision as u8 {
            return Ok(payload);
        }
        let known = self.sessions.entry(session).or_default();
        if payload.starts_with(SHORTENED) {
            return whole(known, payload);
        }
        if known.len() >= limits::DECISION_BASES_MAX {
            known.pop_front();
        }
        known.push_back((sequence, payload.clone()));
        Ok(payload)
    }
}

fn whole(known: &VecDeque<(u64, Bytes)>, payload: Bytes) -> Result<Bytes, Unfounded> {
    let own: Shortened = serde_json::from_slice(&payload).map_err(|_| Unfounded)?;
    let Some((_, base)) = known.iter().find(|(at, _)| *at == own.base.sequence) else {
        return Ok(payload);
    };
    if hex::encode(sha256(base)) != own.base.sha256 {
        return Err(Unfounded);
    }
    let mut decision: Value = serde_json::from_slice(base).map_err(|_| Unfounded)?;
    let input = decision.get_mut("input").and_then(Value::as_object_mut);
    let input = input.ok_or(Unfounded)?;
    for (name, members) in own.input {
        let (Some(Value::Object(place)), Value::Object(members)) = (input.get_mut(&name), members)
        else {
            return Err(Unfounded);
        };
        place.extend(members);
    }
    serde_json::to_vec(&decision)
        .map(Bytes::from)
        .map_err(|_| Unfounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SESSION: SessionId = SessionId(7);

    fn see(wholes: &mut Wholes, sequence: u64, payload: &Value) -> Result<Value, Unfounded> {
        let payload = Bytes::from(payload.to_string());
        let seen = wholes.see(SESSION, sequence, EntryKind::Decision as u8, payload)?;
        Ok(serde_json::from_slice(&seen).unwrap())
    }

    fn base(text: &str) -> Value {
        json!({"stage": "query", "verdict": "allow", "input": {
            "identity": {"subject": "ana"},
            "command": {"effect": "read", "text": text, "digest": "1"},
            "history": {"commands": 1},
            "request": {"node": "n", "time_ns": 1},
        }})
    }

    fn shortened(sequence: u64, on: &Value, text: &str) -> Value {
        let sha256 = hex::encode(sha256(on.to_string().as_bytes()));
        json!({"base": {"sequence": sequence, "sha256": sha256}, "input": {
            "command": {"text": text, "digest": "2"}, "history": {"commands": 2}, "request": {"time_ns": 2},
        }})
    }

    #[test]
    fn a_shortened_decision_is_made_whole() {
        let mut wholes = Wholes::default();
        let first = base("select 1");
        assert_eq!(see(&mut wholes, 3, &first).unwrap(), first);
        let whole = see(&mut wholes, 9, &shortened(3, &first, "select 2")).unwrap();
        let mut expected = base("select 2");
        expected["input"]["command"]["digest"] = json!("2");
        expected["input"]["history"]["commands"] = json!(2);
        expected["input"]["request"]["time_ns"] = json!(2);
        assert_eq!(whole, expected);
    }

    #[test]
    fn a_base_that_was_exchanged_is_refused() {
        let mut wholes = Wholes::default();
        see(&mut wholes, 3, &base("select 1")).unwrap();
        let on_another = shortened(3, &base("select 9"), "select 2");
        assert!(see(&mut wholes, 9, &on_another).is_err());
    }

    #[test]
    fn members_that_the_base_has_not_are_refused() {
        let mut wholes = Wholes::default();
        let first = json!({"input": {"command": {}}});
        see(&mut wholes, 3, &first).unwrap();
        assert!(see(&mut wholes, 4, &shortened(3, &first, "x")).is_err());
    }

    #[test]
    fn a_session_s_bases_are_bounded_and_its_own() {
        let mut wholes = Wholes::default();
        let first = base("select 1");
        see(&mut wholes, 1, &first).unwrap();
        let short = shortened(1, &first, "select 2");
        let payload = Bytes::from(short.to_string());
        let other = wholes.see(SessionId(8), 2, EntryKind::Decision as u8, payload.clone());
        assert_eq!(
            other.unwrap(),
            payload,
            "another session's entry 1 is no base"
        );
        for n in 2..=limits::DECISION_BASES_MAX as u64 {
            see(&mut wholes, n, &base("x")).unwrap();
        }
        assert_ne!(see(&mut wholes, 900, &short).unwrap(), short);
        see(&mut wholes, 901, &base("x")).unwrap();
        assert_eq!(see(&mut wholes, 902, &short).unwrap(), short);
        let _ended = wholes.see(SESSION, 903, EntryKind::End as u8, Bytes::new());
        assert!(!wholes.sessions.contains_key(&SESSION));
    }
}
