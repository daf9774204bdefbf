//! What systems outside say back: signed callbacks (Standard Webhooks) and forms from Slack. Laws: nothing is taken in that
//! nobody has signed, whatever its headers say; what is signed is taken in once, means what it says to every reader, and is
//! read without a panic.
//!
//! Input: 0, lines with id, time and signature, and a body; 1 and a body as if it were signed; 2 and 3 the same for Slack,
//! which has no id.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_approval::{
    Clocks, Inbound, Keys, Kept, Links, NotSigned, Nowhere, Phrase, SlackDesk, SlackWord,
    hook_fuzzing,
};
use portcullis_fuzz::Input;
use portcullis_gate::BoxFuture;
use portcullis_model::{Fault, Timestamp};
use serde_json::Value;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use zeroize::Zeroizing;

const SECONDS: i64 = 1_800_000_000;
const NOW: Timestamp = Timestamp(SECONDS * 1_000_000_000);
/// Of the standard's own example.
const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Of Slack's own example.
const SLACK: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TEAM: &str = "T1";

struct Said(&'static str);

impl Phrase for Said {
    fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>> {
        Box::pin(async { Ok(Zeroizing::new(self.0.to_owned())) })
    }
}

/// What nobody has signed leaves nothing behind: these two are for all of it.
static INBOUND: LazyLock<Inbound> = LazyLock::new(inbound);
static DESK: LazyLock<SlackDesk> = LazyLock::new(desk);

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => forged_callback(input.rest()),
        1 => callback(input.rest()),
        2 => forged_form(input.rest()),
        _ => form(input.rest()),
    }
});

fn inbound() -> Inbound {
    Inbound::new(Arc::new(Said(WEBHOOK)), Timestamp(0))
}

fn desk() -> SlackDesk {
    // It has been there for a while: of what is sent as it starts nobody knows whether it came before.
    let begun = Timestamp(NOW.0 - 60_000_000_000);
    let clocks = Clocks::new(Arc::new(move || begun), Arc::new(|| Duration::ZERO));
    let links = Links::new(
        Arc::new(Nowhere),
        clocks,
        Duration::from_secs(3600),
        &Kept::default(),
    );
    let links = Arc::new(links.expect("nothing is kept"));
    SlackDesk::new(Arc::new(Said(SLACK)), TEAM.to_owned(), links)
}

/// The secret is at hand: nobody waits.
fn at_once<T>(work: impl Future<Output = Result<Result<T, NotSigned>, Fault>>) -> Result<T, NotSigned> {
    let mut work = pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read.expect("the secret is there"),
        Poll::Pending => panic!("a message made the reader wait"),
    }
}

/// So many lines, and what stands behind them.
fn lines<const N: usize>(mut input: &[u8]) -> Option<([&str; N], &[u8])> {
    let mut lines = [""; N];
    for line in &mut lines {
        let at = input.iter().position(|b| *b == b'\n')?;
        *line = std::str::from_utf8(&input[..at]).ok()?;
        input = &input[at + 1..];
    }
    Some((lines, input))
}

fn forged_callback(input: &[u8]) {
    if let Some((headers, body)) = lines::<3>(input) {
        let read = at_once(INBOUND.read(headers, body, NOW));
        assert!(read.is_err(), "a forgery is taken in");
    }
}

fn callback(body: &[u8]) {
    let inbound = inbound();
    let keys = Keys::read(WEBHOOK).expect("a key");
    let (time, signature) = (SECONDS.to_string(), keys.sign("msg_1", SECONDS, body));
    let headers = ["msg_1", time.as_str(), signature.as_str()];
    let other = [body, b" "].concat();
    let forged = at_once(inbound.read(headers, &other, NOW));
    assert_eq!(forged.err(), Some(NotSigned::Forged));
    match at_once(inbound.read(headers, body, NOW)) {
        Ok(vote) => {
            let said: Value = serde_json::from_slice(body).expect("a vote is JSON");
            assert_eq!(said.as_object().map(|o| o.len()), Some(4), "it says no more");
            assert_eq!(said["request"], vote.request);
            assert_eq!(said["reason"], vote.reason);
            assert_eq!(said["token"], *vote.token);
        }
        Err(why) => assert_eq!(why, NotSigned::Nameless, "it is signed, and no vote"),
    }
    let again = at_once(inbound.read(headers, body, NOW));
    assert_eq!(again.err(), Some(NotSigned::Replayed));
}

fn forged_form(input: &[u8]) {
    if let Some(([time, signature], body)) = lines::<2>(input) {
        let read = at_once(DESK.read(time, signature, body, NOW));
        assert!(read.is_err(), "a forgery is taken in");
    }
}

fn form(body: &[u8]) {
    let desk = desk();
    let (time, signature) = (
        SECONDS.to_string(),
        hook_fuzzing::slack_signature(SLACK, SECONDS, body),
    );
    let other = [body, b"&"].concat();
    let forged = at_once(desk.read(&time, &signature, &other, NOW));
    assert_eq!(forged.err(), Some(NotSigned::Forged));
    match at_once(desk.read(&time, &signature, body, NOW)) {
        Ok(SlackWord::Vote { .. }) => panic!("an account of nobody has voted"),
        Ok(SlackWord::Tell(text)) => assert!(text.len() < 1024),
        Err(why) => assert_eq!(why, NotSigned::Nameless),
    }
    let again = at_once(desk.read(&time, &signature, body, NOW));
    assert_eq!(again.err(), Some(NotSigned::Replayed));
}
