//! The receiver's thread after the handshake: datagrams in, file bytes to the sink, ACKs out.
//!
//! The hot path is one turn: up to [`RECEIVES_PER_TURN`] system calls, each of up to 64 KiB of joined
//! datagrams that are opened where they lie and copied once, into the run that is written when it is
//! large enough; then one ACK for all of them. Nothing is allocated in a turn.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::{
    Link, ReceiveConfig, ReceiveError, Received, SILENCE_AT_START_MAX, SILENCE_MAX,
};
use super::datagram_io::RECEIVE_BUFFER_BYTES;
use super::run_buffer::RunBuffer;
use super::socket::receive_window;
use crate::proto::close_frame::{CloseCode, CloseFrame};
use crate::proto::handshake::Established;
use crate::proto::limits::DATAGRAM_BYTES_BASE;
use crate::proto::receiver::{Receiver, ReceiverOutcome};
use crate::range_set::RangeSet;
use crate::sink::Sink;

/// Receives in a row before what they brought is acknowledged.
const RECEIVES_PER_TURN: usize = 4;

/// How long an ended session may repeat its CLOSE. The bytes are there, or given up: whoever waits
/// for the result is not kept waiting for the other end's answer.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// One session's receiving end.
pub(crate) struct ReceiveLoop<'a> {
    link: Link<'a>,
    receiver: Receiver,
    asked: &'a RangeSet,
    progress: &'a AtomicU64,
    runs: RunBuffer,
    /// What came after the sink had failed.
    dropped: RangeSet,
    buffer: Vec<u8>,
    started: Instant,
}

impl<'a> ReceiveLoop<'a> {
    pub(crate) fn new(
        link: Link<'a>,
        session: Established,
        config: &'a ReceiveConfig,
        progress: &'a AtomicU64,
    ) -> Self {
        let started = Instant::now();
        let window = receive_window(link.io.socket());
        Self {
            link,
            receiver: Receiver::new(started, session, config.missing.clone(), window),
            asked: &config.missing,
            progress,
            runs: RunBuffer::new(),
            dropped: RangeSet::new(),
            buffer: vec![0; RECEIVE_BUFFER_BYTES],
            started,
        }
    }

    /// Receives until the end, whichever it is.
    pub(crate) fn run(mut self, sink: &mut impl Sink) -> Received {
        let mut end = self.receive_all(sink);
        // What has arrived is kept, unless it is the disk that fails.
        if !matches!(end, Err(ReceiveError::Disk(_)))
            && let Err(error) = self.runs.flush(sink)
        {
            end = Err(ReceiveError::Disk(error));
        }
        if let Some((code, reason)) = last_words(&end) {
            self.receiver.close(Instant::now(), code, &reason);
        }
        self.say_farewell();
        let mut present = self.asked.clone();
        present.remove_all(self.receiver.missing());
        present.remove_all(&self.runs.unwritten());
        present.remove_all(&self.dropped);
        Received { present, end, stats: self.receiver.stats() }
    }

    /// Until everything is written to the sink and the sender is about to be told.
    fn receive_all(&mut self, sink: &mut impl Sink) -> Result<(), ReceiveError> {
        loop {
            let now = Instant::now();
            if self.link.is_cancelled() {
                return Err(ReceiveError::Cancelled);
            }
            self.receiver.handle_timeout(now);
            if let Some(end) = end_of(&self.receiver) {
                end?;
                self.runs.flush(sink).map_err(ReceiveError::Disk)?;
                self.receiver.finish(now);
                return Ok(());
            }
            self.transmit(now);
            let give_up = self.give_up_at(now);
            if now >= give_up {
                return Err(ReceiveError::Silent);
            }
            if self.receive_turn(sink)? == 0 {
                let due = self.receiver.poll_timeout().unwrap_or(give_up);
                self.link.wait(due.min(give_up)).map_err(ReceiveError::Socket)?;
            }
        }
    }

