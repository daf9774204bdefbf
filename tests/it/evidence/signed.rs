//! Whose signature a policy change came with: bundles that openssl signs, an export that names the key. It refuses to take a
//! key's name for the key: what stands in the evidence is what `openssl` and `sha256sum` say of the file.

use super::{until, well};
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_tests::process::run;
use portcullis_tests::{Scratch, World, WorldOptions, world};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = r#"{"roots": ["portcullis/packs/freeze"]}"#;

fn sha256(file: &Path) -> Result<String> {
    let said = run(Command::new("sha256sum").arg(file))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(said.split(' ').next().context("a digest")?.to_owned())
}

/// A key of Ed25519, `NAME.key` and `NAME.pub`; the SHA-256 of the public one.
fn key(at: &Path, name: &str) -> Result<String> {
    let secret = at.join(format!("{name}.key"));
    run(Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out"])
        .arg(&secret))?;
    let public = |form: &str, file: &Path| {
        run(Command::new("openssl")
            .args(["pkey", "-pubout", "-outform", form, "-in"])
            .arg(&secret)
            .arg("-out")
            .arg(file))
    };
    public("PEM", &at.join(format!("{name}.pub")))?;
    public("DER", &at.join(format!("{name}.der")))?;
    sha256(&at.join(format!("{name}.der")))
}

/// The bundle `NAME/freeze.tar.gz` with this message, signed with the key of that name.
fn bundle(at: &Path, name: &str, message: &str) -> Result<()> {
    let folder = at.join(name);
    fs::create_dir_all(&folder)?;
    let pack = format!(
        "package portcullis.packs.freeze\n\nimport rego.v1\n\ndeny contains {{\"rule\": \"freeze/on\", \"msg\": \"{message}\"}} if input.session.reason == \"{message}\"\n"
    );
    let mut files = Vec::new();
    for (file, text) in [(".manifest", MANIFEST), ("freeze.rego", &pack)] {
        fs::write(folder.join(file), text)?;
        files.push(file);
    }
    // A manifest is signed as OPA writes JSON: keys in order, no blanks.
    let plain = at.join("manifest");
    fs::write(&plain, serde_json::from_str::<Value>(MANIFEST)?.to_string())?;
    let digests = json!({"files": [
        {"name": ".manifest", "algorithm": "SHA-256", "hash": sha256(&plain)?},
        {"name": "freeze.rego", "algorithm": "SHA-256", "hash": sha256(&folder.join("freeze.rego"))?},
    ]});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "EdDSA"})), part(&digests));
    let unsigned = at.join("unsigned");
    fs::write(&unsigned, &text)?;
    let signature = run(Command::new("openssl")
        .args(["pkeyutl", "-sign", "-rawin", "-inkey"])
        .arg(at.join(format!("{name}.key")))
        .arg("-in")
        .arg(&unsigned))?;
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(&signature.stdout));
    let signatures = json!({ "signatures": [token] }).to_string();
    fs::write(folder.join(".signatures.json"), signatures)?;
    files.push(".signatures.json");
    run(Command::new("tar")
        .arg("-czf")
        .arg(folder.join("freeze.tar.gz"))
        .arg("-C")
        .arg(&folder)
        .args(files))?;
    Ok(())
}

/// What a configuration says of the pack: this bundle, to be verified with that key.
fn pack(at: &Path, bundle: &str, key: &str) -> String {
    let at = at.display();
    format!("    - path: {at}/{bundle}/freeze.tar.gz\n      verification_key: {at}/{key}.pub\n")
}

/// Another bundle or another key from now on. A gateway that watches the file sees both or neither: it is moved there.
fn instead(world: &World, (old, new): (&str, &str)) -> Result<()> {
    let file = world.folder().join("portcullis.yaml");
    let text = fs::read_to_string(&file)?;
    ensure!(text.contains(old), "{text}");
    let made = world.folder().join("portcullis.yaml.new");
    fs::write(&made, text.replace(old, new))?;
    fs::rename(made, file).context("put it there")
}

#[test]
fn evidence_of_a_policy_change_names_the_key_that_the_bundle_was_signed_with() -> Result<()> {
    let scratch = Scratch::new("signed")?;
    let at = scratch.path();
    let (first, second) = (key(at, "first")?, key(at, "second")?);
    bundle(at, "first", "frozen in autumn")?;
    bundle(at, "second", "frozen in winter")?;
    let old = pack(at, "first", "first");
    let world = World::start(&WorldOptions {
        packs: format!("{}{old}", world::PACKS),
        ..WorldOptions::default()
    })?;
    let wrong = pack(at, "second", "first");
    instead(&world, (&old, &wrong))?;
    let refused = world.gateway.admin(&["reload"])?;
    ensure!(refused.code != 0, "another's key: {}", refused.all());
    instead(&world, (&wrong, &pack(at, "second", "second")))?;
    well(&world.gateway.admin(&["reload"])?)?;
    let folder = at.join("q4");
    let to = folder.display().to_string();
    let export = ["evidence", "export", "--from", "1h", "-o", &to];
    let mut rows = Vec::new();
    until("a checkpoint covers the reload", &world, || {
        let _ = fs::remove_dir_all(&folder);
        well(&world.gateway.admin(&export)?)?;
        let text = fs::read_to_string(folder.join("policy_changes.json"))?;
        rows = serde_json::from_str::<Vec<Value>>(&text)?;
        Ok(rows.iter().any(|row| is_of(row, "uid", "true")))
    })?;
    for (author, applied, said) in [
        ("start of the gateway", "true", by(&first)),
        ("uid", "false", String::new()),
        ("uid", "true", by(&second)),
    ] {
        let mut about = rows.iter().filter(|row| is_of(row, author, applied));
        let row = about.next().context("a row")?;
        ensure!(
            row["signed_by"] == said.as_str(),
            "{author} {said}: {rows:#?}"
        );
    }
    Ok(())
}

fn by(key: &str) -> String {
    format!("freeze by sha256:{key}")
}

fn is_of(row: &Value, author: &str, applied: &str) -> bool {
    let theirs = row["author"]
        .as_str()
        .is_some_and(|a| a.starts_with(author));
    theirs && row["applied"] == applied
}
