//! What the bytes of a terminal are: text, controls, sequences. The states are those of Paul Williams' parser of DEC's
//! terminals (vt100.net/emu/dec_ansi_parser), with UTF-8 in front as in xterm and VTE.
//!
//! It exists because three things have to agree on what is text and what is not: masking, replay, and the line that was
//! typed. It keeps no strings and no more parameters than [`PARAMETERS_MAX`], and refuses nothing: any bytes are
//! something to a terminal.

/// Parameters of a sequence that are kept; terminals ignore more.
pub const PARAMETERS_MAX: usize = 16;

/// What a byte came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ended a character.
    Char(char),
    /// It is text, and the character is not complete.
    Part,
    /// It is text that is no UTF-8.
    Stray,
    /// A control character: C0, DEL, or C1 written in UTF-8.
    Control(u32),
    /// It belongs to a sequence that goes on.
    Inside,
    /// It belongs to the body of a string: a title, a clipboard, an image.
    Payload,
    /// It ended a sequence `ESC x`; [`Lexer::sequence`] has more.
    Escape(u8),
    /// It ended a sequence `CSI … x`; [`Lexer::sequence`] has more.
    Csi(u8),
    /// It ended a string, or gave it up.
    StringEnd,
}

/// What stands between the introducer and the last byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    parameters: [u16; PARAMETERS_MAX],
    count: usize,
    /// `?`, `>`, `<`, `=` in front.
    pub private: Option<u8>,
    /// The last of the bytes from 0x20 to 0x2f.
    pub intermediate: Option<u8>,
    /// It had more than a sequence may have: terminals do not act on it.
    pub odd: bool,
}

impl Sequence {
    /// The parameters as given; what is left out is 0.
    #[must_use]
    pub fn parameters(&self) -> &[u16] {
        self.parameters.get(..self.count).unwrap_or_default()
    }

    /// A parameter, or `otherwise` where it is 0 or left out.
    #[must_use]
    pub fn or(&self, at: usize, otherwise: u16) -> u16 {
        match self.parameters().get(at) {
            None | Some(0) => otherwise,
            Some(value) => *value,
        }
    }

    fn digit(&mut self, digit: u8) {
        self.count = self.count.max(1);
        let last = self.parameters.get_mut(self.count - 1);
        if let Some(last) = last {
            *last = last.saturating_mul(10).saturating_add(u16::from(digit));
        }
    }

    fn separator(&mut self) {
        self.count = self.count.max(1);
        match self.count < PARAMETERS_MAX {
            true => self.count += 1,
            false => self.odd = true,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    /// CSI, and an intermediate was seen: no more parameters.
    CsiLate,
    /// OSC ends with BEL too.
    Osc,
    /// DCS, SOS, PM, APC.
    Other,
}

/// Bytes of a terminal, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Lexer {
    state: State,
    utf8: Utf8,
    sequence: Sequence,
}

const ESC: u32 = 0x1b;
const CAN: u32 = 0x18;
const SUB: u32 = 0x1a;
const BEL: u32 = 0x07;

impl Lexer {
    /// A terminal that has just been switched on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// About the sequence that has ended.
    #[must_use]
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// True between `CSI` and the last byte of its sequence.
    #[must_use]
    pub fn in_csi(&self) -> bool {
        matches!(self.state, State::Csi | State::CsiLate)
    }

    /// True outside of sequences and between characters.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.state == State::Ground && self.utf8.left == 0
    }

    /// The next byte.
    pub fn step(&mut self, byte: u8) -> Step {
        let c = match self.utf8.step(byte) {
            Decoded::Char(c) => c,
            Decoded::Part => return self.text(Step::Part),
            Decoded::Stray => return self.text(Step::Stray),
        };
        let code = u32::from(c);
        match code {
            ESC => {
                let ends = matches!(self.state, State::Osc | State::Other);
                self.begin(State::Escape);
                // `ESC \` ends a string; any other sequence does so too.
                match ends {
                    true => Step::StringEnd,
                    false => Step::Inside,
                }
            }
            CAN | SUB => self.end(match self.state {
                State::Osc | State::Other => Step::StringEnd,
                _ => Step::Control(code),
            }),
            0x80..=0x9f => self.c1(code),
            _ => self.plain(c),
        }
    }

    /// Text that is not complete, or none: what it means where we are.
    fn text(&self, step: Step) -> Step {
        match self.state {
            State::Ground => step,
            State::Osc | State::Other => Step::Payload,
            State::Escape | State::Csi | State::CsiLate => Step::Inside,
        }
    }

    fn begin(&mut self, state: State) -> Step {
        self.state = state;
        self.sequence = Sequence::default();
        Step::Inside
    }

    fn end(&mut self, step: Step) -> Step {
        self.state = State::Ground;
        step
    }

    /// Controls of eight bits, as characters.
    fn c1(&mut self, code: u32) -> Step {
        match code {
            0x9b => self.begin(State::Csi),
            0x9d => self.begin(State::Osc),
            0x90 | 0x98 | 0x9e | 0x9f => self.begin(State::Other),
            0x9c => {
                let string = matches!(self.state, State::Osc | State::Other);
                self.end(if string {
                    Step::StringEnd
                } else {
                    Step::Control(code)
                })
            }
            _ => self.end(Step::Control(code)),
        }
    }

