//! The checks of what maskers answer, for the fuzz targets; compiled for nobody else. Nothing of wasmtime
//! is needed: an answer is numbers, whoever made them.

use crate::contract;
use crate::edits::{self, Sent};
use crate::error::Failure;
use crate::mark::Marks;
use crate::plugin::Rules;
use portcullis_model::verdict::EntityRule;
use portcullis_model::{Batch, SessionId, SpanEdit};
use portcullis_sdk::manifest::RuleEntry;
use std::collections::BTreeSet;

/// The rules of the plugin that answers: id, name, entity.
pub const RULES: [(u16, &str, &str); 3] = [
    (2, "url", "URL"),
    (3, "card", "CARD"),
    (7, "email", "EMAIL"),
];

/// One edit, as a masker words it: a cell as sent, a range, a range of the heap, a rule, a hint.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct Claim {
    pub cell: u32,
    pub start: u32,
    pub end: u32,
    pub rep_start: u32,
    pub rep_len: u32,
    pub rule: u16,
    pub hint: u16,
}

/// What an answer to the cells of a batch, sent in windows (cell, offset, length), becomes.
///
/// # Errors
/// [`Failure`] when a sound plugin could not have said it.
pub fn masked(
    batch: &Batch,
    windows: &[(u32, u32, u32)],
    (claims, heap): (&[Claim], &[u8]),
    wanted: &BTreeSet<EntityRule>,
) -> Result<Vec<SpanEdit>, Failure> {
    let entry = |(id, name, entity): (u16, &str, &str)| RuleEntry {
        id,
        name: name.to_owned(),
        entity: Some(entity.to_owned()),
    };
    let rules = Rules::of(&RULES.map(entry), "fuzz@1.0.0", "0");
    let chosen = edits::choose(&rules, wanted);
    let sent: Vec<Sent> = windows
        .iter()
        .map(|&(cell, offset, len)| Sent { cell, offset, len })
        .collect();
    let answer = contract::Edits {
        edits: claims.iter().map(worded).collect(),
        heap: heap.to_vec(),
        held: 0,
    };
    let mut proposals = Vec::new();
    edits::collect(&answer, &sent, batch, &rules, &chosen, &mut proposals)?;
    let marks = Marks::new().map_err(|_| Failure::Edits("no random bytes"))?;
    Ok(edits::merge(proposals, batch, &marks, SessionId(1)))
}

fn worded(claim: &Claim) -> contract::Edit {
    contract::Edit {
        cell: claim.cell,
        start: claim.start,
        end: claim.end,
        rep_start: claim.rep_start,
        rep_len: claim.rep_len,
        rule: claim.rule,
        hint: claim.hint,
    }
}
