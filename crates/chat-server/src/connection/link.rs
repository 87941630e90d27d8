//! What the hub and one connection share: the outbox, and a few signals. The hub puts frames in and
//! never waits; the connection's writer takes out whatever has gathered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// One connection as the hub sees it.
///
/// The outbox holds at most `bytes_max`, what is being written included. When it is full,
/// [`push`](Self::push) says so and the hub ends the session; only for a connection that is gone
/// (its session is held) the outbox starts anew, so that whoever comes back has the latest.
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
    abandoned: bool,
}

/// What came of putting a frame into an outbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// The first since the writer looked: it has to be woken.
    First,
    /// The writer has been, or will be, woken for an earlier one.
    Further,
    /// There is no room. The frame is dropped.
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
        if inner.queued_bytes + inner.writing_bytes + frame.len() > self.bytes_max {
            if !inner.abandoned {
                return Pushed::Full;
            }
            inner.clear();
        }
        inner.queued_bytes += frame.len();
        inner.frames.push(frame);
        if inner.frames.len() == 1 { Pushed::First } else { Pushed::Further }
    }

    pub(crate) fn wake_writer(&self) {
        self.frames_waiting.notify_one();
    }

    /// Drops what is queued, to make room for a last word.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The connection is gone, its session is not: frames gather for whoever comes back.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// What is queued, for another connection to go on with.
    pub(crate) fn take_queued(&self) -> Vec<Bytes> {
        let mut inner = self.lock();
        inner.queued_bytes = 0;
        std::mem::take(&mut inner.frames)
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
    fn clear(&mut self) {
        self.frames.clear();
        self.queued_bytes = 0;
        self.writing_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Bytes {
        Bytes::from(vec![0; bytes])
    }

    #[test]
    fn only_the_first_frame_of_a_batch_asks_for_a_wake() {
        let link = Link::new(100);
        assert_eq!([40, 40].map(|n| link.push(frame(n))), [Pushed::First, Pushed::Further]);
    }

    #[test]
    fn a_full_outbox_takes_no_more_until_it_is_cleared() {
        let link = Link::new(100);
        assert_eq!([100, 1].map(|n| link.push(frame(n))), [Pushed::First, Pushed::Full]);
        link.clear();
        assert_eq!(link.push(frame(1)), Pushed::First);
    }

    #[test]
    fn an_abandoned_outbox_keeps_the_latest() {
        let link = Link::new(100);
        link.abandon();
        for bytes in [60, 50, 40] {
            assert_ne!(link.push(frame(bytes)), Pushed::Full);
        }
        let lengths: Vec<usize> = link.take_queued().iter().map(Bytes::len).collect();
        assert_eq!(lengths, [50, 40]);
    }

    #[tokio::test]
    async fn what_is_being_written_counts_until_it_is_written() {
        let link = Link::new(100);
        let mut batch = Vec::new();
        link.push(frame(80));
        assert!(link.next_batch(0, &mut batch).await);
        assert_eq!(link.push(frame(30)), Pushed::Full);
        link.push(frame(1));
        batch.clear();
        assert!(link.next_batch(80, &mut batch).await);
        assert_eq!(link.push(frame(30)), Pushed::First);
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
