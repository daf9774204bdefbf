//! A session that never was, for plugins to work in: what the gate would hand them, from a trace. Refuses nothing of a
//! plugin's answer by itself: the sandbox has checked it.

use portcullis_gate::{Classify, Mask};
use portcullis_model::rows::Column;
use portcullis_model::verdict::EntityRule;
use portcullis_model::{
    Batch, BatchKind, Cell, Class, Client, Effect, Facts, Fault, Identity, Kind, Obligations,
    Principal, Protocol, Risk, RowShape, Session, SessionId, Strategy, Target, Timestamp,
};
use portcullis_sandbox::PluginSet;
use portcullis_sdk::testing::trace::{Request, kind_word, stage_word};
use serde_json::{Map, Value, json};
use std::cell::Cell as Counter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The session and what policy wants in it: everything redacted.
pub(super) struct Stage {
    session: Session,
    wanted: Obligations,
    shapes: Counter<u32>,
}

/// A cell before and after.
pub(super) struct Shown {
    pub(super) column: String,
    pub(super) before: Value,
    pub(super) after: Value,
    /// Rule and text.
    pub(super) found: Vec<(String, String)>,
    /// False: no plugin wants such a cell.
    pub(super) seen: bool,
}

impl Stage {
    pub(super) fn new() -> Self {
        let mut wanted = Obligations::none();
        wanted.entities.insert(EntityRule {
            entity: "*".to_owned(),
            strategy: Strategy::Redact,
        });
        Self {
            session: session(),
            wanted,
            shapes: Counter::new(0),
        }
    }

    pub(super) fn open(&self, set: &PluginSet) -> (Box<dyn Classify>, Box<dyn Mask>) {
        set.stream(&self.session, Protocol::Postgres)
    }

    /// Shows the cells of one row or message.
    pub(super) async fn cells(
        &self,
        mask: &mut dyn Mask,
        kind: portcullis_sdk::BatchKind,
        columns: &[portcullis_sdk::Column],
        cells: &[Option<Vec<u8>>],
    ) -> Result<Vec<Shown>, Fault> {
        let tabular = matches!(
            kind,
            portcullis_sdk::BatchKind::Rows | portcullis_sdk::BatchKind::Copy
        );
        let columns = if tabular { columns } else { &[] };
        let shape = self.shape(tabular, columns, cells.len());
        let batch = batch(kind, &shape, cells);
        let seen = mask.wants(batch.kind, &shape);
        let skip = vec![false; shape.columns.len()];
        let edits = match seen {
            true => mask.mask(&batch, &skip, &self.wanted).await?.spans,
            false => Vec::new(),
        };
        let mut places = batch.cells.iter().enumerate();
        Ok(cells
            .iter()
            .enumerate()
            .map(|(index, cell)| {
                let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
                let before = cell.as_deref().map_or(Value::Null, text);
                let (mut after, mut found) = (before.clone(), Vec::new());
                if let Some(bytes) = cell.as_deref().filter(|bytes| !bytes.is_empty())
                    && let Some((place, _)) = places.next()
                {
                    let (mut out, mut from) = (Vec::new(), 0);
                    for span in edits.iter().filter(|span| span.cell as usize == place) {
                        let (start, end) = (span.start as usize, span.end as usize);
                        out.extend_from_slice(&bytes[from..start]);
                        out.extend_from_slice(&span.replacement);
                        found.push((
                            span.label.to_string(),
                            String::from_utf8_lossy(&bytes[start..end]).into_owned(),
                        ));
                        from = end;
                    }
                    out.extend_from_slice(&bytes[from..]);
                    after = text(&out);
                }
                let column = columns.get(index).map_or(String::new(), |c| c.name.clone());
                Shown {
                    column,
                    before,
                    after,
                    found,
                    seen,
                }
            })
            .collect())
    }

    /// A shape of its own for every message; one nameless text column where there are none.
    fn shape(
        &self,
        tabular: bool,
        columns: &[portcullis_sdk::Column],
        width: usize,
    ) -> Arc<RowShape> {
        let column = |name: &str, type_oid| Column {
            name: name.to_owned(),
            type_oid,
            table_oid: 0,
            attnum: 0,
            binary: false,
        };
        let nameless = [column("", 25)];
        self.shapes.set(self.shapes.get() + 1);
        let width = columns.len().max(width);
        Arc::new(match tabular {
            true => RowShape {
                serial: self.shapes.get(),
                columns: (0..width)
                    .map(|i| {
                        columns
                            .get(i)
                            .map_or(column("", 25), |c| column(&c.name, c.type_oid))
                    })
                    .collect(),
            },
            false => RowShape {
                serial: portcullis_sdk::Shape::NONE,
                columns: nameless.to_vec(),
            },
        })
    }

