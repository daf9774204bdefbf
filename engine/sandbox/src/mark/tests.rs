//! What each strategy shows, and to whom two values look alike.

use super::*;
use bytes::Bytes;
use portcullis_model::{BatchKind, Cell, RowShape};
use std::sync::Arc;

pub(super) const KEY: [u8; 32] = [
    0xa3, 0xf1, 0xc2, 0xd4, 0xe5, 0x96, 0x87, 0x78, 0x69, 0x5a, 0x4b, 0x3c, 0x2d, 0x1e, 0x0f, 0xf0,
    0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0,
];

pub(super) fn marks() -> Marks {
    Marks::new()
        .unwrap()
        .with(Some(TenantKey::new(&KEY).unwrap()))
}

fn masked<'a>(entity: &'a str, value: &'a str, tail: bool) -> Masked<'a> {
    Masked {
        entity,
        value: value.as_bytes(),
        tail,
        width: Width::Any,
    }
}

fn mark(marks: &Marks, session: u128, strategy: Strategy, value: &str) -> String {
    let mark = marks.mark(SessionId(session), strategy, masked("card", value, true));
    String::from_utf8(mark.to_vec()).unwrap()
}

#[test]
fn a_tail_is_shown_only_of_long_values_that_may_have_one() {
    let marks = marks();
    for (value, tail, expected) in [
        ("4111 1111 1111 1234", true, "[pc-masked:card …1234]"),
        ("4111 1111 1111 1234", false, "[pc-masked:card]"),
        ("123456789", true, "[pc-masked:card …6789]"),
        ("12345678", true, "[pc-masked:card]"),
        ("ääääääüöäß", true, "[pc-masked:card …üöäß]"),
        ("abcdefghi\nkl", true, "[pc-masked:card]"),
        ("", true, "[pc-masked:card]"),
    ] {
        let mark = marks.mark(SessionId(1), Strategy::Partial, masked("card", value, tail));
        assert_eq!(mark, expected.as_bytes(), "{value}");
    }
}

/// Values that differ in what a mask must not show: length, beginning, alphabet.
const VALUES: [&str; 6] = [
    "4111 1111 1111 1234",
    "4111 1111 1111 1235",
    "x",
    "ana.smith@example.com",
    "correct horse battery staple, and much more of the same to make it long",
    "Grüße aus Köln",
];

#[test]
fn redaction_and_null_show_nothing_at_all() {
    let marks = marks();
    for strategy in [Strategy::Redact, Strategy::Null] {
        for value in VALUES {
            assert_eq!(mark(&marks, 1, strategy, value), "[pc-masked:card]");
        }
    }
}

#[test]
fn a_hash_shows_equality_and_no_length_or_part() {
    let marks = marks();
    for (strategy, digits) in [(Strategy::Hash, 12), (Strategy::TenantHash, 16)] {
        for value in VALUES {
            let mark = mark(&marks, 1, strategy, value);
            let hash = mark.strip_prefix("[pc-masked:card #").unwrap();
            let hash = hash.strip_suffix(']').unwrap();
            assert_eq!(hash.len(), digits);
            assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        }
        // Neighbours have nothing in common.
        let [a, b] = [VALUES[0], VALUES[1]].map(|v| mark(&marks, 1, strategy, v));
        let same = a.bytes().zip(b.bytes()).skip(17).filter(|(a, b)| a == b);
        assert!(same.count() < digits / 2, "{a} {b}");
    }
}

#[test]
fn a_partial_mask_shows_four_characters_and_no_length() {
    let marks = marks();
    let short = mark(&marks, 1, Strategy::Partial, "567891234");
    let long = mark(
        &marks,
        1,
        Strategy::Partial,
        "4111 1111 1111 1111 1111 1234",
    );
    assert_eq!(short, long);
    assert!(!long.contains("411"), "{long}");
}

