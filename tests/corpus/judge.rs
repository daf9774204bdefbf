//! Holds a detector against the corpora. The detector is a function from cells to what was found in each, so that the same
//! judge sits over the native plugin and the one in the sandbox.

use super::{Case, Corpus, Score, table};
use std::collections::BTreeMap;

/// What was found in a cell: entity and text.
pub type Finds = Vec<(String, String)>;

/// Cells at a time.
const BATCH: usize = 1000;

/// What must hold.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Least share of the values of every entity and of every kind that is found.
    pub recall: f64,
}

/// A detector: columns and cells to finds.
pub type Detector<'a> = dyn FnMut(&[(String, String)]) -> Vec<Finds> + 'a;

/// Prints the table of a corpus, and fails with what falls short.
///
/// # Panics
/// When anything does.
pub fn hold(title: &str, values: &Corpus, by_kind: bool, bar: Bar, detect: &mut Detector<'_>) {
    let (table, short) = corpus(title, values, by_kind, bar, detect);
    println!("{table}");
    assert!(short.is_empty(), "{}", short.join("\n"));
}

/// Prints the table of the clean corpora, and fails with what was found in them.
///
/// # Panics
/// When anything was.
pub fn hold_clean(title: &str, detect: &mut Detector<'_>) {
    const SHOWN: usize = 60;
    let (table, wrong) = clean(title, &super::clean::corpora(), detect);
    println!("{table}");
    let few = wrong.get(..SHOWN).unwrap_or(&wrong);
    assert!(
        wrong.is_empty(),
        "{} finds in clean text:\n{}",
        wrong.len(),
        few.join("\n")
    );
}

/// Values and near misses, by entity or by kind: the table, and what falls short.
pub fn corpus(
    title: &str,
    corpus: &Corpus,
    by_kind: bool,
    bar: Bar,
    detect: &mut Detector<'_>,
) -> (String, Vec<String>) {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let name = |case: &Case| {
        if by_kind {
            case.kind.clone()
        } else {
            case.entity.to_owned()
        }
    };
    for (case, finds) in looked_at(&corpus.positives, detect) {
        let score = scores.entry(name(case)).or_default();
        let hit = finds
            .iter()
            .any(|(entity, text)| entity == case.entity && text.contains(&case.value));
        score.positives += 1;
        score.found += usize::from(hit);
        if !hit && score.examples.len() < 4 {
            score.examples.push(format!(
                "missed in {}: {:?} (wanted {:?}, found {finds:?})",
                case.column, case.text, case.value
            ));
        }
    }
    for (case, finds) in looked_at(&corpus.misses, detect) {
        let score = scores.entry(name(case)).or_default();
        let wrong = finds.iter().any(|(entity, _)| entity == case.entity);
        score.misses += 1;
        score.left += usize::from(!wrong);
        if wrong && score.examples.len() < 8 {
            score.examples.push(format!(
                "wrong in {}: {:?} (found {finds:?})",
                case.column, case.text
            ));
        }
    }
    let mut short = Vec::new();
    for (name, score) in &scores {
        if score.recall() < bar.recall && score.positives > 0 || score.left < score.misses {
            short.push(format!(
                "{name}: recall {:.4}, {} near misses found\n  {}",
                score.recall(),
                score.misses - score.left,
                score.examples.join("\n  ")
            ));
        }
    }
    (table(title, &scores), short)
}

/// Clean text, by corpus: the table, and everything that was found.
pub fn clean(
    title: &str,
    corpora: &[(&'static str, Vec<String>)],
    detect: &mut Detector<'_>,
) -> (String, Vec<String>) {
    let mut text = format!(
        "\n{title:<24} {:>9} {:>9} {:>9}\n",
        "lines", "bytes", "found"
    );
    let mut wrong = Vec::new();
    for (name, lines) in corpora {
        let cells: Vec<Case> = lines
            .iter()
            .map(|l| Case {
                entity: "",
                kind: String::new(),
                column: "note".to_owned(),
                text: l.clone(),
                value: String::new(),
            })
            .collect();
        let mut count = 0;
        for (case, finds) in looked_at(&cells, detect) {
            count += finds.len();
            if !finds.is_empty() {
                wrong.push(format!("{name}: {:?} (found {finds:?})", case.text));
            }
        }
        let bytes: usize = lines.iter().map(String::len).sum();
        text.push_str(&format!(
            "{name:<24} {:>9} {bytes:>9} {count:>9}\n",
            lines.len()
        ));
    }
    (text, wrong)
}

fn looked_at<'c>(cases: &'c [Case], detect: &mut Detector<'_>) -> Vec<(&'c Case, Finds)> {
    let mut all = Vec::with_capacity(cases.len());
    for batch in cases.chunks(BATCH) {
        let cells: Vec<(String, String)> = batch
            .iter()
            .map(|c| (c.column.clone(), c.text.clone()))
            .collect();
        let finds = detect(&cells);
        assert_eq!(
            finds.len(),
            batch.len(),
            "a detector answers for every cell"
        );
        all.extend(batch.iter().zip(finds));
    }
    all
}
