//! Tokens and hashes in every format: as edits of what a detector has found, and as stand-ins for a column.

use super::build::*;
use portcullis_model::{Edits, Strategy};

const TEXT: i16 = 0;
const BINARY: i16 = 1;

/// The mask of column 0, and what stands in for it.
fn with_stand_in(strategy: Strategy, old: &str, new: &str) -> Edits {
    Edits {
        spans: vec![span(0, 0, old.len(), new)],
        ..mask(0, strategy)
    }
}

/// Type, format, value, its text, its token, what stands there.
const TYPED: &[(u32, i16, &[u8], &str, &str, &[u8])] = &[
    (
        25,
        TEXT,
        b"ana@x.de",
        "ana@x.de",
        "qz@masked.invalid",
        b"qz@masked.invalid",
    ),
    (1042, TEXT, b"ab  ", "ab  ", "qz  ", b"qz  "),
    (25, BINARY, b"ab", "ab", "qz", b"qz"),
    (23, TEXT, b"4711", "4711", "9023", b"9023"),
    (
        23,
        BINARY,
        &[0, 0, 0x12, 0x67],
        "4711",
        "9023",
        &[0, 0, 0x23, 0x3f],
    ),
    (
        20,
        BINARY,
        &[0, 0, 0, 0, 0, 0, 0x12, 0x67],
        "4711",
        "-1",
        &[0xff; 8],
    ),
    (21, TEXT, b"99", "99", "40000", b"0"),
    (23, TEXT, b"99", "99", "[pc-masked:tag]", b"0"),
    (1700, TEXT, b"12.50", "12.50", "73.18", b"73.18"),
    (
        1700,
        BINARY,
        &[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x13, 0x88],
        "12.50",
        "73.18",
        &[0, 2, 0, 0, 0, 0, 0, 2, 0, 73, 0x07, 0x08],
    ),
    (
        2950,
        BINARY,
        &[0x11; 16],
        "11111111-1111-1111-1111-111111111111",
        "22222222-2222-2222-2222-222222222222",
        &[0x22; 16],
    ),
    (
        869,
        BINARY,
        &[2, 32, 0, 4, 1, 2, 3, 4],
        "1.2.3.4",
        "240.0.0.1",
        &[2, 32, 0, 4, 240, 0, 0, 1],
    ),
    (
        1082,
        TEXT,
        b"1980-05-05",
        "1980-05-05",
        "7312-99-40",
        b"1970-01-01",
    ),
    (16, BINARY, &[1], "t", "q", &[0]),
    (114, TEXT, b"\"ab\"", "ab", "qz", b"\"qz\""),
    (114, TEXT, b"4711", "4711", "9023", b"9023"),
    (3802, BINARY, b"\x014711", "4711", "9023", b"\x019023"),
    (3802, BINARY, b"\x01\"47\"", "47", "90", b"\x01\"90\""),
    (90_000, TEXT, b"happy", "happy", "qzxwv", b"qzxwv"),
];

#[test]
fn a_token_stands_in_every_type_and_format_that_can_hold_it() {
    for (oid, format, value, text, token, expected) in TYPED {
        assert_eq!(cells_of(*oid, *format, value), [*text]);
        let what = format!("{oid} {format} {text}");
        // As a detector's find.
        let edits = |_: &_| Edits {
            spans: vec![span(0, 0, text.len(), token)],
            ..Edits::default()
        };
        let found = rewritten(*oid, *format, value, edits).unwrap();
        assert_eq!(
            found.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{what}"
        );
        // As the mask of a column.
        for strategy in [Strategy::Token, Strategy::TenantToken] {
            let edits = |_: &_| with_stand_in(strategy, text, token);
            let masked = rewritten(*oid, *format, value, edits).unwrap();
            assert_eq!(
                masked.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{what}"
            );
        }
    }
}

#[test]
fn a_hash_of_a_column_stands_where_text_can() {
    let hash = "[pc-masked:tag #0123456789ab]";
    for (oid, value, text, expected) in [
        (25, &b"ana"[..], "ana", hash.as_bytes()),
        (23, b"4711", "4711", b"0"),
        (114, b"\"ana\"", "ana", b"\"[pc-masked:tag #0123456789ab]\""),
    ] {
        let edits = |_: &_| with_stand_in(Strategy::Hash, text, hash);
        assert_eq!(rewritten(oid, TEXT, value, edits).unwrap(), expected);
    }
}

