//! The contract stands without our crate: the C example of the SDK, built with clang and no C library, through the real
//! loader. Needs clang and a linker for WebAssembly, and says so instead of passing without them.

mod guests;

use guests::*;
use portcullis_model::{Protocol, Strategy};
use portcullis_sandbox::{LoadError, PluginSpec, Workbench};
use portcullis_sdk::testing::examine;
use portcullis_sdk::testing::trace::Trace;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds it as its first lines say.
fn badges() -> Vec<u8> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = here.join("../../sdk/examples/c");
    let module = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("badges.core.wasm");
    let linker = portcullis_sdk::build::wasm_ld().expect(
        "this test needs a linker for WebAssembly: `apt-get install lld`, or Rust from rustup",
    );
    let built = Command::new("clang")
        .args([
            "--target=wasm32-unknown-unknown",
            "-O2",
            "-nostdlib",
            "-ffreestanding",
            "-Wl,--no-entry",
        ])
        .arg(format!("-fuse-ld={}", linker.display()))
        .arg("-o")
        .arg(&module)
        .arg(example.join("badges.c"))
        .output()
        .expect("this test needs clang: `apt-get install clang`");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let manifest = std::fs::read_to_string(example.join("plugin.json")).unwrap();
    portcullis_sdk::build::component(&std::fs::read(module).unwrap(), &manifest).unwrap()
}

#[tokio::test]
async fn a_masker_written_in_c_masks() {
    let bytes = badges();
    let sandbox = sandbox();
    let set = sandbox.load(vec![spec("c", bytes.clone())]).await.unwrap();
    sandbox.serve(set.clone());
    let (_, mut mask) = set.stream(&session("ana", "orders"), Protocol::Postgres);
    let cells = [
        "B-1234567",
        "AB-1234567 B-12345678",
        "to B-7654321 and B-1111111",
    ];
    let batch = batch(&cells);
    let wanted = obligations(&[("BADGE", Strategy::Redact)]);
    // More often than its memory would hold without giving any back.
    for _ in 0..100 {
        let edits = mask.mask(&batch, &[false; 3], &wanted).await.unwrap();
        let places: Vec<_> = edits
            .spans
            .iter()
            .map(|s| (s.cell, s.start, s.end))
            .collect();
        assert_eq!(places, [(0, 0, 9), (2, 3, 12), (2, 17, 26)]);
        assert_eq!(&*edits.spans[0].replacement, b"[pc-masked:badge]");
    }
    assert_eq!(sandbox.stats()[0].counters["badges"], 300);
    let configured = PluginSpec {
        config: json!({"x": 1}),
        ..spec("c", bytes)
    };
    let error = sandbox.load(vec![configured]).await.map(drop).unwrap_err();
    assert!(matches!(error, LoadError::Configure { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("this plugin has no configuration: write {}"),
        "{error}"
    );
}

#[test]
fn it_keeps_the_promises_that_are_tested_of_every_plugin() {
    let bench = Workbench::load("c", &badges()).unwrap();
    let trace = "{\"columns\": [\"badge\", \"note\"]}\n{\"row\": [\"B-1234567\", \"B-7654321, B-12\"]}\n{\"error\": [\"B-1234567\"]}";
    let examined = examine(&bench, &Trace::parse(trace).unwrap(), &json!({})).unwrap();
    assert_eq!(examined.problems, Vec::<String>::new());
    let first = examined.golden.lines().next().unwrap();
    assert_eq!(
        first,
        r#"{"row":["[pc-masked:badge]","[pc-masked:badge], B-12"],"found":[["badge","B-1234567"],["badge","B-7654321"]]}"#
    );
    assert!(bench.fuel() > 0 && bench.memory() >= 4 << 20);
}
