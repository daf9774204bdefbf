//! What is not loaded, and what the operator is told. A set that does not load leaves the one before serving.

mod guests;

use guests::*;
use portcullis_sandbox::{LoadError, PluginSpec, Sandbox, Settings, inspect};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

async fn refused(bytes: Vec<u8>) -> LoadError {
    let loaded = sandbox().load(vec![spec("p", bytes)]).await;
    loaded.map(|set| set.names()).unwrap_err()
}

/// A component without a manifest, or with another one.
fn with_manifest(component: &[u8], manifest: Option<&str>) -> Vec<u8> {
    let name = b"portcullis:manifest";
    let at = component
        .windows(name.len())
        .rposition(|w| w == name)
        .unwrap();
    // The section is the last one: id, size, length of the name, name, JSON.
    let start = (0..at)
        .rev()
        .find(|i| component[*i] == 0 && at - i <= 7)
        .unwrap();
    let mut out = component[..start].to_vec();
    if let Some(manifest) = manifest {
        let body_len = 1 + name.len() + manifest.len();
        out.push(0);
        let mut rest = body_len;
        loop {
            let more = u8::from(rest > 127) << 7;
            out.push((rest & 127) as u8 | more);
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        out.push(name.len() as u8);
        out.extend_from_slice(name);
        out.extend_from_slice(manifest.as_bytes());
    }
    out
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    for bytes in [Vec::new(), b"not wasm at all".to_vec()] {
        assert!(matches!(
            refused(bytes).await,
            LoadError::ReadComponent { .. }
        ));
    }
    let core = module(
        true,
        &Parts {
            configure: ACCEPT,
            work: MARK_ALL,
            more: "",
        },
    );
    let error = refused(core).await;
    assert!(
        error.to_string().contains("portcullis plugin build"),
        "{error}"
    );
}

#[tokio::test]
async fn half_a_component_is_refused() {
    let whole = masker(MARK_ALL, "");
    for cut in [9, whole.len() / 2, whole.len() - 700] {
        assert!(
            sandbox()
                .load(vec![spec("p", whole[..cut].to_vec())])
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_component_without_a_manifest_is_refused() {
    let bare = with_manifest(&masker(MARK_ALL, ""), None);
    let error = refused(bare).await;
    assert!(matches!(error, LoadError::ReadManifest { .. }), "{error}");
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_refused() {
    let cases = [
        ("{", "no `api`"),
        (
            r#"{"api": "portcullis:plugin@9.0"}"#,
            "speaks portcullis:plugin@9.0",
        ),
        (&MASKER.replace("\"rows\"", "\"row\""), "`row` is no kind"),
        (&MASKER.replace("WORD", "we]rd"), "malformed"),
        (&MASKER.replace("test-masker", "a\\u001b[2J"), "malformed"),
        (&MASKER.replace("\"id\": 2", "\"id\": 1"), "same id"),
        (
            &MASKER.replace("\"interest\": [", "\"interests\": ["),
            "interests",
        ),
    ];
    for (manifest, says) in cases {
        let error = refused(with_manifest(&masker(MARK_ALL, ""), Some(manifest))).await;
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn the_wrong_world_is_refused() {
    let liar = with_manifest(&masker(MARK_ALL, ""), Some(CLASSIFIER));
    let error = refused(liar).await;
    assert!(
        matches!(
            error,
            LoadError::MatchWorld {
                world: "classifier",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn wasi_is_refused_with_advice() {
    let component = wat::parse_str(
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance (export "get" (func)))))"#,
    )
    .unwrap();
    let mut component = component;
    let marked = with_section(&mut component);
    let error = refused(marked).await;
    assert!(matches!(error, LoadError::CheckImports { .. }), "{error}");
    assert!(
        error.to_string().contains("wasm32-unknown-unknown"),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_or_module_of_a_wasi_target_is_refused_with_advice() {
    // No manifest at all: the target explains that too.
    let wasip2 = wat::parse_str(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func)))))"#,
    );
    let wasip1 = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))))"#,
    );
    for (bytes, target) in [(wasip2, "wasm32-wasip2"), (wasip1, "wasm32-wasip1")] {
        let said = refused(bytes.unwrap()).await.to_string();
        let advised = said.contains(target) && said.contains("wasm32-unknown-unknown");
        assert!(
            advised && said.contains("portcullis plugin build"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn another_api_version_is_refused_with_advice() {
    for (api, advice) in [
        ("portcullis:plugin@0.9", "upgrade the gateway"),
        ("portcullis:plugin@0.0", "with a newer SDK"),
        ("acme", "correct `api`"),
    ] {
        let manifest = MASKER.replace("portcullis:plugin@0.1", api);
        let bytes = with_manifest(&masker(MARK_ALL, ""), Some(&manifest));
        let error = refused(bytes).await;
        assert!(matches!(error, LoadError::MatchApi { .. }), "{error}");
        assert!(error.to_string().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_its_schema_is_refused_by_place() {
    let schema = r#""counters": ["cells"], "config_schema": {
        "type": "object", "additionalProperties": false,
        "properties": {"names": {"type": "array", "items": {"type": "string"}}}}"#;
    let manifest = MASKER.replace(r#""counters": ["cells"]"#, schema);
    let bytes = with_manifest(&masker(MARK_ALL, ""), Some(&manifest));
    let with = |config: serde_json::Value| PluginSpec {
        config,
        ..spec("p", bytes.clone())
    };
    let sandbox = sandbox();
    let good = serde_json::json!({"names": ["a"]});
    assert!(sandbox.load(vec![with(good)]).await.is_ok());
    let bad = serde_json::json!({"names": ["a", 7], "nmaes": 1});
    let error = sandbox.load(vec![with(bad)]).await.map(drop).unwrap_err();
    let LoadError::Configure { problems, .. } = &error else {
        panic!("{error}");
    };
    let places: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
    assert_eq!(places, ["/names/1", "/nmaes"]);
}

#[tokio::test]
async fn any_other_import_is_refused() {
    let component = wat::parse_str(
        r#"(component (import "acme:network/socket" (instance (export "send" (func)))))"#,
    );
    let error = refused(with_section(&mut component.unwrap())).await;
    assert!(error.to_string().contains("acme:network/socket"), "{error}");
}

/// The masker's manifest at the end of any component.
fn with_section(component: &mut Vec<u8>) -> Vec<u8> {
    let donor = masker(MARK_ALL, "");
    let stripped = with_manifest(&donor, None).len();
    component.extend_from_slice(&donor[stripped..]);
    component.clone()
}

#[tokio::test]
async fn a_pin_that_does_not_match_is_refused() {
    let bytes = masker(MARK_ALL, "");
    let digest = inspect("p", &bytes, None).unwrap().digest;
    let pinned = |sha256: String| PluginSpec {
        sha256: Some(sha256),
        ..spec("p", bytes.clone())
    };
    let sandbox = sandbox();
    assert!(
        sandbox
            .load(vec![pinned(format!("sha256:{digest}"))])
            .await
            .is_ok()
    );
    let wrong = sandbox.load(vec![pinned("0".repeat(64))]).await;
    assert!(matches!(wrong.map(drop), Err(LoadError::VerifyPin { .. })));
}

#[tokio::test]
async fn a_refused_configuration_says_what_the_plugin_says() {
    // Err(list of one): path "/x", message "no".
    let more = [
        words(8, &[1, 128, 1]),
        words(128, &[160, 2, 164, 2]),
        "(data (i32.const 160) \"/x\") (data (i32.const 164) \"no\")".to_owned(),
    ]
    .concat();
    let parts = Parts {
        configure: "(i32.const 8)",
        work: ANSWER_DATA,
        more: &more,
    };
    let component = portcullis_sdk::build::component(&module(true, &parts), MASKER).unwrap();
    let error = refused(component).await;
    assert_eq!(
        error.to_string(),
        "plugin p: refuses its configuration: /x: no"
    );
}

#[tokio::test]
async fn a_plugin_that_hangs_while_it_is_configured_does_not_load() {
    let parts = Parts {
        configure: "(loop $l (br $l)) (i32.const 8)",
        work: ANSWER_DATA,
        more: "",
    };
    let component = portcullis_sdk::build::component(&module(true, &parts), MASKER).unwrap();
    let error = refused(component).await;
    assert!(error.to_string().contains("deadline"), "{error}");
}

#[tokio::test]
async fn a_set_that_does_not_load_leaves_the_one_before() {
    let sandbox = sandbox();
    assert_eq!(sandbox.serving().generation(), 0);
    let good = sandbox
        .load(vec![spec("p", masker(MARK_ALL, ""))])
        .await
        .unwrap();
    sandbox.serve(good);
    let twice = vec![
        spec("p", masker(MARK_ALL, "")),
        spec("p", masker(MARK_ALL, "")),
    ];
    assert!(matches!(
        sandbox.load(twice).await.map(drop),
        Err(LoadError::NameTwice { .. })
    ));
    assert_eq!(sandbox.serving().generation(), 1);
    assert_eq!(sandbox.serving().names()[0].0, "test-masker@1.2.3");
}

fn cached(folder: &Path) -> Result<std::sync::Arc<Sandbox>, LoadError> {
    let settings = Settings {
        cache_dir: Some(folder.to_owned()),
        instances: 16,
        warm: 1,
        snapshots: false,
        ..Settings::new()
    };
    Sandbox::new(&settings)
}

fn artifact(folder: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "cwasm"));
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[tokio::test]
async fn compiled_plugins_are_kept_private_and_tampered_ones_are_compiled_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cache");
    let load = async || {
        let sandbox = cached(&folder).unwrap();
        sandbox
            .load(vec![spec("p", masker(MARK_ALL, ""))])
            .await
            .map(|set| set.generation())
    };
    assert_eq!(load().await.unwrap(), 1);
    let path = artifact(&folder);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&folder), mode(&path), mode(&folder.join("key"))),
        (0o700, 0o600, 0o600)
    );
    let genuine = fs::read(&path).unwrap();
    let made = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(load().await.unwrap(), 1);
    assert_eq!(
        fs::metadata(&path).unwrap().modified().unwrap(),
        made,
        "it was compiled again"
    );
    for at in [0, 31, 32, genuine.len() / 2, genuine.len() - 1] {
        let mut tampered = genuine.clone();
        tampered[at] ^= 1;
        fs::write(&path, &tampered).unwrap();
        assert_eq!(load().await.unwrap(), 1);
        assert_ne!(fs::read(&path).unwrap(), tampered, "byte {at}");
    }
    fs::write(&path, &genuine[..genuine.len() / 2]).unwrap();
    assert_eq!(load().await.unwrap(), 1);
}

#[tokio::test]
async fn the_artifact_of_one_plugin_is_no_artifact_of_another() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cache");
    let sandbox = cached(&folder).unwrap();
    sandbox
        .load(vec![spec("p", masker(MARK_ALL, ""))])
        .await
        .unwrap();
    let path = artifact(&folder);
    let genuine = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let other = masker(ANSWER_DATA, "");
    sandbox.load(vec![spec("p", other.clone())]).await.unwrap();
    let path = artifact(&folder);
    fs::write(&path, &genuine).unwrap();
    cached(&folder)
        .unwrap()
        .load(vec![spec("p", other)])
        .await
        .unwrap();
    assert_ne!(fs::read(&path).unwrap(), genuine);
}

#[tokio::test]
async fn a_folder_or_key_that_others_can_use_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cache");
    cached(&folder).unwrap();
    fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = cached(&folder).map(drop).unwrap_err();
    assert!(error.to_string().contains("others may read it"), "{error}");
    fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    let error = cached(&folder).map(drop).unwrap_err();
    assert!(error.to_string().contains("chmod 700"), "{error}");
}
