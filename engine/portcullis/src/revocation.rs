//! Revocations that outlive a restart: the list of `identity`, kept in a file of the state folder. It
//! refuses to start from a file it cannot read: an empty list would let everybody back in.

use portcullis_identity::{Full, Revocation, Revocations};
use portcullis_model::{Principal, Timestamp};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// No token lives longer than this: its entry may then be forgotten.
pub(crate) const TOKEN_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// The list and its file.
pub struct Ledger {
    path: PathBuf,
    list: Arc<Revocations>,
}

/// Why a revocation is not in force for good.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The list is full.
    #[error("{0}")]
    Full(#[from] Full),
    /// The file cannot be read or written.
    #[error("keep {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    issuer: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    token_id: Option<String>,
    until: Timestamp,
}

impl Ledger {
    /// Reads the file into the list; a missing file is an empty one.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn open(path: &Path, list: Arc<Revocations>, now: Timestamp) -> Result<Self, LedgerError> {
        let ledger = Self {
            path: path.to_owned(),
            list,
        };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ledger),
            Err(error) => return Err(ledger.failed(error)),
        };
        let written: Vec<Written> = serde_json::from_slice(&text)
            .map_err(|error| ledger.failed(io::Error::other(error)))?;
        for entry in written {
            if let Some((what, until)) = entry.read().filter(|(_, until)| *until > now) {
                ledger.list.revoke(what, until, now)?;
            }
        }
        Ok(ledger)
    }

    /// Revokes an identity for good, also where it acts for others or owns a machine.
    ///
    /// # Errors
    /// When the list is full, or the file cannot be written: in force until the next restart then.
    pub fn revoke_principal(&self, who: Principal, now: Timestamp) -> Result<(), LedgerError> {
        self.revoke(Revocation::Principal(who), Timestamp(i64::MAX), now)
    }

    /// Revokes one token.
    ///
    /// # Errors
    /// See [`Ledger::revoke_principal`].
    pub fn revoke_token(
        &self,
        issuer: String,
        id: String,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let what = Revocation::Token { issuer, id };
        self.revoke(what, now.after(TOKEN_LIFE_MAX), now)
    }

    fn revoke(
        &self,
        what: Revocation,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.list.revoke(what, until, now)?;
        self.save(now).map_err(|error| self.failed(error))
    }

    /// Written beside and renamed: the file is always whole.
    fn save(&self, now: Timestamp) -> io::Result<()> {
        let list = self.list.list(now);
        let written: Vec<Written> = list.iter().filter_map(Written::of).collect();
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(&written)?)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> LedgerError {
        LedgerError::File {
            path: self.path.clone(),
            source,
        }
    }
}

impl Written {
    fn of((what, until): &(Revocation, Timestamp)) -> Option<Self> {
        let (issuer, subject, token_id) = match what {
            Revocation::Principal(who) => (&who.issuer, Some(&who.subject), None),
            Revocation::Token { issuer, id } => (issuer, None, Some(id)),
            // A session does not outlive a restart.
            Revocation::Session(_) => return None,
        };
        Some(Self {
            issuer: issuer.clone(),
            subject: subject.cloned(),
            token_id: token_id.cloned(),
            until: *until,
        })
    }

    fn read(self) -> Option<(Revocation, Timestamp)> {
        let issuer = self.issuer;
        let what = match (self.subject, self.token_id) {
            (Some(subject), None) => Revocation::Principal(Principal { issuer, subject }),
            (None, Some(id)) => Revocation::Token { issuer, id },
            _ => return None,
        };
        Some((what, self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_desk::tests::identity;

    #[test]
    fn a_revocation_outlives_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("revocations.json");
        let now = Timestamp(5);
        let open = || {
            let list = Arc::new(Revocations::new());
            let ledger = Ledger::open(&path, Arc::clone(&list), now);
            (ledger.expect("opens"), list)
        };
        let (ledger, _) = open();
        let ana = identity("ana");
        ledger
            .revoke_principal(ana.principal.clone(), now)
            .expect("kept");
        let issuer = ana.principal.issuer.clone();
        ledger
            .revoke_token(issuer, "t-9".to_owned(), now)
            .expect("kept");
        let (_, list) = open();
        assert!(list.covers(&ana, None, now).is_some());
        let mut bea = identity("bea");
        assert!(list.covers(&bea, None, now).is_none());
        bea.token_id = Some("t-9".to_owned());
        assert!(list.covers(&bea, None, now).is_some());
    }

    #[test]
    fn a_spoilt_file_is_not_an_empty_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("revocations.json");
        std::fs::write(&path, "[{").expect("write");
        let opened = Ledger::open(&path, Arc::new(Revocations::new()), Timestamp(0));
        assert!(opened.is_err());
    }
}
