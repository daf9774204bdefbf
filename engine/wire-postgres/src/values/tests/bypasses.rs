//! Ways past masking, one per test, for ever.

use super::build::*;
use portcullis_model::{Edits, Strategy};

#[test]
fn a_card_number_in_an_integer_or_numeric_is_seen_and_zeroed() {
    let card = "4111111111111111";
    let int8 = 4_111_111_111_111_111_i64.to_be_bytes();
    let numeric = [4_u16, 3, 0, 0, 4111, 1111, 1111, 1111]
        .map(u16::to_be_bytes)
        .concat();
    for (oid, raw) in [(20, int8.as_slice()), (1700, &numeric)] {
        assert_eq!(cells_of(oid, 1, raw), [card]);
        let new = rewritten(oid, 1, raw, |b| replace_all(b, card, "[pc-masked:card]"));
        assert_eq!(new, Some(vec![0; 8]));
    }
}

#[test]
fn a_numeric_of_ten_bytes_does_not_print_a_hundred_kilobytes() {
    let huge = [1_u16, 32_767, 0, 0, 7].map(u16::to_be_bytes).concat();
    let tiny = [1_u16, 0x8001, 0, 0x3fff, 7].map(u16::to_be_bytes).concat();
    assert_eq!(cells_of(1700, 1, &huge), ["7e131068"]);
    assert_eq!(cells_of(1700, 1, &tiny), ["7e-131068"]);
}

#[test]
fn nesting_costs_no_stack() {
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert_eq!(cells_of(114, 0, &deep).len(), 1);
    let mut record = b"x".to_vec();
    for _ in 0..12 {
        let escaped = String::from_utf8(record).unwrap();
        let escaped = escaped.replace('\\', "\\\\").replace('"', "\"\"");
        record = format!("(\"{escaped}\")").into_bytes();
    }
    assert_eq!(cells_of(2249, 0, &record).len(), 1);
}

#[test]
fn a_count_that_promises_more_than_there_is_costs_no_memory() {
    let array = [6_i32, 0, 25, i32::MAX, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].map(i32::to_be_bytes);
    assert_eq!(cells_of(1009, 1, &array.concat()).len(), 1);
    assert_eq!(cells_of(2249, 1, &i32::MAX.to_be_bytes()).len(), 1);
}

#[test]
fn digits_do_not_hide_in_the_bounds_of_what_only_looks_like_an_array() {
    assert_eq!(
        cells_of(90_000, 0, b"[123-45-6789:]={x}"),
        ["[123-45-6789:]={x}"]
    );
    let mut copy = copy_out(&copy_facts("text", &[]), 1);
    let stream: &[u8] = b"[123-45-6789:]={x}\n";
    let (_, seen) = copied(&mut copy, &[stream], |_| Edits::default()).unwrap();
    assert_eq!(seen, ["[123-45-6789:]={x}"]);
}

#[test]
fn one_bad_byte_does_not_hide_a_bytea() {
    let raw = b"\xff123-45-6789\xfe";
    let hexed: String = raw.iter().map(|b| format!("{b:02x}")).collect();
    let hexed = format!("\\x{hexed}").into_bytes();
    for (format, value) in [(0, hexed.as_slice()), (1, raw)] {
        assert_eq!(cells_of(17, format, value), ["\u{1a}123-45-6789\u{1a}"]);
        let new = rewritten(17, format, value, |b| replace_all(b, "123-45-6789", "*"));
        assert_eq!(cells_of(17, format, &new.unwrap()), ["\u{1a}*\u{1a}"]);
    }
}

#[test]
fn a_row_with_other_columns_than_described_is_refused() {
    let result = rows(&[(25, 0), (23, 1)]);
    let cell = Some(b"x".to_vec());
    for row in [vec![], vec![cell.clone()], vec![cell; 3]] {
        assert!(result.batch(data_row(&row).into()).is_err());
    }
}

#[test]
fn a_negative_or_overlong_field_is_refused() {
    for (oid, format) in [(25, 0), (23, 1)] {
        for length in [-2, i32::MIN, 2, i32::MAX] {
            let body = [&[0, 1][..], &length.to_be_bytes(), b"x"].concat();
            assert!(
                rows(&[(oid, format)])
                    .batch(frame(b'D', &body).into())
                    .is_err()
            );
        }
        let mut trailing = data_row(&[Some(b"abcd".to_vec())]);
        trailing.push(b'D');
        assert!(rows(&[(oid, format)]).batch(trailing.into()).is_err());
        let body = b"\0\x01\0\0\0\x01xy";
        assert!(
            rows(&[(oid, format)])
                .batch(frame(b'D', body).into())
                .is_err()
        );
    }
}

#[test]
fn formats_come_from_bind_and_not_from_the_description() {
    let described = description(&[(20, 0), (20, 0)]);
    let number = 4_111_111_111_111_111_i64.to_be_bytes().to_vec();
    let wire = data_row(&[Some(number.clone()), Some(number)]);
    for formats in [&[1][..], &[1, 1]] {
        let result = crate::values::Rows::new(&described, Some(formats), 0).unwrap();
        let (batch, _) = result.batch(wire.clone().into()).unwrap();
        assert_eq!(cells(&batch), ["4111111111111111"; 2]);
        assert!(result.shape().columns[1].binary);
    }
    assert!(crate::values::Rows::new(&described, Some(&[1, 1, 1]), 0).is_err());
    assert!(crate::values::Rows::new(&described, Some(&[2]), 0).is_err());
}

#[test]
fn a_copied_field_with_another_spelling_is_read_as_its_value() {
    let stream: &[u8] = b"\\x73\\145cret\t\\\\x736563726574\n";
    let mut copy = copy_out(&copy_facts("text", &[]), 2);
    let (_, seen) = copied(&mut copy, &[stream], |_| Edits::default()).unwrap();
    assert_eq!(seen, ["secret", "secret"]);
}

#[test]
fn a_short_binary_copy_field_is_never_lengthened() {
    let mut stream = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x01".to_vec();
    value(&mut stream, Some(b"12345678"));
    let facts = copy_facts("binary", &[]);
    for edits in [Edits::default(), mask(0, Strategy::Redact)] {
        let edit = |b: &portcullis_model::Batch| match edits.columns.is_empty() {
            true => replace_all(b, "12345678", "[pc-masked:number]"),
            false => edits.clone(),
        };
        let (out, _) = copied(&mut copy_out(&facts, 1), &[&stream], edit).unwrap();
        assert_eq!(&out[19..], b"\0\x01\xff\xff\xff\xff");
    }
}
