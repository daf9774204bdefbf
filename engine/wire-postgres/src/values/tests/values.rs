//! What becomes a cell, and what stands in its place, type by type.

use super::build::*;
use crate::values::Rows;
use portcullis_model::{Edits, Strategy};

const TEXT: i16 = 0;
const BINARY: i16 = 1;

/// OID, format, value, cells.
const SHOWN: &[(u32, i16, &[u8], &[&str])] = &[
    (25, TEXT, b"plain", &["plain"]),
    (25, BINARY, b"plain", &["plain"]),
    (25, TEXT, b"", &[""]),
    (25, TEXT, b"{not,an,array}", &["{not,an,array}"]),
    (23, TEXT, b"4711", &["4711"]),
    (
        20,
        BINARY,
        &4_111_111_111_111_111_i64.to_be_bytes(),
        &["4111111111111111"],
    ),
    (18, BINARY, b"x", &["x"]),
    (16, BINARY, b"\x01", &["t"]),
    // A length that is not the type's: shown as it came.
    (23, BINARY, b"secret", &["secret"]),
    // Arrays.
    (
        1009,
        TEXT,
        b"{a,NULL,\"b c\",\"q\\\"x\\\\y\"}",
        &["a", "b c", "q\"x\\y"],
    ),
    (
        1009,
        TEXT,
        b"{{a,b},{c,\"NULL\"}}",
        &["a", "b", "c", "NULL"],
    ),
    (1009, TEXT, b"[2:3]={a,b}", &["a", "b"]),
    (1009, TEXT, b"{}", &[]),
    (1009, TEXT, b"{broken", &["{broken"]),
    (1009, TEXT, b"{a b}", &["{a b}"]),
    (
        1020,
        TEXT,
        b"{(1,1),(0,0);(2,2),(1,1)}",
        &["(1,1),(0,0)", "(2,2),(1,1)"],
    ),
    (1007, TEXT, b"{1,2,3}", &["1", "2", "3"]),
    (3807, TEXT, b"{\"{\\\"a\\\": \\\"b\\\"}\"}", &["a", "b"]),
    (2277, TEXT, b"{123-45-6789,x}", &["123-45-6789", "x"]),
    // JSON.
    (
        114,
        TEXT,
        b"{\"k\": [\"v\", 12.5e3, true, null]}",
        &["k", "v", "12.5e3"],
    ),
    (3802, TEXT, b"\"alone\"", &["alone"]),
    (3802, TEXT, b"42", &["42"]),
    (3802, BINARY, b"\x01{\"k\": \"v\"}", &["k", "v"]),
    (
        114,
        TEXT,
        br#""\u0034\u0031 \ud83d\ude00 \ud83d \n\"""#,
        &["41 \u{1f600} \u{fffd} \n\""],
    ),
    (114, TEXT, b"{\"a\": }", &["{\"a\": }"]),
    (114, TEXT, b"{\"a\": 01}", &["{\"a\": 01}"]),
    (114, TEXT, b"[1] x", &["[1] x"]),
    // bytea.
    (17, TEXT, b"\\x616263", &["abc"]),
    (17, TEXT, b"a\\\\b\\001", &["a\\b\u{1}"]),
    (17, TEXT, b"\\x61ff62", &["a\u{1a}b"]),
    (17, TEXT, b"\\x6", &["\\x6"]),
    (17, BINARY, b"abc", &["abc"]),
    (17, BINARY, b"a\xffc", &["a\u{1a}c"]),
    // Rows.
    (
        2249,
        TEXT,
        b"(1,\"a \"\"b\"\"\",,x)",
        &["1", "a \"b\"", "x"],
    ),
    (90_000, TEXT, b"(1,\"a b\")", &["1", "a b"]),
    (90_000, TEXT, b"{one,two}", &["one", "two"]),
    (90_000, TEXT, b"{\"(1,\\\"a b\\\")\"}", &["1", "a b"]),
    (90_000, TEXT, b"label", &["label"]),
    (90_000, TEXT, b"{\"a\": 1}", &["{\"a\": 1}"]),
    (90_000, TEXT, b"[12:]={x}", &["[12:]={x}"]),
    (90_000, BINARY, b"label", &["label"]),
    (90_000, BINARY, b"a\xff", &["a\u{1a}"]),
    // Ranges, geometry, full text.
    (3904, TEXT, b"[1,10)", &["[1,10)"]),
    (600, TEXT, b"(1,2)", &["(1,2)"]),
];

