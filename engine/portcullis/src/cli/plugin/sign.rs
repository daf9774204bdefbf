//! `plugin keygen`, `sign` and `verify`: an author signs a component with Ed25519, and whoever trusts the key can tell
//! that it is the author's. Refuses a private key that others can read, and never writes over one.

use super::read;
use crate::assemble::plugins::{signature_file, signature_of};
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_sandbox::inspect;
use portcullis_sandbox::signature::{PublicKey, SigningKey, verify as check};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A new key.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin keygen acme.key --name acme
  cat acme.key.pub                              what operators put under `trusted_keys`")]
pub struct Keygen {
    /// The file for the private key; FILE.pub gets the public one
    file: PathBuf,
    /// A name for people: who signs
    #[arg(long)]
    name: String,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// A signature.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin sign target/badge_mask.wasm --key acme.key
  portcullis plugin sign target/badge_mask.wasm --key openssl.pem --name acme")]
pub struct Sign {
    /// The component; FILE.sig gets the signature
    file: PathBuf,
    /// The private key, Ed25519 in PEM
    #[arg(long)]
    key: PathBuf,
    /// Who signs; as in KEY.pub when not given
    #[arg(long)]
    name: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// A verification.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin verify target/badge_mask.wasm --key acme.key.pub
  portcullis plugin verify badge_mask.wasm --key 'acme+1a2b3c4d+AbCd…'")]
pub struct Verify {
    /// The component; its signature is in FILE.sig
    file: PathBuf,
    /// A trusted public key, or a file with one; may be given several times
    #[arg(long, required = true)]
    key: Vec<String>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn keygen(keygen: &Keygen) -> Result<(), Exit> {
    let made = SigningKey::generate(&keygen.name);
    let (key, pem) = made.map_err(|e| Exit::refused(e.to_string()))?;
    let failed = |path: &Path, e: &std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Exit::refused_with(
            format!("{} is there already", path.display()),
            "a key is never written over: what it has signed could not be signed again",
        ),
        _ => Exit::refused(format!("{}: {e}", path.display())),
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&keygen.file)
        .map_err(|e| failed(&keygen.file, &e))?;
    let written = file
        .write_all(pem.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|e| failed(&keygen.file, &e))?;
    let public = public_file(&keygen.file);
    fs::write(&public, format!("{}\n", key.public())).map_err(|e| failed(&public, &e))?;
    if keygen.json {
        let said =
            json!({ "private": keygen.file, "public": public, "key": key.public().to_string() });
        return Ok(paint::json(&said)?);
    }
    paint::say(&format!("{}  keep it to yourself", keygen.file.display()))?;
    paint::say(&format!(
        "{}  for whoever is to trust you:",
        public.display()
    ))?;
    Ok(paint::say(&key.public().to_string())?)
}

fn public_file(private: &Path) -> PathBuf {
    let mut public = private.as_os_str().to_owned();
    public.push(".pub");
    public.into()
}

pub(super) fn sign(sign: &Sign) -> Result<(), Exit> {
    let name = sign.file.display().to_string();
    let bytes = read(&name)?;
    let found = inspect(&name, &bytes, None).map_err(|e| Exit::refused(e.to_string()))?;
    let key = private(&sign.key, sign.name.as_deref())?;
    let manifest = &found.manifest;
    let note = key.sign(&manifest.name, &manifest.version, &found.digest);
    let file = signature_file(&sign.file);
    fs::write(&file, &note).map_err(|e| Exit::refused(format!("{}: {e}", file.display())))?;
    if sign.json {
        let said = json!({
            "signature": file, "sha256": found.digest, "name": manifest.name, "version": manifest.version,
            "key": key.public().to_string(),
        });
        return Ok(paint::json(&said)?);
    }
    paint::say(&format!("{}  ship it beside the component", file.display()))?;
    Ok(paint::say(&format!(
        "signed {} {} by {}",
        manifest.name,
        manifest.version,
        key.public()
    ))?)
}

fn private(path: &Path, name: Option<&str>) -> Result<SigningKey, Exit> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let hint = "`portcullis plugin keygen FILE --name WHO` makes a key";
    let mode = fs::metadata(path).map_err(|e| Exit::refused_with(failed(&e), hint))?;
    if mode.permissions().mode() & 0o077 != 0 {
        let message = failed(&"others may read this private key");
        return Err(Exit::refused_with(
            message,
            format!("chmod 600 {}", path.display()),
        ));
    }
    let pem = fs::read_to_string(path).map_err(|e| Exit::refused(failed(&e)))?;
    let known = fs::read_to_string(public_file(path)).ok();
    let known = known.and_then(|text| PublicKey::parse(&text).ok());
    let name = name
        .or(known.as_ref().map(PublicKey::name))
        .ok_or_else(|| {
            Exit::refused_with(
                failed(&"there is no .pub file that says whose key it is"),
                "name the signer with `--name`",
            )
        })?;
    SigningKey::from_pem(&pem, name).map_err(|e| Exit::refused_with(failed(&e), hint))
}

pub(super) fn verify(verify: &Verify) -> Result<(), Exit> {
    let name = verify.file.display().to_string();
    let bytes = read(&name)?;
    let found = inspect(&name, &bytes, None).map_err(|e| Exit::refused(e.to_string()))?;
    let keys: Vec<PublicKey> = verify
        .key
        .iter()
        .map(|key| public(key))
        .collect::<Result<_, _>>()?;
    let note = signature_of(&verify.file).map_err(Exit::refused)?;
    let manifest = &found.manifest;
    let signed = check(
        &note,
        &found.digest,
        &manifest.name,
        &manifest.version,
        &keys,
    );
    let signed = signed.map_err(|e| {
        Exit::refused_with(
            format!("{}: {e}", signature_file(&verify.file).display()),
            "do not load it; ask its author for the component and its signature again",
        )
    })?;
    if verify.json {
        let said = json!({ "sha256": signed.sha256, "name": signed.name, "version": signed.version, "by": signed.by });
        return Ok(paint::json(&said)?);
    }
    let good = paint::verdict("verified", true);
    Ok(paint::say(&format!(
        "{good}: {} {} was signed by {}",
        signed.name, signed.version, signed.by
    ))?)
}

/// A key, or a file with one.
fn public(text: &str) -> Result<PublicKey, Exit> {
    let text = match fs::read_to_string(text) {
        Ok(text) => text,
        Err(_) if text.contains('+') => text.to_owned(),
        Err(e) => return Err(Exit::refused(format!("{text}: {e}"))),
    };
    PublicKey::parse(&text).map_err(|e| Exit::refused(e.to_string()))
}
