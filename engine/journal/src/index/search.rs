//! Looking for words in commands and in who sent them to what. Words are looked for as a whole and must all be there; `"two
//! words"` stand side by side, and `drop*` begins a word. Only the masked form is there to be found.
//!
//! Refuses the operators of the search engine: what was typed is words, whatever they look like.

use super::query::{Page, Where, effect_name, id_of, page_of, unsigned};
use super::rows::{CommandRow, Listing};
use super::{Index, IndexError};
use portcullis_model::{Effect, SessionId, Timestamp, limits};
use rusqlite::{OptionalExtension as _, Row};

/// Which commands. What is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct CommandFilter {
    /// Words that all have to be there.
    pub text: Option<String>,
    /// Of one session.
    pub session: Option<SessionId>,
    /// Name or subject of who sent it.
    pub identity: Option<String>,
    /// The target's name.
    pub target: Option<String>,
    /// `postgres`, `ssh`, `kubernetes`.
    pub protocol: Option<String>,
    /// What it does.
    pub effect: Option<Effect>,
    /// `allow`, `deny` or `hold`.
    pub verdict: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Entries are stamped before they are written: by this much the order of times may differ from that of the log.
const SKEW: i64 = 60_000_000_000;

const COLUMNS: &str = "c.id, s.session, c.sequence, c.stream, c.at, s.name, s.target, s.protocol, c.stage, c.verdict, \
    c.effect, c.risk, c.rule, c.approval, coalesce(t.text, '')";

impl Index {
    /// Commands, the newest first.
    ///
    /// # Errors
    /// [`IndexError`]; [`IndexError::NoWords`] when the text is nothing but punctuation.
    pub fn commands(
        &self,
        filter: &CommandFilter,
        page: &Page,
    ) -> Result<Listing<CommandRow>, IndexError> {
        let matched = matching(filter)?;
        let mut wanted = Where::default();
        let number = match &matched {
            Some(text) => {
                wanted.add("texts MATCH ?", text.clone());
                "t.rowid"
            }
            None => "c.id",
        };
        if let Some(session) = filter.session {
            wanted.add(
                "c.session = (SELECT id FROM sessions WHERE session = ?)",
                session.0.to_be_bytes().to_vec(),
            );
        }
        let text = |wanted: &mut Where, condition: &str, value: Option<&str>| {
            if let Some(value) = value {
                wanted.add(condition, value.to_owned());
            }
        };
        text(
            &mut wanted,
            "(s.name = ? OR s.subject = ?)",
            filter.identity.as_deref(),
        );
        text(&mut wanted, "s.target = ?", filter.target.as_deref());
        text(&mut wanted, "s.protocol = ?", filter.protocol.as_deref());
        text(&mut wanted, "c.verdict = ?", filter.verdict.as_deref());
        text(&mut wanted, "c.effect = ?", filter.effect.map(effect_name));
        self.ask(|db| {
            let nearest = |sql: &str, at: i64| -> Result<Option<i64>, IndexError> {
                let found = db.prepare_cached(sql)?.query_row([at], |row| row.get(0));
                Ok(found.optional()?)
            };
            if let Some(since) = filter.since {
                wanted.add("c.at >= ?", since.0);
                let sql = "SELECT id FROM commands WHERE at >= ?1 ORDER BY at LIMIT 1";
                match nearest(sql, since.0.saturating_sub(SKEW))? {
                    Some(first) => wanted.add(&format!("{number} >= ?"), first),
                    None => wanted.when("0", true),
                }
            }
            if let Some(until) = filter.until {
                wanted.add("c.at < ?", until.0);
                let sql = "SELECT id FROM commands WHERE at < ?1 ORDER BY at DESC LIMIT 1";
                match nearest(sql, until.0.saturating_add(SKEW))? {
                    Some(last) => wanted.add(&format!("{number} <= ?"), last),
                    None => wanted.when("0", true),
                }
            }
            let from = match matched.is_some() {
                true => "texts t CROSS JOIN commands c ON c.id = t.rowid",
                false => "commands c LEFT JOIN texts t ON t.rowid = c.id",
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM {from} CROSS JOIN sessions s ON s.id = c.session{}",
                wanted.page(number, page)?
            );
            page_of(db, &sql, &wanted.cells, page, command)
        })
    }
}

