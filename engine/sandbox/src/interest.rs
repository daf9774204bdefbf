//! Which messages cross the boundary: the manifest's interest as a table of bits. What no plugin is interested
//! in is never copied. Refuses words that it does not know: a typo would otherwise be a hole.

use portcullis_model::{BatchKind, Protocol, RowShape, Stage};
use portcullis_sdk::Manifest;
use portcullis_sdk::manifest::{Direction, Interest as Declared, World};
use portcullis_sdk::types::TYPES;

/// OIDs from here on belong to types that were created later: their content is not known from the OID.
const FIRST_USER_OID: u32 = 16_384;

/// What one plugin wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    protocol: Protocol,
    kinds: u16,
    types: Types,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Types {
    All,
    Textual,
    Listed(Vec<u32>),
}

impl Types {
    fn wants(&self, oid: u32) -> bool {
        match self {
            Self::All => true,
            Self::Textual => !NO_TEXT.contains(&oid),
            Self::Listed(oids) => oid >= FIRST_USER_OID || oids.contains(&oid),
        }
    }
}

impl Interest {
    /// The table of a manifest.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, String> {
        let entries = manifest
            .interest
            .iter()
            .map(|declared| entry(manifest.world, declared))
            .collect::<Result<Vec<_>, _>>()?;
        match entries.is_empty() {
            true => Err("the manifest's `interest` is empty: it would never be called".to_owned()),
            false => Ok(Self { entries }),
        }
    }

    /// A classifier's: is it to be asked at this stage?
    pub(crate) fn in_stage(&self, protocol: Protocol, stage: Stage) -> bool {
        self.any(protocol, 1 << stage_number(stage))
    }

    /// A masker's: does it want this kind of batch at all?
    pub(crate) fn in_kind(&self, protocol: Protocol, kind: BatchKind) -> bool {
        self.any(protocol, 1 << kind_number(kind))
    }

    /// A masker's: the columns of this shape that it wants to see.
    pub(crate) fn columns(
        &self,
        protocol: Protocol,
        kind: BatchKind,
        shape: &RowShape,
    ) -> Vec<bool> {
        let bit = 1 << kind_number(kind);
        let of = |oid| {
            self.entries
                .iter()
                .any(|e| e.protocol == protocol && e.kinds & bit != 0 && e.types.wants(oid))
        };
        shape.columns.iter().map(|c| of(c.type_oid)).collect()
    }

    fn any(&self, protocol: Protocol, bit: u16) -> bool {
        self.entries
            .iter()
            .any(|e| e.protocol == protocol && e.kinds & bit != 0)
    }
}

fn entry(world: World, declared: &Declared) -> Result<Entry, String> {
    let unknown = |what: &str, word: &str| format!("interest: `{word}` is no {what}");
    let protocol = match declared.protocol.as_str() {
        "kubernetes" => Protocol::Kubernetes,
        "postgres" => Protocol::Postgres,
        "ssh" => Protocol::Ssh,
        other => return Err(unknown("protocol", other)),
    };
    let mut kinds = 0;
    for word in &declared.kinds {
        let (bit, direction) = kind(world, protocol, word).ok_or_else(|| unknown("kind", word))?;
        if direction != declared.direction {
            return Err(format!("interest: `{word}` does not go in that direction"));
        }
        kinds |= 1 << bit;
    }
    let types = types(&declared.types).map_err(|word| unknown("type", &word))?;
    Ok(Entry {
        protocol,
        kinds,
        types,
    })
}

fn kind(world: World, protocol: Protocol, word: &str) -> Option<(u32, Direction)> {
    let bit = match world {
        World::Masker => KINDS.iter().position(|name| *name == word)?,
        World::Classifier => STAGES
            .iter()
            .zip(Stage::ALL)
            .position(|(name, stage)| *name == word && stage.protocol() == protocol)?,
    };
    let direction = match world == World::Classifier || word == "request" {
        true => Direction::Request,
        false => Direction::Response,
    };
    Some((u32::try_from(bit).ok()?, direction))
}

