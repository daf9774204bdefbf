//! Checking a folder of evidence with the public key alone: the manifest's signature, every file, every checkpoint, and
//! for each entry that it is what a checkpoint has signed. It goes on after a problem and names them all.
//!
//! Refuses files that the manifest does not name, names that lead out of the folder, and proofs that lead to nothing
//! signed.

use super::package::MANIFEST;
use super::{EvidenceError, Wanted};
use crate::frame::{self, sha256};
use crate::key::VerifyKey;
use crate::note::Checkpoint;
use crate::proof::is_included;
use crate::retention::may_go;
use crate::tree::Hash;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Files that are as they were signed.
    pub files: u64,
    /// Entries that a checkpoint covers.
    pub entries: u64,
    /// Checkpoints that are signed.
    pub checkpoints: u64,
    /// From when until when, as the manifest says.
    pub time: Option<(String, String)>,
    /// Everything that is not as it was signed.
    pub problems: Vec<String>,
}

/// Checks a folder.
///
/// # Errors
/// When it cannot be read. What is wrong with it is in the answer.
pub fn verify(folder: &Path, key: &VerifyKey) -> Result<Checked, EvidenceError> {
    let mut checked = Checked::default();
    let note = read(folder, "manifest")?;
    let Some(manifest) = signed(&note, key) else {
        checked
            .problems
            .push("the manifest is not signed by this key".to_owned());
        return Ok(checked);
    };
    let Some((wanted, named)) = parse(manifest) else {
        checked
            .problems
            .push("the manifest is none of evidence".to_owned());
        return Ok(checked);
    };
    checked.time = Some((wanted.from.rfc3339(), wanted.until.rfc3339()));
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, (length, digest)) in &named {
        match fs::read(folder.join(name)) {
            Err(_) => checked.problems.push(format!("{name} is missing")),
            Ok(bytes)
                if bytes.len() as u64 != *length || hex::encode(sha256(&bytes)) != *digest =>
            {
                checked.problems.push(format!("{name} was altered"));
            }
            Ok(bytes) => {
                checked.files += 1;
                files.insert(name, bytes);
            }
        }
    }
    strangers(folder, &named, &mut checked)?;
    for needed in ["checkpoints", "entries.jsonl"] {
        if !named.contains_key(needed) {
            let what = format!("the manifest names no {needed}: nothing is proved");
            checked.problems.push(what);
        }
    }
    let notes = match files
        .get("checkpoints")
        .map(|bytes| String::from_utf8_lossy(bytes))
    {
        Some(text) => checkpoints(&text, key, &mut checked),
        None => Vec::new(),
    };
    if let Some(lines) = files
        .get("entries.jsonl")
        .map(|bytes| String::from_utf8_lossy(bytes))
    {
        entries(&lines, notes.last(), &mut checked)
    }
    Ok(checked)
}

fn read(folder: &Path, name: &str) -> Result<String, EvidenceError> {
    fs::read_to_string(folder.join(name)).map_err(|source| EvidenceError::Read {
        file: name.to_owned(),
        source,
    })
}

/// The text of a note, if this key has signed it.
fn signed<'a>(note: &'a str, key: &VerifyKey) -> Option<&'a str> {
    let end = note.find("\n\n").filter(|_| note.ends_with('\n'))?;
    let (text, rest) = note.split_at(end + 1);
    let is_ours = rest[1..].lines().any(|line| key.verifies(text, line));
    is_ours.then_some(text)
}

type Named = BTreeMap<String, (u64, String)>;

fn parse(text: &str) -> Option<(Wanted, Named)> {
    let mut lines = text.lines().skip(1);
    if lines.next()? != MANIFEST {
        return None;
    }
    let mut moment = |name: &str| -> Option<Timestamp> {
        let line = lines.next()?.strip_prefix(name)?.strip_prefix(' ')?;
        Some(Timestamp(line.parse().ok()?))
    };
    let wanted = Wanted {
        from: moment("from")?,
        until: moment("until")?,
    };
    moment("made")?;
    let mut named = BTreeMap::new();
    for line in lines {
        let mut words = line.strip_prefix("file ")?.splitn(3, ' ');
        let (digest, length, name) = (words.next()?, words.next()?, words.next()?);
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.starts_with('.') || !name.chars().all(plain) {
            return None;
        }
        named.insert(name.to_owned(), (length.parse().ok()?, digest.to_owned()));
    }
    Some((wanted, named))
}

