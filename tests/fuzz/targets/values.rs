//! Everything that can hold a value, as cells and back. Laws: no bytes panic; what nobody edits is released
//! byte for byte; an edit that fits is expressible, and what comes out can be read again; a stream of COPY is
//! the same in any pieces.
//!
//! Input: which of the five, then what that one says.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Input, chunks, data_row, description, frame};
use portcullis_gate::Rewrite;
use portcullis_model::facts::CopyFacts;
use portcullis_model::{Batch, BatchKind, ColumnMask, Edits, Fault, SpanEdit, Strategy};
use portcullis_wire_postgres::fuzzing::{
    CopyOut, Rows, bind_formats, call_result, fields, parameters,
};
use std::sync::Arc;

/// Every type that is treated in a way of its own.
const OIDS: [u32; 46] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 600, 650, 700, 701, 774, 790, 829, 869, 1000,
    1001, 1007, 1009, 1020, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1231, 1266, 1700, 2205, 2249,
    2277, 2287, 2950, 3220, 3802, 3807, 3904, 4072, 5069, 90_000,
];
const ROWS_MAX: usize = 8;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 => typed_rows(input),
        1 => raw_rows(input),
        2 => copy(input),
        3 => strings(input),
        _ => bind(input),
    }
});

type Read = (Batch, Box<dyn Rewrite>);

/// Columns (type, format), which edits, then rows of values (length 255 is NULL).
fn typed_rows(mut input: Input<'_>) {
    let columns: Vec<(u32, i16)> = (0..input.byte() % 5)
        .map(|_| (input.choose(&OIDS), i16::from(input.byte() & 1)))
        .collect();
    let rows = Rows::new(&description(&columns), None, 0).expect("the description is good");
    let (nth, column) = (
        usize::from(input.byte() % 3) + 1,
        u32::from(input.byte() % 5),
    );
    let strategy = input.choose(&Strategy::ALL);
    let mut wire = Vec::new();
    for _ in 0..ROWS_MAX {
        if input.is_empty() {
            break;
        }
        let values: Vec<Option<&[u8]>> = columns
            .iter()
            .map(|_| match input.byte() {
                255 => None,
                length => Some(input.take(usize::from(length))),
            })
            .collect();
        wire.extend(data_row(&values));
        if columns.is_empty() {
            break;
        }
    }
    let wire = Bytes::from(wire);
    let read = || rows.batch(wire.clone()).expect("the rows are good");
    unchanged(read(), &wire);
    let (batch, rewrite) = read();
    let out = rewrite.rewrite(&batch, &blank(&batch, nth));
    reread(&rows, out.expect("edits that fit can be expressed"), &batch);
    if (column as usize) < columns.len() {
        let (batch, rewrite) = read();
        let out = rewrite.rewrite(&batch, &mask(column, strategy));
        reread(&rows, out.expect("a mask can be expressed"), &batch);
    }
}

/// A description, formats, and frames, all as they come.
fn raw_rows(mut input: Input<'_>) {
    let about = input.piece();
    let formats: Vec<i16> = input.piece().iter().map(|b| i16::from(*b)).collect();
    let formats = (!formats.is_empty()).then_some(formats.as_slice());
    let Ok(rows) = Rows::new(about, formats, 0) else {
        return;
    };
    let frames = Bytes::copy_from_slice(input.rest());
    for wire in [frames.clone(), frame(b'D', &frames).into()] {
        if let Ok(read) = rows.batch(wire.clone()) {
            unchanged(read, &wire);
        }
    }
}

/// Syntax, columns, how the stream is cut, the stream.
fn copy(mut input: Input<'_>) {
    let facts = copy_facts(&mut input);
    let binary = facts.format == "binary";
    let columns = i16::from(input.byte() % 4);
    let mut response = vec![u8::from(binary)];
    response.extend_from_slice(&columns.to_be_bytes());
    (0..columns).for_each(|_| response.extend_from_slice(&[0, u8::from(binary)]));
    let known = (!binary || input.byte() & 1 == 0).then_some(&facts);
    let open = || CopyOut::new(&response, known, 0);
    let pattern = input.piece();
    let stream = input.rest();
    let (Ok(mut one), Ok(mut other), Ok(mut third)) = (open(), open(), open()) else {
        return;
    };
    let whole = copied(&mut one, [stream].into_iter(), |_| Edits::default());
    let pieces = copied(&mut other, chunks(stream, pattern), |_| Edits::default());
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok());
    if let Ok((out, _)) = whole {
        assert_eq!(out, stream);
        let edited = copied(&mut third, chunks(stream, pattern), |b| blank(b, 2));
        let (out, _) = edited.expect("edits that fit can be expressed");
        let again = copied(
            &mut open().expect("it opened before"),
            [out.as_slice()].into_iter(),
            |_| Edits::default(),
        );
        again.expect("what was edited can be read again");
    }
}