    fn plain(&mut self, c: char) -> Step {
        let byte = u8::try_from(u32::from(c)).ok().filter(u8::is_ascii);
        match (self.state, byte) {
            (State::Ground, Some(byte @ (0..=0x1f | 0x7f))) => Step::Control(byte.into()),
            (State::Ground, _) => Step::Char(c),
            (State::Osc, Some(7)) => self.end(Step::StringEnd),
            (State::Osc | State::Other, _) => Step::Payload,
            // Controls are obeyed in the middle of a sequence, which goes on.
            (_, Some(byte @ 0..=0x1f)) => Step::Control(byte.into()),
            (_, Some(0x7f)) => Step::Inside,
            (State::Escape, Some(byte)) => self.escape(byte),
            (State::Csi | State::CsiLate, Some(byte)) => self.csi(byte),
            // No letter of a sequence: the terminal shows it.
            (State::Escape | State::Csi | State::CsiLate, None) => self.end(Step::Char(c)),
        }
    }

    fn escape(&mut self, byte: u8) -> Step {
        match byte {
            b'[' if self.sequence.intermediate.is_none() => self.begin(State::Csi),
            b']' if self.sequence.intermediate.is_none() => self.begin(State::Osc),
            b'P' | b'X' | b'^' | b'_' if self.sequence.intermediate.is_none() => {
                self.begin(State::Other)
            }
            0x20..=0x2f => {
                self.sequence.odd |= self.sequence.intermediate.is_some();
                self.sequence.intermediate = Some(byte);
                Step::Inside
            }
            _ => self.end(Step::Escape(byte)),
        }
    }

    fn csi(&mut self, byte: u8) -> Step {
        match (byte, self.state) {
            (b'0'..=b'9', State::Csi) => self.sequence.digit(byte - b'0'),
            (b';' | b':', State::Csi) => self.sequence.separator(),
            (b'<'..=b'?', State::Csi) if self.sequence.count == 0 => {
                self.sequence.odd |= self.sequence.private.is_some();
                self.sequence.private = Some(byte);
            }
            (0x20..=0x2f, _) => {
                self.sequence.odd |= self.sequence.intermediate.is_some();
                self.sequence.intermediate = Some(byte);
                self.state = State::CsiLate;
            }
            (0x40..=0x7e, _) => return self.end(Step::Csi(byte)),
            _ => self.sequence.odd = true,
        }
        Step::Inside
    }
}

/// BEL, as terminals get it.
#[must_use]
pub fn is_bell(code: u32) -> bool {
    code == BEL
}

#[derive(Clone, Debug, Default)]
struct Utf8 {
    so_far: u32,
    left: u8,
    /// The least code that needs so many bytes.
    least: u32,
}

enum Decoded {
    Char(char),
    Part,
    Stray,
}

impl Utf8 {
    fn step(&mut self, byte: u8) -> Decoded {
        if self.left > 0 {
            if byte & 0xc0 == 0x80 {
                self.so_far = self.so_far << 6 | u32::from(byte & 0x3f);
                self.left -= 1;
                if self.left > 0 {
                    return Decoded::Part;
                }
                let c = char::from_u32(self.so_far).filter(|c| u32::from(*c) >= self.least);
                return c.map_or(Decoded::Stray, Decoded::Char);
            }
            // What was begun is nothing; this byte stands for itself.
            self.left = 0;
        }
        let (so_far, left, least) = match byte {
            0..=0x7f => return Decoded::Char(char::from(byte)),
            0xc2..=0xdf => (byte & 0x1f, 1, 0x80),
            0xe0..=0xef => (byte & 0x0f, 2, 0x800),
            0xf0..=0xf4 => (byte & 0x07, 3, 0x1_0000),
            _ => return Decoded::Stray,
        };
        (self.so_far, self.left, self.least) = (u32::from(so_far), left, least);
        Decoded::Part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(bytes: &[u8]) -> Vec<Step> {
        let mut lexer = Lexer::new();
        bytes.iter().map(|b| lexer.step(*b)).collect()
    }

    fn text(bytes: &[u8]) -> String {
        let chars = steps(bytes).into_iter();
        chars
            .filter_map(|s| match s {
                Step::Char(c) => Some(c),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn text_is_what_is_left_without_sequences() {
        assert_eq!(text(b"a\x1b[1;31mb\x1b[0mc"), "abc");
        assert_eq!(text(b"a\x1b]0;title\x07b\x1b]0;title\x1b\\c"), "abc");
        assert_eq!(text("a\x1b]0;\u{271c}\u{9c}b".as_bytes()), "ab");
        assert_eq!(
            text(b"a\x1bPq#0;sixel\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e"),
            "abcde"
        );
        assert_eq!(text("é\u{9b}31mü日".as_bytes()), "éü日");
        assert_eq!(text(b"\x1b(Ba\x1b#8b\x1b7c"), "abc");
        assert_eq!(text(b"\x1b[12\x18a\x1b[1\x1b[2mb"), "ab");
        assert_eq!(text(b"\xc3a\xff\xc0\x80b\xed\xa0\x80c"), "abc");
    }

    #[test]
    fn parameters_are_read_and_bounded() {
        let mut lexer = Lexer::new();
        let last = b"\x1b[?1049;;7h".iter().map(|b| lexer.step(*b)).last();
        assert_eq!(last, Some(Step::Csi(b'h')));
        assert_eq!(lexer.sequence().parameters(), [1049, 0, 7]);
        assert_eq!(lexer.sequence().private, Some(b'?'));
        assert_eq!(
            (lexer.sequence().or(1, 1), lexer.sequence().or(9, 4)),
            (1, 4)
        );
        let many = format!("\x1b[{}99999999m", "1;".repeat(200));
        let last = many.bytes().map(|b| lexer.step(b)).last();
        assert_eq!(last, Some(Step::Csi(b'm')));
        assert!(lexer.sequence().odd && lexer.sequence().parameters().len() == PARAMETERS_MAX);
    }

    #[test]
    fn controls_are_obeyed_within_sequences() {
        let steps = steps(b"\x1b[1\n2m");
        assert_eq!(steps[3], Step::Control(10));
        assert_eq!(steps[5], Step::Csi(b'm'));
    }
}
