//! Guests in WebAssembly text, good and hostile, made into components in the test itself: no WASM toolchain
//! is needed. The sessions and batches they are shown are made here too.

#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use portcullis_model::rows::Column;
use portcullis_model::verdict::EntityRule;
use portcullis_model::{
    Batch, BatchKind, Cell, Client, Facts, Identity, Kind, Obligations, Parse, Principal, Protocol,
    RowShape, Session, SessionId, Strategy, Target, Timestamp,
};
use portcullis_sandbox::{PluginSpec, Sandbox, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The manifest of a test masker.
pub const MASKER: &str = r#"{
    "api": "portcullis:plugin@0.1", "name": "test-masker", "version": "1.2.3", "world": "masker",
    "interest": [{"protocol": "postgres", "direction": "response", "kinds": ["rows", "copy"], "types": ["text"]}],
    "rules": [{"id": 1, "name": "word", "entity": "WORD"}, {"id": 2, "name": "other", "entity": "OTHER"}],
    "counters": ["cells"]
}"#;

/// The manifest of a test classifier.
pub const CLASSIFIER: &str = r#"{
    "api": "portcullis:plugin@0.1", "name": "test-classifier", "version": "1.0.0", "world": "classifier",
    "interest": [{"protocol": "postgres", "direction": "request", "kinds": ["query"]}],
    "rules": [{"id": 5, "name": "rule-five"}]
}"#;

/// Marks every cell as a whole with rule 1, and counts it.
pub const MARK_ALL: &str = r#"
    (local $i i32) (local $at i32)
    (block $done (loop $next
        (br_if $done (i32.ge_u (i32.mul (local.get $i) (i32.const 3)) (local.get $cells_len)))
        (local.set $at (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 24))))
        (i32.store (local.get $at) (local.get $i))
        (i32.store offset=4 (local.get $at) (i32.const 0))
        (i32.store offset=8 (local.get $at) (i32.sub
            (i32.load offset=8 (i32.add (local.get $cells) (i32.mul (local.get $i) (i32.const 12))))
            (i32.load offset=4 (i32.add (local.get $cells) (i32.mul (local.get $i) (i32.const 12))))))
        (i32.store16 offset=20 (local.get $at) (i32.const 1))
        (call $count (i32.const 0) (i64.const 1))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 16) (i32.const 4096))
    (i32.store (i32.const 20) (local.get $i))
    (i32.store (i32.const 24) (i32.const 0))
    (i32.store (i32.const 28) (i32.const 0))
    (i32.store (i32.const 32) (i32.const 0))
    (global.set $free (i32.const 65536))
    (i32.const 16)"#;

/// Answers whatever the data segment at 16 says.
pub const ANSWER_DATA: &str = "(global.set $free (i32.const 65536)) (i32.const 16)";

/// What is left out of the frame of every guest.
pub struct Parts<'a> {
    /// Body of `configure`: returns the address of its result.
    pub configure: &'a str,
    /// Body of `mask` or `classify`.
    pub work: &'a str,
    /// Anything else: functions, data.
    pub more: &'a str,
}

/// Accepts any configuration.
pub const ACCEPT: &str = "(i32.store (i32.const 8) (i32.const 0)) (i32.const 8)";

/// A core module of one of the two worlds.
pub fn module(masker: bool, parts: &Parts<'_>) -> Vec<u8> {
    let Parts {
        configure,
        work,
        more,
    } = parts;
    let signature = match masker {
        true => {
            r#"(export "portcullis:plugin/mask@0.1.0#mask") (param $kind i32) (param $shape i32)
               (param $cells i32) (param $cells_len i32) (param $data i32) (param $data_len i32)"#
        }
        false => {
            r#"(export "portcullis:plugin/classify@0.1.0#classify") (param $protocol i32) (param $stage i32)
               (param $text i32) (param $text_len i32) (param $facts i32) (param $facts_len i32)"#
        }
    };
    let text = format!(
        r#"(module
            (import "portcullis:plugin/host@0.1.0" "count" (func $count (param i32 i64)))
            (memory (export "memory") 32)
            (global $free (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "portcullis:plugin/lifecycle@0.1.0#configure") (param $json i32) (param $len i32) (result i32)
                {configure})
            (func (export "portcullis:plugin/lifecycle@0.1.0#open") (param i32 i32))
            (func (export "portcullis:plugin/lifecycle@0.1.0#schema") (param i32 i32 i32 i32 i32))
            (func $work {signature} (result i32) {work})
            {more})"#
    );
    wat::parse_str(text).unwrap()
}

/// A masker component with this body of `mask`.
pub fn masker(work: &str, more: &str) -> Vec<u8> {
    masker_of(MASKER, work, more)
}

/// The same with this manifest.
pub fn masker_of(manifest: &str, work: &str, more: &str) -> Vec<u8> {
    let parts = Parts {
        configure: ACCEPT,
        work,
        more,
    };
    portcullis_sdk::build::component(&module(true, &parts), manifest).unwrap()
}