fn types(words: &[String]) -> Result<Types, String> {
    if words.is_empty() {
        return Ok(Types::All);
    }
    if words.iter().any(|w| w == "textual") {
        return Ok(Types::Textual);
    }
    let mut oids = Vec::new();
    for word in words {
        match (word.parse(), TYPES.iter().find(|(name, ..)| name == word)) {
            (Ok(oid), _) => oids.push(oid),
            (_, Some((_, scalar, array))) => oids.extend([*scalar, *array]),
            _ => return Err(word.clone()),
        }
    }
    Ok(Types::Listed(oids))
}

/// The names of batch kinds, by their number in the contract.
const KINDS: [&str; 9] = [
    "rows",
    "copy",
    "error",
    "notice",
    "notification",
    "parameter",
    "call",
    "request",
    "stream",
];

/// The names of stages, by their number in the contract.
const STAGES: [&str; Stage::ALL.len()] = [
    "query",
    "parse",
    "bind",
    "execute",
    "call",
    "exec",
    "shell-line",
    "subsystem",
    "sftp",
    "request",
    "pod-exec",
    "replicate",
    "channel",
];

/// The number of a batch kind in the contract.
pub(crate) fn kind_number(kind: BatchKind) -> u32 {
    match kind {
        BatchKind::Rows => 0,
        BatchKind::Copy => 1,
        BatchKind::Error => 2,
        BatchKind::Notice => 3,
        BatchKind::Notification => 4,
        BatchKind::Parameter => 5,
        BatchKind::Call => 6,
        BatchKind::Request => 7,
        BatchKind::Stream => 8,
    }
}

/// The number of a stage in the contract.
pub(crate) fn stage_number(stage: Stage) -> u32 {
    match stage {
        Stage::Query => 0,
        Stage::Parse => 1,
        Stage::Bind => 2,
        Stage::Execute => 3,
        Stage::Call => 4,
        Stage::Exec => 5,
        Stage::ShellLine => 6,
        Stage::Subsystem => 7,
        Stage::Sftp => 8,
        Stage::Request => 9,
        Stage::PodExec => 10,
        Stage::Replicate => 11,
        Stage::Channel => 12,
    }
}

/// The number of a protocol in the contract.
pub(crate) fn protocol_number(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Kubernetes => 0,
        Protocol::Postgres => 1,
        Protocol::Ssh => 2,
    }
}

