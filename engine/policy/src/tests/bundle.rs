//! Bundles as `opa build` and `opa sign` write them, and everything about one that is refused.

use super::world::granting;
use crate::{PackSource, PolicySet};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::path::PathBuf;

const PACK: &str = "package portcullis.packs.freeze\n\nimport rego.v1\n\n\
    deny contains {\"rule\": \"freeze/on\", \"msg\": \"frozen\"} if data.freeze.on\n";
const MANIFEST: &str = r#"{"revision": "7", "roots": ["portcullis/packs/freeze", "freeze"]}"#;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn bundle(&self, files: &[(&str, &str)]) -> PathBuf {
        let path = self.folder.path().join("bundle.tar.gz");
        let file = std::fs::File::create(&path).unwrap();
        let mut archive = tar::Builder::new(GzEncoder::new(file, flate2::Compression::fast()));
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            // `opa build` roots every name.
            let bytes = header.as_gnu_mut().unwrap();
            bytes.name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        path
    }

    fn key(&self, der: &[u8]) -> PathBuf {
        let path = self.folder.path().join("key.pem");
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der)
        );
        std::fs::write(&path, pem).unwrap();
        path
    }
}

fn load(path: PathBuf, key: Option<PathBuf>) -> Result<PolicySet, (&'static str, String)> {
    PolicySet::load(&[granting(), PackSource::bundle(path, key)], json!({}))
        .map_err(|wrong| (wrong[0].rule, wrong[0].message.clone()))
}

fn refused(files: &[(&str, &str)]) -> &'static str {
    let bench = Bench::new();
    match load(bench.bundle(files), None) {
        Ok(_) => "loaded",
        Err((rule, _)) => rule,
    }
}