#[test]
fn every_value_shows_what_a_detector_has_to_see() {
    for (oid, format, value, expected) in SHOWN {
        let shown = cells_of(*oid, *format, value);
        assert_eq!(&shown, expected, "{oid} {format} {}", value.escape_ascii());
    }
}

/// OID, format, value, what it becomes when `secret` is edited.
const EDITED: &[(u32, i16, &[u8], Option<&[u8]>)] = &[
    (25, TEXT, b"my secret!", Some(b"my [x \"y\"]!")),
    (1043, BINARY, b"my secret!", Some(b"my [x \"y\"]!")),
    (1009, TEXT, b"{a,secret}", Some(b"{a,\"[x \\\"y\\\"]\"}")),
    (
        1009,
        TEXT,
        b"{\"a \\\"secret\",b}",
        Some(b"{\"a \\\"[x \\\"y\\\"]\",b}"),
    ),
    (
        114,
        TEXT,
        b"{\"a\": \"secret\", \"n\": 1}",
        Some(br#"{"a": "[x \"y\"]", "n": 1}"#),
    ),
    (
        114,
        TEXT,
        br#"{"a": "\u0073ecret\n"}"#,
        Some(br#"{"a": "[x \"y\"]\n"}"#),
    ),
    (
        114,
        TEXT,
        b"{\"secret\": true}",
        Some(br#"{"[x \"y\"]": true}"#),
    ),
    (114, TEXT, b"{secret", Some(br#""{[x \"y\"]""#)),
    (
        3802,
        BINARY,
        b"\x01\"secret\"",
        Some(b"\x01\"[x \\\"y\\\"]\""),
    ),
    (17, TEXT, b"\\x736563726574", Some(b"\\x5b782022 79225d")),
    (17, TEXT, b"secret\\377", Some(b"[x \"y\"]\\377")),
    (17, BINARY, b"\xffsecret", Some(b"\xff[x \"y\"]")),
    (2249, TEXT, b"(1,secret)", Some(b"(1,\"[x \"\"y\"\"]\")")),
    (90_000, TEXT, b"secret", Some(b"[x \"y\"]")),
    (90_000, TEXT, b"{secret,b}", Some(b"{\"[x \\\"y\\\"]\",b}")),
    (90_000, BINARY, b"secret", None),
    (3904, TEXT, b"secret", None),
    (23, TEXT, b"secret", Some(b"0")),
    (23, BINARY, b"secret", None),
    (1007, TEXT, b"{secret,2}", Some(b"{0,2}")),
];

#[test]
fn an_edit_is_written_in_the_syntax_of_its_value() {
    for (oid, format, value, expected) in EDITED {
        let edits = |batch: &_| replace_all(batch, "secret", "[x \"y\"]");
        let new = rewritten(*oid, *format, value, edits);
        let expected = expected.map(|e| match e.starts_with(b"\\x5b") {
            true => e.iter().copied().filter(|b| *b != b' ').collect(),
            false => e.to_vec(),
        });
        let show = |v: &Value| v.as_ref().map(|v| v.escape_ascii().to_string());
        assert_eq!(
            show(&new),
            show(&expected),
            "{oid} {}",
            value.escape_ascii()
        );
    }
}

/// OID, format, value, strategy, what a masked column shows.
const MASKED: &[(u32, i16, &[u8], Strategy, Option<&[u8]>)] = &[
    (
        25,
        TEXT,
        b"whatever",
        Strategy::Redact,
        Some(b"[pc-masked:tag]"),
    ),
    (25, TEXT, b"whatever", Strategy::Null, None),
    (
        25,
        TEXT,
        b"whatever",
        Strategy::Hash,
        Some(b"[pc-masked:tag]"),
    ),
    (
        25,
        TEXT,
        b"12345678",
        Strategy::Partial,
        Some(b"[pc-masked:tag]"),
    ),
    (
        25,
        TEXT,
        b"123456789",
        Strategy::Partial,
        Some("[pc-masked:tag …6789]".as_bytes()),
    ),
    (
        1042,
        TEXT,
        b"1234567      ",
        Strategy::Partial,
        Some(b"[pc-masked:tag]"),
    ),
    (
        1042,
        TEXT,
        b"1234567890   ",
        Strategy::Partial,
        Some("[pc-masked:tag …7890]".as_bytes()),
    ),
    (23, TEXT, b"4711", Strategy::Partial, Some(b"0")),
    (
        23,
        BINARY,
        b"\x00\x00\x12\x67",
        Strategy::Redact,
        Some(&[0; 4]),
    ),
    (20, BINARY, &[1; 8], Strategy::Redact, Some(&[0; 8])),
    (1700, TEXT, b"12.50", Strategy::Redact, Some(b"0")),
    (
        1082,
        TEXT,
        b"1980-05-05",
        Strategy::Redact,
        Some(b"1970-01-01"),
    ),
    (
        2950,
        TEXT,
        b"x",
        Strategy::Redact,
        Some(b"00000000-0000-0000-0000-000000000000"),
    ),
    (
        114,
        TEXT,
        b"{\"a\": 1}",
        Strategy::Redact,
        Some(b"\"[pc-masked:tag]\""),
    ),
    (
        3802,
        BINARY,
        b"\x01{}",
        Strategy::Redact,
        Some(b"\x01\"[pc-masked:tag]\""),
    ),
    (
        1009,
        TEXT,
        b"{a,b}",
        Strategy::Redact,
        Some(b"{[pc-masked:tag]}"),
    ),
    (1007, TEXT, b"{1,2}", Strategy::Redact, Some(b"{}")),
    (
        199,
        TEXT,
        b"{1,2}",
        Strategy::Redact,
        Some(b"{\"\\\"[pc-masked:tag]\\\"\"}"),
    ),
    (
        17,
        BINARY,
        b"\xff\x00",
        Strategy::Redact,
        Some(b"[pc-masked:tag]"),
    ),
    (
        17,
        TEXT,
        b"a\\377",
        Strategy::Redact,
        Some(b"[pc-masked:tag]"),
    ),
    (2249, TEXT, b"(1,2)", Strategy::Redact, None),
    (3904, TEXT, b"[1,2)", Strategy::Redact, None),
    (
        90_000,
        TEXT,
        b"happy",
        Strategy::Redact,
        Some(b"[pc-masked:tag]"),
    ),
    (90_000, TEXT, b"{happy}", Strategy::Redact, Some(b"{}")),
    (90_000, TEXT, b"(1,x)", Strategy::Redact, None),
    (90_000, BINARY, b"happy", Strategy::Redact, None),
];

#[test]
fn a_masked_column_shows_what_its_type_can_hold() {
    for (oid, format, value, strategy, expected) in MASKED {
        let new = rewritten(*oid, *format, value, |_| mask(0, *strategy));
        let show = |v: Option<&[u8]>| v.map(|v| v.escape_ascii().to_string());
        assert_eq!(
            show(new.as_deref()),
            show(*expected),
            "{oid} {}",
            value.escape_ascii()
        );
    }
}

#[test]
fn a_masked_null_stays_null_and_its_neighbours_stay_what_they_are() {
    let result = rows(&[(25, TEXT), (23, TEXT), (25, TEXT)]);
    let mut frames = data_row(&[None, Some(b"1".to_vec()), Some(b"x".to_vec())]);
    frames.extend(data_row(&[Some(b"v".to_vec()), None, Some(b"y".to_vec())]));
    let (batch, rewrite) = result.batch(frames.into()).unwrap();
    assert_eq!(batch.rows, 2);
    let mut edits = mask(0, Strategy::Redact);
    // An edit inside a masked column gives way to the mask.
    edits.spans = replace_all(&batch, "v", "w").spans;
    edits.spans.extend(replace_all(&batch, "y", "z").spans);
    let out = read_rows(&rewrite.rewrite(&batch, &edits).unwrap());
    let marker = Some(b"[pc-masked:tag]".to_vec());
    assert_eq!(out[0], [None, Some(b"1".to_vec()), Some(b"x".to_vec())]);
    assert_eq!(out[1], [marker, None, Some(b"z".to_vec())]);
}

#[test]
fn text_that_needs_no_decoding_is_not_copied() {
    let frames = bytes::Bytes::from(data_row(&[
        Some(b"a".to_vec()),
        Some(b"{b,\"c d\"}".to_vec()),
        Some(b"{\"k\": \"v\"}".to_vec()),
    ]));
    let result = rows(&[(25, TEXT), (1009, TEXT), (3802, TEXT)]);
    let (batch, _) = result.batch(frames.clone()).unwrap();
    assert_eq!(batch.text.as_ptr(), frames.as_ptr());
    assert_eq!(cells(&batch), ["a", "b", "c d", "k", "v"]);
}

#[test]
fn cells_stay_in_order_when_decoding_begins_in_the_middle() {
    let result = rows(&[(25, TEXT), (20, BINARY), (25, TEXT)]);
    let number = 7_i64.to_be_bytes().to_vec();
    let row = data_row(&[Some(b"a".to_vec()), Some(number), Some(b"b".to_vec())]);
    let (batch, _) = result.batch(row.repeat(2).into()).unwrap();
    assert_eq!(cells(&batch), ["a", "7", "b", "a", "7", "b"]);
    assert!(batch.cells.windows(2).all(|w| w[0].end < w[1].start));
}

#[test]
fn binary_arrays_keep_their_dimensions_and_learn_of_nulls() {
    let element = |out: &mut Vec<u8>, bytes: &[u8]| value(out, Some(bytes));
    // text[]: {a,secret}
    let mut array = [1_i32, 0, 25, 2, 1].map(i32::to_be_bytes).concat();
    element(&mut array, b"a");
    element(&mut array, b"secret");
    assert_eq!(cells_of(1009, BINARY, &array), ["a", "secret"]);
    let edits = |batch: &_| replace_all(batch, "secret", "[masked]");
    let new = rewritten(1009, BINARY, &array, edits).unwrap();
    assert_eq!(cells_of(1009, BINARY, &new), ["a", "[masked]"]);
    assert_eq!(new[..20], array[..20]);
    // An array of a type that nobody knows: the element becomes NULL, and the header says so.
    let mut array = [1_i32, 0, 90_000, 1, 1].map(i32::to_be_bytes).concat();
    element(&mut array, b"secret");
    let new = rewritten(90_001, BINARY, &array, edits).unwrap();
    let expected = [1_i32, 1, 90_000, 1, 1, -1].map(i32::to_be_bytes).concat();
    assert_eq!(new, expected);
    // int4[] as a whole.
    let array = [1_i32, 0, 23, 1, 1, 4, 99].map(i32::to_be_bytes).concat();
    assert_eq!(cells_of(1007, BINARY, &array), ["99"]);
    let new = rewritten(1007, BINARY, &array, |_| mask(0, Strategy::Redact)).unwrap();
    assert_eq!(new, [0_i32, 0, 23].map(i32::to_be_bytes).concat());
}

#[test]
fn binary_records_are_read_by_the_types_they_carry() {
    let mut record = [2_i32, 20].map(i32::to_be_bytes).concat();
    value(&mut record, Some(&4_111_111_111_111_111_i64.to_be_bytes()));
    record.extend(25_i32.to_be_bytes());
    value(&mut record, Some(b"secret"));
    for oid in [2249, 90_000] {
        assert_eq!(
            cells_of(oid, BINARY, &record),
            ["4111111111111111", "secret"]
        );
        let new = rewritten(oid, BINARY, &record, |_| Edits {
            spans: vec![span(0, 0, 16, "card"), span(1, 0, 6, "word")],
            ..Edits::default()
        });
        assert_eq!(cells_of(oid, BINARY, &new.unwrap()), ["0", "word"], "{oid}");
    }
}

#[test]
fn every_binary_constant_decodes_to_its_text() {
    let scalars = [
        16, 20, 21, 23, 26, 700, 701, 1700, 2950, 1082, 1083, 1266, 1114, 1184, 869, 650, 829, 774,
        3220, 5069,
    ];
    for oid in scalars {
        let text = rewritten(oid, TEXT, b"?", |_| mask(0, Strategy::Redact)).unwrap();
        let binary = rewritten(oid, BINARY, b"?", |_| mask(0, Strategy::Redact)).unwrap();
        let shown = cells_of(oid, BINARY, &binary);
        let text = String::from_utf8(text).unwrap();
        // The server leaves out the bits of a single address.
        assert_eq!(shown, [text], "{oid}");
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let result = rows(&[(25, TEXT)]);
    let frames = bytes::Bytes::from(data_row(&[Some("aé".as_bytes().to_vec())]));
    let refused = [
        vec![span(0, 0, 9, "x")],
        vec![span(0, 2, 1, "x")],
        vec![span(1, 0, 1, "x")],
        vec![span(0, 1, 2, "x"), span(0, 0, 1, "y")],
        vec![span(0, 0, 2, "x"), span(0, 1, 3, "y")],
        vec![span(0, 0, 1, "x\0y")],
    ];
    for spans in refused {
        let (batch, rewrite) = result.batch(frames.clone()).unwrap();
        let edits = Edits {
            spans: spans.clone(),
            ..Edits::default()
        };
        assert!(rewrite.rewrite(&batch, &edits).is_err(), "{spans:?}");
    }
    let (batch, rewrite) = result.batch(frames).unwrap();
    assert!(rewrite.rewrite(&batch, &mask(1, Strategy::Redact)).is_err());
}

#[test]
fn half_a_character_never_stays_behind() {
    let edits = |_: &_| Edits {
        spans: vec![span(0, 2, 3, "*")],
        ..Edits::default()
    };
    let new = rewritten(25, TEXT, "aéb".as_bytes(), edits).unwrap();
    assert_eq!(new, b"a*b");
}

/// A result of one column that is an expression.
fn expression(oid: u32, format: i16) -> Rows {
    let mut described = description(&[(oid, format)]);
    let table = 2 + "c0\0".len();
    described[table..table + 6].fill(0);
    Rows::new(&described, None, 3).unwrap()
}

#[test]
fn whether_a_masked_expression_is_null_does_not_show() {
    let array = [1_i32, 0, 25, 1, 1, 1].map(i32::to_be_bytes).concat();
    let array = [array, b"x".to_vec()].concat();
    let int4: &[u8] = &[0, 0, 0, 7];
    let cases: [(u32, i16, &[u8], Option<&[u8]>); 12] = [
        (25, 0, b"x", Some(b"[pc-masked:tag]")),
        (16, 0, b"t", Some(b"f")),
        (23, 0, b"7", Some(b"0")),
        (23, 1, int4, Some(&[0, 0, 0, 0])),
        (17, 0, b"\\x00", Some(b"\\x5b70632d6d61736b65643a7461675d")),
        (17, 0, b"\\000", Some(b"\\x5b70632d6d61736b65643a7461675d")),
        (114, 0, b"{}", Some(b"\"[pc-masked:tag]\"")),
        (1009, 0, b"{x}", Some(b"{[pc-masked:tag]}")),
        (2249, 0, b"(x)", None),
        (90_000, 0, b"x", None),
        (90_000, 0, b"{x}", None),
        (1009, 1, &array, None),
    ];
    for (oid, format, value, expected) in cases {
        let frames = [data_row(&[Some(value.to_vec())]), data_row(&[None])].concat();
        let (batch, rewrite) = expression(oid, format).batch(frames.into()).unwrap();
        let out = rewrite.rewrite(&batch, &mask(0, Strategy::Redact)).unwrap();
        let rows = read_rows(&out);
        assert_eq!(rows[0], rows[1], "{oid}");
        match (oid, format) {
            (1009, 1) => assert!(find(rows[0][0].as_ref().unwrap(), b"[pc-masked:tag]").is_some()),
            _ => assert_eq!(rows[0][0].as_deref(), expected, "{oid}"),
        }
    }
}

#[test]
fn whether_a_column_of_a_table_is_null_still_shows() {
    let frames = [data_row(&[Some(b"x".to_vec())]), data_row(&[None])].concat();
    let (batch, rewrite) = rows(&[(25, 0)]).batch(frames.into()).unwrap();
    let out = rewrite.rewrite(&batch, &mask(0, Strategy::Redact)).unwrap();
    assert_eq!(read_rows(&out)[1], [None]);
}
