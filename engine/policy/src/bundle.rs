//! OPA bundles: `.tar.gz` with `.manifest`, modules, data by directory, and `.signatures.json`. A bundle
//! is one pack. It refuses a bundle that claims more than a pack may own, whose files are not exactly the
//! signed ones, whose signature cannot be checked, or that would unpack to more than its bound. The
//! signature is verified before a byte of policy or data is parsed.

mod signature;

use crate::diagnostic::Diagnostic;
use crate::source::{DataFile, Pieces, is_data, parse_data};
use flate2::read::GzDecoder;
use portcullis_model::limits;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

const MANIFEST: &str = ".manifest";
const SIGNATURES: &str = ".signatures.json";

/// `.manifest`. What a bundle says of itself beyond this changes nothing here.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    revision: String,
    roots: Option<Vec<String>>,
    #[serde(default)]
    rego_version: Option<u8>,
    #[serde(default)]
    wasm: Vec<serde_json::Value>,
}

/// The files of a bundle, by path.
type Members = BTreeMap<String, Vec<u8>>;

/// Reads a bundle; `key` is a PEM file with the public key it has to be signed with.
pub(crate) fn read(path: &Path, key: Option<&PathBuf>) -> Result<Pieces, Diagnostic> {
    let file = path.display().to_string();
    let members = unpack(path, &file)?;
    let wrong =
        |rule, message: String, remedy: &str| Diagnostic::file(&file, rule, message, remedy);
    let signed_by = match (key, members.get(SIGNATURES)) {
        (Some(key), Some(signatures)) => {
            let signer = signature::verify(&members, signatures, key).map_err(|why| {
                wrong(
                    "load/signature",
                    why,
                    "Sign the bundle again, or name the key it was signed with.",
                )
            })?;
            Some(signer)
        }
        (Some(_), None) => {
            return Err(wrong(
                "load/signature",
                "the bundle is not signed".to_owned(),
                "A key is configured for it: sign it with `opa sign`, or take the key away.",
            ));
        }
        (None, Some(_)) => {
            return Err(wrong(
                "load/signature",
                "the bundle is signed, and no key is configured to verify it".to_owned(),
                "Name the public key with `verification_key` (or --verification-key).",
            ));
        }
        (None, None) => None,
    };
    let manifest =
        manifest(&members).map_err(|(message, remedy)| wrong("load/manifest", message, remedy))?;
    Ok(Pieces {
        signed_by,
        ..pieces(&file, members, manifest)?
    })
}

/// Unpacks, in bounds.
fn unpack(path: &Path, file: &str) -> Result<Members, Diagnostic> {
    let wrong = |message: String| {
        let remedy = "Give a bundle as `opa build` writes it: a .tar.gz of .rego files, data.json or data.yaml, and .manifest.";
        Diagnostic::file(file, "load/bundle", message, remedy)
    };
    let opened = File::open(path).map_err(|e| wrong(format!("the bundle cannot be read: {e}")))?;
    let bound = limits::POLICY_BUNDLE_BYTES_MAX;
    // One byte more than the bound: who reads it has gone beyond.
    let mut archive = tar::Archive::new(GzDecoder::new(opened).take(bound + 1));
    let entries = archive
        .entries()
        .map_err(|e| wrong(format!("it is no archive: {e}")))?;
    let mut members = Members::new();
    let mut left = bound;
    for entry in entries {
        let mut entry = entry.map_err(|e| wrong(format!("the archive ends early: {e}")))?;
        let name = entry
            .path()
            .ok()
            .and_then(|p| plain(&p))
            .ok_or_else(|| wrong("a file in it has a name that leads elsewhere".to_owned()))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return Err(wrong(format!("{name} is neither a file nor a folder")));
        }
        let mut bytes = Vec::new();
        entry
            .by_ref()
            .take(left + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| wrong(format!("{name} cannot be unpacked: {e}")))?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| wrong(format!("it unpacks to more than {bound} bytes")))?;
        if members.insert(name.clone(), bytes).is_some() {
            return Err(wrong(format!("{name} is there twice")));
        }
        if members.len() > 2 * limits::POLICY_MODULES_MAX {
            return Err(wrong("it holds too many files".to_owned()));
        }
    }
    Ok(members)
}

