//! What a client has sent on one channel and nobody has taken yet. The connection's loop puts it here and must not wait
//! long: another channel's bytes stand behind it in the same stream. The first of it stays in memory, what is more is sealed
//! to disk. Only when half of what a connection may have there is used does the loop wait a little for each packet, longer
//! the more it is, which slows a client down that sends faster than its host reads; and a channel that fills its share all
//! the same ends.
//!
//! It refuses to grow: bytes are counted per channel and per connection, and events that carry none are few.

use crate::spill::{Block, Share, Spill};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use portcullis_model::limits::{
    SSH_EVENTS_MAX, SSH_SPILL_BLOCK_BYTES, SSH_UPLOAD_BRAKE_MAX, SSH_UPLOAD_BYTES_SOFT,
};
use russh::Sig;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// With so many pieces waiting, small ones are joined.
const PIECES_MAX: usize = 64;
/// Up to this size.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// Something that happened on a channel.
#[derive(Debug)]
pub(crate) enum Event {
    /// What the channel is for.
    Start(Box<crate::start::Start>),
    /// Standard input.
    Data(Bytes),
    /// No more of it.
    Eof,
    /// The terminal has another size.
    Resize(crate::start::Size),
    /// A signal for the command.
    Signal(Sig),
}

/// The queue of one channel.
pub(crate) struct Inbox {
    state: Mutex<State>,
    share: Share,
    came: Notify,
    taken: Notify,
    /// The host has taken some of it.
    moved: Notify,
    over: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Queued>,
    /// Bytes of it in memory.
    bytes: usize,
    /// Events of it without bytes.
    events: usize,
    /// Bytes of the client's that the host has not taken: those of the queue, and of what was taken out of it last.
    untaken: u64,
    spill: Option<Arc<Spill>>,
    /// The client has said that it sends no more.
    ended: bool,
    /// What it has sent goes to its end although it closes the channel.
    lasting: bool,
    /// It has closed the channel, and not all has been taken.
    closing: bool,
    closed: bool,
    overrun: bool,
    /// It is closed because the host took none of it for too long.
    given_up: bool,
}

enum Queued {
    Event(Event),
    Data(Bytes),
    Spilled(Arc<Block>),
}

/// There is no room: the channel has to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl State {
    fn push(&mut self, mut data: Bytes) {
        // A block holds no more.
        while data.len() > SSH_SPILL_BLOCK_BYTES {
            let piece = data.split_to(SSH_SPILL_BLOCK_BYTES);
            self.bytes += piece.len();
            self.queue.push_back(Queued::Data(piece));
        }
        self.bytes += data.len();
        let many = self.queue.len() > PIECES_MAX;
        match self.queue.back_mut() {
            Some(Queued::Data(last)) if many && last.len() + data.len() <= JOINED_BYTES_MAX => {
                let mut joined = BytesMut::with_capacity(last.len() + data.len());
                joined.extend_from_slice(last);
                joined.extend_from_slice(&data);
                *last = joined.freeze();
            }
            _ => self.queue.push_back(Queued::Data(data)),
        }
    }

    /// The newest bytes in memory that stand beside each other, taken out for a block in their place; `None` when there are
    /// none, or no room for a block.
    fn newest(&mut self, spill: &Arc<Spill>) -> Option<Arc<Block>> {
        let is_data = |queued: &Queued| matches!(queued, Queued::Data(_));
        let end = self.queue.iter().rposition(is_data)? + 1;
        let (mut begin, mut size) = (end, 0);
        while let Some(Queued::Data(data)) = begin.checked_sub(1).and_then(|at| self.queue.get(at))
        {
            if begin < end && size + data.len() > SSH_SPILL_BLOCK_BYTES {
                break;
            }
            size += data.len();
            begin -= 1;
        }
        let mut block = BytesMut::with_capacity(size);
        for queued in self.queue.range(begin..end) {
            if let Queued::Data(data) = queued {
                block.extend_from_slice(data);
            }
        }
        let block = spill.block(block.freeze())?;
        self.queue.drain(begin..end);
        self.queue
            .insert(begin, Queued::Spilled(Arc::clone(&block)));
        self.bytes -= size;
        Some(block)
    }

    /// The first of the queue, as far as it is in memory.
    fn pop(&mut self) -> Popped {
        match self.queue.pop_front() {
            None => Popped::Nothing,
            Some(Queued::Spilled(block)) => {
                self.queue.push_front(Queued::Spilled(Arc::clone(&block)));
                Popped::Sealed(block)
            }
            Some(Queued::Event(event)) => {
                self.events -= 1;
                Popped::Event(event)
            }
            Some(Queued::Data(data)) => {
                self.bytes -= data.len();
                Popped::Event(Event::Data(data))
            }
        }
    }
}

