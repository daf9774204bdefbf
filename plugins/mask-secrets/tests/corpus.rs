//! Recall on values of every kind, silence on near misses and on clean text; `cargo xtask test corpus` prints the tables.

use portcullis_plugin_mask_secrets::MaskSecrets;
use portcullis_sdk::testing::harness;
use portcullis_tests::corpus::judge::{self, Bar, Finds};
use portcullis_tests::corpus::secrets;
use serde_json::json;

fn detect(cells: &[(String, String)]) -> Vec<Finds> {
    let names: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
    let texts: Vec<&str> = cells.iter().map(|(_, text)| text.as_str()).collect();
    let row = harness::<MaskSecrets>(json!({}))
        .columns(&names)
        .row(&texts);
    let mut finds: Vec<Finds> = vec![Vec::new(); cells.len()];
    for found in row.found {
        finds[found.cell].push((found.entity, found.text));
    }
    finds
}

#[test]
fn corpus_values_are_found_and_near_misses_are_not() {
    let bar = Bar { recall: 0.98 };
    judge::hold("secrets", &secrets::corpus(), true, bar, &mut detect);
}

#[test]
fn corpus_clean_text_is_left_alone() {
    judge::hold_clean("mask-secrets, clean", &mut detect);
}
