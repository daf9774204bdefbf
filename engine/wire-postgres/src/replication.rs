//! The replication commands (protocol chapter "Streaming Replication Protocol"), as a strict allow-list: what
//! a walsender runs is no SQL, so its own small grammar says what a command does. It refuses every
//! command and option that is not on the list, a base backup that the server would write to its own disk
//! among them.

use portcullis_model::{Category, Effect, Object, Predicate, StatementFacts, Verbs};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a text is to a walsender.
#[derive(Debug)]
pub enum Read {
    /// No replication command: SQL.
    Sql,
    /// This command.
    Command(Arc<StatementFacts>),
    /// It begins like a replication command and is none that may be sent.
    Refused,
}

/// Reads a text as a walsender would: the first word decides.
#[must_use]
pub fn read(text: &str) -> Read {
    let first = text.trim_start().split(|c: char| !is_word(c)).next();
    let first = first.unwrap_or_default().to_ascii_uppercase();
    if !KEYWORDS.contains(&first.as_str()) {
        return Read::Sql;
    }
    match tokens(text).and_then(|tokens| Command::parse(&mut Tokens(&tokens))) {
        Some(command) => Read::Command(Arc::new(command.facts())),
        None => Read::Refused,
    }
}

/// True when what this text answers is a setting's value: it is masked like any other row.
#[must_use]
pub fn shows(facts: &StatementFacts) -> bool {
    facts.verb == "SHOW"
}

/// Every word a walsender takes for the beginning of a replication command, also those that are refused.
const KEYWORDS: [&str; 10] = [
    "ALTER_REPLICATION_SLOT",
    "BASE_BACKUP",
    "CREATE_REPLICATION_SLOT",
    "DROP_REPLICATION_SLOT",
    "IDENTIFY_SYSTEM",
    "READ_REPLICATION_SLOT",
    "SHOW",
    "START_REPLICATION",
    "TIMELINE_HISTORY",
    "UPLOAD_MANIFEST",
];

/// Tokens of one command.
const TOKENS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A keyword or name as written, or a number.
    Word(String),
    /// A quoted name.
    Name(String),
    /// A string.
    Text(String),
    /// A position in the log: `0/16B3748`.
    Position,
    /// `(`, `)`, `,` or `.`.
    Sign(char),
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut rest = text.trim();
    rest = rest.strip_suffix(';').unwrap_or(rest).trim_end();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        if tokens.len() >= TOKENS_MAX {
            return None;
        }
        let (token, left) = match first {
            '(' | ')' | ',' | '.' => (Token::Sign(first), rest.get(1..)?),
            '\'' => quoted(rest, '\'').map(|(text, left)| (Token::Text(text), left))?,
            '"' => quoted(rest, '"').map(|(text, left)| (Token::Name(text), left))?,
            c if is_word(c) => word(rest)?,
            _ => return None,
        };
        tokens.push(token);
        rest = left.trim_start();
    }
    Some(tokens)
}

fn word(text: &str) -> Option<(Token, &str)> {
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    let Some(rest) = rest.strip_prefix('/') else {
        return Some((Token::Word(word.to_owned()), rest));
    };
    let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    let (low, rest) = rest.split_at_checked(end)?;
    let hex =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(word) && hex(low)).then_some((Token::Position, rest))
}

/// A quoted piece, in which the quote itself is doubled.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(quote)?;
    let mut piece = String::new();
    loop {
        let (before, after) = rest.split_once(quote)?;
        piece.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                piece.push(quote);
                rest = more;
            }
            None => return Some((piece, after)),
        }
    }
}

/// Tokens still to be read.
struct Tokens<'a>(&'a [Token]);

