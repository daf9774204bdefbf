//! Laws: no bytes panic; what is not edited is released byte for byte; what is edited is nowhere to be
//! found, and everything else reads as before.

use super::build::*;
use crate::values::{CopyOut, Rows, bind_formats, call_result, fields, parameters};
use portcullis_model::{Batch, BatchKind, Edits, Strategy as How};
use proptest::collection::vec;
use proptest::prelude::*;

/// Every type that is treated in a way of its own.
const OIDS: &[u32] = &[
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 600, 650, 700, 701, 774, 790, 829, 869, 1000,
    1001, 1007, 1009, 1020, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1231, 1266, 1700, 2205, 2249,
    2277, 2287, 2950, 3220, 3802, 3807, 3904, 4072, 5069, 90_000,
];
/// Holds a letter that no number has, so that no record field reads as a scalar.
const SECRET: &str = "s3cr3t-77";

fn column() -> impl Strategy<Value = (u32, i16)> {
    (prop::sample::select(OIDS), 0..2_i16)
}

/// Bytes that look a little like values.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"{",
        b"}",
        b"\"",
        b"\\",
        b",",
        b"(",
        b")",
        b"[",
        b"]",
        b":",
        b"NULL",
        b"\\x",
        b"a",
        b" ",
        b"1",
        b"-",
        b".",
        b"\n",
        b"\t",
        b"\0",
        b"\0\0\0\x01",
        b"\0\0\0\0",
        b"\0\0\0\x19",
        b"\x01",
        b"\xff\xff\xff\xff",
        b"\xc3\xa9",
        b"\xff",
        b"\\u00e9",
        b"\\ud83d",
        b"true",
        b"7e3",
        b"{}",
        b"\0\0\0\x04",
        b"\0\0\0\x17",
        b"\0\x01",
        b"secret",
    ];
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|p| p.to_vec()).collect();
    prop_oneof![
        vec(prop::sample::select(pieces), 0..14).prop_map(|p| p.concat()),
        vec(any::<u8>(), 0..24),
    ]
}

fn values(columns: usize) -> impl Strategy<Value = Vec<Value>> {
    vec(prop::option::weighted(0.9, bytes()), columns)
}

fn table() -> impl Strategy<Value = (Vec<(u32, i16)>, Vec<Vec<Value>>)> {
    vec(column(), 0..5).prop_flat_map(|columns| {
        let rows = vec(values(columns.len()), 0..4);
        (Just(columns), rows)
    })
}

fn frames(rows: &[Vec<Value>]) -> Vec<u8> {
    rows.iter().flat_map(|row| data_row(row)).collect()
}

fn in_order(batch: &Batch) -> bool {
    batch.cells.windows(2).all(|w| w[0].end <= w[1].start)
        && batch
            .cells
            .iter()
            .all(|c| c.start <= c.end && c.end as usize <= batch.text.len())
}

