//! What a plugin answers, checked and merged, on its way into rows. Laws: what comes out is sorted, overlaps
//! nowhere, stays in its cell and cuts no character; whatever an accepted answer reports is covered; and the
//! codec can express it.
//!
//! Input: what policy wants, how cells are sent, the cells, the heap, then seven bytes for each edit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Input, data_row, description};
use portcullis_model::verdict::EntityRule;
use portcullis_model::{Batch, Edits, SpanEdit, Strategy};
use portcullis_sandbox::fuzzing::{Claim, RULES, masked};
use portcullis_wire_postgres::fuzzing::Rows;
use std::collections::BTreeSet;

const TEXT_OID: u32 = 25;
const CLAIMS_MAX: usize = 64;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let wanted = wanted(input.byte());
    let halves = input.byte() & 1 == 1;
    let cells: Vec<Option<&[u8]>> = (0..=input.byte() % 4)
        .map(|_| Some(input.piece()))
        .collect();
    let heap = input.piece();
    let rows = Rows::new(&description(&vec![(TEXT_OID, 0); cells.len()]), None, 0);
    let rows = rows.expect("the description is good");
    let (batch, rewrite) = rows
        .batch(data_row(&cells).into())
        .expect("the row is good");
    let windows = windows(&batch, halves);
    let claims = claims(input);
    let Ok(spans) = masked(&batch, &windows, (&claims, heap), &wanted) else {
        return;
    };
    sound(&batch, &spans);
    for claim in claims.iter().filter(|claim| applies(&wanted, claim.rule)) {
        covered(&spans, windows[claim.cell as usize], claim);
    }
    let edits = Edits {
        spans,
        ..Edits::default()
    };
    let out = rewrite
        .rewrite(&batch, &edits)
        .expect("the codec takes what was checked");
    assert!(rows.batch(out).is_ok());
});

/// Two bits for each rule's entity and for all of them: none, or one of three strategies.
fn wanted(bits: u8) -> BTreeSet<EntityRule> {
    let strategies = [
        None,
        Some(Strategy::Redact),
        Some(Strategy::Partial),
        Some(Strategy::Hash),
    ];
    ["URL", "CARD", "EMAIL", "*"]
        .into_iter()
        .enumerate()
        .filter_map(|(at, entity)| {
            let strategy = strategies[usize::from(bits >> (2 * at) & 3)]?;
            let entity = entity.to_owned();
            Some(EntityRule { entity, strategy })
        })
        .collect()
}

fn applies(wanted: &BTreeSet<EntityRule>, rule: u16) -> bool {
    let entity = RULES.iter().find(|r| r.0 == rule).map(|r| r.2);
    wanted
        .iter()
        .any(|w| w.entity == "*" || Some(w.entity.as_str()) == entity)
}

/// Each cell whole, or in two windows that overlap.
fn windows(batch: &Batch, halves: bool) -> Vec<(u32, u32, u32)> {
    let mut windows = Vec::new();
    for (index, cell) in (0_u32..).zip(&batch.cells) {
        let length = cell.end - cell.start;
        match halves {
            false => windows.push((index, 0, length)),
            true => {
                let from = length / 3;
                windows.extend([(index, 0, length - from), (index, from, length - from)]);
            }
        }
    }
    windows
}

fn claims(mut input: Input<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    while !input.is_empty() && claims.len() < CLAIMS_MAX {
        claims.push(Claim {
            cell: input.byte().into(),
            start: input.byte().into(),
            end: input.byte().into(),
            rep_start: input.byte().into(),
            rep_len: input.byte().into(),
            rule: input.choose(&[2, 3, 7, 2, 3, 7, 9]),
            hint: input.byte().into(),
        });
    }
    claims
}

fn sound(batch: &Batch, spans: &[SpanEdit]) {
    let mut last = (0, 0);
    for span in spans {
        assert!(
            (span.cell, span.start) >= last && span.start < span.end,
            "{spans:?}"
        );
        last = (span.cell, span.end);
        let cell = batch.cells[span.cell as usize];
        let text = &batch.text[cell.start as usize..cell.end as usize];
        assert!(span.end as usize <= text.len());
        if let Ok(text) = std::str::from_utf8(text) {
            assert!(text.get(span.start as usize..span.end as usize).is_some());
        }
        let replacement = std::str::from_utf8(&span.replacement).expect("a replacement is text");
        assert!(!replacement.contains('\0'));
    }
}

fn covered(spans: &[SpanEdit], (cell, offset, _): (u32, u32, u32), claim: &Claim) {
    let (start, end) = (claim.start + offset, claim.end + offset);
    let covers = |s: &SpanEdit| s.cell == cell && s.start <= start && end <= s.end;
    assert!(
        spans.iter().any(covers),
        "{claim:?} is not covered by {spans:?}"
    );
}