impl Tokens<'_> {
    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.clone())
    }

    /// Takes this keyword, if it comes next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found =
            matches!(self.0.first(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if found {
            self.next();
        }
        found
    }

    /// A name, quoted or not.
    fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) if !word.starts_with(|c: char| c.is_ascii_digit()) => Some(word),
            Token::Name(name) => Some(name),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        match self.next()? {
            Token::Word(word) if word.bytes().all(|b| b.is_ascii_digit()) => Some(()),
            _ => None,
        }
    }

    /// `(name [value], …)`: each pair passes `allowed`. Nothing at all is no option.
    fn options(&mut self, allowed: impl Fn(&str, Option<&str>) -> bool) -> Option<()> {
        if self.0.is_empty() {
            return Some(());
        }
        if self.next()? != Token::Sign('(') {
            return None;
        }
        loop {
            let name = self.name()?;
            let value = match self.0.first() {
                Some(Token::Sign(_)) => None,
                _ => match self.next()? {
                    Token::Text(value) | Token::Word(value) => Some(value),
                    _ => return None,
                },
            };
            if !allowed(&name, value.as_deref()) {
                return None;
            }
            match self.next()? {
                Token::Sign(',') => {}
                Token::Sign(')') => return Some(()),
                _ => return None,
            }
        }
    }
}

/// A command that may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Command {
    IdentifySystem,
    Show,
    TimelineHistory,
    ReadSlot(String),
    CreateSlot(String),
    DropSlot(String),
    Start(Option<String>),
    BaseBackup,
}

impl Command {
    /// Reads a whole command; nothing may be left over.
    fn parse(tokens: &mut Tokens<'_>) -> Option<Self> {
        let Token::Word(first) = tokens.next()? else {
            return None;
        };
        let command = match first.to_ascii_uppercase().as_str() {
            "IDENTIFY_SYSTEM" => Self::IdentifySystem,
            "SHOW" => {
                tokens.name()?;
                while tokens.0.first() == Some(&Token::Sign('.')) {
                    tokens.next();
                    tokens.name()?;
                }
                Self::Show
            }
            "TIMELINE_HISTORY" => {
                tokens.number()?;
                Self::TimelineHistory
            }
            "READ_REPLICATION_SLOT" => Self::ReadSlot(tokens.name()?),
            "DROP_REPLICATION_SLOT" => {
                let name = tokens.name()?;
                tokens.keyword("WAIT");
                Self::DropSlot(name)
            }
            "CREATE_REPLICATION_SLOT" => create_slot(tokens)?,
            "START_REPLICATION" => start(tokens)?,
            "BASE_BACKUP" => base_backup(tokens)?,
            _ => return None,
        };
        tokens.0.is_empty().then_some(command)
    }

    fn facts(self) -> StatementFacts {
        let read = (Category::Read, Effect::Read, Verbs::READ);
        let stream = (
            Category::Transfer,
            Effect::Read,
            Verbs::READ.union(Verbs::COPY),
        );
        let (verb, (category, effect, verbs), slot) = match self {
            Self::IdentifySystem => ("IDENTIFY_SYSTEM", read, None),
            Self::Show => ("SHOW", read, None),
            Self::TimelineHistory => ("TIMELINE_HISTORY", read, None),
            Self::ReadSlot(name) => ("READ_REPLICATION_SLOT", read, Some((name, false))),
            Self::CreateSlot(name) => (
                "CREATE_REPLICATION_SLOT",
                (Category::Admin, Effect::Write, Verbs::ADMIN),
                Some((name, true)),
            ),
            Self::DropSlot(name) => (
                "DROP_REPLICATION_SLOT",
                (Category::Admin, Effect::Destroy, Verbs::ADMIN),
                Some((name, true)),
            ),
            Self::Start(name) => ("START_REPLICATION", stream, name.map(|name| (name, false))),
            Self::BaseBackup => ("BASE_BACKUP", stream, None),
        };
        let object = |(name, write)| Object {
            kind: "replication-slot".to_owned(),
            schema: None,
            name,
            write,
        };
        StatementFacts {
            verb: verb.to_owned(),
            category,
            effect,
            object_type: None,
            objects: slot.map(object).into_iter().collect(),
            columns: Vec::new(),
            predicate: Predicate::Inapplicable,
            functions: Vec::new(),
            // A setting is scanned like any value; it stands in no relation.
            transparent: verb == "SHOW",
            outputs: None,
            outline: None,
            moves: Vec::new(),
            labels: BTreeSet::from(["replication".to_owned()]),
            span: 0..0,
            copy: None,
            changes: Vec::new(),
            verbs,
        }
    }
}

