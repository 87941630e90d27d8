//! What the hub and one connection share: the outbox, and a few signals. The hub puts frames in and
//! never waits; the connection's writer takes out whatever has gathered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use common::limits::FRAME_HEADER_BYTES;
use common::wire::ServerFrame;
use common::wire::server_frame::Body;
use prost::Message;
use tokio::sync::Notify;

/// One connection as the hub sees it.
///
/// The outbox holds at most `bytes_max`, what is being written included. When it is full,
/// [`push`](Self::push) says so and the hub ends the connection. From there on, and for a connection
/// that is gone while its session is held, frames gather for whoever comes back: up to half of
/// `bytes_max`, so that they fit beside other things then, and the latest rather than the first.
#[derive(Debug)]
pub(crate) struct Link {
    bytes_max: usize,
    /// Held for a few instructions, never over an await.
    inner: Mutex<Inner>,
    frames_waiting: Notify,
    progress: Notify,
    ending: Notify,
    admission: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    frames: Vec<Bytes>,
    queued_bytes: usize,
    writing_bytes: usize,
    batches_handled: u64,
    admitted: bool,
    ended: bool,
    /// The connection writes no more.
    abandoned: bool,
    /// There was no room, and the hub has been told.
    overflowed: bool,
}

/// What came of putting a frame into an outbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// The first since the writer looked: it has to be woken.
    First,
    /// The writer has been, or will be, woken for an earlier one.
    Further,
    /// There is no room: the client does not read. Told once; the frame is kept, earlier ones may not be.
    Full,
}

impl Link {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            inner: Mutex::default(),
            frames_waiting: Notify::new(),
            progress: Notify::new(),
            ending: Notify::new(),
            admission: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- For the hub ----

    /// Queues a frame. After [`Pushed::First`] call [`wake_writer`](Self::wake_writer), once for all
    /// frames of a batch.
    pub(crate) fn push(&self, frame: Bytes) -> Pushed {
        let mut inner = self.lock();
        if inner.ended {
            return Pushed::Further;
        }
        let was_gathering = inner.abandoned || inner.overflowed;
        if !was_gathering && inner.queued_bytes + inner.writing_bytes + frame.len() > self.bytes_max
        {
            inner.overflowed = true;
        }
        inner.queued_bytes += frame.len();
        inner.frames.push(frame);
        if inner.abandoned || inner.overflowed {
            inner.keep_latest(self.bytes_max / 2);
            return if was_gathering { Pushed::Further } else { Pushed::Full };
        }
        if inner.frames.len() == 1 { Pushed::First } else { Pushed::Further }
    }

