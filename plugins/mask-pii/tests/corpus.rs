//! Recall on values of every kind, silence on near misses and on clean text; `cargo xtask test corpus` prints the tables.

use portcullis_plugin_mask_pii::MaskPii;
use portcullis_sdk::testing::harness;
use portcullis_tests::corpus::judge::{self, Bar, Finds};
use portcullis_tests::corpus::{clean, personal};
use serde_json::json;

fn detect(cells: &[(String, String)]) -> Vec<Finds> {
    let names: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
    let texts: Vec<&str> = cells.iter().map(|(_, text)| text.as_str()).collect();
    let row = harness::<MaskPii>(json!({})).columns(&names).row(&texts);
    let mut finds: Vec<Finds> = vec![Vec::new(); cells.len()];
    for found in row.found {
        finds[found.cell].push((found.entity, found.text));
    }
    finds
}

#[test]
fn corpus_values_are_found_and_near_misses_are_not() {
    let (table, short) = judge::corpus(
        "personal data",
        &personal(),
        false,
        Bar { recall: 0.98 },
        &mut detect,
    );
    println!("{table}");
    assert!(short.is_empty(), "{}", short.join("\n"));
}

#[test]
fn corpus_clean_text_is_left_alone() {
    let (table, wrong) = judge::clean("mask-pii, clean", &clean::corpora(), &mut detect);
    println!("{table}");
    assert!(
        wrong.is_empty(),
        "{} finds in clean text:\n{}",
        wrong.len(),
        wrong
            .iter()
            .take(60)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}
