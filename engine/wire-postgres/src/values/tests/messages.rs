//! Strings outside of rows, function results, and Bind.

use super::build::*;
use crate::values::{bind_formats, call_result, fields, parameters};
use portcullis_model::{Batch, BatchKind, Edits, Strategy};

fn report(tag: u8, parts: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (code, text) in parts {
        body.push(*code);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    frame(tag, &body)
}

fn columns(batch: &Batch) -> Vec<&str> {
    let name = |c: &portcullis_model::Cell| batch.shape.columns[c.column as usize].name.as_str();
    batch.cells.iter().map(name).collect()
}

const VIOLATION: &[(u8, &str)] = &[
    (b'S', "ERROR"),
    (b'V', "ERROR"),
    (b'C', "23505"),
    (b'M', "duplicate key"),
    (b'D', "Key (ssn)=(123-45-6789) already exists."),
    (b'P', "17"),
    (b'n', "users_ssn_key"),
    (b'F', "nbtinsert.c"),
    (b'L', "666"),
    (b'R', "_bt_check_unique"),
];

#[test]
fn an_error_shows_every_string_that_can_hold_a_value() {
    let frame = report(b'E', VIOLATION);
    let (batch, rewrite) = fields(BatchKind::Error, frame.into()).unwrap();
    assert_eq!(
        columns(&batch),
        ["message", "detail", "constraint", "source", "source"]
    );
    assert_eq!(cells(&batch)[1], "Key (ssn)=(123-45-6789) already exists.");
    let edits = replace_all(&batch, "123-45-6789", "[pc-masked:ssn]");
    let out = rewrite.rewrite(&batch, &edits).unwrap();
    let mut expected = VIOLATION.to_vec();
    expected[4].1 = "Key (ssn)=([pc-masked:ssn]) already exists.";
    assert_eq!(out, report(b'E', &expected));
}

#[test]
fn a_code_that_is_no_code_is_looked_at() {
    let parts = [
        (b'S', "not a severity"),
        (b'C', "12345678"),
        (b'P', "123-45-6789"),
        (b'X', "unknown"),
    ];
    let (batch, _) = fields(BatchKind::Notice, report(b'N', &parts).into()).unwrap();
    assert_eq!(columns(&batch), ["other"; 4]);
}

#[test]
fn notifications_and_parameters_show_both_of_their_strings() {
    let notification = frame(b'A', b"\0\0\0\x09channel\0secret\0");
    let (batch, rewrite) = fields(BatchKind::Notification, notification.into()).unwrap();
    assert_eq!(cells(&batch), ["channel", "secret"]);
    let out = rewrite.rewrite(&batch, &mask(1, Strategy::Null)).unwrap();
    assert_eq!(out, frame(b'A', b"\0\0\0\x09channel\0[pc-masked:tag]\0"));

    let status = frame(b'S', b"application_name\0secret\0");
    let (batch, rewrite) = fields(BatchKind::Parameter, status.into()).unwrap();
    let edits = replace_all(&batch, "secret", "x");
    let out = rewrite.rewrite(&batch, &edits).unwrap();
    assert_eq!(out, frame(b'S', b"application_name\0x\0"));
}

#[test]
fn a_message_that_does_not_fit_is_refused() {
    let refused = [
        (BatchKind::Error, frame(b'N', b"\0")),
        (BatchKind::Error, frame(b'E', b"")),
        (BatchKind::Error, frame(b'E', b"Mopen")),
        (BatchKind::Error, frame(b'E', b"\0trailing")),
        (BatchKind::Notification, frame(b'A', b"\0\0\0\x01a\0b")),
        (BatchKind::Parameter, frame(b'S', b"a\0b\0c\0")),
        (BatchKind::Parameter, frame(b'S', b"a\0b\0").repeat(2)),
        (BatchKind::Rows, frame(b'D', b"\0\0")),
    ];
    for (kind, frame) in refused {
        let shown = frame.escape_ascii().to_string();
        assert!(fields(kind, frame.into()).is_err(), "{kind:?} {shown}");
    }
}

#[test]
fn a_function_result_keeps_its_length() {
    let mut body = Vec::new();
    value(&mut body, Some(b"\xffthe secret is here"));
    let frame = bytes::Bytes::from(frame(b'V', &body));
    let (batch, rewrite) = call_result(frame.clone()).unwrap();
    assert_eq!(cells(&batch), ["\u{1a}the secret is here"]);
    let edits = replace_all(&batch, "secret", "[pc-masked:word]");
    let out = rewrite.rewrite(&batch, &edits).unwrap();
    assert_eq!(&out[9..], b"\xffthe [pc-ma is here");
    let (batch, rewrite) = call_result(frame.clone()).unwrap();
    let out = rewrite.rewrite(&batch, &mask(0, Strategy::Redact)).unwrap();
    assert_eq!(&out[..9], &frame[..9]);
    assert_eq!(&out[9..], b"[pc-masked:tag]****");
    let null = super::build::frame(b'V', &(-1_i32).to_be_bytes());
    let (batch, rewrite) = call_result(null.clone().into()).unwrap();
    assert!(batch.cells.is_empty());
    assert_eq!(rewrite.rewrite(&batch, &Edits::default()).unwrap(), null);
    assert!(call_result(super::build::frame(b'V', b"\0\0\0\x09a").into()).is_err());
}

fn bind(formats: &[i16], values: &[Option<&[u8]>], results: &[i16]) -> Vec<u8> {
    let codes = |out: &mut Vec<u8>, codes: &[i16]| {
        out.extend((codes.len() as i16).to_be_bytes());
        codes.iter().for_each(|c| out.extend(c.to_be_bytes()));
    };
    let mut out = b"portal\0statement\0".to_vec();
    codes(&mut out, formats);
    out.extend((values.len() as i16).to_be_bytes());
    for v in values {
        value(&mut out, *v);
    }
    codes(&mut out, results);
    out
}

#[test]
fn bind_parameters_are_shown_as_text() {
    let mut array = [1_i32, 0, 23, 2, 1].map(i32::to_be_bytes).concat();
    value(&mut array, Some(&7_i32.to_be_bytes()));
    value(&mut array, None);
    let card = 4_111_111_111_111_111_i64.to_be_bytes();
    let table: [(u32, &[u8], Option<&str>); 7] = [
        (20, &card, Some("4111111111111111")),
        (25, b"text", Some("text")),
        (3802, b"\x01{}", Some("{}")),
        (17, b"password", Some("password")),
        (17, b"\xff", None),
        (1007, &array, Some("{7,NULL}")),
        (90_000, b"?", None),
    ];
    for (oid, raw, text) in table {
        let body = bind(&[1], &[Some(raw), None], &[]);
        let found = parameters(&body, &[oid]).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].type_oid, oid);
        assert_eq!(found[0].opaque, text.is_none(), "{oid}");
        let shown = text.map_or(raw, str::as_bytes);
        assert_eq!(found[0].value.as_deref(), Some(shown), "{oid}");
        assert_eq!(found[1].value, None);
        assert_eq!(found[1].type_oid, 0);
    }
    let body = bind(&[0, 1], &[Some(b"as it is"), Some(&card)], &[1, 0]);
    let found = parameters(&body, &[20, 20]).unwrap();
    assert_eq!(found[0].value.as_deref(), Some(&b"as it is"[..]));
    assert_eq!(found[1].value.as_deref(), Some(&b"4111111111111111"[..]));
    assert_eq!(bind_formats(&body).unwrap(), [1, 0]);
}

#[test]
fn a_bind_that_does_not_fit_is_refused() {
    let good = bind(&[0], &[Some(b"a")], &[1]);
    assert!(bind_formats(&good).is_ok());
    for end in 0..good.len() {
        assert!(bind_formats(&good[..end]).is_err(), "{end}");
    }
    let trailing = [good, b"x".to_vec()].concat();
    let refused = [
        trailing,
        bind(&[2], &[None], &[]),
        bind(&[0, 0, 0], &[None], &[]),
        bind(&[], &[], &[-1]),
    ];
    for body in refused {
        assert!(parameters(&body, &[]).is_err(), "{}", body.escape_ascii());
    }
}
