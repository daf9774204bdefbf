//! Which chat account belongs to which person. An account asks for a code; the person, in a fresh login, is shown which
//! account the code came from and says so explicitly; only then is it linked, for a time. It refuses to guess by name or
//! e-mail, to link without that word, and to keep a link for ever: a vote by it is as fresh as the login it came from.

use crate::moment::Clocks;
use crate::patience::PatientLock;
use crate::store::{Keep, Kept, Shelf};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use portcullis_model::{Blame, Fault, Identity, Principal, Timestamp, escape_line, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A code is typed at once.
const CODE_LASTS: Duration = Duration::from_secs(10 * 60);

/// An account of a chat system, as that system says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// `slack`.
    pub system: String,
    /// The workspace.
    pub team: String,
    /// The user in it.
    pub user: String,
    /// What the user is called there: a claim.
    pub name: String,
}

impl Account {
    fn key(&self) -> String {
        format!("{}:{}:{}", self.system, self.team, self.user)
    }

    /// For people: `slack:T1:U2 (ana)`.
    #[must_use]
    pub fn shown(&self) -> String {
        escape_line(&format!("{} ({})", self.key(), self.name))
    }
}

/// A linked account, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linked {
    /// The account.
    pub account: Account,
    /// The person, as verified when it was linked.
    pub person: Arc<Identity>,
    /// Until when.
    pub until: Timestamp,
}

/// All links of a node.
pub struct Links {
    keep: Arc<dyn Keep>,
    clocks: Clocks,
    lasts: Duration,
    codes: Mutex<BTreeMap<String, (Account, Duration)>>,
    linked: PatientLock<BTreeMap<String, (Linked, Duration)>>,
}

impl Links {
    /// Links that last so long, with those that were kept.
    ///
    /// # Errors
    /// When something kept cannot be read.
    pub fn new(
        keep: Arc<dyn Keep>,
        clocks: Clocks,
        lasts: Duration,
        kept: &Kept,
    ) -> Result<Self, Fault> {
        let now = clocks.now();
        let mut linked = BTreeMap::new();
        for ((shelf, id), value) in &kept.things {
            if *shelf == Shelf::Account {
                let link: Linked = serde_json::from_value(value.clone())
                    .map_err(|e| Fault::new(Blame::Gateway, "read a linked account", e))?;
                let left = link.until.since(now.wall.max(kept.seen)).min(lasts);
                linked.insert(id.clone(), (link, now.steady + left));
            }
        }
        Ok(Self {
            keep,
            clocks,
            lasts,
            codes: Mutex::default(),
            linked: PatientLock::new(linked),
        })
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.clocks.now().wall
    }

    /// A code for an account that wants to be linked.
    ///
    /// # Errors
    /// When there are too many already.
    pub fn code(&self, account: Account) -> Result<String, Fault> {
        let now = self.clocks.now().steady;
        let mut codes = self.codes.lock();
        codes.retain(|_, (_, until)| *until > now);
        // A new code is the only one.
        codes.retain(|_, (other, _)| other.key() != account.key());
        if codes.len() >= limits::CHAT_CODES_MAX {
            return Err(Fault::bare(
                Blame::Gateway,
                "make another code: too many wait",
            ));
        }
        let mut bytes = [0; 10];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Fault::bare(Blame::Gateway, "draw random bytes for a code"))?;
        let code = hex::encode(bytes);
        codes.insert(code.clone(), (account, now + CODE_LASTS));
        Ok(code)
    }

    /// The account that a code came from: to be shown to whoever typed it.
    #[must_use]
    pub fn asked(&self, code: &str) -> Option<Account> {
        let now = self.clocks.now().steady;
        let codes = self.codes.lock();
        let found = codes.get(code).filter(|(_, until)| *until > now);
        found.map(|(account, _)| account.clone())
    }

    /// Links the account, now that the person has seen it and says that it is theirs.
    ///
    /// # Errors
    /// When the code is not good (any more), or the link cannot be kept.
    pub fn link(&self, code: &str, person: &Arc<Identity>) -> Result<Linked, Fault> {
        let now = self.clocks.now();
        let account = self.asked(code);
        let account =
            account.ok_or_else(|| Fault::bare(Blame::Client, "use a code of a chat account"))?;
        let key = account.key();
        let linked = Linked {
            account,
            person: person.clone(),
            until: now.wall.after(self.lasts),
        };
        let value = serde_json::to_value(&linked)
            .map_err(|e| Fault::new(Blame::Gateway, "write down a linked account", e))?;
        self.keep.put(Shelf::Account, &key, value, now.wall)?;
        self.codes.lock().remove(code);
        let until = now.steady + self.lasts;
        self.linked.lock().insert(key, (linked.clone(), until));
        Ok(linked)
    }

    /// The person behind an account, while the link lasts. Their token is good until then; how fresh they are is told by the
    /// login that linked the account, as ever.
    #[must_use]
    pub fn person(&self, account: &Account) -> Option<Arc<Identity>> {
        let now = self.clocks.now();
        let linked = self.linked.lock();
        let (link, until) = linked.get(&account.key())?;
        if *until <= now.steady || link.until <= now.wall {
            return None;
        }
        let mut person = (*link.person).clone();
        person.expires = person.expires.max(link.until);
        Some(Arc::new(person))
    }

    /// Forgets the accounts of a person who is in fewer groups by now: the link would go on voting for those.
    pub fn seen(&self, who: &Identity) {
        self.forget_where(|person| {
            person.principal == who.principal
                && !person.groups.iter().all(|g| who.groups.contains(g))
        });
    }

    /// Forgets the accounts of a person.
    pub fn forget(&self, who: &Principal) {
        self.forget_where(|person| person.principal == *who);
    }

    fn forget_where(&self, lost: impl Fn(&Identity) -> bool) {
        let now = self.clocks.now();
        let mut linked = self.linked.lock();
        let gone: Vec<String> = linked
            .iter()
            .filter(|(_, (link, _))| lost(&link.person))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            linked.remove(&key);
            if let Err(fault) = self.keep.remove(Shelf::Account, &key, now.wall) {
                tracing::error!(key, fault = %fault.chain(), "a linked account is not forgotten for good");
            }
        }
    }
}
