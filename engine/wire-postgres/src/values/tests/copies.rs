//! COPY TO STDOUT in its three formats. The streams in `copy_*.bin` were written by PostgreSQL 15 for the
//! same two rows: `(1, tab\there, NULL, {"k": "a,b"}, {x y, q"z}, \x00ff6162, 12.50)` and
//! `(2, line\nbreak \ "q" secret, secret, ["secret", 7], {secret, NULL}, secret, 4111111111111111)`.

use super::build::*;
use crate::values::CopyOut;
use portcullis_model::facts::CopyFacts;
use portcullis_model::{Edits, Strategy};

const NAMES: [&str; 7] = ["id", "note", "n", "doc", "tags", "raw", "amount"];

struct Stream {
    bytes: &'static [u8],
    facts: CopyFacts,
    /// What the cells of a header line are.
    names: &'static [&'static str],
}

fn streams() -> [Stream; 4] {
    let csv = copy_facts("csv", &NAMES);
    [
        Stream {
            bytes: include_bytes!("copy_text.bin"),
            facts: copy_facts("text", &NAMES),
            names: &[],
        },
        Stream {
            bytes: include_bytes!("copy_csv.bin"),
            facts: CopyFacts {
                header: true,
                ..csv.clone()
            },
            names: &NAMES,
        },
        Stream {
            bytes: include_bytes!("copy_csv_options.bin"),
            facts: CopyFacts {
                header: true,
                delimiter: b'|',
                quote: b'$',
                escape: b'!',
                null: "nil".to_owned(),
                ..csv
            },
            names: &NAMES,
        },
        Stream {
            bytes: include_bytes!("copy_binary.bin"),
            facts: copy_facts("binary", &NAMES),
            names: &[],
        },
    ]
}

/// The cells of the two rows in a format that has text for everything.
const CELLS: [&str; 16] = [
    "1",
    "tab\there",
    "k",
    "a,b",
    "x y",
    "q\"z",
    "\0\u{1a}ab",
    "12.50",
    "2",
    "line\nbreak \\ \"q\" secret",
    "secret",
    "secret",
    "7",
    "secret",
    "secret",
    "4111111111111111",
];

fn expected(stream: &Stream) -> Vec<String> {
    let mut cells: Vec<String> = stream.names.iter().map(|n| (*n).to_owned()).collect();
    for cell in &CELLS {
        let integer = stream.facts.format == "binary" && matches!(*cell, "1" | "2");
        cells.push(match integer {
            // Nobody says that these four bytes are an integer.
            true => format!("\0\0\0{}", if *cell == "1" { '\u{1}' } else { '\u{2}' }),
            false => (*cell).to_owned(),
        });
    }
    cells
}

#[test]
fn a_stream_of_the_server_reads_as_its_values_wherever_it_is_cut() {
    for stream in streams() {
        let expected = expected(&stream);
        for cut in 0..=stream.bytes.len() {
            let (head, tail) = stream.bytes.split_at(cut);
            let mut copy = copy_out(&stream.facts, 7);
            let (out, seen) = copied(&mut copy, &[head, tail], |_| Edits::default()).unwrap();
            assert_eq!(seen, expected, "{} {cut}", stream.facts.format);
            assert_eq!(out, stream.bytes, "{} {cut}", stream.facts.format);
        }
    }
}

#[test]
fn a_stream_in_single_bytes_reads_the_same() {
    for stream in streams() {
        let chunks: Vec<&[u8]> = stream.bytes.chunks(1).collect();
        let mut copy = copy_out(&stream.facts, 7);
        let (out, seen) = copied(&mut copy, &chunks, |_| Edits::default()).unwrap();
        assert_eq!(seen, expected(&stream));
        assert_eq!(out, stream.bytes);
    }
}

#[test]
fn an_edited_stream_reads_as_its_edited_values_wherever_it_is_cut() {
    for stream in streams() {
        let binary = stream.facts.format == "binary";
        let word = "[pc-masked:a\t,|$!\n\"b\\]";
        let mut wanted: Vec<String> = expected(&stream)
            .iter()
            .map(|cell| cell.replace("secret", word))
            .collect();
        if binary {
            // Six bytes of unknown type become NULL.
            wanted.remove(14);
            wanted.remove(10);
        }
        for cut in 0..=stream.bytes.len() {
            let (head, tail) = stream.bytes.split_at(cut);
            let edits = |batch: &_| replace_all(batch, "secret", word);
            let mut copy = copy_out(&stream.facts, 7);
            let (out, _) = copied(&mut copy, &[head, tail], edits).unwrap();
            assert!(find(&out, b"secret").is_none());
            assert!(find(&out, b"736563726574").is_none());
            let mut copy = copy_out(&stream.facts, 7);
            let (_, seen) = copied(&mut copy, &[&out], |_| Edits::default()).unwrap();
            assert_eq!(seen, wanted, "{} {cut}", stream.facts.format);
        }
    }
}

#[test]
fn a_masked_column_is_masked_in_every_row_and_not_in_the_header() {
    for stream in streams() {
        let mut copy = copy_out(&stream.facts, 7);
        let edits = |_: &_| mask(1, Strategy::Redact);
        let (out, _) = copied(&mut copy, &[stream.bytes], edits).unwrap();
        let mut copy = copy_out(&stream.facts, 7);
        let (_, seen) = copied(&mut copy, &[&out], |_| Edits::default()).unwrap();
        let mut wanted = expected(&stream);
        let notes = [stream.names.len() + 1, stream.names.len() + 9];
        match stream.facts.format == "binary" {
            true => {
                wanted.remove(notes[1]);
                wanted.remove(notes[0]);
            }
            false => {
                for note in notes {
                    wanted[note] = "[pc-masked:tag]".to_owned();
                }
            }
        }
        assert_eq!(seen, wanted, "{}", stream.facts.format);
    }
}

