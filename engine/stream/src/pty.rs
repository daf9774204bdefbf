//! Masking of a terminal: what a person sees is matched, whatever sequences stand between the letters, and what is
//! replaced keeps its width, so that cursors still stand where programs believe them.
//!
//! Built on the same sieve as [`crate::Curtain`]. Time is an argument: what may be the beginning of a secret is held no
//! longer than [`limits::PTY_HOLD_MAX`], for a person waits. It refuses to hold what cannot become a secret, and to let a
//! private key go on being shown because its sender paused. Where anything is to be masked, titles, clipboards and other
//! strings pass empty, and sequences without numbers that no terminal acts on, for no masker reads them. It cannot see what a program paints by moving the cursor
//! backwards over what it wrote; that is what recording is for.

use crate::ansi::{Lexer, PARAMETERS_MAX, Step};
use crate::armory::Tripwires;
use crate::curtain::{Cut, Reach, Shown, Sieve, is_own};
use crate::hold_back::{HoldBack, Passed};
use bytes::Bytes;
use portcullis_gate::Mask;
use portcullis_model::rows::mask_text;
use portcullis_model::{Fault, Obligations, SpanEdit, Timestamp, limits};
use std::collections::VecDeque;
use std::sync::Arc;
use unicode_width::UnicodeWidthChar;

/// What stands in place of each column that is masked.
const STAR: u8 = b'*';
/// Parameters of a sequence, in bytes; 16 of three digits with what stands between them.
const PARAMETER_BYTES_MAX: usize = 64;
/// CAN: a terminal gives a sequence up.
const CANCEL: u8 = 0x18;
/// UTF-8: controls of eight bits are this byte and themselves.
const C1_LEADS: u8 = 0xc2;

/// The output of one terminal, between the host and the client.
pub struct PtyCurtain {
    lexer: Lexer,
    sieve: Sieve,
    /// What strings carry that no eye sees: titles, clipboards.
    strings: HoldBack,
    /// Strings pass without what they carry: no masker reads it, and a terminal, a log or a clipboard keeps it.
    mute: bool,
    /// The last byte of a string that passed without it may have been the first of what ends the string.
    led: bool,
    /// The sequence that goes on, from its introducer: where anything is to be masked, it passes only as one that a terminal
    /// would act on.
    pending: Vec<u8>,
    /// The bytes as they leave: a sequence may have swallowed the first letter of a secret, and whoever keeps the bytes
    /// has all of it.
    raw: HoldBack,
    units: VecDeque<Unit>,
    /// Bytes of sequences that wait.
    unseen: usize,
    /// When what is held has to go.
    due: Option<Timestamp>,
    tripped: usize,
}

/// Output in its order, as far as it has not gone.
enum Unit {
    /// So many bytes of the sieve's text.
    Text(usize),
    /// Bytes that no eye sees.
    Unseen(Vec<u8>),
    /// A sequence that moves the cursor: one byte of the sieve's text, a space, stands for it.
    Gap(Vec<u8>),
}

impl PtyCurtain {
    /// A terminal in whose output these secrets of the gateway's own are masked whatever policy says.
    #[must_use]
    pub fn new(wires: Tripwires) -> Self {
        Self {
            lexer: Lexer::new(),
            sieve: Sieve::new(wires.clone()),
            strings: HoldBack::new(wires.clone(), &mask_text("tripwire", None)),
            raw: HoldBack::new(wires, &mask_text("tripwire", None)),
            mute: false,
            led: false,
            pending: Vec::new(),
            units: VecDeque::new(),
            unseen: 0,
            due: None,
            tripped: 0,
        }
    }

    /// The next piece, as it came in at this time.
    ///
    /// # Errors
    /// When a masker fails, or more would have to be held than may be: the stream then ends.
    pub async fn push(
        &mut self,
        piece: &[u8],
        now: Timestamp,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        self.mute = !obligations.entities.is_empty();
        let mut shown = Shown::default();
        for piece in piece.chunks(limits::BATCH_BYTES_MAX) {
            self.take_all(piece);
            let more = self.settle(mask, obligations, Reach::Open).await?;
            match (self.held(), self.due) {
                (0, _) => self.due = None,
                // Nothing has gone: what is held is what was held before.
                (_, Some(_)) if more.bytes.is_empty() => {}
                _ => self.due = Some(now.after(limits::PTY_HOLD_MAX)),
            }
            shown = shown.and(more);
        }
        Ok(shown)
    }