fn copy_facts(input: &mut Input<'_>) -> CopyFacts {
    let format = input.choose(&["text", "csv", "binary"]);
    let csv = format == "csv";
    let plain = input.byte();
    CopyFacts {
        from: false,
        relation: None,
        columns: Vec::new(),
        format: format.to_owned(),
        delimiter: match plain & 2 {
            0 if csv => b',',
            0 => b'\t',
            _ => input.byte(),
        },
        null: if csv { "" } else { "\\N" }.to_owned(),
        header: plain & 1 == 1,
        quote: b'"',
        escape: if plain & 4 == 0 { b'"' } else { b'\\' },
        encoding: None,
        server_side: false,
    }
}

/// The payload that the client gets, and the text of all cells.
fn copied<'a>(
    copy: &mut CopyOut,
    chunks: impl Iterator<Item = &'a [u8]>,
    edits: impl Fn(&Batch) -> Edits,
) -> Result<(Vec<u8>, Vec<Bytes>), Fault> {
    let (mut out, mut cells) = (Vec::new(), Vec::new());
    let mut keep = |read: Option<Read>| -> Result<(), Fault> {
        let Some((batch, rewrite)) = read else {
            return Ok(());
        };
        in_order(&batch);
        let text = |c: &portcullis_model::Cell| batch.text.slice(c.start as usize..c.end as usize);
        cells.extend(batch.cells.iter().map(text));
        payload(&rewrite.rewrite(&batch, &edits(&batch))?, &mut out);
        Ok(())
    };
    for chunk in chunks {
        keep(copy.batch(frame(b'd', chunk).into())?)?;
    }
    keep(copy.finish()?)?;
    Ok((out, cells))
}

fn payload(mut frames: &[u8], out: &mut Vec<u8>) {
    while let Some((head, rest)) = frames.split_first_chunk::<5>() {
        assert_eq!(head[0], b'd');
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        out.extend_from_slice(&rest[..length]);
        frames = &rest[length..];
    }
    assert!(frames.is_empty());
}

/// Kind of message, which edits, its body.
fn strings(mut input: Input<'_>) {
    let (kind, tag) = input.choose(&[
        (BatchKind::Error, b'E'),
        (BatchKind::Notice, b'N'),
        (BatchKind::Notification, b'A'),
        (BatchKind::Parameter, b'S'),
        (BatchKind::Call, b'V'),
    ]);
    let nth = usize::from(input.byte() % 3) + 1;
    let raw = Bytes::copy_from_slice(input.rest());
    let read = |wire: &Bytes| match kind {
        BatchKind::Call => call_result(wire.clone()),
        _ => fields(kind, wire.clone()),
    };
    for wire in [raw.clone(), frame(tag, &raw).into()] {
        let (Ok(plain), Ok((batch, rewrite))) = (read(&wire), read(&wire)) else {
            continue;
        };
        let code = plain.1.code();
        unchanged(plain, &wire);
        let out = rewrite.rewrite(&batch, &blank(&batch, nth));
        let (again, rewrite) = read(&out.expect("edits that fit can be expressed"))
            .expect("what was edited can be read again");
        assert_eq!(
            (again.cells.len(), rewrite.code()),
            (batch.cells.len(), code)
        );
    }
}

/// Types (a byte each), the body of a Bind.
fn bind(mut input: Input<'_>) {
    let types: Vec<u32> = input
        .piece()
        .iter()
        .map(|b| OIDS[usize::from(*b) % OIDS.len()])
        .collect();
    let body = input.rest();
    let (formats, values) = (bind_formats(body), parameters(body, &types));
    assert_eq!(formats.is_ok(), values.is_ok());
}

fn unchanged((batch, rewrite): Read, wire: &Bytes) {
    in_order(&batch);
    assert_eq!(batch.wire, wire);
    let out = rewrite.rewrite(&batch, &Edits::default());
    assert_eq!(out.expect("no edits can be expressed"), wire);
}

fn reread(rows: &Rows, out: Bytes, before: &Batch) {
    let (batch, _) = rows.batch(out).expect("what was edited can be read again");
    in_order(&batch);
    assert_eq!(batch.rows, before.rows);
}

fn in_order(batch: &Batch) {
    let mut last = 0;
    for cell in &batch.cells {
        assert!(last <= cell.start && cell.start <= cell.end, "{cell:?}");
        last = cell.end;
    }
    assert!(last as usize <= batch.text.len());
}

/// Every `nth` cell loses everything.
fn blank(batch: &Batch, nth: usize) -> Edits {
    let whole = |(index, cell): (usize, &portcullis_model::Cell)| SpanEdit {
        cell: u32::try_from(index).expect("inputs are small"),
        start: 0,
        end: cell.end - cell.start,
        replacement: Bytes::from_static(b"[pc-masked:x]"),
        label: Arc::from("fuzz@1/rule"),
    };
    Edits {
        spans: batch
            .cells
            .iter()
            .enumerate()
            .step_by(nth)
            .map(whole)
            .collect(),
        ..Edits::default()
    }
}

fn mask(column: u32, strategy: Strategy) -> Edits {
    Edits {
        columns: vec![ColumnMask {
            column,
            strategy,
            label: Arc::from("tag"),
        }],
        ..Edits::default()
    }
}