#[test]
fn aligned_frames_pass_as_they_are() {
    let mut frames = frame(b'd', b"a\tb\n");
    frames.extend(frame(b'd', b"c\t\\N\nd\te\n"));
    let frames = bytes::Bytes::from(frames);
    let mut copy = copy_out(&copy_facts("text", &[]), 2);
    let (batch, rewrite) = copy.batch(frames.clone()).unwrap().unwrap();
    assert_eq!(batch.wire.as_ptr(), frames.as_ptr());
    assert_eq!(batch.text.as_ptr(), frames.as_ptr());
    assert_eq!(batch.rows, 3);
    assert_eq!(cells(&batch), ["a", "b", "c", "d", "e"]);
    assert_eq!(batch.shape.columns[1].name, "column 2");
    let out = rewrite.rewrite(&batch, &Edits::default()).unwrap();
    assert_eq!(out, frames);
    assert!(copy.finish().unwrap().is_none());
}

#[test]
fn an_unfinished_row_waits_for_its_end() {
    let mut copy = copy_out(&copy_facts("text", &[]), 1);
    assert!(copy.batch(frame(b'd', b"half").into()).unwrap().is_none());
    let (batch, _) = copy
        .batch(frame(b'd', b" done\nnext").into())
        .unwrap()
        .unwrap();
    assert_eq!(cells(&batch), ["half done"]);
    assert_eq!(payload(&batch.wire), b"half done\n");
    let (batch, _) = copy.finish().unwrap().unwrap();
    assert_eq!(cells(&batch), ["next"]);
    assert_eq!(payload(&batch.wire), b"next");
}

#[test]
fn a_stream_that_is_not_what_its_statement_says_is_refused() {
    let refused: [(&str, i16, &[u8]); 8] = [
        ("text", 2, b"a;b\n"),
        ("text", 1, b"a\tb\n"),
        ("csv", 2, b"a,\"b\"c\n"),
        ("csv", 2, b"a,b\"c\n"),
        ("csv", 1, b"a,b\n"),
        ("csv", 1, b"\"open\n"),
        ("binary", 1, b"PGCOPX\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff"),
        ("binary", 1, b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff\0"),
    ];
    for (format, columns, stream) in refused {
        let mut copy = copy_out(&copy_facts(format, &[]), columns);
        let result = copied(&mut copy, &[stream], |_| Edits::default());
        assert!(result.is_err(), "{format} {}", stream.escape_ascii());
    }
}

#[test]
fn a_statement_that_cannot_be_followed_is_refused() {
    let good = copy_facts("text", &["a"]);
    let text = copy_response(false, 1);
    assert!(CopyOut::new(&text, Some(&good), 0).is_ok());
    assert!(CopyOut::new(&text, None, 0).is_err());
    assert!(CopyOut::new(&copy_response(true, 1), None, 0).is_ok());
    assert!(CopyOut::new(&copy_response(true, 1), Some(&good), 0).is_err());
    assert!(CopyOut::new(b"\0\0\x02\0\0", Some(&good), 0).is_err());
    type Change = fn(&mut CopyFacts);
    let changes: [Change; 6] = [
        |f| f.encoding = Some("LATIN1".to_owned()),
        |f| f.from = true,
        |f| f.delimiter = b'a',
        |f| f.delimiter = b'\n',
        |f| f.null = "\t".to_owned(),
        |f| f.format = "parquet".to_owned(),
    ];
    for change in changes {
        let mut facts = good.clone();
        change(&mut facts);
        assert!(CopyOut::new(&text, Some(&facts), 0).is_err(), "{facts:?}");
    }
}

#[test]
fn a_table_without_columns_copies_empty_lines() {
    for format in ["text", "csv"] {
        let mut copy = copy_out(&copy_facts(format, &[]), 0);
        let (out, seen) = copied(&mut copy, &[b"\n\n"], |_| Edits::default()).unwrap();
        assert_eq!((out.as_slice(), seen.len()), (&b"\n\n"[..], 0));
    }
}

#[test]
fn whether_a_masked_expression_is_null_does_not_show_in_a_copy() {
    for (format, relation, stream, expected) in [
        (
            "text",
            false,
            "1\tx\n2\t\\N\n3\t{a}\n",
            "1\t#\n2\t#\n3\t#\n",
        ),
        (
            "csv",
            false,
            "1,x\n2,\n3,{a}\n",
            "1,\"#\"\n2,\"#\"\n3,\"#\"\n",
        ),
        ("text", true, "1\tx\n2\t\\N\n", "1\t#\n2\t\\N\n"),
    ] {
        let mut facts = copy_facts(format, &[]);
        if !relation {
            facts.relation = None;
        }
        let mut copy = copy_out(&facts, 2);
        let masked = |_: &_| mask(1, Strategy::Redact);
        let (out, _) = copied(&mut copy, &[stream.as_bytes()], masked).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.replace("[pc-masked:tag]", "#"), expected);
    }
}
