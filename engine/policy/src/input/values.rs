//! The input as the engine's own values, section by section: each is parsed once for a decision, those that a
//! session's commands share once for a session, and what nobody reads never. Refuses what it cannot parse: the
//! decision is then a denial.

use super::{Document, Section};
use crate::failure::Failure;
use regorus::Value;
use std::sync::LazyLock;

/// Sections that have been parsed.
#[derive(Clone, Default)]
pub(super) struct Values {
    known: [Option<Value>; Section::COUNT],
}

/// Names of members, made once.
struct Names {
    version: Value,
    version_said: Value,
    command: Value,
    history: Value,
    request: Value,
    time: Value,
    plain: [(Section, Value); 7],
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    version: Value::from("version"),
    version_said: Value::from(super::VERSION),
    command: Value::from("command"),
    history: Value::from("history"),
    request: Value::from("request"),
    time: Value::from("time_ns"),
    plain: [
        (Section::Action, Value::from("action")),
        (Section::Identity, Value::from("identity")),
        (Section::Connection, Value::from("connection")),
        (Section::Session, Value::from("session")),
        (Section::Connect, Value::from("connect")),
        (Section::Context, Value::from("context")),
        (Section::Approval, Value::from("approval")),
    ],
});

impl Values {
    /// These sections of a document, where they can be parsed; nobody has asked for them yet.
    pub(super) fn of(document: &Document, sections: &[Section]) -> Self {
        let mut values = Self::default();
        for section in sections {
            // What fails here fails again when it is asked for, and is a denial then.
            let _ = values.section(document, *section);
        }
        values
    }

    /// The sections in `mask`, as one document.
    pub(super) fn document(&mut self, document: &Document, mask: u16) -> Result<Value, Failure> {
        let has = |section: Section| mask & section.bit() != 0;
        let names = &*NAMES;
        let mut members = vec![(&names.version, names.version_said.clone())];
        for (section, name) in &names.plain {
            if has(*section) {
                members.push((name, self.section(document, *section)?));
            }
        }
        if has(Section::Meaning) || has(Section::Wording) {
            members.push((&names.command, self.command(document, mask)?));
        }
        if has(Section::History) {
            members.push((&names.history, self.section(document, Section::History)?));
        }
        if has(Section::Origin) || has(Section::Time) {
            members.push((&names.request, self.request(document, mask)?));
        }
        object(members)
    }

    /// A command has two sections, each half of an object.
    fn command(&mut self, document: &Document, mask: u16) -> Result<Value, Failure> {
        if document.text(Section::Wording).is_empty() {
            return self.section(document, Section::Meaning);
        }
        let mut command = Value::new_object();
        for section in [Section::Meaning, Section::Wording] {
            if mask & section.bit() != 0 {
                merge(&mut command, self.section(document, section)?)?;
            }
        }
        Ok(command)
    }

    fn request(&mut self, document: &Document, mask: u16) -> Result<Value, Failure> {
        let mut request = match mask & Section::Origin.bit() != 0 {
            true => self.section(document, Section::Origin)?,
            false => Value::new_object(),
        };
        if mask & Section::Time.bit() != 0 {
            let time = self.section(document, Section::Time)?;
            let members = request.as_object_mut().map_err(|_| unreadable())?;
            members.insert(NAMES.time.clone(), time);
        }
        Ok(request)
    }

    fn section(&mut self, document: &Document, section: Section) -> Result<Value, Failure> {
        let slot = &mut self.known[section as usize];
        if let Some(known) = slot {
            return Ok(known.clone());
        }
        let text = document.text(section);
        let parsed = match section {
            Section::Meaning if !document.text(Section::Wording).is_empty() => {
                let cut = text.len().saturating_sub(1);
                parse(&[text.get(..cut).unwrap_or_default(), b"}"].concat())
            }
            Section::Wording => parse(&[b"{", text].concat()),
            Section::Origin => parse(&[text, b"}"].concat()),
            _ => parse(text),
        }?;
        *slot = Some(parsed.clone());
        Ok(parsed)
    }
}

fn object(members: Vec<(&Value, Value)>) -> Result<Value, Failure> {
    let mut object = Value::new_object();
    let fields = object.as_object_mut().map_err(|_| unreadable())?;
    for (name, value) in members {
        fields.insert(name.clone(), value);
    }
    Ok(object)
}

/// Adds the members of one object to another.
fn merge(into: &mut Value, from: Value) -> Result<(), Failure> {
    let fields = into.as_object_mut().map_err(|_| unreadable())?;
    for (name, value) in from.as_object().map_err(|_| unreadable())?.iter() {
        fields.insert(name.clone(), value.clone());
    }
    Ok(())
}

fn parse(text: &[u8]) -> Result<Value, Failure> {
    let text = std::str::from_utf8(text).map_err(|e| Failure::error(&e.to_string()))?;
    Value::from_json_str(text).map_err(|e| Failure::error(&e.to_string()))
}

fn unreadable() -> Failure {
    Failure::error("the input is no object")
}