    /// One turn; gives how many receives brought something.
    fn receive_turn(&mut self, sink: &mut impl Sink) -> Result<usize, ReceiveError> {
        for turn in 0..RECEIVES_PER_TURN {
            let received = self.link.io.receive(&mut self.buffer).map_err(ReceiveError::Socket)?;
            let Some(received) = received else { return Ok(turn) };
            let now = Instant::now();
            let (runs, dropped, mut stored) = (&mut self.runs, &mut self.dropped, Ok(()));
            let arrived = self.buffer.get_mut(..received.bytes).unwrap_or_default();
            for datagram in arrived.chunks_mut(received.stride) {
                self.receiver.handle_datagram(now, received.ecn, datagram, |offset, chunk| {
                    if stored.is_ok() {
                        stored = runs.add(offset, chunk, sink);
                    }
                    if stored.is_err() {
                        dropped.insert(offset..offset + chunk.len() as u64);
                    }
                });
            }
            self.progress.store(self.receiver.file_bytes(), Ordering::Relaxed);
            stored.map_err(ReceiveError::Disk)?;
        }
        Ok(RECEIVES_PER_TURN)
    }

    fn transmit(&mut self, now: Instant) {
        let mut datagram = [0; DATAGRAM_BYTES_BASE];
        while let Some(bytes) = self.receiver.poll_transmit(now, &mut datagram) {
            self.link.send(datagram.get(..bytes).unwrap_or_default());
        }
    }

    /// When the silence will have lasted too long. Before the first packet it is the node that does
    /// not answer, so the time runs from the start.
    fn give_up_at(&self, now: Instant) -> Instant {
        if self.receiver.stats().packets == 0 {
            return self.started + SILENCE_AT_START_MAX;
        }
        let heard = now.checked_sub(self.receiver.silent_for(now)).unwrap_or(now);
        heard + SILENCE_MAX
    }

    /// Tells the sender that it is over, until it has answered or [`FAREWELL_MAX`] has passed.
    fn say_farewell(&mut self) {
        let give_up = Instant::now() + FAREWELL_MAX;
        loop {
            let now = Instant::now();
            self.receiver.handle_timeout(now);
            self.transmit(now);
            if now >= give_up || self.receiver.is_drained() {
                return;
            }
            let due = self.receiver.poll_timeout().unwrap_or(give_up);
            let heard = self.link.wait(due.min(give_up)).and_then(|()| self.hear_answer());
            if heard.is_err() {
                return;
            }
        }
    }

    fn hear_answer(&mut self) -> io::Result<()> {
        let Some(received) = self.link.io.receive(&mut self.buffer)? else { return Ok(()) };
        let now = Instant::now();
        let arrived = self.buffer.get_mut(..received.bytes).unwrap_or_default();
        for datagram in arrived.chunks_mut(received.stride) {
            // File bytes that come this late were not asked for, or were given up.
            self.receiver.handle_datagram(now, received.ecn, datagram, |_, _| {});
        }
        Ok(())
    }
}

/// Whether and how the transfer is over. Who has everything has it, whatever the sender said after the
/// last byte.
fn end_of(receiver: &Receiver) -> Option<Result<(), ReceiveError>> {
    if receiver.is_complete() && receiver.stats().packets > 0 {
        return Some(Ok(()));
    }
    receiver.outcome().map(|outcome| Err(error_of(outcome)))
}

/// What the sender is told when this end gives up. Nothing if it knows.
fn last_words(end: &Result<(), ReceiveError>) -> Option<(CloseCode, String)> {
    match end {
        Err(ReceiveError::Disk(error)) => Some((CloseCode::DiskFailed, error.kind().to_string())),
        Err(ReceiveError::Cancelled) => Some((CloseCode::Cancelled, String::new())),
        Ok(()) | Err(_) => None,
    }
}

fn error_of(outcome: &ReceiverOutcome) -> ReceiveError {
    match outcome {
        ReceiverOutcome::ClosedByPeer(CloseFrame { code: CloseCode::FileChanged, .. }) => {
            ReceiveError::FileChanged
        }
        ReceiverOutcome::ClosedByPeer(CloseFrame { code, reason }) => {
            ReceiveError::Closed { code: *code, reason: reason.clone() }
        }
        ReceiverOutcome::Forged => ReceiveError::Forged,
        // This end closes only after its last question for an outcome.
        ReceiverOutcome::Silent | ReceiverOutcome::Done | ReceiverOutcome::ClosedHere(_) => {
            ReceiveError::Silent
        }
    }
}

#[cfg(test)]
mod tests;