fn strangers(folder: &Path, named: &Named, checked: &mut Checked) -> Result<(), EvidenceError> {
    let broken = |source| EvidenceError::Read {
        file: ".".to_owned(),
        source,
    };
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).map_err(broken)? {
        let name = file.map_err(broken)?.file_name();
        found.insert(name.to_string_lossy().into_owned());
    }
    for name in found {
        if name != "manifest" && !named.contains_key(&name) {
            checked
                .problems
                .push(format!("{name} is not in the manifest"));
        }
    }
    Ok(())
}

fn checkpoints(text: &str, key: &VerifyKey, checked: &mut Checked) -> Vec<Checkpoint> {
    let mut notes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        match Checkpoint::read(rest, key) {
            Ok(Some((note, next))) => {
                notes.push(note);
                rest = next;
            }
            _ => {
                checked
                    .problems
                    .push("a checkpoint is not signed by this key".to_owned());
                break;
            }
        }
    }
    checked.checkpoints = notes.len() as u64;
    notes
}

#[derive(Deserialize)]
struct Line {
    leaf: u64,
    session: String,
    sequence: u64,
    frame: String,
    previous: String,
    proof: Vec<String>,
}

fn entries(lines: &str, last: Option<&Checkpoint>, checked: &mut Checked) {
    let Some(last) = last else {
        checked
            .problems
            .push("there is no checkpoint to prove the entries with".to_owned());
        return;
    };
    // Two entries of one session that stand side by side have to be links of one chain.
    let mut heads: HashMap<(u128, u64), Hash> = HashMap::new();
    let mut before: Option<u64> = None;
    for (number, line) in lines.lines().enumerate() {
        match proved(line, last, &mut heads) {
            Some(leaf) if before.is_some_and(|before| before >= leaf) => {
                checked.problems.push(format!(
                    "entries.jsonl:{}: the entry stands in the wrong place or a second time",
                    number + 1
                ));
            }
            Some(leaf) => {
                before = Some(leaf);
                checked.entries += 1;
            }
            None => checked.problems.push(format!(
                "entries.jsonl:{}: the entry is not proved",
                number + 1
            )),
        }
    }
}

fn proved(line: &str, last: &Checkpoint, heads: &mut HashMap<(u128, u64), Hash>) -> Option<u64> {
    let line: Line = serde_json::from_str(line).ok()?;
    let hash = |text: &str| -> Option<Hash> { BASE64_STANDARD.decode(text).ok()?.try_into().ok() };
    let bytes = BASE64_STANDARD.decode(&line.frame).ok()?;
    let frame = frame::decode(&bytes).ok()?;
    if frame.session.to_string() != line.session
        || frame.sequence != line.sequence
        || frame.bytes.len() != bytes.len()
        // In the place of what is never shredded nothing else may stand.
        || (frame.husk && !may_go(&frame))
    {
        return None;
    }
    let previous = hash(&line.previous)?;
    let id = frame.session.0;
    let before = match frame.sequence {
        1 => Some(frame::genesis(frame.session)),
        sequence => heads.get(&(id, sequence - 1)).copied(),
    };
    if before.is_some_and(|before| before != previous) {
        return None;
    }
    let link = frame.link(&previous);
    heads.insert((id, frame.sequence), link);
    let proof = line
        .proof
        .iter()
        .map(|step| hash(step))
        .collect::<Option<Vec<_>>>()?;
    is_included(line.leaf, &link, last.size, &proof, &last.root).then_some(line.leaf)
}

#[cfg(test)]
mod tests {
    use super::super::package::{export, manifest};
    use super::*;
    use crate::journal::opened;
    use crate::key::NodeKey;
    use serde_json::{Value, json};

    fn wanted() -> Wanted {
        Wanted {
            from: Timestamp(0),
            until: Timestamp(1000),
        }
    }