/// `./a/b.rego` as `a/b.rego`; nothing that climbs.
fn plain(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?.to_owned()),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn manifest(members: &Members) -> Result<Manifest, (String, &'static str)> {
    let bytes = members.get(MANIFEST).ok_or((
        "there is no .manifest, so the bundle claims all of data".to_owned(),
        "Add a .manifest with roots: [\"portcullis/packs/<name>\"], and the keys of data it brings.",
    ))?;
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| {
        (
            format!(".manifest is no manifest: {e}"),
            "It is an object with `revision`, `roots` and `rego_version`.",
        )
    })?;
    if manifest.rego_version == Some(0) {
        return Err((
            "the bundle is Rego v0".to_owned(),
            "The gateway reads Rego v1: `opa fmt --rego-v1`.",
        ));
    }
    if !manifest.wasm.is_empty() {
        return Err((
            "the bundle brings policies compiled to WebAssembly".to_owned(),
            "Build it with `opa build --target rego`: what decides has to be readable.",
        ));
    }
    tracing::debug!(revision = manifest.revision, "a policy bundle");
    Ok(manifest)
}

/// Modules and data, below the roots the manifest claims.
fn pieces(file: &str, members: Members, manifest: Manifest) -> Result<Pieces, Diagnostic> {
    let wrong = |rule, message: String, remedy: &str| Diagnostic::file(file, rule, message, remedy);
    let roots: Vec<Vec<String>> = manifest
        .roots
        .unwrap_or_else(|| vec![String::new()])
        .iter()
        .map(|root| {
            root.split('/')
                .filter(|p| !p.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .collect();
    let name = owned_pack(&roots).map_err(|message| {
        wrong(
            "load/roots",
            message,
            "A bundle is one pack: its roots are portcullis/packs/<name> (and portcullis/packs/<name>_test) and keys of data.",
        )
    })?;
    let mut pieces = Pieces {
        name: Some(name),
        files: Vec::new(),
        data: Vec::new(),
        roots: Some(
            roots
                .iter()
                .filter(|r| r.first().is_some_and(|p| p != "portcullis"))
                .cloned()
                .collect(),
        ),
        signed_by: None,
    };
    for (member, bytes) in members {
        let shown = format!("{file}:{member}");
        let not_text = || {
            wrong(
                "load/bundle",
                format!("{member} is no UTF-8"),
                "Policies and data are text.",
            )
        };
        if member.ends_with(".rego") {
            let text = String::from_utf8(bytes).map_err(|_| not_text())?;
            if text.len() > limits::POLICY_FILE_BYTES_MAX {
                return Err(wrong(
                    "load/read",
                    format!(
                        "{member} has {} bytes, the bound is {}",
                        text.len(),
                        limits::POLICY_FILE_BYTES_MAX
                    ),
                    "Split it.",
                ));
            }
            pieces.files.push((shown, text));
        } else if is_data(&member) {
            let text = String::from_utf8(bytes).map_err(|_| not_text())?;
            let mut at: Vec<String> = member.split('/').map(str::to_owned).collect();
            at.pop();
            pieces.data.push(DataFile {
                value: parse_data(&shown, &text)?,
                file: shown,
                at,
            });
        }
    }
    Ok(pieces)
}

/// The one pack that the roots claim.
fn owned_pack(roots: &[Vec<String>]) -> Result<String, String> {
    for (index, root) in roots.iter().enumerate() {
        if roots
            .iter()
            .skip(index + 1)
            .any(|other| overlap(root, other))
        {
            return Err(format!("its roots overlap at `{}`", root.join("/")));
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for root in roots {
        let parts: Vec<&str> = root.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["portcullis", "packs", name] => names.push(name.strip_suffix("_test").unwrap_or(name)),
            [] | ["portcullis", ..] => {
                return Err(format!(
                    "the root `{}` is the gateway's own",
                    root.join("/")
                ));
            }
            _ => {}
        }
    }
    names.dedup();
    match names.as_slice() {
        [name] => Ok((*name).to_owned()),
        [] => Err("none of its roots is a pack".to_owned()),
        _ => Err(format!("its roots are several packs: {}", names.join(", "))),
    }
}

/// True when one path is the other or lies below it.
pub(crate) fn overlap(a: &[String], b: &[String]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}