/// `name [TEMPORARY] PHYSICAL [RESERVE_WAL]` or `… LOGICAL plugin [how to show the snapshot]`.
fn create_slot(tokens: &mut Tokens<'_>) -> Option<Command> {
    let name = tokens.name()?;
    tokens.keyword("TEMPORARY");
    if !tokens.keyword("PHYSICAL") {
        tokens.keyword("LOGICAL").then_some(())?;
        tokens.name()?;
    }
    const LEGACY: [&str; 5] = [
        "EXPORT_SNAPSHOT",
        "NOEXPORT_SNAPSHOT",
        "USE_SNAPSHOT",
        "RESERVE_WAL",
        "TWO_PHASE",
    ];
    while LEGACY.iter().any(|word| tokens.keyword(word)) {}
    tokens.options(|name, _| {
        let known = ["snapshot", "reserve_wal", "two_phase", "failover"];
        known.iter().any(|k| name.eq_ignore_ascii_case(k))
    })?;
    Some(Command::CreateSlot(name))
}

/// `[SLOT name] [PHYSICAL] position [TIMELINE n]` or `SLOT name LOGICAL position [(options)]`.
fn start(tokens: &mut Tokens<'_>) -> Option<Command> {
    let slot = match tokens.keyword("SLOT") {
        true => Some(tokens.name()?),
        false => None,
    };
    let logical = slot.is_some() && tokens.keyword("LOGICAL");
    if !logical {
        tokens.keyword("PHYSICAL");
    }
    (tokens.next()? == Token::Position).then_some(())?;
    if logical {
        // They belong to the slot's output plugin, which reads what the slot may read.
        tokens.options(|_, _| true)?;
    } else if tokens.keyword("TIMELINE") {
        tokens.number()?;
    }
    Some(Command::Start(slot))
}

