//! Traces: what a plugin would see of a session, a JSON object a line, to be written by hand or made from a recorded
//! session with `portcullis plugin trace`. Refuses a line that it does not understand, and names it.
//!
//! ```text
//! {"config": {"prefix": "B-"}}                              first line, optional: the plugin's configuration
//! {"columns": [{"name": "id", "type": "int4"}, "badge"]}    the columns of the rows that follow; a bare name is text
//! {"row": ["7", "B-1234567"]}                               also: copy error notice notification parameter call request
//! {"stream": "a piece of a byte stream"}                    consecutive pieces are one stream
//! {"text": "DROP TABLE x", "stage": "query"}                classifiers; also "protocol" and "facts"
//! ```

use crate::classifier::{Protocol, Stage};
use crate::masker::{BatchKind, Column};
use serde_json::{Value, json};

/// A trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The configuration that it brings along; `{}` when it brings none.
    pub config: Value,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The columns of the rows that follow.
    Columns(Vec<Column>),
    /// The cells of one row or of one message. `None` is NULL: a plugin is not shown it.
    Cells(BatchKind, Vec<Option<Vec<u8>>>),
    /// One byte stream, in the pieces in which it came.
    Stream(Vec<Vec<u8>>),
    /// A request.
    Message(Request),
}

/// A request for a classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Where it comes from.
    pub protocol: Protocol,
    /// What it is.
    pub stage: Stage,
    /// Its text.
    pub text: String,
    /// What the gateway knows of it, as JSON; `None` when the trace does not say.
    pub facts: Option<Value>,
}

impl Request {
    /// The facts; of a text without statements when the trace has none.
    #[must_use]
    pub fn facts(&self) -> Value {
        let none = || json!({"parse": "Ok", "statements": [], "secrets": []});
        self.facts.clone().unwrap_or_else(none)
    }
}

/// Kinds of cells, as a trace names them.
const KINDS: [(&str, BatchKind); 8] = [
    ("row", BatchKind::Rows),
    ("copy", BatchKind::Copy),
    ("error", BatchKind::Error),
    ("notice", BatchKind::Notice),
    ("notification", BatchKind::Notification),
    ("parameter", BatchKind::Parameter),
    ("call", BatchKind::Call),
    ("request", BatchKind::Request),
];

/// The word of a trace for a kind of cells.
#[must_use]
pub fn kind_word(kind: BatchKind) -> &'static str {
    let found = KINDS.iter().find(|(_, known)| *known == kind);
    found.map_or("stream", |(word, _)| word)
}

/// The word of a manifest for a stage: `shell-line`.
#[must_use]
pub fn stage_word(stage: Stage) -> String {
    let mut word = String::new();
    for (at, c) in format!("{stage:?}").char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    /// The line, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut trace = Self {
            config: json!({}),
            steps: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut read = || -> Result<(), String> {
                let value: Value =
                    serde_json::from_str(line).map_err(|e| format!("no JSON: {e}"))?;
                trace.line(&value)
            };
            read().map_err(|reason| format!("line {}: {reason}", index + 1))?;
        }
        match trace.steps.is_empty() {
            true => Err("the trace shows a plugin nothing".to_owned()),
            false => Ok(trace),
        }
    }

    fn line(&mut self, value: &Value) -> Result<(), String> {
        let object = value.as_object().ok_or("a line is a JSON object")?;
        if object.contains_key("text") {
            self.steps.push(Step::Message(request(value)?));
            return Ok(());
        }
        let [(word, content)] = object.iter().collect::<Vec<_>>()[..] else {
            return Err(format!("one thing a line; this one has {}", object.len()));
        };
        match word.as_str() {
            "config" if self.steps.is_empty() => self.config = content.clone(),
            "config" => return Err("`config` stands in the first line".to_owned()),
            "columns" => self.steps.push(Step::Columns(columns(content)?)),
            "stream" => {
                let piece = cell(content)?.ok_or("a stream is text")?;
                match self.steps.last_mut() {
                    Some(Step::Stream(pieces)) => pieces.push(piece),
                    _ => self.steps.push(Step::Stream(vec![piece])),
                }
            }
            word => {
                let kind = KINDS.iter().find(|(known, _)| *known == word);
                let (_, kind) = kind.ok_or_else(|| unknown(word))?;
                let cells = content.as_array().ok_or("cells are a list")?;
                let cells = cells.iter().map(cell).collect::<Result<_, _>>()?;
                self.steps.push(Step::Cells(*kind, cells));
            }
        }
        Ok(())
    }
}

fn unknown(word: &str) -> String {
    let known: Vec<_> = KINDS.iter().map(|(known, _)| *known).collect();
    format!(
        "`{word}` is not known; there are config, columns, stream, text, {}",
        known.join(", ")
    )
}

fn columns(content: &Value) -> Result<Vec<Column>, String> {
    let items = content.as_array().ok_or("`columns` is a list")?;
    items.iter().map(column).collect()
}

fn column(item: &Value) -> Result<Column, String> {
    let name = item.as_str().or_else(|| item["name"].as_str());
    let type_oid = match &item["type"] {
        Value::Null => 25,
        Value::Number(oid) => oid
            .as_u64()
            .and_then(|oid| u32::try_from(oid).ok())
            .ok_or("a type is an OID or a name")?,
        name => {
            let name = name.as_str().unwrap_or_default();
            crate::types::oid(name)
                .ok_or_else(|| format!("`{name}` is no type of PostgreSQL; write its OID"))?
        }
    };
    Ok(Column {
        name: name.ok_or("a column has a `name`")?.to_owned(),
        type_oid,
        ..Column::default()
    })
}

fn cell(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        other => match other["hex"].as_str() {
            Some(hex) => unhex(hex)
                .map(Some)
                .ok_or_else(|| format!("`{hex}` is no hex")),
            None => Err("a cell is a string, null, or {\"hex\": \"00ff\"}".to_owned()),
        },
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

fn request(value: &Value) -> Result<Request, String> {
    let word = |key: &str, default: &str| match &value[key] {
        Value::Null => Ok(default.to_owned()),
        text => text
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("`{key}` is a word")),
    };
    let (protocol, stage) = (word("protocol", "postgres")?, word("stage", "query")?);
    let protocols = (0..).map_while(Protocol::from_number);
    let stages = (0..).map_while(Stage::from_number);
    Ok(Request {
        protocol: protocols
            .clone()
            .find(|p| format!("{p:?}").to_lowercase() == protocol)
            .ok_or_else(|| format!("`{protocol}` is no protocol"))?,
        stage: stages
            .clone()
            .find(|s| stage_word(*s) == stage)
            .ok_or_else(|| format!("`{stage}` is no stage"))?,
        text: value["text"]
            .as_str()
            .ok_or("`text` is a string")?
            .to_owned(),
        facts: value.get("facts").cloned(),
    })
}
