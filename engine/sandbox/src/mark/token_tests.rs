//! Forms that stay, checks that fail, and nothing that shows of the value.

use super::super::tests::{KEY, marks};
use super::super::{Marks, Masked, TenantKey};
use super::*;
use portcullis_model::{SessionId, Strategy};

fn token_in(marks: &Marks, value: &str, width: Width) -> String {
    let masked = Masked {
        entity: "x",
        value: value.as_bytes(),
        tail: true,
        width,
    };
    let token = marks.mark(SessionId(1), Strategy::TenantToken, masked);
    String::from_utf8(token.to_vec()).unwrap()
}

fn token(value: &str) -> String {
    token_in(&marks(), value, Width::Any)
}

/// The form of a text: classes of its characters.
fn form(text: &str) -> String {
    let class = |c: char| match c {
        '0'..='9' => '9',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        c => c,
    };
    text.chars().map(class).collect()
}

#[test]
fn digits_letters_case_and_separators_stay() {
    for value in [
        "123-45-6789",
        "+49 30 901820",
        "DE89 3704 0044 0532 0130 00",
        "Anna Smith",
        "QQ 12 34 56 C",
        "4111 1111 1111 1111",
        "12/05/1984",
        "a_b.C-3[x]{y}\"z\\",
    ] {
        assert_eq!(form(&token(value)), form(value), "{value}");
        assert_ne!(token(value), value);
    }
    // Beyond ASCII a letter is a letter of its case, and the number of characters stays.
    assert_eq!(form(&token("Ärger, 北京 ½\u{a0}\n٣")), "Aaaaa, aa 9  9");
    assert_eq!(token(""), "");
}

#[test]
fn a_card_is_visibly_none_and_the_same_with_and_without_blanks() {
    let plain = |text: &str| digits(text).collect::<String>();
    for number in 0..2000_u64 {
        let card = format!("{}", 4_111_111_111_110_000 + number);
        let new = token(&card);
        assert_eq!(form(&new), form(&card));
        assert!(!luhn(&new), "{new}");
        assert!(!new.starts_with('0'));
    }
    let new = token("4111111111111111");
    for grouped in ["4111 1111 1111 1111", "4111-1111-1111-1111"] {
        assert_eq!(plain(&token(grouped)), new);
        assert_eq!(form(&token(grouped)), form(grouped));
    }
    assert!(luhn("4111111111111111") && !luhn("4111111111111112"));
}

#[test]
fn an_address_stays_an_address_that_reaches_nobody() {
    for value in ["a@b.de", "ana.maria+tag@mail.example.co.uk", "ü@exämple.de"] {
        let new = token(value);
        let (local, domain) = new.split_once('@').unwrap();
        assert_eq!((local.len(), domain), (EMAIL_LETTERS, "masked.invalid"));
        assert!(local.bytes().all(|b| b.is_ascii_lowercase()));
    }
    let new: Ipv4Addr = token("93.184.216.34").parse().unwrap();
    assert!(new.octets()[0] >= 240 && !new.is_broadcast());
    let new: Ipv6Addr = token("2a00:1450:4001:82a::200e").parse().unwrap();
    assert_eq!(new.segments()[..2], [0x2001, 0xdb8]);
    for value in ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e"] {
        let new = token(value);
        let first = u8::from_str_radix(&new[..2], 16).unwrap();
        assert_eq!(first & 3, 2, "{new}");
        assert_eq!(new.matches(&value[2..3]).count(), 5);
    }
    assert!(!token("00:1A:2B:3C:4D:5E").contains(|c: char| c.is_ascii_lowercase()));
}

#[test]
fn a_uuid_stays_one_of_a_version_of_its_own() {
    for value in [
        "550e8400-e29b-41d4-a716-446655440000",
        "550E8400-E29B-41D4-A716-446655440000",
    ] {
        let new = token(value);
        assert!(is_hexadecimal(&new, &[8, 4, 4, 4, 12], &['-']), "{new}");
        assert_eq!(&new[14..15], "8");
        assert!("89abAB".contains(&new[19..20]));
        let upper = value.contains('E');
        assert_eq!(new.contains(|c: char| c.is_ascii_uppercase()), upper);
    }
}

