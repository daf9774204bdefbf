//! What is searched: rows of a customer table, plain text without anything to find, and log lines.

use bytes::Bytes;
use portcullis_model::rows::Column;
use portcullis_model::{
    Batch, BatchKind, Cell, Client, Identity, Kind, Principal, Protocol, RowShape, Session,
    SessionId, Target, Timestamp,
};
use portcullis_sdk::glue::FlatColumn;
use portcullis_tests::corpus::{Case, Dice, clean, personal};
use std::collections::BTreeMap;
use std::sync::Arc;

const BATCH_BYTES: usize = 64 * 1024;
const TOTAL_BYTES: usize = 4 << 20;

/// One input.
pub struct Input {
    /// Its name.
    pub name: &'static str,
    /// Bytes of its cells.
    pub bytes: usize,
    /// The cells.
    pub batches: Vec<Batch>,
    names: Vec<&'static str>,
}

impl Input {
    fn of(
        name: &'static str,
        names: &[&'static str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> Self {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            type_oid: 25,
            table_oid: 0,
            attnum: 0,
            binary: false,
        };
        let shape = Arc::new(RowShape {
            serial: if names.len() == 1 { u32::MAX } else { 1 },
            columns: names.iter().map(column).collect(),
        });
        let (mut batches, mut bytes) = (Vec::new(), 0);
        let (mut text, mut cells, mut count) = (Vec::new(), Vec::new(), 0);
        for row in rows {
            for (column, cell) in (0_u32..).zip(&row) {
                let start = text.len() as u32 + 4;
                text.extend_from_slice(&(cell.len() as u32).to_be_bytes());
                text.extend_from_slice(cell.as_bytes());
                cells.push(Cell {
                    column,
                    start,
                    end: text.len() as u32,
                });
                bytes += cell.len();
            }
            count += 1;
            if text.len() >= BATCH_BYTES {
                batches.push(batch(&shape, &mut text, &mut cells, &mut count));
            }
            if bytes >= TOTAL_BYTES {
                break;
            }
        }
        if !cells.is_empty() {
            batches.push(batch(&shape, &mut text, &mut cells, &mut count));
        }
        Self {
            name,
            bytes,
            batches,
            names: names.to_vec(),
        }
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// The columns as a plugin is told them.
    pub fn flat_columns(&self) -> (Vec<FlatColumn>, Vec<u8>) {
        let mut names = Vec::new();
        let flat = self.names.iter().map(|name| {
            let start = names.len() as u32;
            names.extend_from_slice(name.as_bytes());
            FlatColumn {
                name_start: start,
                name_end: names.len() as u32,
                type_oid: 25,
                table_oid: 0,
                attnum: 0,
                binary: 0,
            }
        });
        (flat.collect(), names)
    }

    /// The first cells, a line each, up to so many bytes: what a slow peer is given.
    pub fn lines(&self, bytes: usize) -> (String, usize) {
        let (mut lines, mut taken) = (String::new(), 0);
        for batch in &self.batches {
            for cell in &batch.cells {
                if taken >= bytes {
                    return (lines, taken);
                }
                let text =
                    String::from_utf8_lossy(&batch.text[cell.start as usize..cell.end as usize]);
                lines.push_str(&text.replace('\n', " "));
                lines.push('\n');
                taken += text.len();
            }
        }
        (lines, taken)
    }
}

fn batch(
    shape: &Arc<RowShape>,
    text: &mut Vec<u8>,
    cells: &mut Vec<Cell>,
    rows: &mut u32,
) -> Batch {
    let text = Bytes::from(std::mem::take(text));
    Batch {
        kind: BatchKind::Rows,
        shape: shape.clone(),
        wire: text.clone(),
        text,
        cells: std::mem::take(cells),
        rows: std::mem::take(rows),
    }
}

/// All inputs.
pub fn all() -> Vec<Input> {
    let names = [
        "id",
        "name",
        "email",
        "card",
        "phone",
        "city",
        "note",
        "amount",
        "uuid",
        "created_at",
    ];
    let prose: Vec<String> = clean::corpora()
        .into_iter()
        .filter(|(name, _)| *name == "six languages")
        .flat_map(|(_, lines)| lines)
        .collect();
    let mixed: Vec<String> = clean::corpora()
        .into_iter()
        .filter(|(name, _)| *name != "six languages")
        .flat_map(|(_, lines)| lines)
        .collect();
    vec![
        Input::of("customer rows", &names, rows(prose.clone())),
        Input::of(
            "code, ids, hashes, logs",
            &["line"],
            mixed.into_iter().cycle().map(|l| vec![l]),
        ),
        Input::of(
            "prose",
            &["line"],
            prose.into_iter().cycle().map(|l| vec![l]),
        ),
    ]
}

/// Rows as in an order database: a mail, a card and a telephone in each.
fn rows(prose: Vec<String>) -> impl Iterator<Item = Vec<String>> {
    let corpus = personal();
    let of = |entity: &str| -> Vec<String> {
        let cases = corpus
            .positives
            .iter()
            .filter(|c: &&Case| c.entity == entity && c.kind != "word");
        cases.map(|c| c.value.clone()).collect()
    };
    let (mails, cards, phones) = (of("EMAIL"), of("CARD"), of("PHONE"));
    let dice = Dice::new(99);
    (1_u64..).map(move |id| {
        let at = |list: &[String]| list[(id % list.len() as u64) as usize].clone();
        let hex = |n| dice.text("0123456789abcdef", n);
        vec![
            id.to_string(),
            format!(
                "{} {}",
                dice.pick(&["Ada", "Grace", "Alan", "Edsger"]),
                dice.pick(&["Lovelace", "Hopper", "Turing", "Dijkstra"])
            ),
            at(&mails),
            at(&cards),
            at(&phones),
            dice.pick(&["Berlin", "London", "Paris", "Warszawa"])
                .to_owned(),
            at(&prose).chars().take(60).collect(),
            format!("{}.{:02}", dice.below(10_000), dice.below(100)),
            format!("{}-{}-4{}-a{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12)),
            format!(
                "2026-{:02}-{:02} {:02}:{:02}:{:02}.{}",
                dice.between(1, 12),
                dice.between(1, 28),
                dice.below(24),
                dice.below(60),
                dice.below(60),
                dice.digits(6)
            ),
        ]
    })
}

/// Somebody's session.
pub fn session() -> Session {
    let identity = Identity {
        principal: Principal {
            issuer: "https://issuer.example".to_owned(),
            subject: "bench".to_owned(),
        },
        provider: "bench".to_owned(),
        kind: Kind::Human,
        name: "bench".to_owned(),
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
            name: "bench".to_owned(),
            protocol: Protocol::Postgres,
            labels: BTreeMap::new(),
            database: None,
            role: None,
        }),
        client: Client {
            address: ([127, 0, 0, 1], 1).into(),
            program: None,
            tls: None,
        },
        started: Timestamp(0),
        node: "bench".to_owned(),
        login: "bench".to_owned(),
        reason: None,
        access_request: None,
        ticket: None,
    }
}
