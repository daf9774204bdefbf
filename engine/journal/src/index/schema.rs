//! The tables of the index. Nothing stands in them that the record does not hold: a change here raises the version, and
//! an index of another version is thrown away and built anew.

/// Raised with every change of the tables or of what goes into them.
pub(super) const VERSION: i64 = 2;

/// All of them. Numbers of rows grow with the log, so that they are also the order of time.
pub(super) const TABLES: &str = r#"
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sessions(
    id INTEGER PRIMARY KEY,
    session BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL,
    groups TEXT NOT NULL, actors TEXT NOT NULL,
    target TEXT NOT NULL, protocol TEXT NOT NULL, login TEXT NOT NULL,
    address TEXT NOT NULL, program TEXT NOT NULL, node TEXT NOT NULL,
    reason TEXT, ticket TEXT, access_request TEXT, rule TEXT NOT NULL, revision TEXT NOT NULL,
    started INTEGER NOT NULL, last INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0, interrupted INTEGER NOT NULL DEFAULT 0, end_leaf INTEGER,
    end_reason TEXT NOT NULL DEFAULT '',
    commands INTEGER NOT NULL DEFAULT 0, denied INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
    approved INTEGER NOT NULL DEFAULT 0, masked INTEGER NOT NULL DEFAULT 0, security INTEGER NOT NULL DEFAULT 0,
    "read" INTEGER NOT NULL DEFAULT 0, "write" INTEGER NOT NULL DEFAULT 0, destroy INTEGER NOT NULL DEFAULT 0,
    escalate INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,
    rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, entries INTEGER NOT NULL DEFAULT 0,
    first_leaf INTEGER NOT NULL, shredded INTEGER, shredded_by TEXT
);
CREATE INDEX sessions_name ON sessions(name, id);
CREATE INDEX sessions_subject ON sessions(subject, id);
CREATE INDEX sessions_target ON sessions(target, id);
CREATE INDEX sessions_started ON sessions(started);
CREATE TABLE commands(
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL, sequence INTEGER NOT NULL, stream INTEGER NOT NULL, at INTEGER NOT NULL,
    stage TEXT NOT NULL, verdict TEXT NOT NULL, effect TEXT NOT NULL, risk TEXT NOT NULL,
    rule TEXT NOT NULL, approval TEXT
);
CREATE INDEX commands_session ON commands(session, sequence);
CREATE INDEX commands_at ON commands(at);
CREATE VIRTUAL TABLE texts USING fts5(text, who, target, tags, tokenize = "unicode61 remove_diacritics 2");
INSERT INTO texts(texts, rank) VALUES('secure-delete', 1);
INSERT INTO texts(texts, rank) VALUES('automerge', 8);
CREATE TABLE events(
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL, session INTEGER, sequence INTEGER NOT NULL, kind TEXT NOT NULL, event TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX events_event ON events(event, id);
CREATE INDEX events_session ON events(session, id);
CREATE INDEX events_at ON events(at);
CREATE TABLE approvals(
    id TEXT PRIMARY KEY, number INTEGER NOT NULL,
    opened INTEGER NOT NULL, session BLOB, issuer TEXT NOT NULL, subject TEXT NOT NULL, target TEXT NOT NULL,
    access INTEGER NOT NULL, state TEXT NOT NULL, changed INTEGER NOT NULL, until INTEGER NOT NULL,
    requirements TEXT NOT NULL, binding TEXT NOT NULL, detail TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX approvals_number ON approvals(number);
CREATE TABLE held(
    approval TEXT NOT NULL, session INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL,
    ticket TEXT, text TEXT NOT NULL, PRIMARY KEY(approval, session, sequence)
) WITHOUT ROWID;
CREATE INDEX held_session ON held(session);
CREATE TABLE votes(
    approval TEXT NOT NULL, at INTEGER NOT NULL, sequence INTEGER NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL,
    name TEXT NOT NULL, ballot TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY(approval, sequence)
) WITHOUT ROWID;
CREATE TABLE policies(
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL, sequence INTEGER NOT NULL, revision TEXT NOT NULL, author TEXT NOT NULL, ok INTEGER NOT NULL,
    detail TEXT NOT NULL
);
"#;