/// Booleans, floats, dates and times, and arrays of these: no text, number or address can hide in them
/// (`pg_type.dat`).
const NO_TEXT: [u32; 18] = [
    16, 1000, 700, 1021, 701, 1022, 1082, 1182, 1083, 1183, 1114, 1115, 1184, 1185, 1186, 1187,
    1266, 1270,
];

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::rows::Column;
    use serde_json::json;

    fn interest(entry: serde_json::Value) -> Result<Interest, String> {
        let manifest = json!({
            "api": portcullis_sdk::manifest::API, "name": "x", "version": "1.0.0", "world": "masker",
            "interest": [entry], "rules": [],
        });
        Interest::of(&serde_json::from_value(manifest).unwrap())
    }

    fn shape(oids: &[u32]) -> RowShape {
        let column = |oid: &u32| Column {
            name: String::new(),
            type_oid: *oid,
            table_oid: 0,
            attnum: 0,
            binary: false,
        };
        RowShape {
            serial: 1,
            columns: oids.iter().map(column).collect(),
        }
    }

    #[test]
    fn a_word_that_nobody_knows_is_refused() {
        for (entry, word) in [
            (
                json!({"protocol": "mysql", "direction": "response", "kinds": ["rows"]}),
                "mysql",
            ),
            (
                json!({"protocol": "postgres", "direction": "response", "kinds": ["row"]}),
                "row",
            ),
            (
                json!({"protocol": "postgres", "direction": "response", "kinds": ["rows"], "types": ["txt"]}),
                "txt",
            ),
            (
                json!({"protocol": "postgres", "direction": "response", "kinds": ["request"]}),
                "request",
            ),
        ] {
            let error = interest(entry).unwrap_err();
            assert!(error.contains(&format!("`{word}`")), "{error}");
        }
    }

    #[test]
    fn columns_are_chosen_by_type_and_unknown_types_are_always_shown() {
        let rows = |types| json!({"protocol": "postgres", "direction": "response", "kinds": ["rows"], "types": types});
        let shape = shape(&[25, 1009, 23, 701, 70_000]);
        let columns = |entry| {
            interest(entry)
                .unwrap()
                .columns(Protocol::Postgres, BatchKind::Rows, &shape)
        };
        assert_eq!(
            columns(rows(json!(["text"]))),
            [true, true, false, false, true]
        );
        assert_eq!(
            columns(rows(json!(["23"]))),
            [false, false, true, false, true]
        );
        assert_eq!(
            columns(rows(json!(["textual"]))),
            [true, true, true, false, true]
        );
        assert_eq!(columns(rows(json!([]))), [true; 5]);
    }

    /// The two tables of this file, the words of policies and the SDK's numbers are one list.
    #[test]
    fn a_stage_has_one_number_and_one_name() {
        for (at, (stage, name)) in (0..).zip(Stage::ALL.into_iter().zip(STAGES)) {
            assert_eq!(stage_number(stage), at);
            assert_eq!(json!(stage), json!(name));
            let written_by_authors = portcullis_sdk::Stage::from_number(at).unwrap();
            assert_eq!(written_by_authors as u32, at);
            assert_eq!(format!("{written_by_authors:?}"), format!("{stage:?}"));
        }
        let beyond = u32::try_from(Stage::ALL.len()).unwrap();
        assert_eq!(portcullis_sdk::Stage::from_number(beyond), None);
    }

    /// What protocol crates write, plugins read: field for field.
    #[test]
    fn requests_cross_the_boundary_whole() {
        use portcullis_model::call;
        use portcullis_sdk::call as read;
        let call = json!({
            "verb": "exec", "path": null, "group": "", "version": "v1", "resource": "pods", "subresource": "exec",
            "namespace": "shop", "name": "web-0", "label_selector": "a=b", "field_selector": "c=d", "dry_run": true,
            "content_type": "application/json", "command": ["ls", "-l"], "container": "app", "stdin": true,
            "tty": true, "body": {"object": {"kind": "Pod"}},
        });
        let written: call::Call = serde_json::from_value(call.clone()).unwrap();
        assert_eq!(json!(written), call);
        let seen: read::Call = serde_json::from_value(call.clone()).unwrap();
        assert_eq!(json!(seen), call);
        let bodies = [
            (call::CallBody::None, read::CallBody::None),
            (call::CallBody::Opaque, read::CallBody::Opaque),
        ];
        for (written, seen) in bodies {
            assert_eq!(json!(written), json!(seen));
        }
        let operation = json!({
            "operation": "setstat", "path": "/a", "target": "/b", "flags": ["write"], "mode": 511, "uid": 0, "gid": 0,
            "size": 1, "extension": "x@y",
        });
        let written: call::FileOperation = serde_json::from_value(operation.clone()).unwrap();
        assert_eq!(json!(written), operation);
        let seen: read::FileOperation = serde_json::from_value(operation.clone()).unwrap();
        assert_eq!(json!(seen), operation);
    }

    #[test]
    fn a_stage_of_another_protocol_is_refused() {
        for (protocol, word, good) in [
            ("ssh", "exec", true),
            ("ssh", "query", false),
            ("kubernetes", "request", true),
            ("kubernetes", "pod-exec", true),
            ("kubernetes", "exec", false),
            ("postgres", "sftp", false),
        ] {
            let manifest = json!({
                "api": portcullis_sdk::manifest::API, "name": "x", "version": "1.0.0", "world": "classifier",
                "interest": [{"protocol": protocol, "direction": "request", "kinds": [word]}], "rules": [],
            });
            let interest = Interest::of(&serde_json::from_value(manifest).unwrap());
            assert_eq!(interest.is_ok(), good, "{protocol} {word}");
        }
    }

    #[test]
    fn other_kinds_and_protocols_do_not_cross() {
        let entry =
            json!({"protocol": "postgres", "direction": "response", "kinds": ["rows", "copy"]});
        let interest = interest(entry).unwrap();
        assert!(interest.in_kind(Protocol::Postgres, BatchKind::Copy));
        assert!(!interest.in_kind(Protocol::Postgres, BatchKind::Notice));
        assert!(!interest.in_kind(Protocol::Ssh, BatchKind::Rows));
    }
}
