//! Clients of databases: SQL in a word is not parsed here, so its effect is not established; what can be read
//! from its keywords is said, in the words of classify-sql.

use super::{Call, Options};
use crate::expand::{ANY, Field};
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// A text in SQL.
pub fn sql(walker: &mut Walker<'_>, text: &str) {
    walker.report.say(labels::SQL_TEXT);
    walker.report.touches("sql", text, false);
    if text.contains(ANY) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let words = words(text);
    let has = |sequence: &[&str]| {
        words
            .windows(sequence.len())
            .any(|w| w.iter().zip(sequence).all(|(a, b)| a == b))
    };
    for (sequence, label) in [
        (&["DROP", "DATABASE"][..], labels::DROP_DATABASE),
        (&["DROP", "SCHEMA"], labels::DROP_SCHEMA),
        (&["DROP", "TABLE"], labels::DROP_TABLE),
        (&["DROP", "OWNED"], labels::DROP_SCHEMA),
        (&["TRUNCATE"], labels::TRUNCATE),
        (&["GRANT"], labels::GRANT),
        (&["ALTER", "ROLE"], labels::ALTER_ROLE),
        (&["ALTER", "USER"], labels::ALTER_ROLE),
        (&["CREATE", "ROLE"], labels::ALTER_ROLE),
        (&["CREATE", "USER"], labels::ALTER_ROLE),
        (&["ALTER", "SYSTEM"], labels::ALTER_ROLE),
        (&["PROGRAM"], labels::COPY_PROGRAM),
        (&["XP_CMDSHELL"], labels::COPY_PROGRAM),
        (&["LOAD_EXTENSION"], labels::COPY_PROGRAM),
        (&["INTO", "OUTFILE"], labels::SYSTEM_FILE_WRITE),
        (&["INTO", "DUMPFILE"], labels::SYSTEM_FILE_WRITE),
    ] {
        if has(sequence) {
            walker.report.say(label);
        }
    }
    let everything = |verb: &str| {
        let mut statements = words.split(|w| w == ";");
        statements.any(|s| s.first().is_some_and(|w| w == verb) && !s.iter().any(|w| w == "WHERE"))
    };
    if everything("DELETE") || everything("UPDATE") {
        walker.report.say(labels::UNBOUNDED_WRITE);
    }
}

/// Words in upper case, without comments and texts in quotes; `;` is a word.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    let mut push = |word: &mut String| {
        if !word.is_empty() && words.len() < 4096 {
            words.push(std::mem::take(word));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' => while chars.next().is_some_and(|c| c != '\'') {},
            '-' if chars.peek() == Some(&'-') => while chars.next().is_some_and(|c| c != '\n') {},
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                chars.next();
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            c if c.is_alphanumeric() || c == '_' => word.extend(c.to_uppercase()),
            ';' => {
                push(&mut word);
                word.push(';');
                push(&mut word);
            }
            _ => push(&mut word),
        }
    }
    push(&mut word);
    words
}

/// `psql`, `mysql`, `sqlite3`, `clickhouse-client`, …
pub fn client(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let (code, files): (&[&str], &[&str]) = match call.name {
        "psql" => (&["c", "command"], &["f", "file"]),
        "mysql" | "mariadb" => (&["e", "execute"], &["init-command"]),
        "sqlite3" | "duckdb" => (&["cmd", "c"], &["init"]),
        "sqlcmd" => (&["Q", "q"], &["i"]),
        "clickhouse-client" | "clickhouse" => (&["q", "query"], &["queries-file"]),
        "cqlsh" => (&["e"], &["f"]),
        _ => (&["e", "c", "eval"], &["f", "file"]),
    };
    let values: Vec<&str> = code
        .iter()
        .chain(files)
        .chain(&[
            "h", "host", "p", "port", "U", "d", "dbname", "u", "user", "v", "F", "o", "output",
            "P", "D", "password", "S", "L", "R",
        ])
        .copied()
        .collect();
    let options = Options::read(call.args, &values, false);
    walker.report.say(labels::DATABASE_CLIENT);
    walker.report.does(Effect::Read, Verbs::NET);
    if options.has(&["l", "list"]) && call.name == "psql" {
        return Ok(None);
    }
    if options.has(files) {
        walker.report.say(labels::OPAQUE_SCRIPT);
    }
    let mut texts: Vec<String> = options.values(code).map(|f| f.text.clone()).collect();
    if matches!(call.name, "sqlite3" | "duckdb") {
        texts.extend(options.words.iter().skip(1).map(|f| f.text.clone()));
        if let Some(file) = options.words.first() {
            walker.touch(file, Deed::Append);
        }
    }
    if texts.is_empty() && !options.has(files) {
        match call.input {
            Input::Known(text) => texts.push(text.clone()),
            Input::Session => walker.report.say(labels::INTERACTIVE_SHELL),
            Input::Opaque { .. } => walker.report.say(labels::OPAQUE_SCRIPT),
        }
    }
    for text in &texts {
        sql(walker, text);
        // `\! command`, `.shell command`, `\copy … program`
        for line in text.lines() {
            let line = line.trim_start();
            let shell = ["\\!", ".shell", ".system", "system ", "!"]
                .iter()
                .find_map(|p| line.strip_prefix(p));
            if let Some(command) = shell {
                let command = command.to_owned();
                walker.nested_text(&command)?;
            }
            if line.contains("\\!")
                || line.contains("\\o |")
                || line.contains("\\g |")
                || line.contains("\\i ")
            {
                walker.report.say(labels::DYNAMIC_COMMAND);
            }
        }
    }
    Ok(None)
}

