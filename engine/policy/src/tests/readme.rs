//! The README's example is a pack that loads and passes.

use crate::{Files, PackSource, PolicySet};
use serde_json::json;

#[test]
fn the_example_in_the_readme_works() {
    let readme = include_str!("../../../../policies/README.md");
    let blocks: Vec<&str> = readme
        .split("```rego\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .filter(|block| block.contains("package "))
        .collect();
    let [pack, test] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len());
    };
    let files = vec![
        ("freeze.rego".to_owned(), (*pack).to_owned()),
        ("freeze_test.rego".to_owned(), (*test).to_owned()),
    ];
    let source = PackSource {
        name: "freeze".to_owned(),
        files: Files::Memory(files),
        dry_run: false,
    };
    let set = PolicySet::load(&[source], json!({})).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    assert!(set.volatile("freeze"));
    let report = set.test();
    let own = report
        .results
        .iter()
        .filter(|r| r.file == "freeze_test.rego");
    assert_eq!(own.count(), 2);
}