    /// When [`PtyCurtain::tick`] wants to be called, if nothing comes before.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Time has passed: what was held long enough is shown. Whoever can make the output pause sees the beginning of a
    /// secret that is not complete; what comes of it later is masked.
    ///
    /// # Errors
    /// As [`PtyCurtain::push`].
    pub async fn tick(
        &mut self,
        now: Timestamp,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        match self.due.is_some_and(|due| due <= now) {
            true => self.idle(mask, obligations).await,
            false => Ok(Shown::default()),
        }
    }

    /// As [`PtyCurtain::tick`], for whoever keeps the time himself.
    ///
    /// # Errors
    /// As [`PtyCurtain::push`].
    pub async fn idle(
        &mut self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        self.due = None;
        self.settle(mask, obligations, Reach::Idle).await
    }

    /// The end of the output: what was held.
    ///
    /// # Errors
    /// As [`PtyCurtain::push`].
    pub async fn finish(
        &mut self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
    ) -> Result<Shown, Fault> {
        self.mute = !obligations.entities.is_empty();
        self.end_string();
        self.due = None;
        self.settle(mask, obligations, Reach::End).await
    }

    /// Bytes that are held right now, sequences among them.
    #[must_use]
    pub fn held(&self) -> usize {
        self.sieve.held() + self.unseen + self.raw.held()
    }

    /// Plain text goes in runs: nearly all of an output is.
    fn take_all(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(byte) = rest.first() {
            let plain = |b: &u8| matches!(b, 0x20..=0x7e | 9 | 10 | 13);
            let run = match self.lexer.is_at_rest() {
                true => rest.iter().take_while(|b| plain(b)).count(),
                false => 0,
            };
            let (run, after) = rest.split_at(run);
            if run.is_empty() {
                self.take(*byte);
                rest = after.get(1..).unwrap_or_default();
            } else {
                self.text(run);
                rest = after;
            }
        }
    }

    fn take(&mut self, byte: u8) {
        let led = std::mem::take(&mut self.led);
        let step = self.lexer.step(byte);
        if led && matches!(byte, 0x80..=0x9f) && step != Step::Payload {
            self.unseen(&[C1_LEADS]);
        }
        match step {
            Step::Char(_) | Step::Part | Step::Stray => self.text(&[byte]),
            // They end words and lines: for whoever looks, they are text.
            Step::Control(9 | 10 | 13) => self.text(&[byte]),
            Step::Inside if self.mute && self.lexer.in_csi() && is_parameter(byte) => {
                // No sequence that means anything is longer: one more says so.
                if self.pending.len() <= PARAMETER_BYTES_MAX {
                    self.pending.push(byte);
                }
            }
            Step::Control(_) | Step::Inside | Step::Escape(_) => self.unseen(&[byte]),
            Step::Payload => {
                let passed = self.strings.push(&[byte]);
                self.carried(passed);
                self.led = self.mute && byte == C1_LEADS;
            }
            Step::StringEnd => {
                self.end_string();
                self.unseen(&[byte]);
            }
            Step::Csi(last) => {
                let pending = std::mem::take(&mut self.pending);
                let sound =
                    pending.is_empty() || !self.lexer.sequence().odd && plausible(&pending, last);
                let byte = match sound {
                    true => byte,
                    false => CANCEL,
                };
                if sound {
                    self.unseen(&pending);
                }
                match moves(last) {
                    true => self.gap(byte),
                    false => self.unseen(&[byte]),
                }
            }
        }
        if !self.lexer.in_csi() {
            // It was broken off: a terminal has forgotten them too.
            self.pending.clear();
        }
    }

    fn end_string(&mut self) {
        let passed = self.strings.finish();
        self.carried(passed);
    }