#[test]
fn a_column_whose_value_has_no_whole_stand_in_is_redacted() {
    let marker = Some(b"[pc-masked:tag]".to_vec());
    // Of a part, of a strategy that wants none, and of two parts.
    let part = |_: &_| Edits {
        spans: vec![span(0, 0, 2, "qz")],
        ..mask(0, Strategy::Token)
    };
    assert_eq!(rewritten(25, TEXT, b"ana", part), marker);
    let parts = |_: &_| Edits {
        spans: vec![span(0, 0, 2, "qz"), span(0, 2, 3, "q")],
        ..mask(0, Strategy::Token)
    };
    assert_eq!(rewritten(25, TEXT, b"ana", parts), marker);
    for strategy in [Strategy::Redact, Strategy::Partial] {
        let edits = |_: &_| with_stand_in(strategy, "ana", "qzx");
        assert_eq!(rewritten(25, TEXT, b"ana", edits), marker, "{strategy:?}");
    }
    let null = |_: &_| with_stand_in(Strategy::Null, "ana", "qzx");
    assert_eq!(rewritten(25, TEXT, b"ana", null), None);
    // What has parts shows neither their number nor their names.
    let every = |batch: &portcullis_model::Batch| Edits {
        spans: (0..batch.cells.len())
            .map(|cell| {
                let c = batch.cells[cell];
                span(cell, 0, (c.end - c.start) as usize, "qz")
            })
            .collect(),
        ..mask(0, Strategy::TenantToken)
    };
    for (oid, value, expected) in [
        (
            114,
            &b"{\"a\": \"b\", \"c\": true}"[..],
            &b"\"[pc-masked:tag]\""[..],
        ),
        (114, b"{\"a\": true}", b"\"[pc-masked:tag]\""),
        (114, b"[\"a\"]", b"\"[pc-masked:tag]\""),
        (114, b"true", b"\"[pc-masked:tag]\""),
        (1009, b"{ab,cd}", b"{[pc-masked:tag]}"),
        (1009, b"{ab}", b"{[pc-masked:tag]}"),
        (17, b"\\x6162", b"\\x5b70632d6d61736b65643a7461675d"),
    ] {
        let new = rewritten(oid, TEXT, value, every).unwrap();
        assert_eq!(
            new.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{oid}"
        );
    }
    // A token with a NUL would end the text early.
    let frames = data_row(&[Some(b"ana".to_vec())]);
    let (batch, rewrite) = rows(&[(25, TEXT)]).batch(frames.into()).unwrap();
    let edits = with_stand_in(Strategy::Token, "ana", "q\0x");
    assert!(rewrite.rewrite(&batch, &edits).is_err());
}

#[test]
fn an_edited_leaf_of_json_stays_what_it_was() {
    let document = br#"{"card": 4111111111111111, "name": "4111111111111111", "n": 1}"#;
    let edits = |batch: &_| replace_all(batch, "4111111111111111", "7302918273645500");
    let new = rewritten(114, TEXT, document, edits).unwrap();
    let expected = br#"{"card": 7302918273645500, "name": "7302918273645500", "n": 1}"#;
    assert_eq!(new, expected);
    // A marker is no number, and neither is one that begins with 0.
    for (with, shown) in [
        ("[pc-masked:card]", "\"[pc-masked:card]\""),
        ("0302", "\"0302\""),
    ] {
        let edits = |batch: &_| replace_all(batch, "4111111111111111", with);
        let new = rewritten(114, TEXT, br#"[4111111111111111]"#, edits).unwrap();
        assert_eq!(String::from_utf8(new).unwrap(), format!("[{shown}]"));
    }
}

#[test]
fn arrays_of_numbers_keep_their_type() {
    let card = 4_111_111_111_111_111_i64.to_be_bytes();
    let mut array = [1_i32, 0, 20, 1, 1].map(i32::to_be_bytes).concat();
    value(&mut array, Some(&card));
    let edits = |batch: &_| replace_all(batch, "4111111111111111", "7302918273645500");
    let new = rewritten(1016, BINARY, &array, edits).unwrap();
    assert_eq!(cells_of(1016, BINARY, &new), ["7302918273645500"]);
    let new = rewritten(1016, TEXT, b"{4111111111111111,NULL,7}", edits).unwrap();
    assert_eq!(new, b"{7302918273645500,NULL,7}");
}