#[test]
fn keyed_masks_are_the_same_where_they_should_be_and_nowhere_else() {
    let (here, elsewhere) = (marks(), marks());
    for strategy in [Strategy::Hash, Strategy::Token] {
        let first = mark(&here, 1, strategy, VALUES[0]);
        assert_eq!(first, mark(&here, 1, strategy, VALUES[0]));
        assert_ne!(first, mark(&here, 2, strategy, VALUES[0]));
        assert_ne!(first, mark(&here, 1, strategy, VALUES[1]));
        assert_ne!(first, mark(&elsewhere, 1, strategy, VALUES[0]));
    }
    for strategy in [Strategy::TenantHash, Strategy::TenantToken] {
        let first = mark(&here, 1, strategy, VALUES[0]);
        assert_eq!(first, mark(&here, 2, strategy, VALUES[0]));
        assert_eq!(first, mark(&elsewhere, 3, strategy, VALUES[0]));
        assert_ne!(first, mark(&here, 1, strategy, VALUES[1]));
        let other = Marks::new().unwrap();
        let mut key = KEY;
        key[31] ^= 1;
        let other = other.with(Some(TenantKey::new(&key).unwrap()));
        assert_ne!(first, mark(&other, 1, strategy, VALUES[0]));
    }
    for strategy in Strategy::ALL.into_iter().filter(|s| s.keyed()) {
        let of = |entity| here.mark(SessionId(1), strategy, masked(entity, "12345678", true));
        assert_ne!(of("iban"), of("card"), "{strategy:?}");
        // An entity that ends like a value begins.
        let joined = here.mark(SessionId(1), strategy, masked("card1", "2345678", true));
        assert_ne!(joined, of("card"));
    }
}

#[test]
fn without_the_tenants_key_its_masks_are_redacted() {
    let keyless = Marks::new().unwrap();
    for strategy in [Strategy::TenantHash, Strategy::TenantToken] {
        for value in VALUES {
            assert_eq!(mark(&keyless, 1, strategy, value), "[pc-masked:card]");
        }
    }
}

#[test]
fn what_is_no_text_has_no_token() {
    let masked = Masked {
        entity: "blob",
        value: b"\xff\xfe1234",
        tail: true,
        width: Width::Any,
    };
    let mark = marks().mark(SessionId(1), Strategy::TenantToken, masked);
    assert_eq!(mark, &b"[pc-masked:blob]"[..]);
}

#[test]
fn a_weak_key_is_refused() {
    assert_eq!(TenantKey::new(&KEY[..31]).unwrap_err(), WeakKey::Short);
    assert_eq!(TenantKey::new(&[7; 64]).unwrap_err(), WeakKey::Repeats);
    assert_eq!(TenantKey::new(&KEY.repeat(33)).unwrap_err(), WeakKey::Long);
    let shown = format!("{:?}", TenantKey::new(&KEY).unwrap());
    assert_eq!(shown, "TenantKey");
}

#[test]
fn a_key_keeps_its_guard_until_the_last_stream_is_gone() {
    let guard = Arc::new(());
    let key = TenantKey::new(&KEY).unwrap().keeping(guard.clone());
    let marks = Marks::new().unwrap().with(Some(key));
    assert_eq!(Arc::strong_count(&guard), 2);
    drop(marks);
    assert_eq!(Arc::strong_count(&guard), 1);
}

#[test]
fn columns_with_a_keyed_mask_get_a_stand_in_for_every_cell() {
    let text = b"ab1dana@example.com77";
    let cell = |column, start, end| Cell { column, start, end };
    let column = |type_oid| Column {
        name: String::new(),
        type_oid,
        table_oid: 0,
        attnum: 0,
        binary: false,
    };
    let batch = Batch {
        kind: BatchKind::Rows,
        shape: Arc::new(RowShape {
            serial: 1,
            columns: vec![column(25), column(25), column(23)],
        }),
        text: Bytes::from_static(text),
        cells: vec![
            cell(0, 0, 4),
            cell(1, 4, 19),
            cell(2, 19, 21),
            cell(0, 4, 4),
        ],
        rows: 1,
        wire: Bytes::new(),
    };
    let mask = |column, strategy| ColumnMask {
        column,
        strategy,
        label: Arc::from("tag"),
    };
    let marks = marks();
    let masks = [
        mask(0, Strategy::TenantToken),
        mask(1, Strategy::Redact),
        mask(2, Strategy::Hash),
        mask(9, Strategy::Hash),
    ];
    let spans = marks.columns(SessionId(1), &batch, &masks);
    let places: Vec<_> = spans.iter().map(|s| (s.cell, s.start, s.end)).collect();
    assert_eq!(places, [(0, 0, 4), (2, 0, 2), (3, 0, 0)]);
    assert_eq!(spans[0].replacement.len(), 4);
    assert!(spans[1].replacement.starts_with(b"[pc-masked:tag #"));
    assert!(spans[2].replacement.is_empty());
}