#[test]
fn a_bundle_is_a_pack_with_its_data() {
    let bench = Bench::new();
    let path = bench.bundle(&[
        ("/.manifest", MANIFEST),
        ("/portcullis/packs/freeze/freeze.rego", PACK),
        ("/freeze/data.json", r#"{"on": true}"#),
    ]);
    let set = load(path, None).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let decision = super::world::read(&set);
    let rules: Vec<&str> = decision.reasons.iter().map(|r| r.rule.as_str()).collect();
    assert_eq!(rules, ["test/grant", "freeze/on"]);
    assert_eq!(set.packs().nth(1), Some(("freeze", false)));
    assert_eq!(set.signers(), json!({}));
}

#[test]
fn data_of_a_folder_is_rooted_by_directory() {
    let bench = Bench::new();
    let pack = bench.folder.path().join("freeze");
    std::fs::create_dir_all(pack.join("freeze")).unwrap();
    std::fs::write(pack.join("freeze.rego"), PACK).unwrap();
    std::fs::write(pack.join("freeze/data.yaml"), "on: true\n").unwrap();
    let source = PackSource::path(pack);
    let set = PolicySet::load(&[granting(), source.clone()], json!({"other": 1})).unwrap();
    assert_eq!(super::world::read(&set).reasons.len(), 2);
    let twice = PolicySet::load(&[granting(), source], json!({"freeze": {"on": false}}));
    assert_eq!(twice.err().unwrap()[0].rule, "load/data-overlap");
}

#[test]
fn what_a_bundle_may_not_be() {
    let module = ("portcullis/packs/freeze/freeze.rego", PACK);
    let data = ("freeze/data.json", r#"{"on": true}"#);
    let roots = |roots: &str| format!("{{\"roots\": {roots}}}");
    let rows = [
        (vec![module, data], "load/manifest"),
        (vec![(".manifest", "{}"), module, data], "load/roots"),
        (vec![(".manifest", "no"), module], "load/manifest"),
        (
            vec![
                (
                    ".manifest",
                    r#"{"rego_version": 0, "roots": ["portcullis/packs/freeze"]}"#,
                ),
                module,
            ],
            "load/manifest",
        ),
        (
            vec![(".manifest", MANIFEST), ("../portcullis.rego", PACK)],
            "load/bundle",
        ),
        (vec![(".manifest", MANIFEST), module, module], "load/bundle"),
        (
            vec![
                (".manifest", MANIFEST),
                module,
                ("data.json", r#"{"access": {}}"#),
            ],
            "load/outside-roots",
        ),
        (
            vec![(".manifest", MANIFEST), module, ("freeze/data.json", "{")],
            "load/data",
        ),
    ];
    for (files, rule) in rows {
        assert_eq!(refused(&files), rule, "{files:?}");
    }
    for claimed in [
        r#"[""]"#,
        r#"["portcullis"]"#,
        r#"["portcullis/lib", "portcullis/packs/freeze"]"#,
        r#"["portcullis/packs"]"#,
        r#"["portcullis/packs/freeze", "portcullis/packs/access"]"#,
        r#"["portcullis/packs/freeze", "freeze", "freeze/inner"]"#,
        r#"["freeze"]"#,
    ] {
        let manifest = roots(claimed);
        let files = [(".manifest", manifest.as_str()), module, data];
        assert_eq!(refused(&files), "load/roots", "{claimed}");
    }
    let elsewhere = [
        (".manifest", MANIFEST),
        (
            "a.rego",
            "package portcullis.packs.access\nimport rego.v1\ngrant contains {\"rule\": \"a/b\"}",
        ),
    ];
    let bench = Bench::new();
    let source = PackSource::bundle(bench.bundle(&elsewhere), None);
    let wrong = PolicySet::load(&[source], json!({})).err().unwrap();
    assert!(wrong.iter().any(|d| d.rule == "load/package"), "{wrong:?}");
    let no_archive = bench.folder.path().join("x.tar.gz");
    std::fs::write(&no_archive, "no archive").unwrap();
    assert_eq!(load(no_archive, None).err().unwrap().0, "load/bundle");
}

#[test]
fn a_root_that_holds_data_already_is_refused() {
    let bench = Bench::new();
    let path = bench.bundle(&[(".manifest", MANIFEST), ("freeze.rego", PACK)]);
    let source = PackSource::bundle(path, None);
    let wrong = PolicySet::load(std::slice::from_ref(&source), json!({"freeze": {"off": 1}}))
        .err()
        .unwrap();
    assert_eq!(wrong[0].rule, "load/roots");
    let wrong = PolicySet::load(&[source.clone(), source], json!({}))
        .err()
        .unwrap();
    assert_eq!(wrong[0].rule, "load/duplicate-module");
}

#[test]
fn a_bundle_that_unpacks_without_end_is_refused() {
    let bench = Bench::new();
    let huge = " ".repeat(40 * 1024 * 1024);
    let path = bench.bundle(&[
        (".manifest", MANIFEST),
        ("a/data.json", &huge),
        ("b/data.json", &huge),
    ]);
    assert!(std::fs::metadata(&path).unwrap().len() < 1024 * 1024);
    let (rule, message) = load(path, None).err().unwrap();
    assert_eq!(rule, "load/bundle");
    assert!(
        message.contains("more than")
            || message.contains("ends early")
            || message.contains("unpacked"),
        "{message}"
    );
}

/// What is signed: names, digests, how.
fn payload(files: &[(&str, &str)]) -> Value {
    let files: Vec<Value> = files
        .iter()
        .map(|(name, text)| {
            let bytes = match name.ends_with(".rego") {
                true => (*text).to_owned(),
                // Keys in order, no blanks.
                false => {
                    let value: std::collections::BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
                    serde_json::to_string(&value).unwrap()
                }
            };
            json!({"name": name, "algorithm": "SHA-256", "hash": hex::encode(digest(&SHA256, bytes.as_bytes()))})
        })
        .collect();
    json!({ "files": files })
}

fn signed_input(alg: &str, payload: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "kid": "k"}).to_string());
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

fn signatures(token: &str) -> String {
    json!({ "signatures": [token] }).to_string()
}

const SIGNED: [(&str, &str); 3] = [
    (".manifest", MANIFEST),
    ("freeze.rego", PACK),
    ("freeze/data.json", r#"{ "on":  true }"#),
];

fn es256() -> (EcdsaKeyPair, Vec<u8>) {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let der = der.as_ref().to_vec();
    (pair, der)
}

fn token(pair: &EcdsaKeyPair, files: &[(&str, &str)]) -> String {
    let input = signed_input("ES256", &payload(files));
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

#[test]
fn a_signed_bundle_loads_with_its_key_and_only_then() {
    let bench = Bench::new();
    let (pair, der) = es256();
    let signatures = signatures(&token(&pair, &SIGNED));
    let mut files = SIGNED.to_vec();
    files.push((".signatures.json", &signatures));
    let path = bench.bundle(&files);
    let loaded = load(path.clone(), Some(bench.key(&der)));
    let set = loaded.unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let key = hex::encode(digest(&SHA256, &der));
    assert_eq!(set.signers(), json!({ "freeze": key }));
    assert_eq!(load(path.clone(), None).err().unwrap().0, "load/signature");
    let (_, other) = es256();
    let (rule, message) = load(path, Some(bench.key(&other))).err().unwrap();
    assert_eq!(rule, "load/signature");
    assert!(message.contains("does not hold"), "{message}");
    let unsigned = bench.bundle(&SIGNED);
    assert_eq!(
        load(unsigned, Some(bench.key(&der))).err().unwrap().0,
        "load/signature"
    );
}

#[test]
fn eddsa_is_accepted_and_a_shared_secret_is_not() {
    let bench = Bench::new();
    let pair = Ed25519KeyPair::generate().unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let der = der.as_ref().to_vec();
    for (alg, good) in [
        ("EdDSA", true),
        ("ES256", false),
        ("HS256", false),
        ("none", false),
        ("RS256", false),
    ] {
        let input = signed_input(alg, &payload(&SIGNED));
        let token = format!(
            "{input}.{}",
            URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()).as_ref())
        );
        let signatures = signatures(&token);
        let mut files = SIGNED.to_vec();
        files.push((".signatures.json", &signatures));
        let loaded = load(bench.bundle(&files), Some(bench.key(&der)));
        assert_eq!(loaded.is_ok(), good, "{alg}: {:?}", loaded.err());
    }
}

#[test]
fn every_file_is_the_signed_one_and_none_is_missing() {
    let bench = Bench::new();
    let (pair, der) = es256();
    let signatures = signatures(&token(&pair, &SIGNED));
    let harmless = PACK.replace("data.freeze.on", "false");
    let extra = ("more.rego", "package portcullis.packs.freeze\n");
    let rows: [(&str, Vec<(&str, &str)>); 3] = [
        (
            "not what was signed",
            vec![SIGNED[0], ("freeze.rego", &harmless), SIGNED[2]],
        ),
        ("not signed", vec![SIGNED[0], SIGNED[1], SIGNED[2], extra]),
        ("not in the bundle", vec![SIGNED[0], SIGNED[1]]),
    ];
    for (why, mut files) in rows {
        files.push((".signatures.json", &signatures));
        let (rule, message) = load(bench.bundle(&files), Some(bench.key(&der)))
            .err()
            .unwrap();
        assert_eq!(rule, "load/signature", "{why}");
        assert!(message.contains(why), "{message}");
    }
}
