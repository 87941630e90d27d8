//! What the hub and one connection share: the outbox, and a few signals. The hub puts frames in and
//! never waits; the connection's writer takes out whatever has gathered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use common::framing;
use common::limits::FRAME_HEADER_BYTES;
use common::wire::server_frame::Body;
use common::wire::{MessagesSkipped, ServerFrame};
use prost::Message;
use tokio::sync::Notify;

/// One connection as the hub sees it.
///
/// The outbox holds at most `bytes_max`, what is being written included. When it is full, what is stored is
/// left out, what was queued and what comes: the connection *lags*, until all else is written. Then the client
/// is told to read what it missed. If that does not make room, [`push`](Self::push) says so and the hub ends
/// the connection. From there on, and for a connection that is gone while its session is held, frames gather
/// for whoever comes back: up to half of `bytes_max`, so that they fit beside other things then, and the latest
/// rather than the first. What is fleeting gets no more than half of it, and is never gathered.
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
    /// There was no room, and what is stored is left out until there is nothing else to write.
    lagging: bool,
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
    /// There was no room: what is stored is left out from here on. Told once for each time that it happens.
    Lagging,
    /// There is no room for anything: the client does not read. Told once; the frame is kept, earlier ones may
    /// not be.
    Full,
}

/// What becomes of a frame that an outbox has no room for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The client can read it again.
    Stored,
    /// Soon nobody cares: it takes no room that anything else could need, and waits for nobody.
    Fleeting,
    /// It is told now or never.
    Passing,
}

impl Kind {
    pub(crate) fn of(frame: &ServerFrame) -> Self {
        match &frame.body {
            Some(Body::Message(_)) => Self::Stored,
            Some(Body::UserTyping(_)) => Self::Fleeting,
            _ => Self::Passing,
        }
    }
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
    pub(crate) fn push(&self, frame: Bytes, kind: Kind) -> Pushed {
        let mut inner = self.lock();
        if kind == Kind::Fleeting && !inner.takes_fleeting(frame.len(), self.bytes_max) {
            return Pushed::Further;
        }
        let was_gathering = inner.abandoned || inner.overflowed;
        if inner.ended || (inner.lagging && kind == Kind::Stored && !was_gathering) {
            return Pushed::Further;
        }
        if !was_gathering && !inner.has_room_for(frame.len(), self.bytes_max) {
            let was_lagging = std::mem::replace(&mut inner.lagging, true);
            inner.leave_out_all_but_passing();
            if kind == Kind::Stored {
                return Pushed::Lagging;
            }
            inner.overflowed = !inner.has_room_for(frame.len(), self.bytes_max);
            if !inner.overflowed {
                inner.queue(frame);
                // The writer has something to write, or there would be room.
                return if was_lagging { Pushed::Further } else { Pushed::Lagging };
            }
        }
        inner.queue(frame);
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

    /// Whether so many bytes of messages would fit now. Where they are left out or gather for later, nothing has to.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        let inner = self.lock();
        let needs_none = inner.ended || inner.abandoned || inner.overflowed || inner.lagging;
        needs_none || inner.has_room_for(bytes, self.bytes_max)
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
                if inner.frames.is_empty() && std::mem::take(&mut inner.lagging) && !inner.ended {
                    inner.frames.extend(messages_skipped());
                    inner.queued_bytes = inner.frames.iter().map(Bytes::len).sum();
                }
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
    fn has_room_for(&self, bytes: usize, bytes_max: usize) -> bool {
        self.queued_bytes + self.writing_bytes + bytes <= bytes_max
    }

    fn queue(&mut self, frame: Bytes) {
        self.queued_bytes += frame.len();
        self.frames.push(frame);
    }

    /// Whether there is somebody to read it soon, and it crowds out nothing: half of the outbox stays for others.
    fn takes_fleeting(&self, bytes: usize, bytes_max: usize) -> bool {
        let is_late = self.abandoned || self.overflowed || self.lagging;
        !is_late && self.has_room_for(bytes, bytes_max / 2)
    }

    /// Drops what the client can read again, or need not hear.
    fn leave_out_all_but_passing(&mut self) {
        self.frames
            .retain(|frame| decode(frame).is_none_or(|frame| Kind::of(&frame) == Kind::Passing));
        self.queued_bytes = self.frames.iter().map(Bytes::len).sum();
    }

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
/// answers nothing, is not about the connection itself, and is not over by then.
fn is_event(frame: &Bytes) -> bool {
    decode(frame).is_some_and(|frame| {
        frame.in_reply_to == 0
            && !matches!(
                frame.body,
                None | Some(Body::Ping(_) | Body::Goodbye(_) | Body::UserTyping(_))
            )
    })
}

fn decode(frame: &Bytes) -> Option<ServerFrame> {
    ServerFrame::decode(frame.get(FRAME_HEADER_BYTES..)?).ok()
}

fn messages_skipped() -> Option<Bytes> {
    let body = Some(Body::MessagesSkipped(MessagesSkipped {}));
    framing::encode(&ServerFrame { in_reply_to: 0, body }).ok()
}

#[cfg(test)]
mod tests;