fn command(row: &Row<'_>) -> Result<(i64, CommandRow), rusqlite::Error> {
    let command = CommandRow {
        session: id_of(row.get(1)?),
        sequence: unsigned(row, 2)?,
        stream: row.get(3)?,
        at: Timestamp(row.get(4)?),
        name: row.get(5)?,
        target: row.get(6)?,
        protocol: row.get(7)?,
        stage: row.get(8)?,
        verdict: row.get(9)?,
        effect: row.get(10)?,
        risk: row.get(11)?,
        rule: row.get(12)?,
        approval: row.get(13)?,
        text: row.get(14)?,
    };
    Ok((row.get(0)?, command))
}

/// The question in the search engine's own words: what is typed, and what narrows it well. A session narrows best by
/// its number, so that then only typed words are matched.
fn matching(filter: &CommandFilter) -> Result<Option<String>, IndexError> {
    let mut parts = Vec::new();
    if let Some(text) = filter
        .text
        .as_deref()
        .filter(|text| !text.trim().is_empty())
    {
        for (word, prefix) in words(text) {
            let star = if prefix { "*" } else { "" };
            parts.push(format!("{{text who target}} : {}{star}", quoted(&word)));
        }
        if parts.is_empty() {
            return Err(IndexError::NoWords);
        }
    }
    if filter.session.is_none() {
        let column = |parts: &mut Vec<String>, name: &str, value: Option<&str>| {
            let found = value.filter(|value| value.chars().any(char::is_alphanumeric));
            parts.extend(found.map(|value| format!("{name} : {}", quoted(value))));
        };
        column(&mut parts, "who", filter.identity.as_deref());
        column(&mut parts, "target", filter.target.as_deref());
        for (tag, value) in [
            ("protocol", filter.protocol.as_deref()),
            ("effect", filter.effect.map(effect_name)),
            ("verdict", filter.verdict.as_deref()),
        ] {
            let value = value.map(|value| format!("{tag}{value}"));
            column(&mut parts, "tags", value.as_deref());
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join(" AND ")))
}

/// What was typed, cut into words and quoted phrases, without what holds no letter or digit.
fn words(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        // Between quotes every second part is a phrase.
        if index % 2 == 1 {
            found.push((part.to_owned(), false));
            continue;
        }
        for word in part.split_whitespace() {
            let stem = word.trim_end_matches('*');
            found.push((stem.to_owned(), stem.len() < word.len()));
        }
    }
    found.retain(|(word, _)| word.chars().any(char::is_alphanumeric));
    found.truncate(limits::INDEX_WORDS_MAX);
    found
}

fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace(['"', '\0'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(text: &str) -> Option<String> {
        let filter = CommandFilter {
            text: Some(text.to_owned()),
            ..CommandFilter::default()
        };
        matching(&filter).unwrap()
    }

    #[test]
    fn what_is_typed_is_words_and_no_operators() {
        let one = |word: &str| format!("{{text who target}} : {word}");
        assert_eq!(matched("drop"), Some(one("\"drop\"")));
        assert_eq!(matched("dro*"), Some(one("\"dro\"*")));
        assert_eq!(
            matched("NEAR(a OR b) ; --")
                .unwrap()
                .matches(" AND ")
                .count(),
            2
        );
        assert_eq!(
            matched("\"drop table\" x"),
            Some(format!("{} AND {}", one("\"drop table\""), one("\"x\"")))
        );
        // An open quote is a phrase to the end.
        assert_eq!(matched("\"a' b"), Some(one("\"a' b\"")));
        assert_eq!(matched("  "), None);
        let nothing = CommandFilter {
            text: Some("\"; --*".to_owned()),
            ..CommandFilter::default()
        };
        assert!(matches!(matching(&nothing), Err(IndexError::NoWords)));
    }

    #[test]
    fn filters_narrow_the_search() {
        let filter = CommandFilter {
            identity: Some("ana@example".to_owned()),
            target: Some("--".to_owned()),
            effect: Some(Effect::Destroy),
            ..CommandFilter::default()
        };
        assert_eq!(
            matching(&filter).unwrap().as_deref(),
            Some("who : \"ana@example\" AND tags : \"effectdestroy\"")
        );
    }
}
