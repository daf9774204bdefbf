//! Reports that are refused, choices of policy, and what becomes of overlaps.

use super::*;
use portcullis_model::{BatchKind, Cell, RowShape};
use portcullis_sdk::manifest::RuleEntry;

fn rules() -> Rules {
    let entry = |id, name: &str, entity: &str| RuleEntry {
        id,
        name: name.to_owned(),
        entity: Some(entity.to_owned()),
    };
    let entries = [
        entry(7, "email", "EMAIL"),
        entry(2, "url", "URL"),
        entry(3, "card", "CARD"),
    ];
    Rules::of(&entries, "test@1.0.0", "0123456789abcdef")
}

fn batch(cells: &[&str]) -> (Batch, Vec<Sent>) {
    let mut text = Vec::new();
    let mut places = Vec::new();
    let mut sent = Vec::new();
    for (index, cell) in (0u32..).zip(cells) {
        let start = text.len() as u32;
        text.extend_from_slice(cell.as_bytes());
        let len = cell.len() as u32;
        places.push(Cell {
            column: index,
            start,
            end: start + len,
        });
        sent.push(Sent {
            cell: index,
            offset: 0,
            len,
        });
    }
    let batch = Batch {
        kind: BatchKind::Rows,
        shape: Arc::new(RowShape {
            serial: 1,
            columns: Vec::new(),
        }),
        text: Bytes::from(text),
        cells: places,
        rows: 1,
        wire: Bytes::new(),
    };
    (batch, sent)
}

fn edit(cell: u32, start: u32, end: u32, rule: u16) -> contract::Edit {
    contract::Edit {
        cell,
        start,
        end,
        rep_start: 0,
        rep_len: 0,
        rule,
        hint: 0,
    }
}

fn obligations(pairs: &[(&str, Strategy)]) -> BTreeSet<EntityRule> {
    let rule = |(entity, strategy): &(&str, Strategy)| EntityRule {
        entity: (*entity).to_owned(),
        strategy: *strategy,
    };
    pairs.iter().map(rule).collect()
}

fn masked(
    cells: &[&str],
    edits: Vec<contract::Edit>,
    heap: &str,
    wanted: &[(&str, Strategy)],
) -> Result<Vec<(u32, u32, u32, String)>, Failure> {
    let (batch, sent) = batch(cells);
    let rules = rules();
    let chosen = choose(&rules, &obligations(wanted));
    let answer = contract::Edits {
        edits,
        heap: heap.as_bytes().to_vec(),
        held: 0,
    };
    let mut proposals = Vec::new();
    collect(&answer, &sent, &batch, &rules, &chosen, &mut proposals)?;
    let marks = Marks::new().unwrap();
    let text = |b: &Bytes| String::from_utf8(b.to_vec()).unwrap();
    Ok(merge(proposals, &batch, &marks, SessionId(1))
        .iter()
        .map(|s| (s.cell, s.start, s.end, text(&s.replacement)))
        .collect())
}

const ALL: &[(&str, Strategy)] = &[("*", Strategy::Redact)];

#[test]
fn lies_about_places_are_refused() {
    let cases: [(&str, Vec<contract::Edit>); 9] = [
        ("no such cell", vec![edit(2, 0, 1, 7)]),
        ("out of range", vec![edit(0, 0, 6, 7)]),
        ("out of range", vec![edit(0, 2, 2, 7)]),
        ("out of range", vec![edit(0, 3, 2, 7)]),
        ("out of range", vec![edit(0, 1, u32::MAX, 7)]),
        ("not sorted", vec![edit(1, 0, 1, 7), edit(0, 0, 1, 7)]),
        ("not sorted", vec![edit(0, 3, 4, 7), edit(0, 1, 2, 3)]),
        (
            "edits of one rule overlap",
            vec![edit(0, 0, 3, 7), edit(0, 2, 4, 7)],
        ),
        (
            "a rule that its manifest does not have",
            vec![edit(0, 0, 1, 9)],
        ),
    ];
    for (reason, edits) in cases {
        let failure = masked(&["hello", "world"], edits, "", ALL).unwrap_err();
        assert_eq!(failure, Failure::Edits(reason));
    }
}

#[test]
fn more_edits_than_bytes_are_refused() {
    let edits = (0..11).map(|_| edit(0, 0, 1, 7)).collect();
    let failure = masked(&["hello", "world"], edits, "", ALL).unwrap_err();
    assert_eq!(failure, Failure::Edits("more edits than bytes"));
}

