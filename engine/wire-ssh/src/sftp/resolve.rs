//! Where does a path lead? Before a path is judged, the server itself is asked, with a `REALPATH` of the gateway's own:
//! `..`, relative paths and symbolic links are what it says they are. Refuses to judge a path that cannot be settled.

use super::path::{self, Plain, plain};
use super::request::{Aim, Named};
use super::wire::code;
use portcullis_model::FileOperation;
use std::collections::VecDeque;

/// Which paths the server is asked about before they are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolve {
    /// All that are opened or changed: a path is judged as it is named and as where it leads to. Costs one round trip
    /// to the host for each.
    #[default]
    Links,
    /// Only those that do not say themselves where they lead: relative ones and such with `..`. Rules about paths
    /// can then be walked around with a symbolic link.
    Names,
}

/// Which of the two paths of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Path,
    Other,
}

/// One question to the server.
#[derive(Debug)]
struct Lookup {
    place: Place,
    ask: Vec<u8>,
    /// The last name, where that is not to be followed.
    append: Option<Vec<u8>>,
    /// What to ask when there is nothing: the folder, and the name in it.
    retry: Option<(Vec<u8>, Vec<u8>)>,
    /// When all fails, this may be judged instead.
    otherwise: Option<Vec<u8>>,
}

/// A request whose paths are being settled.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) named: Named,
    lookups: VecDeque<Lookup>,
    path: Candidates,
    other: Candidates,
}

/// What a path may be.
#[derive(Debug, Default)]
struct Candidates {
    /// As it was named, made plain, where that can be judged.
    name: Option<Vec<u8>>,
    /// Where it leads, says the server.
    real: Option<Vec<u8>>,
}

/// What the server's answer means for the request.
pub(super) enum Settled {
    /// Go on asking, or judge.
    Go,
    /// The client gets this code: what it named is not there, or not for it.
    Fails(u32),
    /// The server does not answer in good order.
    Nonsense,
}

impl Settling {
    /// What has to be asked about a request.
    pub(super) fn new(named: Named, resolve: Resolve) -> Self {
        let mut settling = Self {
            lookups: VecDeque::new(),
            path: Candidates::default(),
            other: Candidates::default(),
            named,
        };
        let named = &settling.named;
        let subject = match (named.aim, &named.other) {
            (Aim::LinkText, Some(link)) => beside(link, &named.path),
            _ => named.path.to_vec(),
        };
        let (name, lookup) = settle(&subject, named.aim, Place::Path, resolve);
        settling.path.name = name;
        settling.lookups.extend(lookup);
        if let Some(other) = &settling.named.other {
            let (name, lookup) = settle(other, Aim::Name, Place::Other, resolve);
            settling.other.name = name;
            settling.lookups.extend(lookup);
        }
        settling
    }

    /// The next question, if there is one.
    pub(super) fn question(&self) -> Option<&[u8]> {
        self.lookups.front().map(|lookup| lookup.ask.as_slice())
    }

    /// The server has named a path.
    pub(super) fn named(&mut self, found: &[u8]) -> Settled {
        let Some(lookup) = self.lookups.pop_front() else {
            return Settled::Nonsense;
        };
        let found = plain(found);
        if !found.certain || found.bytes.contains(&0) {
            return Settled::Nonsense;
        }
        let real = match &lookup.append {
            Some(name) => path::join(&found.bytes, name),
            None => found.bytes,
        };
        self.candidates(lookup.place).real = Some(real);
        Settled::Go
    }

    /// The server has answered with a status.
    pub(super) fn failed(&mut self, status: u32) -> Settled {
        let Some(mut lookup) = self.lookups.pop_front() else {
            return Settled::Nonsense;
        };
        // Some servers say no more than that it failed.
        let missing = matches!(status, code::NO_SUCH_FILE | code::FAILURE);
        match (lookup.retry.take(), lookup.otherwise.take()) {
            (Some((folder, name)), otherwise) if missing => {
                self.lookups.push_front(Lookup {
                    ask: folder,
                    append: Some(name),
                    otherwise,
                    ..lookup
                });
                Settled::Go
            }
            (_, Some(otherwise)) if missing => {
                self.candidates(lookup.place).real = Some(otherwise);
                Settled::Go
            }
            _ if matches!(status, code::OK | code::EOF) => Settled::Nonsense,
            _ => Settled::Fails(status),
        }
    }

    /// What has to be allowed, all of it, for the request to go on.
    pub(super) fn operations(&self) -> Vec<FileOperation> {
        let named = |c: &Candidates| c.name.clone().or_else(|| c.real.clone());
        let real = |c: &Candidates| c.real.clone().or_else(|| c.name.clone());
        let two = self.named.other.is_some();
        let mut operations = Vec::with_capacity(2);
        for pick in [named, real] {
            let path = pick(&self.path).unwrap_or_default();
            let other = two.then(|| pick(&self.other).unwrap_or_default());
            let operation = self.named.operation(&path, other.as_deref());
            if !operations.contains(&operation) {
                operations.push(operation);
            }
        }
        operations
    }

    /// The path as named, made plain, and where it leads if that is another.
    pub(super) fn paths(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let Candidates { name, real } = &self.path;
        let shown = name.clone().or_else(|| real.clone()).unwrap_or_default();
        let leads = real.clone().filter(|real| *real != shown);
        (shown, leads)
    }

    fn candidates(&mut self, place: Place) -> &mut Candidates {
        match place {
            Place::Path => &mut self.path,
            Place::Other => &mut self.other,
        }
    }
}

/// What a link says, seen from where it stands.
fn beside(link: &[u8], text: &[u8]) -> Vec<u8> {
    let folder = path::parent(link).map(|(folder, _)| folder);
    path::join(&folder.unwrap_or_else(|| b".".to_vec()), text)
}

fn settle(
    named: &[u8],
    aim: Aim,
    place: Place,
    resolve: Resolve,
) -> (Option<Vec<u8>>, Option<Lookup>) {
    let Plain { bytes, certain } = plain(named);
    if aim == Aim::Text {
        return (Some(named.to_vec()), None);
    }
    let looks = matches!(aim, Aim::Look | Aim::LookName);
    if certain && (looks || resolve == Resolve::Names) {
        return (Some(bytes), None);
    }
    let whole = |retry, otherwise| Lookup {
        place,
        ask: bytes.clone(),
        append: None,
        retry,
        otherwise,
    };
    let lookup = match (aim, path::parent(&bytes)) {
        (Aim::Name | Aim::LookName, Some((folder, name))) => Lookup {
            ask: folder,
            append: Some(name),
            ..whole(None, None)
        },
        (Aim::NewFile, parent) => whole(parent, None),
        // A link may lead nowhere: then what it says is all there is.
        (Aim::LinkText, parent) => whole(parent, Some(bytes.clone())),
        _ => whole(None, None),
    };
    (certain.then_some(bytes), Some(lookup))
}
