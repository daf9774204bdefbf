//! A recording on its way to somebody else's terminal: it paints, and does nothing else. Titles, clipboards, images,
//! questions that a terminal answers (as if the reader had typed), mouse and paste modes, printers: none of that passes.
//!
//! It refuses by default: only sequences that draw are on the list.

use crate::ansi::{Lexer, Sequence, Step};

/// Lets through what paints.
#[derive(Clone, Debug, Default)]
pub struct Quiet {
    lexer: Lexer,
}

impl Quiet {
    /// At the beginning of a recording.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next piece: what of it may be written to a terminal. Sequences are written anew from what was understood of
    /// them, so that nothing else passes along.
    pub fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len());
        for byte in piece {
            let step = self.lexer.step(*byte);
            let sequence = self.lexer.sequence();
            match step {
                Step::Char(c) => {
                    let mut buffer = [0; 4];
                    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                }
                Step::Stray => out.extend_from_slice("\u{fffd}".as_bytes()),
                Step::Control(code @ (8..=10 | 13)) => out.extend(u8::try_from(code)),
                Step::Escape(last) if escape(last, sequence) => {
                    out.push(0x1b);
                    out.extend(sequence.intermediate);
                    out.push(last);
                }
                Step::Csi(last) if csi(last, sequence) => {
                    out.extend_from_slice(b"\x1b[");
                    out.extend(sequence.private);
                    for (at, parameter) in sequence.parameters().iter().enumerate() {
                        let separator = if at == 0 { "" } else { ";" };
                        out.extend_from_slice(format!("{separator}{parameter}").as_bytes());
                    }
                    out.push(last);
                }
                _ => {}
            }
        }
        out
    }
}

/// `ESC x`: cursor saved and restored, line feeds, and the two character sets that draw boxes.
fn escape(last: u8, sequence: &Sequence) -> bool {
    match sequence.intermediate {
        None => matches!(last, b'7' | b'8' | b'D' | b'E' | b'M'),
        Some(b'(' | b')') => matches!(last, b'B' | b'0'),
        Some(_) => false,
    }
}

/// `CSI … x`: colours, cursor, erasing, inserting, scrolling, and the modes of full-screen programs.
fn csi(last: u8, sequence: &Sequence) -> bool {
    if sequence.odd || sequence.intermediate.is_some() {
        return false;
    }
    match (sequence.private, last) {
        (None, b'@' | b'A'..=b'H' | b'J'..=b'M' | b'P' | b'S' | b'T' | b'X') => true,
        (None, b'`' | b'a' | b'b' | b'd' | b'e' | b'f' | b'm' | b'r') => true,
        // Without parameters only: with them xterm means margins.
        (None, b's' | b'u') => sequence.parameters().is_empty(),
        (None, b'h' | b'l') => sequence.parameters() == [4],
        (Some(b'?'), b'h' | b'l') => {
            let drawing = |mode: &u16| matches!(mode, 6 | 7 | 25 | 47 | 1047 | 1048 | 1049);
            !sequence.parameters().is_empty() && sequence.parameters().iter().all(drawing)
        }
        (Some(b'?'), b'J' | b'K') => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(recording: &[u8], want: &[u8]) {
        assert_eq!(
            Quiet::new().pass(recording),
            want,
            "{}",
            recording.escape_ascii()
        );
        let mut quiet = Quiet::new();
        let pieces: Vec<u8> = recording.iter().flat_map(|b| quiet.pass(&[*b])).collect();
        assert_eq!(pieces, want, "{}", recording.escape_ascii());
    }

    #[test]
    fn what_paints_passes() {
        for paints in [
            &b"\x1b[1;31mred\x1b[0m\r\n\tx\x08y"[..],
            b"\x1b[?1049h\x1b[2J\x1b[H\x1b[?25l~\x1b[24;1H\x1b[K\x1b[?25h\x1b[?1049l",
            b"\x1b(0lqk\x1b(B\x1b7\x1b8\x1b[3;5r\x1bM",
            "é日\u{1f512}".as_bytes(),
            b"\x1b[38;2;1;2;3mx",
        ] {
            check(paints, paints);
        }
    }

    #[test]
    fn what_acts_on_the_reader_does_not() {
        for acts in [
            &b"\x1b]0;title\x07"[..],
            b"\x1b]52;c;cm0gLXJmIH4=\x1b\\",
            b"\x1b]8;;http://evil\x1b\\",
            b"\x1bP$qm\x1b\\",
            b"\x1b[6n",
            b"\x1b[c",
            b"\x1b[>c",
            b"\x1b[21t",
            b"\x1b[5i",
            b"\x1b[?1000h",
            b"\x1b[?2004h",
            b"\x1b[?1;1049h",
            b"\x1b[>4;2m",
            b"\x1b[!p",
            b"\x1b[?1$p",
            b"\x1b[\x1b]0;x\x07",
            b"\x07",
            b"\x05",
            b"\x0e",
            b"\x1bc",
            b"\x1bZ",
            b"\x1b#8",
            b"\x1b%G",
            "\u{9b}6n".as_bytes(),
            "\u{9d}0;x\u{9c}".as_bytes(),
            "\u{90}q\u{9c}".as_bytes(),
            "\u{85}".as_bytes(),
        ] {
            check(acts, b"");
        }
        check(b"\x9b6n", "\u{fffd}6n".as_bytes());
        check(b"a\x1b[6nb\x1b]0;x\x07c\x1b[31md", b"abc\x1b[31md");
    }

    proptest! {
        #[test]
        fn what_has_passed_passes_again(
            pieces in proptest::collection::vec(prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..6),
                Just(b"\x1b[".to_vec()), Just(b"\x1b]".to_vec()), Just(b"\x1b\\".to_vec()), Just("\u{9b}".into()), Just(b"?1049h".to_vec()), Just(b"6n".to_vec()),
            ], 0..30),
        ) {
            let bytes = pieces.concat();
            let once = Quiet::new().pass(&bytes);
            prop_assert_eq!(Quiet::new().pass(&once), once.clone());
            let mut quiet = Quiet::new();
            let split: Vec<u8> = pieces.iter().flat_map(|p| quiet.pass(p)).collect();
            prop_assert_eq!(split, once);
        }
    }
}