    /// Bytes that are queued or being written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let inner = self.lock();
        inner.queued_bytes + inner.writing_bytes
    }

    /// Whether so many bytes would fit now. Where frames only gather for later, nothing has to.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        let inner = self.lock();
        let only_gathers = inner.ended || inner.abandoned || inner.overflowed;
        only_gathers || inner.queued_bytes + inner.writing_bytes + bytes <= self.bytes_max
    }

    pub(crate) fn wake_writer(&self) {
        self.frames_waiting.notify_one();
    }

    /// Drops what is queued but events, to make room for a last word.
    pub(crate) fn drop_answers(&self) {
        let mut inner = self.lock();
        inner.frames = inner.split_off_events();
        inner.queued_bytes = inner.frames.iter().map(Bytes::len).sum();
    }

    /// The connection is gone, its session is not: frames gather for whoever comes back.
    pub(crate) fn abandon(&self) {
        let mut inner = self.lock();
        inner.abandoned = true;
        inner.keep_latest(self.bytes_max / 2);
    }

    /// The connection is about to end, its session is not: an abandoned link with the events that were
    /// not written yet. What else is queued stays, to be written.
    pub(crate) fn split_off_held(&self) -> Self {
        let held = Self::new(self.bytes_max);
        {
            let mut inner = held.lock();
            inner.frames = self.lock().split_off_events();
            inner.queued_bytes = inner.frames.iter().map(Bytes::len).sum();
        }
        held.abandon();
        held
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// The events that are queued, for another connection to go on with: the latest that fit into half
    /// of an outbox.
    pub(crate) fn take_events(&self) -> Vec<Bytes> {
        let mut inner = self.lock();
        inner.keep_latest(self.bytes_max / 2);
        inner.split_off_events()
    }

    /// The connection has logged in.
    pub(crate) fn admit(&self) {
        self.lock().admitted = true;
        self.admission.notify_one();
    }

    /// One batch of the connection's requests is answered.
    pub(crate) fn batch_handled(&self) {
        self.lock().batches_handled += 1;
        self.progress.notify_one();
    }

    /// Nothing follows: the connection is closed when all that is queued is written.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.frames_waiting.notify_one();
        self.progress.notify_one();
        self.ending.notify_one();
    }

    // ---- For the connection ----

    /// Waits for frames and moves all of them into `batch`; `written` are the bytes of the batch
    /// before. False: nothing more will come.
    pub(crate) async fn next_batch(&self, mut written: usize, batch: &mut Vec<Bytes>) -> bool {
        loop {
            {
                let mut inner = self.lock();
                inner.writing_bytes = inner.writing_bytes.saturating_sub(written);
                written = 0;
                if !inner.frames.is_empty() {
                    inner.writing_bytes += std::mem::take(&mut inner.queued_bytes);
                    std::mem::swap(batch, &mut inner.frames);
                    return true;
                }
                // An idle connection keeps no buffers.
                inner.frames = Vec::new();
                *batch = Vec::new();
                if inner.ended {
                    return false;
                }
            }
            self.progress.notify_one();
            self.frames_waiting.notified().await;
        }
    }

    /// Waits until `batches` are answered and the answers have room to follow: a client that does not
    /// read its answers is not read either. False: the connection is ending.
    pub(crate) async fn ready_for_more(&self, batches: u64) -> bool {
        loop {
            {
                let inner = self.lock();
                if inner.ended {
                    return false;
                }
                let has_room = inner.queued_bytes + inner.writing_bytes <= self.bytes_max / 2;
                if inner.batches_handled >= batches && has_room {
                    return true;
                }
            }
            self.progress.notified().await;
        }
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.lock().admitted
    }

    /// Waits for [`admit`](Self::admit). One waiter, once.
    pub(crate) async fn admitted(&self) {
        self.admission.notified().await;
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits for [`end`](Self::end). One waiter, once.
    pub(crate) async fn ended(&self) {
        self.ending.notified().await;
    }
}

impl Inner {
    /// Takes the events out of the queue.
    fn split_off_events(&mut self) -> Vec<Bytes> {
        let (events, others) = std::mem::take(&mut self.frames).into_iter().partition(is_event);
        self.frames = others;
        self.queued_bytes = self.frames.iter().map(Bytes::len).sum();
        events
    }

    /// Makes the queue no longer than `bytes_max`, at the expense of its oldest frames. Goes well below
    /// while it is at it, so that the next frames find room. The last one always stays.
    fn keep_latest(&mut self, bytes_max: usize) {
        if self.queued_bytes <= bytes_max {
            return;
        }
        let mut count = 0;
        while self.queued_bytes > bytes_max - bytes_max / 4 && count + 1 < self.frames.len() {
            self.queued_bytes -= self.frames.get(count).map_or(0, Bytes::len);
            count += 1;
        }
        self.frames.drain(..count);
    }
}