enum Popped {
    Nothing,
    Event(Event),
    Sealed(Arc<Block>),
}

impl Inbox {
    pub(crate) fn new(share: Share) -> Self {
        Self {
            state: Mutex::new(State::default()),
            share,
            came: Notify::new(),
            taken: Notify::new(),
            moved: Notify::new(),
            over: Notify::new(),
        }
    }

    /// What its connection may keep on disk.
    pub(crate) fn share(&self) -> Share {
        self.share.clone()
    }

    /// Puts an event without bytes in.
    pub(crate) fn put(&self, event: Event) -> Result<(), Full> {
        {
            let mut state = self.state.lock();
            // Only the last size of a window matters.
            if matches!(event, Event::Resize(_))
                && matches!(state.queue.back(), Some(Queued::Event(Event::Resize(_))))
            {
                state.queue.pop_back();
                state.events -= 1;
            }
            if state.events >= SSH_EVENTS_MAX {
                return Err(Full);
            }
            state.ended |= matches!(event, Event::Eof);
            state.events += 1;
            state.queue.push_back(Queued::Event(event));
        }
        self.came.notify_one();
        Ok(())
    }

    /// Puts bytes in: to disk what is more than memory holds. Waits for a moment when much is there already.
    pub(crate) async fn put_data(&self, data: Bytes) -> Result<(), Full> {
        let much = {
            let mut state = self.state.lock();
            if state.closed {
                return Ok(());
            }
            state.untaken += data.len() as u64;
            state.push(data);
            state.bytes > SSH_UPLOAD_BYTES_SOFT
        };
        self.came.notify_one();
        if much {
            self.spill().await?;
        }
        if let Some(wait) = self.share.beyond_half().map(brake) {
            let _taken = timeout(wait, self.taken.notified()).await;
        }
        Ok(())
    }

    /// What memory does not hold goes to disk.
    async fn spill(&self) -> Result<(), Full> {
        loop {
            let spill = self.state.lock().spill.clone();
            let spill = match spill {
                Some(spill) => spill,
                None => self.open().await?,
            };
            let block = {
                let mut state = self.state.lock();
                if state.closed || state.bytes <= SSH_UPLOAD_BYTES_SOFT {
                    return Ok(());
                }
                state.spill = Some(Arc::clone(&spill));
                state.newest(&spill).ok_or(Full)?
            };
            block.write().await.map_err(|error| {
                tracing::error!(%error, "an upload could not be kept");
                Full
            })?;
        }
    }

    async fn open(&self) -> Result<Arc<Spill>, Full> {
        let share = self.share.clone();
        match spawn_blocking(move || Spill::open(&share)).await {
            Ok(Ok(spill)) => Ok(spill),
            Ok(Err(error)) => {
                tracing::error!(%error, "an upload could not be kept");
                Err(Full)
            }
            Err(_) => Err(Full),
        }
    }

    /// From here on it is a stream whose last bytes count, as in a forward: a client closes it once both sides have said that
    /// they send no more, and its own may still be on their way.
    pub(crate) fn lasts(&self) {
        self.state.lock().lasting = true;
    }

    /// The client has closed the channel. True where what it has sent still goes on: whoever calls this sees to it that it ends
    /// ([`Inbox::drained`]). That is so once: a client may say again that it has closed it.
    pub(crate) fn finish(&self) -> bool {
        let goes_on = {
            let mut state = self.state.lock();
            if state.closing {
                return false;
            }
            state.closing = state.lasting && state.ended && !state.closed;
            state.closing
        };
        match goes_on {
            // Whoever takes the last of it closes it.
            true => self.came.notify_one(),
            false => self.close(),
        }
        goes_on
    }

    /// The host has taken so many bytes: as it opens its window, which may be much less than a piece of the queue.
    pub(crate) fn took(&self, count: usize) {
        {
            let mut state = self.state.lock();
            state.untaken = state.untaken.saturating_sub(count as u64);
        }
        self.moved.notify_one();
    }

    /// Resolves when the last of a channel that is closed has been taken, or nothing of it for as long as `idle` waits, which
    /// begins anew with whatever the host takes: one that reads no more would have it keep its place, and what it keeps on
    /// disk, for as long as the connection is there.
    pub(crate) async fn drained<W: Future<Output = ()>>(&self, mut idle: impl FnMut() -> W) {
        loop {
            tokio::select! {
                biased;
                () = self.closed() => return,
                () = self.moved.notified() => {}
                () = idle() => {
                    self.state.lock().given_up = true;
                    return self.close();
                }
            }
        }
    }

