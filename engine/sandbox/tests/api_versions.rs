//! Plugins that were built when an API version was the newest keep loading and answering: `compatibility/` has one for each
//! version of the loader's table, never built again.

mod guests;

use guests::*;
use portcullis_model::{Protocol, Strategy};
use portcullis_sandbox::{LoadError, inspect};
use std::path::{Path, PathBuf};

fn kept(api: &str) -> PathBuf {
    let version = api.rsplit('@').next().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compatibility");
    folder.join(format!("api-{version}.wasm"))
}

/// What the loader says of itself when it is asked for a version that nobody has.
fn supported() -> Vec<String> {
    let mut bytes = masker(MARK_ALL, "");
    let api = b"portcullis:plugin@0.1";
    let at = bytes.windows(api.len()).rposition(|w| w == api).unwrap();
    bytes[at + api.len() - 1] = b'9';
    match inspect("p", &bytes, None).map(drop).unwrap_err() {
        LoadError::MatchApi { supported, .. } => supported.split(", ").map(str::to_owned).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_plugin_of_every_supported_version_loads_and_masks() {
    let versions = supported();
    assert!(
        (1..=3).contains(&versions.len()),
        "this one and the two before: {versions:?}"
    );
    for api in versions {
        let path = kept(&api);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(inspect("kept", &bytes, None).unwrap().manifest.api, api);
        let set = sandbox().load(vec![spec("kept", bytes)]).await.unwrap();
        let (_, mut mask) = set.stream(&session("ana", "orders"), Protocol::Postgres);
        let batch = batch(&["badge B-1234567", "nothing"]);
        let wanted = obligations(&[("BADGE", Strategy::Redact)]);
        let edits = mask.mask(&batch, &[false; 2], &wanted).await.unwrap();
        let spans: Vec<_> = edits
            .spans
            .iter()
            .map(|s| (s.cell, s.start, s.end))
            .collect();
        assert_eq!(spans, [(0, 6, 15)], "{api}");
    }
}

/// Built again it would be no witness any more.
#[test]
fn the_witness_of_0_1_is_the_one_that_was_built_then() {
    let bytes = std::fs::read(kept("portcullis:plugin@0.1")).unwrap();
    let digest = inspect("kept", &bytes, None).unwrap().digest;
    assert_eq!(
        digest,
        "d2a80a97729df124ef08e5f2d4924600f44f3ec73c86333894755dc8039cddfe"
    );
}