/// Every `nth` cell loses everything.
fn blank(batch: &Batch, nth: usize) -> Edits {
    let whole = |(index, cell): (usize, &portcullis_model::Cell)| {
        span(index, 0, (cell.end - cell.start) as usize, "[pc-masked:x]")
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic(body in vec(any::<u8>(), 0..80), more in bytes(), tag in any::<u8>(), oids in vec(column(), 0..3)) {
        let _ = Rows::new(&body, None, 0);
        let _ = Rows::new(&body, Some(&[1]), 0);
        let result = rows(&oids);
        let _ = result.batch(body.clone().into());
        let _ = result.batch(frame(b'D', &body).into());
        let _ = bind_formats(&body);
        let _ = parameters(&body, &[23, 17]);
        for wire in [body.clone(), frame(tag, &body), frame(b'E', &more), frame(b'V', &body)] {
            let _ = call_result(wire.clone().into());
            for kind in [BatchKind::Error, BatchKind::Notice, BatchKind::Notification, BatchKind::Parameter] {
                let _ = fields(kind, wire.clone().into());
            }
        }
        for format in ["text", "csv", "binary"] {
            let mut copy = copy_out(&copy_facts(format, &[]), 2);
            let _ = copied(&mut copy, &[&body, &more], |_| Edits::default());
        }
        let mut started = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        started.extend(&more);
        let mut copy = CopyOut::new(&copy_response(true, 1), None, 0).unwrap();
        let _ = copied(&mut copy, &[&started], |_| Edits::default());
    }

    #[test]
    fn rows_without_edits_pass_as_they_are((columns, table) in table()) {
        let wire = bytes::Bytes::from(frames(&table));
        let (batch, rewrite) = rows(&columns).batch(wire.clone()).unwrap();
        prop_assert_eq!(&batch.wire, &wire);
        prop_assert_eq!(batch.rows as usize, table.len());
        prop_assert!(in_order(&batch));
        prop_assert_eq!(rewrite.rewrite(&batch, &Edits::default()).unwrap(), wire);
    }

    #[test]
    fn a_masked_column_changes_alone((columns, table) in table(), at in any::<prop::sample::Index>(),
        how in prop::sample::select(&[How::Redact, How::Partial, How::Hash, How::Null][..]))
    {
        prop_assume!(!columns.is_empty());
        let masked = at.index(columns.len());
        let result = rows(&columns);
        let (batch, rewrite) = result.batch(frames(&table).into()).unwrap();
        let out = rewrite.rewrite(&batch, &mask(masked as u32, how)).unwrap();
        prop_assert!(result.batch(out.clone()).is_ok());
        for (new, old) in read_rows(&out).iter().zip(&table) {
            for column in 0..columns.len() {
                match column == masked && old[column].is_some() {
                    false => prop_assert_eq!(&new[column], &old[column]),
                    true if how == How::Null => prop_assert_eq!(&new[column], &None),
                    true => {}
                }
            }
        }
    }

    #[test]
    fn edited_cells_of_any_bytes_leave_the_others_alone((columns, table) in table(), nth in 1..4_usize) {
        let result = rows(&columns);
        let (batch, rewrite) = result.batch(frames(&table).into()).unwrap();
        let out = rewrite.rewrite(&batch, &blank(&batch, nth)).unwrap();
        let (again, rewrite) = result.batch(out.clone()).unwrap();
        prop_assert!(in_order(&again));
        // Columns in which nothing was edited are the same bytes.
        let edited: std::collections::BTreeSet<u32> =
            batch.cells.iter().step_by(nth).map(|c| c.column).collect();
        for (new, old) in read_rows(&out).iter().zip(&table) {
            for column in 0..columns.len() {
                if !edited.contains(&(column as u32)) {
                    prop_assert_eq!(&new[column], &old[column]);
                }
            }
        }
        prop_assert_eq!(rewrite.rewrite(&again, &Edits::default()).unwrap(), out);
    }
}

/// A leaf that may hold the secret.
fn leaf() -> impl Strategy<Value = String> {
    let text = "[a-z0-9 {}\"\\\\,()\\t\\n\u{e9}'\u{1f600}]{0,6}";
    prop_oneof![
        text.prop_map(|t| t),
        (text, text).prop_map(|(a, b)| format!("{a}{SECRET}{b}")),
    ]
}

fn array_literal(elements: &[String]) -> Vec<u8> {
    let quoted = |e: &String| format!("\"{}\"", e.replace('\\', "\\\\").replace('"', "\\\""));
    format!(
        "{{{}}}",
        elements.iter().map(quoted).collect::<Vec<_>>().join(",")
    )
    .into_bytes()
}

fn record_literal(elements: &[String]) -> Vec<u8> {
    let quoted = |e: &String| format!("\"{}\"", e.replace('\\', "\\\\").replace('"', "\"\""));
    format!(
        "({})",
        elements.iter().map(quoted).collect::<Vec<_>>().join(",")
    )
    .into_bytes()
}

/// Every other character as an escape.
fn json_literal(elements: &[String]) -> Vec<u8> {
    let string = |e: &String| {
        let escaped: String = e
            .encode_utf16()
            .enumerate()
            .map(|(i, unit)| match char::from_u32(u32::from(unit)) {
                Some(c) if i % 2 == 0 && c.is_ascii_alphanumeric() => c.to_string(),
                _ => format!("\\u{unit:04x}"),
            })
            .collect();
        format!("{{\"k\": [\"{escaped}\", 1]}}")
    };
    format!(
        "[{}]",
        elements.iter().map(string).collect::<Vec<_>>().join(" , ")
    )
    .into_bytes()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("\\x{digits}").into_bytes()
}

fn binary_array(elements: &[String]) -> Vec<u8> {
    let mut out = [1, 0, 25, elements.len() as i32, 1]
        .map(i32::to_be_bytes)
        .concat();
    elements
        .iter()
        .for_each(|e| value(&mut out, Some(e.as_bytes())));
    out
}

/// A row with one column of each container, and the leaves in the order of its cells.
fn planted(leaves: &[String]) -> (Vec<(u32, i16)>, Vec<Value>) {
    let joined = leaves.concat();
    let columns = [
        ((25, 0), joined.clone().into_bytes()),
        ((1043, 1), joined.clone().into_bytes()),
        ((1009, 0), array_literal(leaves)),
        ((1009, 1), binary_array(leaves)),
        ((114, 0), json_literal(leaves)),
        (
            (3802, 1),
            [b"\x01", json_literal(leaves).as_slice()].concat(),
        ),
        ((2249, 0), record_literal(leaves)),
        ((17, 0), hex(joined.as_bytes())),
        ((17, 1), joined.into_bytes()),
        ((23, 1), 7_i32.to_be_bytes().to_vec()),
    ];
    columns.into_iter().map(|(c, v)| (c, Some(v))).unzip()
}

/// True when a value holds the secret in any spelling that was planted.
fn holds_secret(frames: &[u8]) -> bool {
    let hexed = hex(SECRET.as_bytes());
    find(frames, SECRET.as_bytes()).is_some() || find(frames, &hexed[2..]).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_edited_secret_is_nowhere_and_the_rest_reads_as_before(leaves in vec(leaf(), 1..4)) {
        let (columns, row) = planted(&leaves);
        let result = rows(&columns);
        let (batch, rewrite) = result.batch(data_row(&row).into()).unwrap();
        let word = "[pc-masked:\"x\\,{y}\"]";
        let out = rewrite.rewrite(&batch, &replace_all(&batch, SECRET, word)).unwrap();
        prop_assert!(!holds_secret(&out));
        let (again, _) = result.batch(out).unwrap();
        let expected: Vec<String> = cells(&batch).iter().map(|c| c.replace(SECRET, word)).collect();
        prop_assert_eq!(cells(&again), expected);
    }

    #[test]
    fn an_edited_secret_is_nowhere_in_a_copy(leaves in vec(leaf(), 2), cuts in vec(any::<prop::sample::Index>(), 0..4), csv in any::<bool>()) {
        let facts = copy_facts(if csv { "csv" } else { "text" }, &[]);
        let field = |text: &String| match csv {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n"),
        };
        let delimiter = if csv { "," } else { "\t" };
        let line = leaves.iter().map(field).collect::<Vec<_>>().join(delimiter) + "\n";
        let stream = line.repeat(3).into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(stream.len())).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([stream.len()]) {
            chunks.push(&stream[from..cut]);
            from = cut;
        }
        let same = |_: &Batch| Edits::default();
        let (out, plain) = copied(&mut copy_out(&facts, 2), &chunks, same).unwrap();
        prop_assert_eq!(&out, &stream);
        let word = "[x\t\"\\,\n]";
        let edits = |batch: &Batch| replace_all(batch, SECRET, word);
        let (out, _) = copied(&mut copy_out(&facts, 2), &chunks, edits).unwrap();
        prop_assert!(!holds_secret(&out));
        let (_, seen) = copied(&mut copy_out(&facts, 2), &[&out], same).unwrap();
        let expected: Vec<String> = plain.iter().map(|c| c.replace(SECRET, word)).collect();
        prop_assert_eq!(seen, expected);
    }
}
