//! The index over the record: sessions, commands, events, approvals and changes of the policy, so that they are found
//! without reading the log. SQLite, in one file beside the log.
//!
//! It is never the record. It holds what entries say in their masked form, is written behind the log on a thread of its
//! own, and is thrown away and built anew when it is missing, of another version, of another record or damaged. What it
//! answers is as good as the file system's permissions; whoever has to prove something asks `verify` and the log.
//!
//! Refuses to stand in the data path: nothing waits for it, and how far it lags behind is told.

mod feed;
mod follow;
mod payload;
mod query;
mod rows;
mod schema;
mod search;

pub use follow::{Built, Follower, ask_rebuild, build};
pub use query::{ApprovalFilter, EventFilter, Page, SessionFilter};
pub use rows::{
    ApprovalRow, CommandRow, EffectCounts, EventRow, Listing, PolicyRow, Position, SessionRow,
    VoteRow,
};
pub use search::CommandFilter;

use crate::error::Error;
use parking_lot::{Mutex, MutexGuard};
use portcullis_model::limits;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What can go wrong with an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// There is none.
    #[error("there is no index of this record yet")]
    Missing,
    /// It is of another version, and has to be built anew.
    #[error("the index is of another version")]
    Version,
    /// It is an index of another record.
    #[error("the index is of another record")]
    Foreign,
    /// The database.
    #[error("use the index")]
    Database(#[from] rusqlite::Error),
    /// The file.
    #[error("use the index's file")]
    File(#[source] std::io::Error),
    /// The record.
    #[error(transparent)]
    Record(#[from] Error),
    /// It would have taken too long.
    #[error("the question takes too long: narrow it by time, identity or target")]
    Late,
    /// A place that no page ended at.
    #[error("this is no place that a page ended at")]
    Cursor,
    /// Nothing to look for.
    #[error("there is no word to look for in that")]
    NoWords,
}

impl IndexError {
    /// True when the file is of no use and is to be built anew.
    pub(crate) fn is_ruin(&self) -> bool {
        match self {
            Self::Missing | Self::Version | Self::Foreign | Self::Record(Error::Another) => true,
            Self::Database(rusqlite::Error::SqliteFailure(failure, _)) => matches!(
                failure.code,
                rusqlite::ErrorCode::DatabaseCorrupt
                    | rusqlite::ErrorCode::NotADatabase
                    // Made by somebody else: root, while the gateway was down.
                    | rusqlite::ErrorCode::ReadOnly
                    | rusqlite::ErrorCode::CannotOpen
            ),
            _ => false,
        }
    }
}

/// The file of a record's index.
#[must_use]
pub fn path_of(dir: &Path) -> PathBuf {
    dir.join("index.sqlite3")
}

/// An index that questions are put to. It can be shared; one question is answered at a time.
pub struct Index {
    path: PathBuf,
    dir: PathBuf,
    db: Mutex<Option<Opened>>,
}

struct Opened {
    db: Connection,
    /// The file it was opened as: another one may have taken its place.
    inode: u64,
}

impl Index {
    /// The index of the record in `dir`. It is opened with the first question, and again when it was built anew.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self {
            path: path_of(dir),
            dir: dir.to_owned(),
            db: Mutex::new(None),
        }
    }

    /// How far it has come.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn position(&self) -> Result<Position, IndexError> {
        self.ask(|db| {
            let number = |key: &str| -> Result<u64, IndexError> {
                let found: Option<i64> = db
                    .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                    .query_row([key], |row| row.get(0))
                    .optional()?;
                Ok(u64::try_from(found.unwrap_or(0)).unwrap_or(0))
            };
            Ok(Position {
                indexed: number("leaf")?,
                signed: number("signed")?,
            })
        })
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let mut opened = self.opened()?;
        let Some(Opened { db, .. }) = opened.as_mut() else {
            return Err(IndexError::Missing);
        };
        let until = Instant::now() + limits::INDEX_QUERY_MAX;
        db.progress_handler(10_000, Some(move || Instant::now() > until))?;
        question(db).map_err(|error| match error {
            IndexError::Database(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::OperationInterrupted =>
            {
                IndexError::Late
            }
            other => other,
        })
    }

    fn opened(&self) -> Result<MutexGuard<'_, Option<Opened>>, IndexError> {
        let mut opened = self.db.lock();
        let inode = inode(&self.path).ok_or(IndexError::Missing)?;
        if opened.as_ref().is_none_or(|was| was.inode != inode) {
            *opened = None;
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(&self.path, flags)?;
            db.busy_timeout(limits::INDEX_QUERY_MAX)?;
            db.execute_batch("PRAGMA query_only = 1; PRAGMA cache_size = -16384;")?;
            query::know_folded(&db)?;
            let version: Option<i64> = db
                .query_row("SELECT value FROM meta WHERE key = 'version'", [], |row| {
                    row.get(0)
                })
                .optional()
                .map_err(|error| match error {
                    rusqlite::Error::SqliteFailure(failure, _)
                        if failure.code == rusqlite::ErrorCode::Unknown =>
                    {
                        // The tables are not there yet.
                        IndexError::Missing
                    }
                    other => IndexError::Database(other),
                })?;
            if version != Some(schema::VERSION) {
                return Err(IndexError::Version);
            }
            *opened = Some(Opened { db, inode });
        }
        Ok(opened)
    }

    /// True when a gateway is writing the record: sessions without an end are live then.
    fn is_live(&self) -> bool {
        crate::journal::is_live(&self.dir)
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|file| file.ino())
}