#[test]
fn a_number_stays_one_that_its_column_can_hold() {
    let marks = marks();
    for (oid, values) in [
        (21, vec!["1", "32767", "-32768", "10000"]),
        (23, vec!["2147483647", "-2147483648", "1000000000", "99"]),
        (20, vec!["9223372036854775807", "4111111111111111", "-1"]),
        (26, vec!["4294967295", "1"]),
    ] {
        for value in values {
            for n in 0..200 {
                let masked = Masked {
                    entity: &format!("x{n}"),
                    value: value.as_bytes(),
                    tail: true,
                    width: Width::of_type(oid),
                };
                let new = marks.mark(SessionId(1), Strategy::TenantToken, masked);
                let new = std::str::from_utf8(&new).unwrap();
                assert_eq!(form(new), form(value), "{oid} {value}");
                let fits = match oid {
                    21 => new.parse::<i16>().is_ok(),
                    23 => new.parse::<i32>().is_ok(),
                    26 => new.parse::<u32>().is_ok(),
                    _ => new.parse::<i64>().is_ok(),
                };
                assert!(fits, "{oid} {value} {new}");
            }
        }
    }
    // The same in every column that can hold it.
    let number = "12345";
    assert_eq!(
        token_in(&marks, number, Width::of_type(23)),
        token_in(&marks, number, Width::of_type(25))
    );
    assert_eq!(form(&token("-1234.50")), "-9999.99");
    assert!(!token("012345").starts_with('0'));
}

/// The draw of every character depends on the whole value: of values that differ in one character only, tokens agree
/// as often as chance has it.
#[test]
fn a_token_says_nothing_about_its_value() {
    let marks = marks();
    let mut agree = [0_u32; 9];
    let mut seen = [[0_u32; 10]; 9];
    let first = token_in(&marks, "100000000", Width::Any);
    for n in 1..4000_u32 {
        let new = token_in(&marks, &format!("{}", 100_000_000 + n), Width::Any);
        for (place, (a, b)) in first.bytes().zip(new.bytes()).enumerate() {
            agree[place] += u32::from(a == b);
            seen[place][usize::from(b - b'0')] += 1;
        }
    }
    for (place, (agree, seen)) in agree.iter().zip(&seen).enumerate() {
        let expected = if place == 0 { 444 } else { 400 };
        assert!(
            (expected - 90..expected + 90).contains(agree),
            "{place}: {agree}"
        );
        for (digit, count) in seen.iter().enumerate().skip(usize::from(place == 0)) {
            let range = expected - 90..expected + 90;
            assert!(range.contains(count), "{place} {digit}: {count}");
        }
    }
}

/// Entity, value, token under [`KEY`].
const KNOWN: [(&str, &str, &str); 5] = [
    ("card", "4111 1111 1111 1111", "7197 7811 8257 0456"),
    ("email", "ana@example.com", "qzezwtucmqup@masked.invalid"),
    (
        "name",
        "Anna Maria Smith-Jones of Long Street 12",
        "Efkn Wjfuu Jixhu-Nkudq zu Byel Zpemsd 60",
    ),
    ("ssn", "123-45-6789", "445-23-2175"),
    ("id", "4711", "2716"),
];

/// Made with another implementation of HMAC and of the counter mode: tokens of a tenant outlive a version of the gateway.
#[test]
fn tokens_are_the_same_in_all_versions() {
    let marks = Marks::new()
        .unwrap()
        .with(Some(TenantKey::new(&KEY).unwrap()));
    for (entity, value, expected) in KNOWN {
        let masked = Masked {
            entity,
            value: value.as_bytes(),
            tail: true,
            width: Width::Any,
        };
        let new = marks.mark(SessionId(9), Strategy::TenantToken, masked);
        assert_eq!(new, expected.as_bytes(), "{entity} {value}");
    }
}
