//! What the loader refuses, and what it loads.

use crate::builtin;
use crate::{PackSource, PolicySet};

#[test]
fn the_shipped_packs_load_and_pass_their_tests() {
    let packs: Vec<PackSource> = builtin::packs()
        .iter()
        .filter_map(|(name, _)| PackSource::builtin(name))
        .collect();
    let data = serde_yaml::from_str(builtin::example_data()).unwrap();
    if let Err(wrong) = PolicySet::load(&packs, data) {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    }
}
