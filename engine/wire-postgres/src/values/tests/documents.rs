//! Masks by path: what is hidden of a document in every form it travels in, and what is masked whole.

use super::build::*;
use portcullis_model::rows::{DocumentMask, PathMask};
use portcullis_model::{Batch, Edits, Strategy};
use std::sync::Arc;

const TEXT: i16 = 0;
const BINARY: i16 = 1;
const DOC: &str =
    r#"{"id": 7, "who": {"ssn": "123-45-6789", "mail": "a@b.example"}, "n": [{"ssn": 1}]}"#;
const MASKED: &str =
    r#"{"id": 7, "who": {"ssn": "[pc-masked:ssn]", "mail": "a@b.example"}, "n": [{"ssn": 1}]}"#;

fn paths(column: u32, paths: &[(&str, Strategy)]) -> Edits {
    let part = |(path, strategy): &(&str, Strategy)| PathMask {
        path: path.parse().unwrap(),
        strategy: *strategy,
        label: Arc::from("ssn"),
    };
    Edits {
        documents: vec![DocumentMask {
            column,
            parts: paths.iter().map(part).collect(),
        }],
        ..Edits::default()
    }
}

fn ssn(column: u32) -> Edits {
    paths(column, &[("$.who.ssn", Strategy::Redact)])
}