    /// Signs whatever stands in the folder now, as whoever holds the key can.
    fn sign(folder: &Path, key: &NodeKey) {
        let mut files = BTreeMap::new();
        for file in fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if name != "manifest" {
                files.insert(name.clone(), fs::read(folder.join(name)).unwrap());
            }
        }
        let note = manifest(&files, &wanted(), key, Timestamp(9));
        fs::write(folder.join("manifest"), note).unwrap();
    }

    fn alter(folder: &Path, key: &NodeKey, change: impl Fn(&mut Value)) -> Vec<String> {
        let path = folder.join("entries.jsonl");
        let lines = fs::read_to_string(&path).unwrap();
        let mut entries: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        change(&mut entries[1]);
        let changed: String = entries.iter().map(|e| format!("{e}\n")).collect();
        fs::write(&path, changed).unwrap();
        sign(folder, key);
        let problems = verify(folder, key.public()).unwrap().problems;
        fs::write(&path, lines).unwrap();
        sign(folder, key);
        assert_eq!(verify(folder, key.public()).unwrap().problems, [""; 0]);
        problems
    }

    /// Entries twice, and folders without what proves them, under the right signature.
    fn lacking(folder: &Path, key: &NodeKey) {
        let path = folder.join("entries.jsonl");
        let lines = fs::read_to_string(&path).unwrap();
        let first = lines.lines().next().unwrap();
        fs::write(&path, format!("{first}\n{lines}")).unwrap();
        sign(folder, key);
        let problems = verify(folder, key.public()).unwrap().problems;
        assert!(problems[0].contains("a second time"), "{problems:?}");
        fs::write(&path, &lines).unwrap();

        for name in ["entries.jsonl", "checkpoints"] {
            let bytes = fs::read(folder.join(name)).unwrap();
            fs::remove_file(folder.join(name)).unwrap();
            sign(folder, key);
            let problems = verify(folder, key.public()).unwrap().problems;
            let what = format!("the manifest names no {name}: nothing is proved");
            assert!(problems.contains(&what), "{problems:?}");
            fs::write(folder.join(name), bytes).unwrap();
        }
        sign(folder, key);
    }

    #[test]
    fn an_entry_that_the_tree_does_not_have_shows_under_the_right_signature_too() {
        let dir = tempfile::tempdir().unwrap();
        let key = || NodeKey::open(&dir.path().join("key"), "gw").unwrap();
        let journal = opened(dir.path());
        for n in 0..5 {
            journal.node("session_killed", &json!({"uid": n})).unwrap();
        }
        journal.close().unwrap();
        let (folder, key) = (dir.path().join("evidence"), key());
        export(
            &dir.path().join("record"),
            &key,
            &wanted(),
            Vec::new(),
            None,
            &folder,
            Timestamp(9),
        )
        .unwrap();
        let forged = alter(&folder, &key, |entry| {
            let mut frame = BASE64_STANDARD
                .decode(entry["frame"].as_str().unwrap())
                .unwrap();
            let body = frame.len() - 4;
            frame[body - 2] ^= 1;
            let crc = crc32c::crc32c(&frame[..body]).to_be_bytes();
            frame[body..].copy_from_slice(&crc);
            entry["frame"] = json!(BASE64_STANDARD.encode(frame));
        });
        // The one behind it goes on from another chain, too.
        assert_eq!(forged[0], "entries.jsonl:2: the entry is not proved");
        for change in [
            (|entry: &mut Value| entry["leaf"] = json!(4)) as fn(&mut Value),
            |entry| entry["sequence"] = json!(9),
            |entry| entry["previous"] = entry["link"].clone(),
            |entry| drop(entry["proof"].as_array_mut().unwrap().pop()),
            |entry| entry["session"] = json!("s-00000000000000000000000001"),
        ] {
            assert!(!alter(&folder, &key, change).is_empty());
        }
        lacking(&folder, &key);
        let outside = fs::read_to_string(folder.join("manifest")).unwrap();
        assert!(parse(&outside.replace("access.csv", "../access.csv")).is_none());
        assert!(parse(&outside.replace("access.csv", "/etc/passwd")).is_none());
    }
}
