//! What the gateway makes of reports under a policy that redacts: the widest of overlapping finds names the mark, and what
//! a stream holds back is shown again. Refuses a report that the gateway would refuse.

use super::flat::Flat;
use super::masker::{Found, Row};
use super::subject::{Instance, Report};
use crate::Manifest;
use crate::masker::{BatchKind, Shape};

/// Bytes of a stream that the gateway shows again in front of what comes.
const CONTEXT: usize = 64;

/// Runs one byte stream through an instance, as the gateway does: what has gone last stands in front, what is held or
/// touches the end waits. `mask` applies the reports of one cell.
pub(super) fn streamed(
    instance: &mut dyn Instance,
    pieces: &[&[u8]],
    mask: &dyn Fn(&[u8], &[Report]) -> String,
) -> Result<String, String> {
    let mut out = String::new();
    let (mut text, mut gone) = (Vec::new(), 0);
    for (index, piece) in pieces.iter().enumerate() {
        text.extend_from_slice(piece);
        let flat = Flat::of(std::iter::once((0, text.as_slice())));
        let stream = BatchKind::Stream as u32;
        let answer = instance.mask(stream, Shape::NONE, &flat.cells, &flat.data)?;
        let mut reports = answer.reports;
        reports.retain(|e| e.end as usize > gone);
        let mut ready = text.len();
        if index + 1 < pieces.len() {
            ready -= (answer.held as usize).min(text.len() - gone);
            let open = |ready: usize| {
                let open = reports.iter().filter(|e| {
                    let (start, end) = (e.start as usize, e.end as usize);
                    start.max(gone) < ready && (end > ready || end == text.len())
                });
                open.map(|e| (e.start as usize).max(gone)).min()
            };
            while let Some(start) = open(ready) {
                ready = start;
            }
        }
        let settled = reports.into_iter().filter(|e| e.end as usize <= ready);
        let settled = settled.map(|e| Report {
            start: ((e.start as usize).max(gone) - gone) as u32,
            end: (e.end as usize - gone) as u32,
            ..e
        });
        out.push_str(&mask(&text[gone..ready], &settled.collect::<Vec<_>>()));
        let forget = ready.saturating_sub(CONTEXT);
        text.drain(..forget);
        gone = ready - forget;
    }
    Ok(out)
}

/// The cells as they would be released where policy redacts the entities that it wants.
///
/// # Errors
/// A report that the gateway would refuse.
pub(super) fn masked(
    manifest: &Manifest,
    wanted: &dyn Fn(&str) -> bool,
    cells: &[&[u8]],
    reports: &[Report],
) -> Result<Row, String> {
    let mut row = Row {
        cells: Vec::new(),
        found: Vec::new(),
    };
    for (index, cell) in cells.iter().enumerate() {
        let mut spans: Vec<(usize, usize, String, usize)> = Vec::new();
        for report in reports.iter().filter(|e| e.cell as usize == index) {
            let rule = manifest.rules.iter().find(|r| r.id == report.rule);
            let rule = rule.ok_or_else(|| format!("rule {} is not in plugin.json", report.rule))?;
            let entity = rule.entity.clone().unwrap_or_default();
            if !wanted(&entity) {
                continue;
            }
            let (start, end) = (report.start as usize, report.end as usize);
            let text = cell.get(start..end).filter(|text| !text.is_empty());
            let text = text.ok_or_else(|| format!("{start}..{end} is no range of the cell"))?;
            let mark = match report.own.is_empty() {
                true => format!("[pc-masked:{}]", entity.to_lowercase()),
                false => report.own.clone(),
            };
            row.found.push(Found {
                cell: index,
                text: String::from_utf8_lossy(text).into_owned(),
                entity,
                rule: rule.name.clone(),
            });
            match spans.last_mut() {
                Some(last) if start < last.1 => {
                    if end - start > last.3 {
                        (last.2, last.3) = (mark, end - start);
                    }
                    last.1 = last.1.max(end);
                }
                _ => spans.push((start, end, mark, end - start)),
            }
        }
        row.cells.push(replaced(cell, &spans));
    }
    Ok(row)
}

fn replaced(cell: &[u8], spans: &[(usize, usize, String, usize)]) -> String {
    let mut out = Vec::new();
    let mut from = 0;
    for (start, end, mark, _) in spans {
        out.extend_from_slice(&cell[from..*start]);
        out.extend_from_slice(mark.as_bytes());
        from = *end;
    }
    out.extend_from_slice(&cell[from..]);
    String::from_utf8_lossy(&out).into_owned()
}