    /// Bytes of the client's that the host has not taken.
    pub(crate) fn untaken(&self) -> u64 {
        self.state.lock().untaken
    }

    /// True where it was closed because the host took none of it for too long.
    pub(crate) fn is_given_up(&self) -> bool {
        self.state.lock().given_up
    }

    /// The channel is over, or the client is gone: what it sent counts no more.
    pub(crate) fn close(&self) {
        let gone = {
            let mut state = self.state.lock();
            state.closed = true;
            state.bytes = 0;
            state.events = 0;
            (std::mem::take(&mut state.queue), state.spill.take())
        };
        drop(gone);
        self.came.notify_one();
        self.taken.notify_one();
        self.over.notify_waiters();
    }

    /// More came than can be kept: the channel ends, and says why.
    pub(crate) fn overrun(&self) {
        self.state.lock().overrun = true;
        self.close();
    }

    pub(crate) fn is_overrun(&self) -> bool {
        self.state.lock().overrun
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.state.lock().closed
    }

    /// The next event; `None` when the channel is closed. Nothing is lost when it is not waited for to the end.
    pub(crate) async fn next(&self) -> Option<Event> {
        loop {
            let waiting = self.came.notified();
            let popped = {
                let mut state = self.state.lock();
                if state.closed {
                    return None;
                }
                match state.pop() {
                    Popped::Nothing if state.closing => None,
                    popped => Some(popped),
                }
            };
            let Some(popped) = popped else {
                self.close();
                return None;
            };
            match popped {
                Popped::Nothing => waiting.await,
                Popped::Event(event) => {
                    if matches!(event, Event::Data(_)) {
                        self.taken.notify_one();
                    }
                    return Some(event);
                }
                Popped::Sealed(block) => match block.read().await {
                    Ok(bytes) => self.unsealed(&block, bytes),
                    Err(error) => {
                        tracing::error!(%error, "an upload could not be read back");
                        self.overrun();
                    }
                },
            }
        }
    }

    /// A block is in memory again: it stands where it was, and its place in the file is free.
    fn unsealed(&self, block: &Arc<Block>, bytes: Bytes) {
        let mut state = self.state.lock();
        match state.queue.front() {
            Some(Queued::Spilled(first)) if Arc::ptr_eq(first, block) => {}
            _ => return,
        }
        state.queue.pop_front();
        state.bytes += bytes.len();
        state.queue.push_front(Queued::Data(bytes));
        let spilled = |queued: &Queued| matches!(queued, Queued::Spilled(_));
        if !state.queue.iter().any(spilled) {
            state.spill = None;
        }
    }

    /// Resolves when the channel is closed.
    pub(crate) async fn closed(&self) {
        let over = self.over.notified();
        tokio::pin!(over);
        over.as_mut().enable();
        if !self.state.lock().closed {
            over.await;
        }
    }
}