/// The manifest of a test masker with these needles.
pub fn needles(json: &str) -> String {
    MASKER.replacen('{', &format!(r#"{{ "needles": {json},"#), 1)
}

/// A classifier component with this body of `classify`.
pub fn classifier(work: &str, more: &str) -> Vec<u8> {
    let parts = Parts {
        configure: ACCEPT,
        work,
        more,
    };
    portcullis_sdk::build::component(&module(false, &parts), CLASSIFIER).unwrap()
}

/// The same, going by the facts alone.
pub fn facts_classifier(work: &str, more: &str) -> Vec<u8> {
    let parts = Parts {
        configure: ACCEPT,
        work,
        more,
    };
    let manifest = CLASSIFIER.replacen('{', "{\"facts_only\": true,", 1);
    portcullis_sdk::build::component(&module(false, &parts), &manifest).unwrap()
}

/// A data segment of little-endian words at an address.
pub fn words(at: u32, words: &[u32]) -> String {
    let bytes: String = words
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .map(|b| format!("\\{b:02x}"))
        .collect();
    format!("(data (i32.const {at}) \"{bytes}\")")
}

/// A data segment that answers `mask` with these edits: cell, start, end, replacement, rule.
pub fn edits(list: &[(u32, u32, u32, &str, u32)]) -> String {
    let mut flat = Vec::new();
    let mut heap = String::new();
    for (cell, start, end, replacement, rule) in list {
        let (at, len) = (heap.len() as u32, replacement.len() as u32);
        flat.extend([*cell, *start, *end, at, len, *rule]);
        heap.push_str(replacement);
    }
    let bytes: String = heap.bytes().map(|b| format!("\\{b:02x}")).collect();
    [
        words(16, &[64, list.len() as u32, 8192, heap.len() as u32, 0]),
        words(64, &flat),
        format!("(data (i32.const 8192) \"{bytes}\")"),
    ]
    .concat()
}

/// A plugin to load.
pub fn spec(name: &str, bytes: Vec<u8>) -> PluginSpec {
    PluginSpec {
        name: name.to_owned(),
        bytes,
        config: serde_json::json!({}),
        sha256: None,
    }
}

/// A small sandbox without a cache.
pub fn sandbox() -> Arc<Sandbox> {
    let settings = Settings {
        instances: 64,
        warm: 2,
        ..Settings::new()
    };
    Sandbox::new(&settings).unwrap()
}

/// A session of somebody on a target.
pub fn session(subject: &str, target: &str) -> Session {
    let principal = Principal {
        issuer: "https://corp.example".to_owned(),
        subject: subject.to_owned(),
    };
    let identity = Identity {
        principal,
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: subject.to_owned(),
        groups: vec!["engineers".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: Timestamp(i64::MAX),
    };
    Session {
        id: SessionId(7),
        identity: Arc::new(identity),
        target: Arc::new(Target {
            name: target.to_owned(),
            protocol: Protocol::Postgres,
            labels: BTreeMap::new(),
            database: None,
            role: None,
        }),
        client: Client {
            address: ([127, 0, 0, 1], 5432).into(),
            program: None,
            tls: None,
        },
        started: Timestamp(0),
        node: "test".to_owned(),
        login: "app".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

/// A batch of text cells, one column each.
pub fn batch(cells: &[&str]) -> Batch {
    let columns: Vec<(&str, u32)> = cells.iter().map(|_| ("c", 25)).collect();
    typed_batch(&columns, cells)
}

/// A batch of one row with named and typed columns.
pub fn typed_batch(columns: &[(&str, u32)], cells: &[&str]) -> Batch {
    let column = |(name, type_oid): &(&str, u32)| Column {
        name: (*name).to_owned(),
        type_oid: *type_oid,
        table_oid: 0,
        attnum: 0,
        binary: false,
    };
    let mut text = Vec::new();
    let mut places = Vec::new();
    for (index, cell) in (0u32..).zip(cells) {
        // Four bytes of length in front, as in a DataRow.
        text.extend_from_slice(&(cell.len() as u32).to_be_bytes());
        let start = text.len() as u32;
        text.extend_from_slice(cell.as_bytes());
        places.push(Cell {
            column: index,
            start,
            end: text.len() as u32,
        });
    }
    Batch {
        kind: BatchKind::Rows,
        shape: Arc::new(RowShape {
            serial: 1,
            columns: columns.iter().map(column).collect(),
        }),
        text: Bytes::from(text.clone()),
        cells: places,
        rows: 1,
        wire: Bytes::from(text),
    }
}

/// Obligations to mask these entities.
pub fn obligations(pairs: &[(&str, Strategy)]) -> Obligations {
    let mut obligations = Obligations::none();
    obligations.entities = pairs
        .iter()
        .map(|(entity, strategy)| EntityRule {
            entity: (*entity).to_owned(),
            strategy: *strategy,
        })
        .collect();
    obligations
}

/// Facts that say nothing.
pub fn facts() -> Facts {
    Facts {
        parse: Parse::Ok,
        statements: Vec::new(),
        secrets: Vec::new(),
    }
}
