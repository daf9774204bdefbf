//! Snapshots of configured instances: they answer as the plugin does, without being configured again, and one that was
//! tampered with is made anew.

mod guests;

use guests::*;
use portcullis_model::{Protocol, Strategy};
use portcullis_sandbox::{PluginSpec, Sandbox, Settings};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Takes its time to be configured, and traps where it was not.
fn slow() -> PluginSpec {
    let configure = "
        (local $i i32)
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (i32.const 50000000)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (i32.store (i32.const 1000) (i32.const 7))
        (i32.store (i32.const 8) (i32.const 0)) (i32.const 8)";
    let check = "(if (i32.ne (i32.load (i32.const 1000)) (i32.const 7)) (then unreachable))";
    let parts = Parts {
        configure,
        work: &MARK_ALL.replacen("(block $done", &format!("{check} (block $done"), 1),
        more: "",
    };
    spec(
        "slow",
        portcullis_sdk::build::component(&module(true, &parts), MASKER).unwrap(),
    )
}

fn cached(folder: &Path) -> Arc<Sandbox> {
    let settings = Settings {
        cache_dir: Some(folder.to_owned()),
        instances: 64,
        warm: 0,
        ..Settings::new()
    };
    Sandbox::new(&settings).unwrap()
}

async fn serve(folder: &Path) -> Arc<Sandbox> {
    let sandbox = cached(folder);
    sandbox.serve(sandbox.load(vec![slow()]).await.unwrap());
    sandbox
}

async fn masks(sandbox: &Sandbox) {
    let (_, mut mask) = sandbox
        .serving()
        .stream(&session("ana", "orders"), Protocol::Postgres);
    let all = obligations(&[("*", Strategy::Redact)]);
    let edits = mask
        .mask(&batch(&["x", "y"]), &[false; 2], &all)
        .await
        .unwrap();
    assert_eq!(edits.spans.len(), 2);
}

async fn snapshotted(sandbox: &Sandbox) {
    for _ in 0..600 {
        if sandbox.stats()[0].snapshot {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no snapshot was made");
}

fn artifacts(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files
        .filter(|p| p.extension().is_some_and(|e| e == "cwasm"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_answers_as_the_plugin_does_without_being_configured() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cache");
    let first = serve(&folder).await;
    masks(&first).await;
    snapshotted(&first).await;
    masks(&first).await;
    drop(first);

    let second = serve(&folder).await;
    assert!(second.stats()[0].snapshot, "it is there already");
    let before = second.stats()[0].nanoseconds;
    for _ in 0..5 {
        masks(&second).await;
    }
    let each = Duration::from_nanos((second.stats()[0].nanoseconds - before) / 5);
    assert!(
        each < Duration::from_millis(10),
        "{each:?}: it was configured"
    );

    for path in artifacts(&folder) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let third = serve(&folder).await;
    assert!(!third.stats()[0].snapshot, "a tampered artifact was loaded");
    masks(&third).await;
    snapshotted(&third).await;
    masks(&third).await;
}