/// `pg_dump`, `mysqldump`, `mongodump`, `pg_basebackup`
pub fn dump(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.say(labels::DATABASE_DUMP);
    walker.secret = true;
    let options = Options::read(
        call.args,
        &["f", "file", "o", "out", "r", "result-file", "D", "pgdata"],
        false,
    );
    for file in options.all_values() {
        walker.touch(file, Deed::Write);
    }
    Ok(None)
}

/// `dropdb`, `mysqladmin drop`, `pg_restore --clean`, `createdb`, `pg_ctl`
pub fn administer(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.say(labels::DATABASE_CLIENT);
    match call.name {
        "dropdb" => walker.report.say(labels::DROP_DATABASE),
        "dropuser" | "createuser" => walker.report.say(labels::ALTER_ROLE),
        "mysqladmin" if call.says("drop") => walker.report.say(labels::DROP_DATABASE),
        "pg_restore" | "mongorestore" => {
            let lists = call.says("-l") || call.says("--list");
            let drops = call
                .args
                .iter()
                .any(|f| matches!(f.text.as_str(), "-c" | "--clean" | "--drop"));
            match (lists, drops) {
                (true, _) => {}
                (_, true) => walker.report.say(labels::DATABASE_DESTROY),
                _ => walker.report.say(labels::SQL_TEXT),
            }
        }
        "pg_ctl" | "pg_ctlcluster" => walker.report.say(match call.says("status") {
            true => labels::DATABASE_CLIENT,
            false => labels::SERVICE_CONTROL,
        }),
        "pg_dropcluster" | "pg_resetwal" => walker.report.say(labels::DATABASE_DESTROY),
        _ => walker
            .report
            .does(Effect::Write, Verbs::WRITE | Verbs::ADMIN),
    }
    Ok(None)
}

/// `redis-cli`, `mongosh`, `etcdctl`, `consul`, `vault`
pub fn keyed(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::NET);
    let words: Vec<String> = call
        .args
        .iter()
        .map(|f| f.text.to_ascii_uppercase())
        .collect();
    let has = |list: &[&str]| words.iter().any(|w| list.contains(&w.as_str()));
    // Asking whether it lives is no use of its data.
    if words
        .last()
        .is_some_and(|w| matches!(w.as_str(), "PING" | "INFO"))
        && words.iter().all(|w| w != "EVAL")
    {
        return Ok(None);
    }
    walker.report.say(labels::DATABASE_CLIENT);
    match call.name {
        "redis-cli" | "valkey-cli" => redis(walker, &words),
        "mongosh" | "mongo" => {
            let text: String = words.join(" ");
            walker.report.say(labels::SQL_TEXT);
            if text.contains("DROP")
                || text.contains("DELETEMANY({})")
                || text.contains("REMOVE({})")
            {
                walker.report.say(labels::DATABASE_DESTROY);
            }
            if !has(&["--EVAL"]) {
                walker.report.say(labels::INTERACTIVE_SHELL);
            }
        }
        "vault" => match call.verb() {
            "status" | "version" | "list" | "policy" => {}
            "read" | "kv" if !has(&["PUT", "DELETE", "DESTROY", "PATCH"]) => {
                walker.report.say(labels::CLOUD_CREDENTIAL)
            }
            "token" | "login" | "print" => walker.report.say(labels::CLOUD_CREDENTIAL),
            _ => walker.report.say(labels::CLOUD_CHANGE),
        },
        _ => match call
            .args
            .iter()
            .find(|f| !f.text.starts_with('-'))
            .and_then(Field::certain)
        {
            Some(
                "get" | "endpoint" | "member" | "version" | "members" | "info" | "catalog"
                | "alarm" | "check",
            ) if !has(&["REMOVE", "ADD", "DELETE"]) => {
                walker.report.does(Effect::Read, Verbs::READ);
            }
            Some("del" | "delete" | "snapshot" | "kv") if has(&["DEL", "DELETE", "RESTORE"]) => {
                walker.report.say(labels::DATABASE_DESTROY)
            }
            _ => walker.report.does(Effect::Write, Verbs::WRITE),
        },
    }
    Ok(None)
}

/// Verbs of Redis that end data, run code, and only read.
const REDIS: [(&str, &str); 3] = [
    ("ends", "FLUSHALL FLUSHDB SHUTDOWN SWAPDB"),
    (
        "runs",
        "EVAL EVALSHA SCRIPT MODULE CONFIG SLAVEOF REPLICAOF DEBUG FCALL FUNCTION ACL MIGRATE -X",
    ),
    (
        "reads",
        "PING INFO GET KEYS SCAN TTL TYPE LLEN HGETALL HGET LRANGE DBSIZE MONITOR EXISTS MGET SMEMBERS --SCAN --LATENCY",
    ),
];

fn redis(walker: &mut Walker<'_>, words: &[String]) {
    let kind = REDIS.iter().find(|(_, verbs)| {
        let mut verbs = verbs.split(' ');
        verbs.any(|verb| words.iter().any(|w| w == verb))
    });
    match kind.map(|(kind, _)| *kind) {
        Some("ends") => walker.report.say(labels::DATABASE_DESTROY),
        Some("runs") => walker.report.say(labels::SQL_TEXT),
        Some(_) => walker.report.does(Effect::Read, Verbs::READ),
        None if words.iter().any(|w| !w.starts_with('-')) => {
            walker.report.does(Effect::Write, Verbs::WRITE);
        }
        None => walker.report.say(labels::INTERACTIVE_SHELL),
    }
}
