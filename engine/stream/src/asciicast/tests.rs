//! Recordings are written as the format says, and read back as they were.

use super::*;
use proptest::prelude::*;

fn event(micros: u64, what: Happening) -> Event {
    Event {
        at: Duration::from_micros(micros),
        what,
    }
}

fn written(events: &[Event]) -> String {
    let header = Header {
        columns: 80,
        rows: 24,
        term: Some("xterm".to_owned()),
        timestamp: Some(1_794_994_200),
        title: Some("ana on web-1".to_owned()),
        command: None,
    };
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    events.iter().for_each(|e| writer.event(e).unwrap());
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

fn read(text: &str) -> Vec<Event> {
    let reader = Reader::new(text.as_bytes()).unwrap();
    reader.map(Result::unwrap).collect()
}

#[test]
fn a_recording_is_lines_of_intervals() {
    let text = written(&[
        event(248_000, Happening::Output(b"\x1b[1mHi\r\n".to_vec())),
        event(1_248_000, Happening::Input(b"l".to_vec())),
        event(1_248_000, Happening::Resize(90, 30)),
        event(4_000_000, Happening::Marker("held: chmod".to_owned())),
        event(4_000_001, Happening::Output("日".as_bytes()[..2].to_vec())),
        event(4_500_000, Happening::Output("日é".as_bytes()[2..].to_vec())),
        event(5_000_000, Happening::Output(b"\xff!".to_vec())),
        event(5_000_000, Happening::Exit(7)),
    ]);
    let want = r#"{"version":3,"term":{"cols":80,"rows":24,"type":"xterm"},"timestamp":1794994200,"title":"ana on web-1"}
[0.248000, "o", "\u001b[1mHi\r\n"]
[1.000000, "i", "l"]
[0.000000, "r", "90x30"]
[2.752000, "m", "held: chmod"]
[0.500000, "o", "日é"]
[0.500000, "o", "�!"]
[0.000000, "x", "7"]
"#;
    assert_eq!(text, want);
}

#[test]
fn other_peoples_recordings_are_read() {
    let three = "{\"version\": 3, \"term\": {\"cols\": 80, \"rows\": 24}, \"env\": {\"SHELL\": \"/bin/zsh\"}}\n# a remark\n[0.248, \"o\", \"a\"]\n\n[1, \"y\", \"?\"]\n[1.5, \"x\", \"0\"]\n";
    assert_eq!(
        read(three),
        [
            event(248_000, Happening::Output(b"a".to_vec())),
            event(2_748_000, Happening::Exit(0))
        ]
    );
    let two = "{\"version\": 2, \"width\": 90, \"height\": 30, \"env\": {\"TERM\": \"vt100\"}}\n[0.5, \"o\", \"a\"]\n[2.0, \"r\", \"80x24\"]\n";
    let reader = Reader::new(two.as_bytes()).unwrap();
    assert_eq!(
        (reader.header().columns, reader.header().term.as_deref()),
        (90, Some("vt100"))
    );
    assert_eq!(
        read(two),
        [
            event(500_000, Happening::Output(b"a".to_vec())),
            event(2_000_000, Happening::Resize(80, 24))
        ]
    );
}

#[test]
fn what_is_no_recording_is_refused() {
    for none in [
        "",
        "x\n",
        "{}\n",
        "{\"version\":1}\n",
        "{\"version\":3,\"term\":{\"cols\":0,\"rows\":1}}\n",
    ] {
        assert!(
            matches!(Reader::new(none.as_bytes()), Err(Unplayable::NoHeader)),
            "{none}"
        );
    }
    let header = "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n";
    for line in [
        "x",
        "[1]",
        "[-1, \"o\", \"\"]",
        "[1e300, \"o\", \"\"]",
        "[1, \"r\", \"80\"]",
        "[1, \"x\", \"\"]",
    ] {
        let text = format!("{header}{line}\n");
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        assert!(
            matches!(reader.next(), Some(Err(Unplayable::NoEvent(2)))),
            "{line}"
        );
    }
    let long = format!(
        "{header}[0, \"o\", \"{}\"]",
        "x".repeat(limits::ASCIICAST_LINE_BYTES_MAX)
    );
    let mut reader = Reader::new(long.as_bytes()).unwrap();
    assert!(matches!(reader.next(), Some(Err(Unplayable::Long(2)))));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        steps in proptest::collection::vec((0_u64..5_000_000, prop_oneof![
            "\\PC{1,8}".prop_map(|s| Happening::Output(s.into_bytes())),
            "[\\x00-\\x7f]{1,4}".prop_map(|s| Happening::Input(s.into_bytes())),
            (1_u16.., 1_u16..).prop_map(|(c, r)| Happening::Resize(c, r)),
            ".{0,6}".prop_map(Happening::Marker),
            any::<i32>().prop_map(Happening::Exit),
        ]), 0..30),
    ) {
        let mut at = 0;
        let events: Vec<Event> = steps.into_iter().map(|(step, what)| {
            at += step;
            event(at, what)
        }).collect();
        prop_assert_eq!(read(&written(&events)), events);
    }
}
