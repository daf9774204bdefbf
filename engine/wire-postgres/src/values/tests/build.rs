//! Frames, edits and readers for tests.

use crate::values::{CopyOut, Rows};
use bytes::Bytes;
use portcullis_model::facts::CopyFacts;
use portcullis_model::{Batch, ColumnMask, Edits, Fault, SpanEdit, Strategy};
use std::sync::Arc;

/// A value of a row: `None` is NULL.
pub(super) type Value = Option<Vec<u8>>;

pub(super) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// A RowDescription body for columns of (type OID, format).
pub(super) fn description(columns: &[(u32, i16)]) -> Vec<u8> {
    let mut out = (columns.len() as i16).to_be_bytes().to_vec();
    for (index, (oid, format)) in columns.iter().enumerate() {
        out.extend_from_slice(format!("c{index}\0").as_bytes());
        out.extend_from_slice(&16_384_u32.to_be_bytes());
        out.extend_from_slice(&(index as i16 + 1).to_be_bytes());
        out.extend_from_slice(&oid.to_be_bytes());
        out.extend_from_slice(&(-1_i16).to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.extend_from_slice(&format.to_be_bytes());
    }
    out
}

pub(super) fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        Some(bytes) => {
            out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

pub(super) fn data_row(values: &[Value]) -> Vec<u8> {
    let mut body = (values.len() as i16).to_be_bytes().to_vec();
    for cell in values {
        value(&mut body, cell.as_deref());
    }
    frame(b'D', &body)
}

/// The values of DataRow frames, read without the code under test.
pub(super) fn read_rows(mut frames: &[u8]) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    while !frames.is_empty() {
        assert_eq!(frames[0], b'D');
        let length = i32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize;
        let body = &frames[5..1 + length];
        let count = i16::from_be_bytes(body[..2].try_into().unwrap());
        let mut at = 2;
        let mut row = Vec::new();
        for _ in 0..count {
            let length = i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
            at += 4;
            row.push((length >= 0).then(|| body[at..at + length as usize].to_vec()));
            at += length.max(0) as usize;
        }
        assert_eq!(at, body.len());
        rows.push(row);
        frames = &frames[1 + length..];
    }
    rows
}

pub(super) fn rows(columns: &[(u32, i16)]) -> Rows {
    Rows::new(&description(columns), None, 7).unwrap()
}

/// The cells of a batch as text.
pub(super) fn cells(batch: &Batch) -> Vec<String> {
    let text = |c: &portcullis_model::Cell| {
        String::from_utf8_lossy(&batch.text[c.start as usize..c.end as usize]).into_owned()
    };
    batch.cells.iter().map(text).collect()
}

/// The cells of one value.
pub(super) fn cells_of(oid: u32, format: i16, value: &[u8]) -> Vec<String> {
    let frames = data_row(&[Some(value.to_vec())]);
    let (batch, _) = rows(&[(oid, format)]).batch(frames.into()).unwrap();
    cells(&batch)
}

/// Replaces every occurrence of a needle in every cell.
pub(super) fn replace_all(batch: &Batch, needle: &str, with: &str) -> Edits {
    let mut edits = Edits::default();
    for (index, cell) in batch.cells.iter().enumerate() {
        let text = &batch.text[cell.start as usize..cell.end as usize];
        let mut from = 0;
        while let Some(at) = find(&text[from..], needle.as_bytes()) {
            let start = from + at;
            edits
                .spans
                .push(span(index, start, start + needle.len(), with));
            from = start + needle.len();
        }
    }
    edits
}

pub(super) fn span(cell: usize, start: usize, end: usize, with: &str) -> SpanEdit {
    SpanEdit {
        cell: cell as u32,
        start: start as u32,
        end: end as u32,
        replacement: Bytes::copy_from_slice(with.as_bytes()),
        label: Arc::from("test@1/rule"),
    }
}

pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|w| w == needle)
}

pub(super) fn mask(column: u32, strategy: Strategy) -> Edits {
    Edits {
        columns: vec![ColumnMask {
            column,
            strategy,
            label: Arc::from("tag"),
        }],
        ..Edits::default()
    }
}

/// One value with edits made from its batch.
pub(super) fn rewritten(
    oid: u32,
    format: i16,
    value: &[u8],
    edits: impl Fn(&Batch) -> Edits,
) -> Value {
    let frames = data_row(&[Some(value.to_vec())]);
    let (batch, rewrite) = rows(&[(oid, format)]).batch(frames.into()).unwrap();
    let out = rewrite.rewrite(&batch, &edits(&batch)).unwrap();
    read_rows(&out).remove(0).remove(0)
}

pub(super) fn copy_facts(format: &str, columns: &[&str]) -> CopyFacts {
    let csv = format == "csv";
    CopyFacts {
        from: false,
        relation: Some((None, "t".to_owned())),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        format: format.to_owned(),
        delimiter: if csv { b',' } else { b'\t' },
        null: if csv { "" } else { "\\N" }.to_owned(),
        header: false,
        quote: b'"',
        escape: b'"',
        encoding: None,
        server_side: false,
    }
}

pub(super) fn copy_response(binary: bool, columns: i16) -> Vec<u8> {
    let mut out = vec![u8::from(binary)];
    out.extend_from_slice(&columns.to_be_bytes());
    for _ in 0..columns {
        out.extend_from_slice(&i16::from(binary).to_be_bytes());
    }
    out
}

pub(super) fn copy_out(facts: &CopyFacts, columns: i16) -> CopyOut {
    let response = copy_response(facts.format == "binary", columns);
    CopyOut::new(&response, Some(facts), 3).unwrap()
}

/// The payload of CopyData frames.
pub(super) fn payload(mut frames: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !frames.is_empty() {
        assert_eq!(frames[0], b'd');
        let length = i32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize;
        out.extend_from_slice(&frames[5..1 + length]);
        frames = &frames[1 + length..];
    }
    out
}

/// A COPY stream cut into chunks, edited: the payload that the client gets, and all cells.
pub(super) fn copied(
    copy: &mut CopyOut,
    chunks: &[&[u8]],
    edits: impl Fn(&Batch) -> Edits,
) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut out = Vec::new();
    let mut seen = Vec::new();
    for index in 0..=chunks.len() {
        let made = match chunks.get(index) {
            Some(chunk) => copy.batch(frame(b'd', chunk).into())?,
            None => copy.finish()?,
        };
        if let Some((batch, rewrite)) = made {
            seen.extend(cells(&batch));
            let edits = edits(&batch);
            let wire = match edits.is_empty() {
                true => batch.wire.clone(),
                false => rewrite.rewrite(&batch, &edits)?,
            };
            out.extend(payload(&wire));
        }
    }
    Ok((out, seen))
}