/// Whether an encoded frame tells something that is of use on any connection of its session: it
/// answers nothing, and is not about the connection itself.
fn is_event(frame: &Bytes) -> bool {
    let body = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    ServerFrame::decode(body).is_ok_and(|frame| {
        frame.in_reply_to == 0
            && !matches!(frame.body, None | Some(Body::Ping(_) | Body::Goodbye(_)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::wire;

    fn frame(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[test]
    fn only_the_first_frame_of_a_batch_asks_for_a_wake() {
        let link = Link::new(100);
        assert_eq!([40, 40].map(|n| link.push(frame(n))), [Pushed::First, Pushed::Further]);
    }

    fn spoken(in_reply_to: u64, body: Body) -> Bytes {
        common::framing::encode(&ServerFrame { in_reply_to, body: Some(body) }).unwrap()
    }

    fn notice(text: &str) -> Bytes {
        spoken(0, Body::Notice(wire::Notice { text: text.into() }))
    }

    fn reply() -> Bytes {
        spoken(7, Body::Pong(wire::Pong { token: 1 }))
    }

    fn goodbye() -> Bytes {
        spoken(
            0,
            Body::Goodbye(wire::Goodbye { reason: 3, retry_after_ms: 9, ..Default::default() }),
        )
    }

    fn ping() -> Bytes {
        spoken(0, Body::Ping(wire::Ping { token: 1 }))
    }

    fn queued(link: &Link) -> Vec<Bytes> {
        link.lock().frames.clone()
    }

    #[test]
    fn only_events_go_to_the_next_connection() {
        let link = Link::new(1000);
        for frame in [reply(), notice("a"), ping(), notice("b"), goodbye()] {
            link.push(frame);
        }
        assert_eq!(link.take_events(), [notice("a"), notice("b")]);
        assert_eq!(queued(&link), [reply(), ping(), goodbye()]);
    }

    #[test]
    fn no_more_events_go_than_fit_beside_other_things_and_the_latest_do() {
        let link = Link::new(2 * notice("0").len() * 4);
        let notices: Vec<Bytes> = (0..8).map(|n| notice(&n.to_string())).collect();
        for frame in &notices {
            assert_ne!(link.push(frame.clone()), Pushed::Full);
        }
        assert_eq!(link.take_events(), notices[5..]);
    }

    #[test]
    fn a_held_session_keeps_unread_events_and_its_old_connection_gets_the_rest() {
        let link = Link::new(1000);
        for frame in [notice("a"), reply(), goodbye()] {
            link.push(frame);
        }
        let held = link.split_off_held();
        assert_eq!(queued(&link), [reply(), goodbye()]);
        held.push(notice("b"));
        assert!(held.is_abandoned());
        assert_eq!(held.take_events(), [notice("a"), notice("b")]);
    }

    #[test]
    fn a_full_outbox_says_so_once_and_keeps_the_latest() {
        let link = Link::new(100);
        let pushed = [100, 1, 1].map(|n| link.push(frame(n)));
        assert_eq!(pushed, [Pushed::First, Pushed::Full, Pushed::Further]);
        assert_eq!(queued(&link), [frame(1), frame(1)]);
    }

    #[test]
    fn answers_make_room_for_the_last_word() {
        let link = Link::new(1000);
        for frame in [reply(), notice("a"), reply()] {
            link.push(frame);
        }
        link.drop_answers();
        assert_eq!(queued(&link), [notice("a")]);
    }

    #[test]
    fn an_abandoned_outbox_keeps_the_latest() {
        let link = Link::new(100);
        link.abandon();
        for bytes in [60, 30, 10, 20] {
            assert_ne!(link.push(frame(bytes)), Pushed::Full);
        }
        assert_eq!(queued(&link), [frame(10), frame(20)]);
    }

    #[tokio::test]
    async fn what_is_being_written_counts_until_it_is_written() {
        let link = Link::new(100);
        let mut batch = Vec::new();
        link.push(frame(80));
        assert!(link.next_batch(0, &mut batch).await);
        assert_eq!(link.push(frame(20)), Pushed::First);
        batch.clear();
        assert!(link.next_batch(80, &mut batch).await);
        assert_eq!(link.push(frame(80)), Pushed::First);
        assert_eq!(link.push(frame(1)), Pushed::Full);
    }

    #[tokio::test]
    async fn what_was_queued_before_the_end_is_still_written() {
        let link = Link::new(100);
        link.push(frame(8));
        link.end();
        link.push(frame(9));
        let mut batch = Vec::new();
        assert!(link.next_batch(0, &mut batch).await);
        assert_eq!(batch.len(), 1);
        batch.clear();
        assert!(!link.next_batch(8, &mut batch).await);
        assert!(!link.ready_for_more(0).await);
    }
}