/// How long to wait, so many thousandths beyond half of what may be kept.
fn brake(beyond: u32) -> Duration {
    let least = Duration::from_millis(10);
    least + SSH_UPLOAD_BRAKE_MAX.mul_f64(f64::from(beyond) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::Spills;
    use std::time::Instant;

    const KIB: usize = 1024;

    struct Desk {
        folder: tempfile::TempDir,
        spills: Arc<Spills>,
    }

    fn desk(connection_max: u64) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let spills = Spills::new(folder.path().to_owned(), connection_max, 1 << 30);
        Desk { folder, spills }
    }

    fn bytes(count: usize) -> Bytes {
        Bytes::from(vec![7; count])
    }

    fn small() -> Inbox {
        Inbox::new(Share::new(&desk(1 << 20).spills))
    }

    #[tokio::test]
    async fn events_come_in_order_and_end_with_the_channel() {
        let inbox = small();
        inbox.put_data(bytes(3)).await.unwrap();
        inbox.put(Event::Eof).unwrap();
        assert!(matches!(inbox.next().await, Some(Event::Data(d)) if d.len() == 3));
        assert!(matches!(inbox.next().await, Some(Event::Eof)));
        inbox.put(Event::Eof).unwrap();
        inbox.close();
        assert!(inbox.next().await.is_none());
        inbox.closed().await;
    }

    /// A forward that its client has closed behind so many bytes.
    async fn closed(count: usize) -> Inbox {
        let inbox = small();
        inbox.lasts();
        inbox.put_data(bytes(count)).await.unwrap();
        inbox.put(Event::Eof).unwrap();
        assert!(inbox.finish() && inbox.is_open());
        // Said again, it is no news, and nobody has to see to it once more.
        assert!(!inbox.finish() && inbox.is_open());
        inbox
    }

    /// Clocks that somebody else winds: each call is a wait of its own.
    #[derive(Default)]
    struct Waits(Mutex<Vec<Arc<Notify>>>);

    impl Waits {
        fn begin(&self) -> impl Future<Output = ()> + use<> {
            let wait = Arc::new(Notify::new());
            self.0.lock().push(Arc::clone(&wait));
            async move { wait.notified().await }
        }

        fn begun(&self) -> usize {
            self.0.lock().len()
        }

        fn over(&self, number: usize) {
            self.0.lock().get(number).unwrap().notify_one();
        }
    }

    /// Whatever is ready runs.
    async fn settle() {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_a_host_takes_of_a_closed_forward_gives_time_for_the_rest_also_within_one_piece() {
        let (inbox, waits) = (Arc::new(closed(1000).await), Arc::new(Waits::default()));
        let drained = tokio::spawn({
            let (inbox, waits) = (Arc::clone(&inbox), Arc::clone(&waits));
            async move { inbox.drained(|| waits.begin()).await }
        });
        settle().await;
        // One piece, of which the host takes a little at a time: whatever was waited before counts no more.
        assert!(matches!(inbox.next().await, Some(Event::Data(d)) if d.len() == 1000));
        for round in 0..4 {
            let begun = waits.begun();
            inbox.took(100);
            settle().await;
            assert!(waits.begun() > begun, "{round}: it waits anew");
            for before in 0..begun {
                waits.over(before);
            }
            settle().await;
            assert!(inbox.is_open(), "{round}");
        }
        assert_eq!(inbox.untaken(), 600);
        waits.over(waits.begun() - 1);
        drained.await.unwrap();
        assert!(inbox.is_given_up() && !inbox.is_open());
        assert_eq!(inbox.untaken(), 600, "what is lost is known");
        assert!(inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn a_closed_forward_whose_last_byte_was_taken_was_not_given_up() {
        let inbox = closed(3).await;
        let taken = async {
            while let Some(event) = inbox.next().await {
                if let Event::Data(data) = event {
                    inbox.took(data.len());
                }
            }
        };
        tokio::join!(inbox.drained(std::future::pending), taken);
        assert!(!inbox.is_open() && !inbox.is_given_up());
        assert_eq!(inbox.untaken(), 0);
        assert!(!inbox.finish(), "nor does it go on once it is over");
    }

    #[tokio::test]
    async fn the_last_bytes_of_a_forward_are_taken_although_it_is_closed_and_of_others_they_are_not()
     {
        for (lasting, ended) in [(true, true), (true, false), (false, true)] {
            let inbox = small();
            if lasting {
                inbox.lasts();
            }
            inbox.put_data(bytes(3)).await.unwrap();
            if ended {
                inbox.put(Event::Eof).unwrap();
            }
            inbox.finish();
            if lasting && ended {
                assert!(inbox.is_open());
                assert!(matches!(inbox.next().await, Some(Event::Data(_))));
                assert!(matches!(inbox.next().await, Some(Event::Eof)));
                assert!(inbox.is_open(), "the last may still be on its way");
            }
            assert!(inbox.next().await.is_none());
            assert!(!inbox.is_open());
            inbox.closed().await;
        }
        // Nor does one that has nothing left wait for more.
        let inbox = Arc::new(small());
        inbox.lasts();
        inbox.put(Event::Eof).unwrap();
        assert!(matches!(inbox.next().await, Some(Event::Eof)));
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.next().await.is_none() }
        });
        tokio::task::yield_now().await;
        inbox.finish();
        assert!(waiting.await.unwrap());
    }

    /// Bytes that say where they stand.
    fn piece(number: usize, count: usize) -> Bytes {
        let line = format!("{number:08}");
        Bytes::from(line.repeat(count / 8))
    }

    #[tokio::test]
    async fn what_memory_does_not_hold_comes_back_whole_and_in_order() {
        let desk = desk(64 << 20);
        let share = Share::new(&desk.spills);
        let inbox = Inbox::new(share.clone());
        let mut sent = Vec::new();
        for number in 0..320 {
            let data = piece(number, 32 * KIB);
            sent.extend_from_slice(&data);
            inbox.put_data(data).await.unwrap();
            if number % 40 == 0 {
                inbox.put(Event::Signal(Sig::USR1)).unwrap();
            }
            assert!(inbox.state.lock().bytes <= SSH_UPLOAD_BYTES_SOFT);
        }
        inbox.put(Event::Eof).unwrap();
        assert!(share.used() > 8 << 20, "most of it is on disk");
        let raw = inbox.state.lock().spill.clone().unwrap().raw();
        assert!(!raw.windows(16).any(|w| w == b"0000012000000120"));
        assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 0);
        let (mut came, mut signals) = (Vec::new(), 0);
        loop {
            // Whoever stops waiting loses nothing.
            let _given_up = timeout(Duration::ZERO, inbox.next_unless_ready()).await;
            match inbox.next().await.unwrap() {
                Event::Data(data) => came.extend_from_slice(&data),
                Event::Signal(_) => signals += 1,
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(came == sent, "whole and in order");
        assert_eq!((signals, share.used()), (8, 0));
        assert!(inbox.state.lock().spill.is_none(), "the file is gone");
    }

    impl Inbox {
        /// Begins to read the first block and never gets to the end.
        async fn next_unless_ready(&self) {
            let block = match self.state.lock().queue.front() {
                Some(Queued::Spilled(block)) => Arc::clone(block),
                _ => return,
            };
            let _read = block.read().await;
            std::future::pending::<()>().await;
        }
    }

    #[tokio::test]
    async fn a_channel_that_brings_more_than_its_connection_may_keep_has_no_room_and_others_have() {
        let desk = desk(1 << 20);
        let share = Share::new(&desk.spills);
        let (one, beside) = (Inbox::new(share.clone()), Inbox::new(share.clone()));
        let mut full = None;
        for number in 0..400 {
            if one.put_data(piece(number, 32 * KIB)).await == Err(Full) {
                full = Some(number);
                break;
            }
        }
        let full = full.expect("a megabyte and what memory holds are less than twelve");
        assert!(full >= 48, "{full}");
        let start = Instant::now();
        beside.put_data(bytes(100)).await.unwrap();
        assert!(matches!(beside.next().await, Some(Event::Data(d)) if d.len() == 100));
        assert!(start.elapsed() < Duration::from_secs(1));
        one.overrun();
        assert!(one.is_overrun() && one.next().await.is_none());
        assert_eq!(share.used(), 0, "what it brought counts no more");
    }

    #[tokio::test]
    async fn nobody_is_slowed_down_below_half_and_whoever_is_beyond_waits_until_something_is_taken()
    {
        let desk = desk(64 << 20);
        let share = Share::new(&desk.spills);
        let inbox = Inbox::new(share.clone());
        for number in 0..64 {
            inbox.put_data(piece(number, 32 * KIB)).await.unwrap();
        }
        assert_eq!(share.beyond_half(), None);
        assert_eq!(brake(0), Duration::from_millis(10));
        assert_eq!(
            brake(1000),
            Duration::from_millis(10) + SSH_UPLOAD_BRAKE_MAX
        );
    }

    #[tokio::test]
    async fn many_small_pieces_are_few_in_the_queue() {
        let inbox = small();
        for _ in 0..100_000 {
            inbox.put_data(Bytes::from_static(b"x")).await.unwrap();
        }
        assert!(inbox.state.lock().queue.len() < 200);
        let mut count = 0;
        while count < 100_000 {
            match inbox.next().await {
                Some(Event::Data(data)) => count += data.len(),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(count, 100_000);
    }

    #[tokio::test]
    async fn a_folder_that_takes_no_file_ends_the_channel_alone() {
        let spills = Spills::new("/nowhere/at/all".into(), 1 << 30, 1 << 30);
        let inbox = Inbox::new(Share::new(&spills));
        inbox.put_data(bytes(SSH_UPLOAD_BYTES_SOFT)).await.unwrap();
        assert_eq!(inbox.put_data(bytes(1)).await, Err(Full));
    }

    #[tokio::test]
    async fn a_channel_that_brings_too_much_ends_and_knows_why() {
        let (inbox, other) = (small(), small());
        inbox.put_data(bytes(3)).await.unwrap();
        inbox.overrun();
        inbox.closed().await;
        assert!(inbox.is_overrun() && !inbox.is_open());
        assert!(inbox.next().await.is_none());
        other.close();
        assert!(!other.is_overrun() && !other.is_open());
    }

    #[test]
    fn only_the_last_size_is_kept_and_events_are_bounded() {
        let inbox = small();
        for columns in 0..10_000 {
            inbox
                .put(Event::Resize(crate::start::Size {
                    columns,
                    rows: 1,
                    width: 0,
                    height: 0,
                }))
                .unwrap();
        }
        assert_eq!(inbox.state.lock().queue.len(), 1);
        let full = (0..10_000).find_map(|_| inbox.put(Event::Eof).err());
        assert_eq!(full, Some(Full));
    }
}
