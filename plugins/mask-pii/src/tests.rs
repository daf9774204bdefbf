//! Positives, negatives and near misses of each entity.

use crate::MaskPii;
use portcullis_sdk::testing::harness;
use serde_json::{Value, json};

fn found(column: &str, text: &str) -> Vec<(String, String)> {
    let row = harness::<MaskPii>(Value::Null)
        .columns(&[column])
        .row(&[text]);
    row.found
        .iter()
        .map(|f| (f.entity.clone(), f.text.clone()))
        .collect()
}

#[test]
fn positives_are_found() {
    let cases = [
        (
            "note",
            "write to ada.lovelace+x@mail.example.co.uk, please",
            "EMAIL",
            "ada.lovelace+x@mail.example.co.uk",
        ),
        ("note", "<ada@example.com>", "EMAIL", "ada@example.com"),
        ("note", "jürgen@müller.de", "EMAIL", "jürgen@müller.de"),
        ("note", "4539578763621486", "CARD", "4539578763621486"),
        (
            "note",
            "card 4539 5787 6362 1486 exp 12/29",
            "CARD",
            "4539 5787 6362 1486",
        ),
        ("note", "3782-822463-10005", "CARD", "3782-822463-10005"),
        (
            "note",
            "DE89 3704 0044 0532 0130 00",
            "IBAN",
            "DE89 3704 0044 0532 0130 00",
        ),
        (
            "note",
            "GB82WEST12345698765432",
            "IBAN",
            "GB82WEST12345698765432",
        ),
        ("note", "ssn 123-45-6789.", "SSN", "123-45-6789"),
        ("ssn", "123456789", "SSN", "123456789"),
        ("note", "call +1 415 555 2671", "PHONE", "+1 415 555 2671"),
        ("note", "(415) 555-2671", "PHONE", "(415) 555-2671"),
        ("phone", "030 901820", "PHONE", "030 901820"),
        ("note", "from 203.0.113.7", "IP", "203.0.113.7"),
    ];
    for (column, text, entity, value) in cases {
        assert_eq!(
            found(column, text),
            [(entity.to_owned(), value.to_owned())],
            "{text}"
        );
    }
}

#[test]
fn negatives_are_left_alone() {
    let cases = [
        "4539578763621487",
        "1234567812345678",
        "0000000000000000",
        "2026-11-21 22:40:01.123456",
        "1234567890",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "user@host",
        "a@b.c",
        "@example.com",
        "DE88370400440532013000",
        "000-12-3456",
        "666-12-3456",
        "912-12-3456",
        "12.50",
        "1.2.3",
        "127.0.0.1",
        "v1.95.0",
        "123456789",
        "0.4539578763621486",
        "d41d8cd98f00b204e9800998ecf8427e",
        "10/12/2026",
        "order 4711, 3 items",
    ];
    for text in cases {
        assert_eq!(found("note", text), [], "{text}");
    }
}

#[test]
fn thresholds_entities_and_words_are_configuration() {
    let found = |config: serde_json::Value, text: &str| -> Vec<String> {
        let row = harness::<MaskPii>(config).row(&[text]);
        row.found.into_iter().map(|f| f.entity).collect()
    };
    let text = "ada@example.com 123456789 203.0.113.7";
    assert_eq!(found(json!({}), text), ["EMAIL", "IP"]);
    assert_eq!(found(json!({"entities": ["IP"]}), text), ["IP"]);
    assert_eq!(found(json!({"thresholds": {"EMAIL": 95}}), text), ["IP"]);
    assert_eq!(
        found(json!({"thresholds": {"SSN": 20}}), text),
        ["EMAIL", "SSN", "IP"]
    );
    let words = json!({"context": {"SSN": ["sozialnummer"]}, "entities": ["SSN"]});
    assert_eq!(found(words, "Sozialnummer 123456789"), ["SSN"]);
    for (config, path) in [
        (json!({"entities": ["MAIL"]}), "/entities/0"),
        (json!({"threshold": 0}), "/threshold"),
        (json!({"thresholds": {"EMAIL": 101}}), "/thresholds/EMAIL"),
        (json!({"context": {"SSN": ["x"]}}), "/context/SSN"),
    ] {
        assert_eq!(harness::<MaskPii>(config).config_error().path, path);
    }
}

#[test]
fn an_alias_cannot_make_a_value_less_sure() {
    for name in ["version", "release_build", "sha", "order_no"] {
        assert_eq!(found(name, "4539578763621486").len(), 1, "{name}");
        assert_eq!(found(name, "203.0.113.7").len(), 1, "{name}");
        assert_eq!(found(name, "123-45-6789").len(), 1, "{name}");
    }
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let pii = harness::<MaskPii>(Value::Null).kind(portcullis_sdk::BatchKind::Stream);
    let text = "$ grep ana\nphone 030 901820, card 4539 5787 6362 1486\nana@example.com\nbye\n";
    let out = String::from_utf8(pii.stream(text.as_bytes())).unwrap();
    assert_eq!(
        out,
        "$ grep ana\nphone [pc-masked:phone], card [pc-masked:card]\n[pc-masked:email]\nbye\n"
    );
}

/// One of each kind, so that every rule is reached from somewhere.
const SEEDS: [&str; 44] = [
    "ada.lovelace+x@mail.example.co.uk",
    "card 4539 5787 6362 1486 exp 12/29",
    "3782-822463-10005",
    "DE89 3704 0044 0532 0130 00",
    "GB82-WEST-1234-5698-7654-32",
    "NO9386011117947",
    "ssn 123-45-6789.",
    "912-70-1234",
    "+1 415 555 2671",
    "(415) 555-2671",
    "tel 030 901820",
    "+49 (0)30 901820",
    "from 203.0.113.7:80",
    "2001:db8:85a3::8a2e:370:7334",
    "2001:db8:85a3:1:2:8a2e:370:7334",
    "AB 12 34 56 C",
    "AB123456C",
    "ni number ab 123456 c",
    "nhs 943 476 5919",
    "86 095 742 719",
    "steuer-id 86095742719",
    "1 85 05 2A 006 084 36",
    "185052A00608436",
    "1 85 05 78 006 084 91",
    "12345678-Z",
    "12345678Z",
    "X1234567L",
    "RSSMRA85T10A562S",
    "bsn 1112.22.333",
    "pesel 44051401359",
    "cpf 111.444.777-35",
    "11.222.333/0001-81",
    "12.ABC.345/01DE-35",
    "aadhaar 2341 2341 2346",
    "ABCPE1234F",
    "00:1b:44:11:3a:b7",
    "00-1B-44-11-3A-B7",
    "born 12 March 1980",
    "geboren am 12. März 1980, Berlin",
    "dob 1980-03-12",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
];

#[test]
fn nothing_is_found_without_a_needle() {
    for config in [Value::Null, json!({"threshold": 1})] {
        harness::<MaskPii>(config)
            .columns(&["note", "phone", "dob", "wallet"])
            .needles_hold(&SEEDS);
    }
}