fn masked(oid: u32, format: i16, value: &[u8], edits: impl Fn(&Batch) -> Edits) -> Option<String> {
    rewritten(oid, format, value, edits).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn a_part_is_hidden_in_every_format() {
    let jsonb = [b"\x01", DOC.as_bytes()].concat();
    for (oid, format, value, prefix) in [
        (114, TEXT, DOC.as_bytes(), ""),
        (114, BINARY, DOC.as_bytes(), ""),
        (3802, TEXT, DOC.as_bytes(), ""),
        (3802, BINARY, jsonb.as_slice(), "\u{1}"),
        (25, TEXT, DOC.as_bytes(), ""),
        (1043, BINARY, DOC.as_bytes(), ""),
    ] {
        let shown = masked(oid, format, value, |_| ssn(0)).unwrap();
        assert_eq!(shown, format!("{prefix}{MASKED}"), "{oid} {format}");
    }
}

#[test]
fn what_detectors_found_beside_it_is_hidden_too() {
    for oid in [114, 25] {
        let shown = masked(oid, TEXT, DOC.as_bytes(), |batch| Edits {
            spans: replace_all(batch, "a@b.example", "MAIL").spans,
            ..ssn(0)
        });
        assert_eq!(
            shown.unwrap(),
            MASKED.replace("a@b.example", "MAIL"),
            "{oid}"
        );
        // The same value, the part of a path and more: one mask stands for it.
        let shown = masked(oid, TEXT, DOC.as_bytes(), |batch| Edits {
            spans: replace_all(batch, "45-6789", "FOUND").spans,
            ..ssn(0)
        });
        assert_eq!(shown.unwrap(), MASKED, "{oid}");
    }
    // A detector that looks across what the document calls two values.
    let shown = masked(25, TEXT, DOC.as_bytes(), |batch| Edits {
        spans: replace_all(batch, r#"6789", "mail": "a@b"#, "FOUND").spans,
        ..ssn(0)
    });
    assert!(!shown.as_ref().unwrap().contains("123-45"), "{shown:?}");
    assert!(!shown.as_ref().unwrap().contains("a@b"), "{shown:?}");
}

#[test]
fn each_way_of_hiding_leaves_a_document() {
    for (strategy, expected) in [
        (Strategy::Redact, r#""[pc-masked:ssn]""#),
        (Strategy::Partial, r#""[pc-masked:ssn …6789]""#),
        (Strategy::Null, "null"),
    ] {
        let edits = paths(0, &[("$.who.ssn", strategy)]);
        let shown = masked(3802, TEXT, DOC.as_bytes(), |_| edits.clone()).unwrap();
        let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(document["who"]["ssn"].to_string(), expected);
        assert_eq!(document["who"]["mail"], "a@b.example");
    }
    // Of an object there is no tail, and the strictest of several parts decides.
    let edits = paths(
        0,
        &[("$..ssn", Strategy::Null), ("$.who", Strategy::Partial)],
    );
    let shown = masked(3802, TEXT, DOC.as_bytes(), |_| edits.clone()).unwrap();
    assert_eq!(
        shown,
        r#"{"id": 7, "who": "[pc-masked:ssn]", "n": [{"ssn": null}]}"#
    );
}

#[test]
fn what_is_no_document_is_masked_whole() {
    for (oid, format, value, expected) in [
        (25, TEXT, &b"123-45-6789"[..], Some("[pc-masked:ssn]")),
        (25, TEXT, b"{\"who\": {\"ssn\": 1}", Some("[pc-masked:ssn]")),
        (25, TEXT, b"", Some("[pc-masked:ssn]")),
        (114, TEXT, b"nonsense", Some("\"[pc-masked:ssn]\"")),
        (114, TEXT, b"42", Some("\"[pc-masked:ssn]\"")),
        (3802, BINARY, b"\x02{}", Some("\u{1}\"[pc-masked:ssn]\"")),
        // Types that hold no document: policy names a column that is something else.
        (23, TEXT, b"4711", Some("0")),
        (
            17,
            TEXT,
            b"\\x7b7d",
            Some("\\x5b70632d6d61736b65643a73736e5d"),
        ),
        (2249, TEXT, b"(1,2)", None),
        (600, TEXT, b"(1,2)", None),
    ] {
        let shown = masked(oid, format, value, |_| ssn(0));
        assert_eq!(shown.as_deref(), expected, "{oid} {value:?}");
    }
}

#[test]
fn a_mask_of_the_whole_column_wins_and_no_column_is_an_error() {
    let shown = masked(3802, TEXT, DOC.as_bytes(), |_| Edits {
        columns: mask(0, Strategy::Redact).columns,
        ..ssn(0)
    });
    assert_eq!(shown.unwrap(), "\"[pc-masked:tag]\"");
    let frames = bytes::Bytes::from(data_row(&[Some(DOC.as_bytes().to_vec())]));
    for edits in [ssn(1), paths(0, &[])] {
        let (batch, rewrite) = rows(&[(114, TEXT)]).batch(frames.clone()).unwrap();
        assert!(rewrite.rewrite(&batch, &edits).is_err());
    }
}

#[test]
fn null_and_documents_without_the_part_stay_as_they_are() {
    let frames = bytes::Bytes::from(data_row(&[None, Some(b"{\"who\": null}".to_vec())]));
    let result = rows(&[(114, TEXT), (114, TEXT)]);
    let (batch, rewrite) = result.batch(frames.clone()).unwrap();
    let mut edits = ssn(0);
    edits.documents.extend(ssn(1).documents);
    assert_eq!(rewrite.rewrite(&batch, &edits).unwrap(), frames);
}

#[test]
fn a_copy_hides_parts_in_all_its_formats() {
    let quoted = DOC.replace('"', "\"\"");
    let binary = |value: &[u8]| {
        let mut row = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        row.extend(1_i16.to_be_bytes());
        row.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
        row.extend(value);
        row.extend((-1_i16).to_be_bytes());
        row
    };
    let jsonb = [b"\x01", DOC.as_bytes()].concat();
    for (format, stream) in [
        ("text", format!("{DOC}\n").into_bytes()),
        ("csv", format!("\"{quoted}\"\n").into_bytes()),
        ("binary", binary(&jsonb)),
        ("binary", binary(DOC.as_bytes())),
    ] {
        for cut in [0, 1, stream.len() / 2] {
            let (head, tail) = stream.split_at(cut);
            let mut copy = copy_out(&copy_facts(format, &["doc"]), 1);
            let (out, _) = copied(&mut copy, &[head, tail], |_| ssn(0)).unwrap();
            let shown = String::from_utf8_lossy(&out).replace("\"\"", "\"");
            assert!(shown.contains(MASKED), "{format} {shown}");
        }
    }
}

#[test]
fn a_copy_of_what_is_no_document_is_masked_whole() {
    for (format, stream) in [
        ("text", &b"123-45-6789\n"[..]),
        ("text", b"{\"who\": {\"ssn\": \"123-45-6789\"}\n"),
        ("text", b"\\\\x3132332d34352d36373839\n"),
        ("csv", b"\"(123-45-6789,x)\"\n"),
        ("csv", b"{123-45-6789}\n"),
    ] {
        let mut copy = copy_out(&copy_facts(format, &["doc"]), 1);
        let (out, _) = copied(&mut copy, &[stream], |_| ssn(0)).unwrap();
        let shown = String::from_utf8_lossy(&out).into_owned();
        assert!(
            !shown.contains("6789") && !shown.contains("3637"),
            "{format} {shown}"
        );
    }
    let header = portcullis_model::facts::CopyFacts {
        header: true,
        ..copy_facts("csv", &["doc"])
    };
    let mut copy = copy_out(&header, 1);
    let (out, _) = copied(&mut copy, &[b"doc\n\\N\n"], |_| ssn(0)).unwrap();
    assert!(out.starts_with(b"doc\n"), "a header names columns");
}