#[test]
fn replacements_are_checked() {
    let with = |rep_start, rep_len| {
        vec![contract::Edit {
            rep_start,
            rep_len,
            ..edit(0, 0, 5, 7)
        }]
    };
    let heap = format!("ok\0\u{e4}{}", "x".repeat(5000));
    let cases = [
        ("a replacement with a NUL", with(0, 3)),
        ("a replacement that is no text", with(4, 2)),
        ("a replacement that is too long", with(5, 4097)),
        ("a replacement out of range", with(5000, 100)),
        ("a replacement out of range", with(u32::MAX, 1)),
    ];
    for (reason, edits) in cases {
        let failure = masked(&["hello"], edits, &heap, ALL).unwrap_err();
        assert_eq!(failure, Failure::Edits(reason));
    }
    let ok = masked(&["hello"], with(0, 2), &heap, ALL).unwrap();
    assert_eq!(ok, [(0, 0, 5, "ok".to_owned())]);
}

#[test]
fn bytes_held_without_a_stream_are_refused() {
    let (batch, sent) = batch(&["x"]);
    let answer = contract::Edits {
        edits: Vec::new(),
        heap: Vec::new(),
        held: 1,
    };
    let rules = rules();
    let collected = collect(&answer, &sent, &batch, &rules, &[None; 3], &mut Vec::new());
    assert!(collected.is_err());
}

#[test]
fn policy_chooses_what_is_masked_and_how() {
    let text = "http://ana@example.org 4111-1111";
    let edits = || vec![edit(0, 0, 22, 2), edit(0, 7, 22, 7), edit(0, 23, 32, 3)];
    let cases: [(&[(&str, Strategy)], &[(u32, u32, &str)]); 5] = [
        (&[], &[]),
        (&[("PHONE", Strategy::Redact)], &[]),
        (
            &[("EMAIL", Strategy::Redact)],
            &[(7, 22, "[pc-masked:email]")],
        ),
        (
            &[("URL", Strategy::Redact), ("CARD", Strategy::Partial)],
            &[
                (0, 22, "[pc-masked:url]"),
                (23, 32, "[pc-masked:card …1111]"),
            ],
        ),
        (
            &[("CARD", Strategy::Partial), ("*", Strategy::Redact)],
            &[(0, 22, "[pc-masked:url]"), (23, 32, "[pc-masked:card]")],
        ),
    ];
    for (wanted, expected) in cases {
        let spans = masked(&[text], edits(), "", wanted).unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|(s, e, t)| (0, *s, *e, (*t).to_owned()))
            .collect();
        assert_eq!(spans, expected, "{wanted:?}");
    }
}

#[test]
fn what_overlaps_stays_covered_and_shows_no_tail_of_the_whole() {
    let edits = vec![edit(0, 0, 12, 3), edit(0, 8, 22, 7)];
    let wanted = &[("CARD", Strategy::Partial), ("EMAIL", Strategy::Partial)];
    let spans = masked(&["0123456789abcdefghijklmnop"], edits, "", wanted).unwrap();
    assert_eq!(spans, [(0, 0, 22, "[pc-masked:email]".to_owned())]);
}

#[test]
fn the_strictest_strategy_of_an_overlap_holds() {
    let edits = vec![edit(0, 0, 20, 3), edit(0, 5, 10, 7)];
    let wanted = &[("CARD", Strategy::Partial), ("EMAIL", Strategy::Redact)];
    let spans = masked(&["0123456789abcdefghijklmnop"], edits, "", wanted).unwrap();
    assert_eq!(spans, [(0, 0, 20, "[pc-masked:card]".to_owned())]);
}

#[test]
fn half_a_character_is_never_left_behind() {
    let spans = masked(&["xäöy"], vec![edit(0, 2, 4, 7)], "", ALL).unwrap();
    assert_eq!(spans, [(0, 1, 5, "[pc-masked:email]".to_owned())]);
}

#[test]
fn a_hint_forbids_the_tail() {
    let mut secret = edit(0, 0, 12, 3);
    secret.hint = 1;
    let wanted = &[("CARD", Strategy::Partial)];
    let spans = masked(&["0123456789ab"], vec![secret], "", wanted).unwrap();
    assert_eq!(spans, [(0, 0, 12, "[pc-masked:card]".to_owned())]);
}