    /// Shows a request, and what the classifier says of it.
    pub(super) async fn message(
        &self,
        classify: &mut dyn Classify,
        request: &Request,
        facts: &Value,
    ) -> Result<Value, String> {
        let stage = stage_word(request.stage);
        let known =
            serde_json::from_value(json!(stage)).map_err(|e| format!("stage {stage}: {e}"))?;
        let facts: Facts = serde_json::from_value(facts.clone())
            .map_err(|e| format!("its `facts` are not those of this gateway ({e}); `portcullis plugin trace --sql` prints them"))?;
        let class = classify
            .classify(&self.session, known, &request.text, &facts)
            .await;
        let class = class.map_err(|fault| crate::cli::explain(&fault))?;
        let opinion = class.map_or(Value::Null, |class| class_json(&class, &request.text));
        Ok(json!({ "kind": "request", "stage": stage, "text": request.text, "opinion": opinion }))
    }
}

fn batch(
    kind: portcullis_sdk::BatchKind,
    shape: &Arc<RowShape>,
    cells: &[Option<Vec<u8>>],
) -> Batch {
    let tabular = shape.serial != portcullis_sdk::Shape::NONE;
    let (mut text, mut places) = (Vec::new(), Vec::new());
    for (column, cell) in (0u32..).zip(cells) {
        let Some(cell) = cell.as_deref().filter(|cell| !cell.is_empty()) else {
            continue;
        };
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let start = at(text.len());
        text.extend_from_slice(cell);
        places.push(Cell {
            column: if tabular { column } else { 0 },
            start,
            end: at(text.len()),
        });
    }
    let text = bytes::Bytes::from(text);
    Batch {
        kind: match kind_word(kind) {
            "copy" => BatchKind::Copy,
            "error" => BatchKind::Error,
            "notice" => BatchKind::Notice,
            "notification" => BatchKind::Notification,
            "parameter" => BatchKind::Parameter,
            "call" => BatchKind::Call,
            "request" => BatchKind::Request,
            _ => BatchKind::Rows,
        },
        shape: shape.clone(),
        wire: text.clone(),
        text,
        cells: places,
        rows: 1,
    }
}

/// What a classifier says, as golden files word it.
fn class_json(class: &Class, text: &str) -> Value {
    let mut said = Map::new();
    if class.effect != Effect::Read {
        said.insert("effect".to_owned(), json!(class.effect));
    }
    if class.risk != Risk::None {
        said.insert("risk".to_owned(), json!(class.risk));
    }
    let verbs: Vec<_> = class.verbs.names().collect();
    let findings: Vec<Value> = class
        .findings
        .iter()
        .map(|f| json!([f.rule, text.get(f.start as usize..f.end as usize)]))
        .collect();
    for (name, list) in [
        ("verbs", json!(verbs)),
        ("labels", json!(class.labels)),
        ("findings", json!(findings)),
        ("objects", json!(class.objects)),
    ] {
        if list != json!([]) {
            said.insert(name.to_owned(), list);
        }
    }
    Value::Object(said)
}

fn session() -> Session {
    let principal = Principal {
        issuer: "https://author.invalid".to_owned(),
        subject: "author".to_owned(),
    };
    let identity = Identity {
        principal,
        provider: "author".to_owned(),
        kind: Kind::Human,
        name: "author".to_owned(),
        groups: Vec::new(),
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
        id: SessionId(1),
        identity: Arc::new(identity),
        target: Arc::new(Target {
            name: "orders".to_owned(),
            protocol: Protocol::Postgres,
            labels: BTreeMap::from([("env".to_owned(), "test".to_owned())]),
            database: Some("orders".to_owned()),
            role: None,
        }),
        client: Client {
            address: ([127, 0, 0, 1], 0).into(),
            program: None,
            tls: None,
        },
        started: Timestamp(0),
        node: "author".to_owned(),
        login: "author".to_owned(),
        reason: None,
        access_request: None,
        ticket: None,
    }
}
