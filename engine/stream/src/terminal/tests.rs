//! Lines that are known, and everything that has to make them uncertain.

use super::*;
use portcullis_model::Timestamp;
use proptest::prelude::*;
use std::time::Duration;

/// A host that echoes like a tty: what a terminal shows is what it gets.
struct Desk {
    tracker: Tracker,
}

impl Desk {
    fn new(columns: u32, rows: u32) -> Self {
        let mut desk = Self {
            tracker: Tracker::new(columns, rows),
        };
        desk.tracker.shown(b"ana@web-1:~$ ");
        desk
    }

    /// Keys, and what the host shows for them.
    fn key(&mut self, keys: &[u8], shows: &[u8]) -> &mut Self {
        self.tracker.typed(keys);
        self.tracker.shown(shows);
        self
    }

    fn echo(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            let mut buffer = [0; 4];
            let c = c.encode_utf8(&mut buffer).as_bytes().to_vec();
            self.key(&c, &c);
        }
        self
    }

    fn enter(&mut self, shows: &[u8]) -> &mut Self {
        assert_eq!(
            self.tracker.typed(b"\r"),
            Reach {
                before: 0,
                enter: true
            }
        );
        self.tracker.entered();
        self.tracker.shown(b"\r\n");
        self.tracker.shown(shows);
        self.tracker.shown(b"ana@web-1:~$ ");
        self
    }

    fn line(&self) -> Line {
        self.tracker.line()
    }

    fn known(&self) -> String {
        match self.line() {
            Line::Known(text) => text,
            other => panic!("{other:?}"),
        }
    }

    fn why(&self) -> Why {
        match self.line() {
            Line::Unsure { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }
}

fn desk() -> Desk {
    Desk::new(80, 24)
}

#[test]
fn what_is_typed_and_echoed_is_known() {
    assert_eq!(desk().echo("ls -la /srv").known(), "ls -la /srv");
    assert_eq!(desk().echo("echo äö 日本 'x'").known(), "echo äö 日本 'x'");
    assert_eq!(desk().known(), "");
    let mut twice = desk();
    twice.echo("ls").enter(b"a b c\r\n");
    assert_eq!(twice.echo("chmod 777 x").known(), "chmod 777 x");
}

#[test]
fn editing_that_is_understood_is_followed() {
    let mut desk = desk();
    desk.echo("lss").key(b"\x7f", b"\x08 \x08");
    assert_eq!(desk.known(), "ls");
    // Left, left, insert: readline redraws the rest.
    desk.key(b"\x1b[D\x1bOD", b"\x08\x08")
        .key(b"x", b"xls\x08\x08");
    assert_eq!(desk.known(), "xls");
    desk.key(b"\x05", b"\x1b[C\x1b[C").echo(" a bc");
    assert_eq!(desk.known(), "xls a bc");
    desk.key(b"\x17", b"\x08\x08\x1b[K");
    assert_eq!(desk.known(), "xls a ");
    desk.key(b"\x15", b"\r\x1b[13C\x1b[K");
    assert_eq!(desk.known(), "");
    desk.echo("y")
        .key(b"\x03", b"^C\r\nana@web-1:~$ ")
        .echo("id");
    assert_eq!(desk.known(), "id");
}

#[test]
fn lines_wrap_and_the_screen_scrolls() {
    let long = "0123456789".repeat(5);
    let mut narrow = Desk::new(20, 4);
    assert_eq!(narrow.echo(&long).known(), long);
    narrow.enter(b"1\r\n2\r\n3\r\n4\r\n");
    assert_eq!(narrow.echo("ls -la /srv/app").known(), "ls -la /srv/app");
    // As readline forces the wrap.
    let mut forced = Desk::new(16, 5);
    forced.echo("ab").key(b"c", b"c \r").echo("def");
    assert_eq!(forced.known(), "abcdef");
}

#[test]
fn what_the_keys_do_not_tell_is_uncertain() {
    let check = |keys: &[u8], shows: &[u8], why| {
        let mut desk = desk();
        desk.echo("ch").key(keys, shows);
        assert_eq!(desk.why(), why, "{}", keys.escape_ascii());
    };
    check(b"\t", b"mod 777 x", Why::Completion);
    check(b"\x1b[A", b"\x08\x08chmod 777 x", Why::History);
    check(b"\x10", b"\x08\x08chmod 777 x", Why::History);
    check(b"\x12", b"\r(reverse-i-search)`': ", Why::History);
    check(b"\x19", b"mod 777 x", Why::Key);
    check(b"\x1b.", b"x", Why::Key);
    check(b"\x1bOP", b"", Why::Key);
    check(b"\x18\x05", b"", Why::Key);
    check(b"\x1b", b"", Why::Key);
    check(b"\x1b[200~a\nb\x1b[201~", b"a\r\nb", Why::Paste);
    check(b"\x1b[200~a\x0f", b"a", Why::Paste);
    check(b"\xc3\r", b"", Why::Key);
    check(b"\x1b[\r", b"", Why::Key);
    // The host shows what was not typed, and the other way round.
    check(b"", b"mod 777 x", Why::Redrawn);
    check(b"m", b"", Why::Redrawn);
    check(b"m", b"n", Why::Redrawn);
    check(b"", b"\r\x1b[Kroot# chmod 777 x", Why::Redrawn);
    check(b"", b"\x1b[2J\x1b[H", Why::Redrawn);
    check(b"", b"\x1b[8mod\x1b[m", Why::Invisible);
    check(b"\x80", b"", Why::Key);
}

#[test]
fn what_a_shell_expands_or_continues_is_uncertain() {
    let check = |text: &str, why| {
        let mut desk = desk();
        desk.echo(text);
        assert_eq!(desk.why(), why, "{text}");
    };
    check("!!", Why::History);
    check("sudo !ch", Why::History);
    check("echo \"!ch\"", Why::History);
    check("^ls^chmod 777", Why::History);
    check("chm\\", Why::GoesOn);
    check("ch'm", Why::GoesOn);
    check("echo \"$(", Why::GoesOn);
    check("sh <<E", Why::GoesOn);
    assert_eq!(
        desk().echo("echo 'a!b' != \\! ! [ x ]").known(),
        "echo 'a!b' != \\! ! [ x ]"
    );
    assert_eq!(desk().echo("cat <<<x").known(), "cat <<<x");
    // The rest of a command is no command.
    let mut rest = desk();
    rest.echo("chm\\").enter(b"").echo("od 777 x");
    assert_eq!(rest.why(), Why::GoesOn);
    rest.enter(b"").echo("ls");
    assert_eq!(rest.known(), "ls");
    // What `histverify` puts into the next line was not typed.
    let mut verify = desk();
    verify.echo("!!").enter(b"").tracker.shown(b"chmod 777 x");
    assert_eq!(verify.why(), Why::History);
}

#[test]
fn a_program_cannot_talk_the_gateway_out_of_looking() {
    // What switches the filter of another product off for good.
    let mut forged = desk();
    forged.echo("x").enter(b"\x1b[?1049h\x1b[2;1");
    assert_eq!(forged.echo("chmod 777 x").why(), Why::FullScreen);
    forged.enter(b"").echo("chmod 777 x");
    assert_eq!(forged.why(), Why::FullScreen);
    forged.enter(b"\x1b[?1049l\r\n");
    assert_eq!(forged.echo("chmod 777 x").known(), "chmod 777 x");
    let mut region = desk();
    region.echo("x").enter(b"\x1b[3;5r");
    assert_eq!(region.echo("ls").why(), Why::Redrawn);
}

#[test]
fn a_window_that_changes_under_a_line_makes_it_uncertain() {
    let mut desk = desk();
    desk.echo("ls");
    desk.tracker.resize(40, 10);
    assert_eq!(desk.why(), Why::Resized);
    desk.enter(b"").echo("id");
    assert_eq!(desk.known(), "id");
}

#[test]
fn echo_takes_its_time() {
    let mut desk = desk();
    desk.key(b"ls -l", b"ls");
    assert_eq!(desk.why(), Why::Redrawn);
    desk.tracker.shown(b" -l");
    assert_eq!(desk.known(), "ls -l");
    // Typed ahead, while another command still writes.
    desk.enter(b"");
    desk.key(b"rm x", b"rm xoutput\r\nana@web-1:~$ rm x");
    assert_eq!(desk.why(), Why::Redrawn);
}

#[test]
fn what_is_not_echoed_is_hidden() {
    let mut desk = desk();
    desk.tracker.shown(b"\r\n[sudo] password for ana: ");
    desk.key(b"hunter2", b"");
    assert_eq!(desk.line(), Line::Hidden);
}

#[test]
fn enter_divides_what_is_typed() {
    let mut tracker = Tracker::new(80, 24);
    assert_eq!(
        tracker.typed(b"ls\rid\r"),
        Reach {
            before: 2,
            enter: true
        }
    );
    tracker.entered();
    assert_eq!(
        tracker.typed(b"id\x0fx"),
        Reach {
            before: 2,
            enter: true
        }
    );
    tracker.entered();
    assert_eq!(
        tracker.typed(b"abc"),
        Reach {
            before: 3,
            enter: false
        }
    );
}

#[test]
fn no_enter_hides_in_what_is_not_complete() {
    for (before, enter) in [
        (&b"ls \xc3"[..], b'\r'),
        (b"ls \xe6\x97", b'\n'),
        (b"ls \xf0\x9f", 0x0f),
        (b"ls \x1b", b'\r'),
        (b"ls \x1b", 0x0f),
        (b"ls \x1b[", b'\r'),
        (b"ls \x1b[1;2", b'\n'),
        (b"ls \x1bO", 0x0f),
        (b"\x1b[200~ls", b'\r'),
        (b"\x1b[200~ls", b'\n'),
        (b"\x1b[200~ls", 0x0f),
        // A shell that reads lines of a tty gets this one, and runs it when it reads the end behind it.
        (b"ls", 0x04),
        // Such a tty knows nothing of keys that edit: what looks empty here is not there.
        (b"ls #\x01\x0b", 0x04),
        (b"l\x15", 0x04),
        (b"\x04", 0x04),
    ] {
        let mut desk = desk();
        let keys = [before, &[enter], b"x"].concat();
        let reach = desk.tracker.typed(&keys);
        let want = Reach {
            before: before.len(),
            enter: true,
        };
        assert_eq!(reach, want, "{}", keys.escape_ascii());
        desk.tracker.shown(b"ls");
        assert!(
            matches!(desk.line(), Line::Unsure { .. }),
            "{}: {:?}",
            keys.escape_ascii(),
            desk.line()
        );
    }
    // The end of an empty line runs nothing.
    assert!(!desk().tracker.typed(b"\x04").enter);
}

#[test]
fn a_shell_keeps_its_line_when_asked_to_quit() {
    let mut desk = desk();
    desk.echo("rm -rf /").key(b"\x1c", b"");
    assert!(desk.tracker.typed(b"\r").enter);
    assert!(
        matches!(desk.line(), Line::Unsure { .. }),
        "{:?}",
        desk.line()
    );
}

#[test]
fn every_line_of_a_paste_is_a_part_of_it() {
    let mut desk = desk();
    desk.key(b"\x1b[200~a", b"a");
    desk.enter(b"");
    desk.key(b"b\x1b[201~", b"b");
    assert_eq!(desk.why(), Why::Paste);
    desk.enter(b"");
    assert_eq!(desk.echo("ls").known(), "ls");
}

#[test]
fn a_line_that_was_taken_back_does_not_come_again_unseen() {
    let mut desk = desk();
    desk.echo("chmod 777 x");
    assert!(desk.tracker.typed(b"\r").enter);
    desk.tracker.dropped();
    // The host was told not to heed ^C: the line still stands there.
    assert!(desk.tracker.typed(b"\r").enter);
    assert_eq!(desk.why(), Why::History);
}

const NOON: Timestamp = Timestamp(1_794_994_200_000_000_000);

fn echoed(text: &str) -> Kept {
    Kept::Echoed(text.as_bytes().to_vec())
}

#[test]
fn echoed_keys_are_kept_and_passwords_withheld() {
    let mut typing = Typing::new();
    typing.shown(b"$ ");
    assert_eq!(typing.typed(b"s", NOON), []);
    assert_eq!(typing.shown(b"s"), [echoed("s")]);
    typing.typed(b"udo id", NOON);
    assert_eq!(typing.shown(b"udo id"), [echoed("udo id")]);
    assert_eq!(typing.typed(b"\r", NOON), [echoed("\r")]);
    typing.shown(b"\r\n[sudo] password for ana: ");
    assert_eq!(typing.typed(b"hunter2\r", NOON), []);
    assert_eq!(typing.shown(b"\r\nuid=0(root)\r\n$ "), [Kept::Withheld(8)]);
    typing.typed(b"ls\r", NOON);
    assert_eq!(typing.shown(b"ls\r\n"), [echoed("ls\r")]);
}

#[test]
fn who_hides_commands_hides_one() {
    let mut typing = Typing::new();
    for (line, kept) in [
        ("one\r", Kept::Withheld(4)),
        ("two\r", Kept::Unechoed(b"two\r".to_vec())),
        ("three\r", Kept::Unechoed(b"three\r".to_vec())),
    ] {
        typing.shown(b"$ ");
        assert_eq!(typing.typed(line.as_bytes(), NOON), []);
        assert_eq!(typing.shown(b"\r\nout\r\n"), [kept]);
    }
    // Old, new, new again.
    for prompt in [
        "Current password: ",
        "New password: ",
        "Retype new password: ",
    ] {
        typing.shown(prompt.as_bytes());
        typing.typed(b"hunter2\r", NOON);
        assert_eq!(typing.shown(b"\r\n"), [Kept::Withheld(8)], "{prompt}");
    }
}

#[test]
fn an_echo_is_known_before_it_is_shown() {
    let mut typing = Typing::new();
    assert!(!typing.expects(b"l") && !typing.expects(b""));
    typing.typed("lsé\rid".as_bytes(), NOON);
    assert!(typing.expects(b"l") && typing.expects("lsé".as_bytes()));
    assert!(!typing.expects(b"s") && !typing.expects(b"ls\r\n") && !typing.expects(b"l\xc3"));
    typing.shown(b"ls");
    assert!(typing.expects("éi".as_bytes()) && !typing.expects(b"ls"));
    typing.shown("é\r\n".as_bytes());
    assert!(typing.expects(b"id") && !typing.expects(b"idx"));
}

#[test]
fn a_chance_match_is_no_echo() {
    let mut typing = Typing::new();
    typing.shown(b"Password: ");
    typing.typed(b"abc\r", NOON);
    assert_eq!(typing.shown(b"x a y b z c\r\n"), [Kept::Withheld(4)]);
    // Stars are not either.
    typing.shown(b"Password: ");
    typing.typed(b"abc\r", NOON);
    assert_eq!(typing.shown(b"***\r\n"), [Kept::Withheld(4)]);
}

#[test]
fn an_echo_that_does_not_come_is_none() {
    let mut typing = Typing::new();
    typing.typed(b"abc\r", NOON);
    assert_eq!(typing.due(), Some(NOON.after(limits::ECHO_MAX)));
    assert_eq!(typing.tick(NOON.after(Duration::from_millis(100))), []);
    assert_eq!(
        typing.tick(NOON.after(limits::ECHO_MAX)),
        [Kept::Withheld(4)]
    );
    typing.typed(b"never entered", NOON);
    assert_eq!(typing.finish(), [Kept::Unechoed(b"never entered".to_vec())]);
    // Keys that have no echo are no secret.
    assert_eq!(typing.typed(b"\x1b[A\r", NOON), [echoed("\x1b[A\r")]);
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "[ -~]{0,12}".prop_map(String::into_bytes),
        "\u{1b}\\[[0-9;?]{0,6}[@-~]".prop_map(String::into_bytes),
        Just(b"\r\n".to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_passes_nothing_breaks(
        columns in 0_u32..700, rows in 0_u32..700,
        turns in proptest::collection::vec((noise(), noise()), 0..8),
    ) {
        let mut tracker = Tracker::new(columns, rows);
        let mut typing = Typing::new();
        let mut kept = Vec::new();
        let mut all = 0;
        for (output, keys) in &turns {
            tracker.shown(output);
            let mut rest = keys.as_slice();
            loop {
                let reach = tracker.typed(rest);
                let _ = tracker.line();
                if !reach.enter {
                    break;
                }
                tracker.entered();
                rest = &rest[reach.before + 1..];
            }
            if keys.len() % 5 == 4 {
                tracker.resize(rows, columns);
            }
            kept.extend(typing.shown(output));
            kept.extend(typing.typed(keys, NOON));
            all += keys.len();
        }
        kept.extend(typing.finish());
        let bytes = |k: &Kept| match k {
            Kept::Echoed(keys) | Kept::Unechoed(keys) => keys.len(),
            Kept::Withheld(count) => *count,
        };
        prop_assert_eq!(kept.iter().map(bytes).sum::<usize>(), all);
    }

    #[test]
    fn an_honest_terminal_of_any_width_is_read(
        columns in 4_u32..60, rows in 2_u32..8, text in "[a-z0-9 /.é日-]{0,60}", cuts in proptest::collection::vec(1_usize..9, 1..40),
    ) {
        let mut tracker = Tracker::new(columns, rows);
        tracker.shown(b"some\r\noutput\r\n$ ");
        let chars: Vec<char> = text.chars().collect();
        let mut rest = chars.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            let piece: String = piece.iter().collect();
            tracker.typed(piece.as_bytes());
            tracker.shown(piece.as_bytes());
            rest = more;
        }
        // What has scrolled out at the top is not seen any more.
        let visible = chars.len() * 2 + 2 < (columns * rows) as usize;
        match tracker.line() {
            Line::Known(line) => prop_assert_eq!(line, text),
            line => prop_assert!(!visible, "{:?} of {:?}", line, text),
        }
    }
}