/// The options of PostgreSQL 15 in parentheses, or those of its predecessors as bare words.
fn base_backup(tokens: &mut Tokens<'_>) -> Option<Command> {
    if matches!(tokens.0.first(), Some(Token::Sign(_))) {
        tokens.options(|name, value| {
            const KNOWN: [&str; 12] = [
                "label",
                "progress",
                "checkpoint",
                "wal",
                "wait",
                "compression",
                "compression_detail",
                "max_rate",
                "tablespace_map",
                "verify_checksums",
                "manifest",
                "manifest_checksums",
            ];
            let name = name.to_ascii_lowercase();
            // Any other target makes the server write the backup to its own disk.
            let to_client = name == "target" && value == Some("client");
            to_client || KNOWN.contains(&name.as_str())
        })?;
        return Some(Command::BaseBackup);
    }
    while !tokens.0.is_empty() {
        const BARE: [&str; 6] = [
            "PROGRESS",
            "FAST",
            "WAL",
            "NOWAIT",
            "TABLESPACE_MAP",
            "NOVERIFY_CHECKSUMS",
        ];
        if BARE.iter().any(|word| tokens.keyword(word)) {
            continue;
        }
        if tokens.keyword("MAX_RATE") {
            tokens.number()?;
            continue;
        }
        let quoted = ["LABEL", "MANIFEST", "MANIFEST_CHECKSUMS"];
        quoted
            .iter()
            .any(|word| tokens.keyword(word))
            .then_some(())?;
        matches!(tokens.next()?, Token::Text(_)).then_some(())?;
    }
    Some(Command::BaseBackup)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(text: &str) -> Option<(String, Effect)> {
        match read(text) {
            Read::Command(facts) => Some((facts.verb.clone(), facts.effect)),
            Read::Sql | Read::Refused => None,
        }
    }

    #[test]
    fn what_clients_send_is_understood() {
        for (text, expected, effect) in [
            ("IDENTIFY_SYSTEM", "IDENTIFY_SYSTEM", Effect::Read),
            ("SHOW wal_segment_size", "SHOW", Effect::Read),
            ("TIMELINE_HISTORY 2", "TIMELINE_HISTORY", Effect::Read),
            (
                "READ_REPLICATION_SLOT \"a b\"",
                "READ_REPLICATION_SLOT",
                Effect::Read,
            ),
            (
                "CREATE_REPLICATION_SLOT \"s\" PHYSICAL RESERVE_WAL",
                "CREATE_REPLICATION_SLOT",
                Effect::Write,
            ),
            (
                "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL \"test_decoding\" (SNAPSHOT 'nothing', TWO_PHASE)",
                "CREATE_REPLICATION_SLOT",
                Effect::Write,
            ),
            (
                "CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT",
                "CREATE_REPLICATION_SLOT",
                Effect::Write,
            ),
            (
                "DROP_REPLICATION_SLOT \"s\" WAIT;",
                "DROP_REPLICATION_SLOT",
                Effect::Destroy,
            ),
            (
                "START_REPLICATION 0/3000000 TIMELINE 1",
                "START_REPLICATION",
                Effect::Read,
            ),
            (
                "START_REPLICATION SLOT \"s\" 0/3000000 TIMELINE 1",
                "START_REPLICATION",
                Effect::Read,
            ),
            (
                "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (proto_version '1', \"publication_names\" '\"p\"')",
                "START_REPLICATION",
                Effect::Read,
            ),
            (
                "BASE_BACKUP (LABEL 'x''y', PROGRESS, CHECKPOINT 'fast', WAIT 0, MANIFEST 'yes', TARGET 'client')",
                "BASE_BACKUP",
                Effect::Read,
            ),
            (
                "BASE_BACKUP LABEL 'x' PROGRESS FAST NOWAIT MAX_RATE 1024 TABLESPACE_MAP MANIFEST 'yes'",
                "BASE_BACKUP",
                Effect::Read,
            ),
        ] {
            assert_eq!(verb(text), Some((expected.to_owned(), effect)), "{text}");
        }
    }

    #[test]
    fn whatever_is_not_on_the_list_is_refused() {
        for text in [
            "BASE_BACKUP (TARGET 'server', TARGET_DETAIL '/tmp/x')",
            "BASE_BACKUP (LABEL 'x', NEW_OPTION)",
            "base_backup (target 'blackhole')",
            "UPLOAD_MANIFEST",
            "ALTER_REPLICATION_SLOT \"s\" (FAILOVER true)",
            "IDENTIFY_SYSTEM; DROP TABLE x",
            "IDENTIFY_SYSTEM /* x */",
            "IDENTIFY_SYSTEM IDENTIFY_SYSTEM",
            "DROP_REPLICATION_SLOT s WAIT WAIT",
            "START_REPLICATION SLOT s LOGICAL 0/0 (a 'b'",
            "START_REPLICATION 0/XYZ",
            "START_REPLICATION SLOT \"s 0/0",
            "TIMELINE_HISTORY x",
        ] {
            assert!(matches!(read(text), Read::Refused), "{text}");
        }
    }

    #[test]
    fn everything_else_is_sql() {
        for text in [
            "SELECT 1",
            "",
            "/**/ IDENTIFY_SYSTEM",
            "IDENTIFY_SYSTEMS",
            "\"SHOW\" x",
            "é",
        ] {
            assert!(matches!(read(text), Read::Sql), "{text}");
        }
    }
}
