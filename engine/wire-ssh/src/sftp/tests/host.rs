//! A host that knows links, and where paths lead.

use super::packets::{name_reply, status_reply};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Host {
    links: BTreeMap<String, String>,
    missing: BTreeSet<String>,
    /// It says nothing of a path whose last name is missing either, as servers other than OpenSSH's.
    pub(super) strict: bool,
}

impl Host {
    pub(super) fn link(&mut self, stands: &str, says: &str) {
        self.links.insert(stands.to_owned(), says.to_owned());
    }

    pub(super) fn missing(&mut self, path: &str) {
        self.missing.insert(path.to_owned());
    }

    /// Somebody renames.
    pub(super) fn moved(&mut self, from: &str, to: &str) {
        if let Some(says) = self.links.remove(from) {
            self.links.insert(to.to_owned(), says);
        }
    }

    pub(super) fn realpath(&self, id: u32, path: &str) -> Bytes {
        match self.leads(path) {
            Some(path) => name_reply(id, &[&path]),
            None => status_reply(id, 2, "No such file"),
        }
    }

    pub(super) fn leads(&self, path: &str) -> Option<String> {
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = match path.starts_with('/') {
            true => String::new(),
            false => "/home/ana".to_owned(),
        };
        let mut hops = 0;
        while let Some(name) = rest.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => at.truncate(at.rfind('/').unwrap_or(0)),
                name => {
                    let next = format!("{at}/{name}");
                    if let Some(says) = self.links.get(&next) {
                        hops += 1;
                        if hops > 20 {
                            return None;
                        }
                        if says.starts_with('/') {
                            at.clear();
                        }
                        rest.extend(says.split('/').rev().map(str::to_owned));
                        continue;
                    }
                    let last = rest.iter().all(|r| r.is_empty());
                    if self.missing.contains(&next) && (self.strict || !last) {
                        return None;
                    }
                    at = next;
                }
            }
        }
        Some(if at.is_empty() { "/".to_owned() } else { at })
    }
}
