//! The folder: files, and a manifest that names each with its digest and is signed as checkpoints are. Written as a whole
//! or not at all: it stands under its name only when the manifest is in it.
//!
//! The first line of the manifest's text after the origin is no number, so that it can never pass for a checkpoint.

use super::collect::Collected;
use super::framework::Framework;
use super::page::page;
use super::{EvidenceError, Wanted};
use crate::age::Identity;
use crate::error::Error;
use crate::frame::{self, Frame, kind_name, sha256};
use crate::key::NodeKey;
use crate::note::{self, Checkpoint};
use crate::payloads::PayloadKeys;
use crate::proof::Prover;
use crate::read::Reader;
use crate::tree::Hash;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_model::{SessionId, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// What the second line of a manifest says.
pub(super) const MANIFEST: &str = "portcullis evidence v1";

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Files, the manifest included.
    pub files: usize,
    /// Rows of each table, by its title.
    pub rows: Vec<(&'static str, usize)>,
    /// Entries that are proved.
    pub entries: usize,
}

/// Writes the evidence of a time into a new folder. `key` is the gateway's own. With a framework, the first table says
/// where to look for its controls.
///
/// # Errors
/// [`EvidenceError`].
pub fn export(
    dir: &Path,
    key: &NodeKey,
    wanted: &Wanted,
    identities: Vec<Identity>,
    framework: Option<&Framework>,
    folder: &Path,
    now: Timestamp,
) -> Result<Written, EvidenceError> {
    if wanted.from >= wanted.until {
        return Err(EvidenceError::Time {
            from: wanted.from,
            until: wanted.until,
        });
    }
    let notes = note::read_all(dir, key.public())?.notes;
    let last = notes.last().ok_or(EvidenceError::NoCheckpoint)?;
    let keys = PayloadKeys::of(dir, identities)?;
    let mut collected = Collected::new(wanted.clone());
    Reader::open(dir)?.all().visit(|frame, leaf| {
        // What no checkpoint covers yet proves nothing.
        if leaf < last.size {
            collected.see(frame, leaf, &keys);
        }
    })?;
    let mut tables = collected.tables();
    if let Some(framework) = framework {
        tables.insert(0, framework.table(&tables));
    }
    let proved = prove(dir, last, &collected.cited)?;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for table in &tables {
        files.insert(format!("{}.csv", table.name), table.csv().into_bytes());
        files.insert(format!("{}.json", table.name), table.json().into_bytes());
    }
    let policy = collected.snapshot.clone().unwrap_or_default();
    files.insert(
        "policy.json".to_owned(),
        format!("{policy:#}\n").into_bytes(),
    );
    files.insert("entries.jsonl".to_owned(), proved.lines.into_bytes());
    files.insert(
        "checkpoints".to_owned(),
        signed(&notes, wanted, key).into_bytes(),
    );
    let mut facts = facts(last, wanted, key, now, &policy).to_vec();
    facts.extend(framework.map(|framework| ("Controls of", framework.title().to_owned())));
    files.insert(
        "report.html".to_owned(),
        page("Evidence of access", &facts, &tables).into_bytes(),
    );
    let manifest = manifest(&files, wanted, key, now);
    write(folder, &files, &manifest).map_err(EvidenceError::Folder)?;
    Ok(Written {
        files: files.len() + 1,
        rows: tables.iter().map(|t| (t.title, t.rows.len())).collect(),
        entries: proved.count,
    })
}

/// What stands at the top of the report.
fn facts(
    last: &Checkpoint,
    wanted: &Wanted,
    key: &NodeKey,
    now: Timestamp,
    policy: &serde_json::Value,
) -> [(&'static str, String); 8] {
    [
        ("Node", last.origin.clone()),
        ("From", wanted.from.rfc3339()),
        ("Until", wanted.until.rfc3339()),
        ("Made", now.rfc3339()),
        ("Key", key.public().to_string()),
        (
            "Checkpoint",
            format!(
                "{} of {}, {} entries",
                last.number,
                last.at.rfc3339(),
                last.size
            ),
        ),
        (
            "Policy revision",
            policy["revision"]
                .as_str()
                .unwrap_or("not on record")
                .to_owned(),
        ),
        (
            "To verify",
            "portcullis evidence verify FOLDER --key PUBLIC-KEY, with the key from elsewhere"
                .to_owned(),
        ),
    ]
}

/// The checkpoints of the time, and the last of all, to which the proofs lead.
fn signed(notes: &[Checkpoint], wanted: &Wanted, key: &NodeKey) -> String {
    let within = |note: &Checkpoint| note.at >= wanted.from && note.at < wanted.until;
    let last = notes.last().map(|note| note.number);
    let chosen = notes
        .iter()
        .filter(|note| within(note) || Some(note.number) == last);
    chosen.map(|note| note.sign(key)).collect()
}

struct Proved {
    lines: String,
    count: usize,
}

/// The cited entries, each with its frame, the head of the chain before it, and its proof.
fn prove(dir: &Path, last: &Checkpoint, cited: &[u64]) -> Result<Proved, Error> {
    let wanted: HashSet<u64> = cited.iter().copied().collect();
    let mut prover = Prover::new(last.size, cited.iter().copied());
    let mut chains: HashMap<SessionId, Hash> = HashMap::new();
    let mut found = Vec::new();
    Reader::open(dir)?.all().visit(|frame, leaf| {
        let before = chains.get(&frame.session).copied();
        let before = before.unwrap_or_else(|| frame::genesis(frame.session));
        let link = frame.link(&before);
        chains.insert(frame.session, link);
        prover.push(&link);
        if leaf < last.size && wanted.contains(&leaf) {
            found.push((leaf, entry(frame, leaf, &before, &link)));
        }
    })?;
    let mut lines = String::new();
    for (leaf, mut entry) in found.iter().cloned() {
        let Some(proof) = prover.proof(leaf) else {
            continue;
        };
        let proof: Vec<String> = proof
            .iter()
            .map(|hash| BASE64_STANDARD.encode(hash))
            .collect();
        entry["proof"] = json!(proof);
        lines.push_str(&entry.to_string());
        lines.push('\n');
    }
    Ok(Proved {
        lines,
        count: found.len(),
    })
}

fn entry(frame: &Frame<'_>, leaf: u64, before: &Hash, link: &Hash) -> serde_json::Value {
    json!({
        "leaf": leaf, "session": frame.session, "sequence": frame.sequence, "at": frame.at.rfc3339(),
        "kind": kind_name(frame.kind), "husk": frame.husk,
        "frame": BASE64_STANDARD.encode(frame.bytes),
        "previous": BASE64_STANDARD.encode(before), "link": BASE64_STANDARD.encode(link),
    })
}

pub(super) fn manifest(
    files: &BTreeMap<String, Vec<u8>>,
    wanted: &Wanted,
    key: &NodeKey,
    now: Timestamp,
) -> String {
    let mut text = format!(
        "{}\n{MANIFEST}\nfrom {}\nuntil {}\nmade {}\n",
        key.public().name(),
        wanted.from.0,
        wanted.until.0,
        now.0
    );
    for (name, bytes) in files {
        let digest = hex::encode(sha256(bytes));
        text.push_str(&format!("file {digest} {} {name}\n", bytes.len()));
    }
    let signature = key.sign_line(&text);
    format!("{text}\n{signature}")
}

/// Everything beside the folder first, and then under its name.
fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>, manifest: &str) -> io::Result<()> {
    if folder.symlink_metadata().is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it is there already; name a new one",
        ));
    }
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("there is no randomness"))?;
    // A name that nobody else has: what stands under another one is not ours to remove.
    let mut aside = folder.as_os_str().to_owned();
    aside.push(format!(".{}.new", hex::encode(random)));
    let aside = Path::new(&aside);
    DirBuilder::new().mode(0o700).create(aside)?;
    let written = fill(aside, files, manifest).and_then(|()| fs::rename(aside, folder));
    if written.is_err() {
        let _ = fs::remove_dir_all(aside);
        return written;
    }
    match folder.parent().filter(|parent| *parent != Path::new("")) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// All of it is on stable storage when this returns.
fn fill(folder: &Path, files: &BTreeMap<String, Vec<u8>>, manifest: &str) -> io::Result<()> {
    let manifest = ("manifest", manifest.as_bytes());
    let files = files.iter().map(|(name, bytes)| (&**name, &**bytes));
    for (name, bytes) in files.chain([manifest]) {
        let mut file = File::create_new(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    File::open(folder)?.sync_all()
}