    fn carried(&mut self, passed: Passed) {
        self.tripped += passed.hits;
        if !self.mute {
            self.unseen(&passed.bytes);
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.sieve.push(bytes);
        match self.units.back_mut() {
            Some(Unit::Text(count)) => *count += bytes.len(),
            _ => self.units.push_back(Unit::Text(bytes.len())),
        }
    }

    fn unseen(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.unseen += bytes.len();
        match self.units.back_mut() {
            Some(Unit::Unseen(more)) => more.extend_from_slice(bytes),
            _ => self.units.push_back(Unit::Unseen(bytes.to_vec())),
        }
    }

    fn gap(&mut self, byte: u8) {
        self.sieve.push(b" ");
        self.unseen += 1;
        self.units.push_back(Unit::Gap(vec![byte]));
    }

    async fn settle(
        &mut self,
        mask: &mut dyn Mask,
        obligations: &Obligations,
        reach: Reach,
    ) -> Result<Shown, Fault> {
        let mut cut = match self.sieve.held() {
            0 => self.nothing(),
            _ => self.sieve.cut(mask, obligations, reach).await?,
        };
        if reach == Reach::Idle && !obligations.entities.is_empty() {
            cover_open_key(self.sieve.text(), &mut cut);
        }
        let ready = cut.ready;
        let mut shown = self.draw(cut);
        self.leave(&mut shown, reach);
        shown.tripped += std::mem::take(&mut self.tripped);
        if self.sieve.held() > 0 {
            self.sieve.forget(ready, reach);
        }
        // A sequence of its own can be as long as whoever writes it likes; it waits behind text only.
        if self.unseen > limits::STREAM_HELD_MAX {
            let doing = "mask a terminal: more than may be held waits behind what may be a secret";
            return Err(Fault::bare(portcullis_model::Blame::Upstream, doing));
        }
        Ok(shown)
    }

    fn leave(&mut self, shown: &mut Shown, reach: Reach) {
        let passed = self.raw.push(&shown.bytes);
        (shown.bytes, shown.tripped) = (passed.bytes, shown.tripped + passed.hits);
        if reach != Reach::Open {
            let rest = self.raw.finish();
            shown.bytes.extend(rest.bytes);
            shown.tripped += rest.hits;
        }
    }

    /// There is no text, and so nothing to be found in it.
    fn nothing(&self) -> Cut {
        let end = self.sieve.text().len();
        Cut {
            from: end,
            ready: end,
            spans: Vec::new(),
        }
    }

    fn draw(&mut self, cut: Cut) -> Shown {
        let mut shown = Shown::default();
        let spans: Vec<SpanEdit> = cut
            .spans
            .into_iter()
            .map(|span| self.starred(span))
            .collect();
        let mut at = cut.from;
        while let Some(unit) = self.units.front_mut() {
            match unit {
                Unit::Text(count) => {
                    let some = (*count).min(cut.ready - at);
                    let text = self.sieve.text();
                    (at..at + some).for_each(|at| paint(text, at, &spans, &mut shown.bytes));
                    at += some;
                    *count -= some;
                    if *count > 0 {
                        break;
                    }
                }
                Unit::Gap(_) if at == cut.ready => break,
                Unit::Gap(bytes) => {
                    shown.bytes.append(bytes);
                    self.unseen -= 1;
                    at += 1;
                }
                Unit::Unseen(bytes) => {
                    self.unseen -= bytes.len();
                    shown.bytes.append(bytes);
                }
            }
            self.units.pop_front();
        }
        for span in spans.into_iter().filter(|s| (s.end as usize) <= cut.ready) {
            shown.tripped += usize::from(is_own(&span));
            shown.edits.push(span);
        }
        shown
    }

    /// The same find, with what will stand in its place.
    fn starred(&self, span: SpanEdit) -> SpanEdit {
        let mut stars = Vec::new();
        let text = self.sieve.text();
        let (start, end) = (span.start as usize, span.end as usize);
        (start..end).for_each(|at| stars_for(text, at, &mut stars));
        SpanEdit {
            replacement: Bytes::from(stars),
            ..span
        }
    }
}

/// One byte of text, or what stands in its place.
fn paint(text: &[u8], at: usize, spans: &[SpanEdit], out: &mut Vec<u8>) {
    let next = spans.partition_point(|s| (s.end as usize) <= at);
    match spans.get(next).is_some_and(|s| (s.start as usize) <= at) {
        true => stars_for(text, at, out),
        false => out.extend(text.get(at)),
    }
}

/// As many stars as the character that begins at this byte is wide; what moves the cursor stays.
fn stars_for(text: &[u8], at: usize, out: &mut Vec<u8>) {
    match text.get(at) {
        Some(byte @ (9 | 10 | 13)) => out.push(*byte),
        // It belongs to the character before.
        Some(0x80..=0xbf) | None => {}
        Some(_) => {
            let rest = text.get(at..text.len().min(at + 4)).unwrap_or_default();
            let c = rest
                .utf8_chunks()
                .next()
                .and_then(|chunk| chunk.valid().chars().next());
            let width = c.and_then(UnicodeWidthChar::width).unwrap_or(1);
            out.extend(std::iter::repeat_n(STAR, width));
        }
    }
}

/// Sequences behind which what follows stands elsewhere on the screen.
fn moves(last: u8) -> bool {
    matches!(
        last,
        b'A'..=b'H' | b'I' | b'Z' | b'`' | b'a' | b'd' | b'e' | b'f' | b'u' | b'r'
    )
}

/// What stands between the introducer of a sequence and its last letter (ECMA-48 section 5.4).
fn is_parameter(byte: u8) -> bool {
    matches!(byte, 0x20..=0x3f)
}

/// Whether these are parameters that some terminal would act on, and no number of somebody's in their guise. No masker reads
/// them, so what is not is not shown: colours are below 256, and nothing else takes more than three numbers, or large ones
/// side by side.
fn plausible(parameters: &[u8], last: u8) -> bool {
    let private = parameters.first().is_some_and(|b| matches!(b, b'<'..=b'?'));
    let rest = parameters.get(usize::from(private)..).unwrap_or_default();
    let end = rest.iter().take_while(|b| matches!(b, b'0'..=b';')).count();
    let (numbers, intermediate) = rest.split_at(end);
    if parameters.len() > PARAMETER_BYTES_MAX || intermediate.len() > 1 {
        return false;
    }
    if intermediate.iter().any(|b| !matches!(b, 0x20..=0x2f)) {
        return false;
    }
    let numbers: Vec<Option<u16>> = numbers
        .split(|b| matches!(b, b';' | b':'))
        .map(number)
        .collect();
    let Some(numbers) = numbers.into_iter().collect::<Option<Vec<u16>>>() else {
        return false;
    };
    let all = |most: u16| numbers.iter().all(|n| *n <= most);
    match (private, last) {
        (false, b'm') => numbers.len() <= PARAMETERS_MAX && all(255),
        (true, b'h' | b'l' | b's' | b'r') => numbers.len() == 1 || numbers.len() <= 8 && all(2999),
        _ => {
            let large = numbers.iter().filter(|n| **n > 999).count();
            numbers.len() <= 3 && large <= 2
        }
    }
}

/// Of four digits at most; left out, it is 0.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0_u16, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d <= 9)?;
        Some(sum * 10 + u16::from(digit))
    })
}

const KEY_BEGINS: &[u8] = b"PRIVATE KEY-----";
const KEY_ENDS: &[u8] = b"-----END ";

/// A private key that has begun and not ended is covered as far as it has come: the pause was its sender's.
fn cover_open_key(text: &[u8], cut: &mut Cut) {
    let last = |what: &[u8]| text.windows(what.len()).rposition(|window| window == what);
    let Some(begins) = last(KEY_BEGINS) else {
        return;
    };
    if last(KEY_ENDS).is_some_and(|ends| ends > begins) {
        return;
    }
    let start = (begins + KEY_BEGINS.len()).max(cut.from);
    if start >= cut.ready {
        return;
    }
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    cut.spans.retain(|span| (span.end as usize) <= start);
    cut.spans.push(SpanEdit {
        cell: 0,
        start: number(start),
        end: number(cut.ready),
        replacement: Bytes::new(),
        label: Arc::from("open-private-key"),
    });
}

#[cfg(test)]
mod tests;
