//! The receiver's thread after the handshake: datagrams in, file bytes to the sink, ACKs out.
//!
//! The hot path is one turn: what waits, at most [`TURN_BYTES`] of it, is received in runs of joined
//! datagrams (or many single ones a system call), opened where it lies and copied once, into the run
//! that is written when it is large enough; then one ACK for all of it. Nothing is allocated in a turn.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::{Link, ReceiveError, Received, SILENCE_AT_START_MAX, SILENCE_MAX};
use super::datagram_io::Arrivals;
use super::drop_counter::DropCounter;
use super::mailboxes::MailboxKey;
use super::network_change::NetworkChange;
use super::receive_window::ReceiveWindow;
use super::run_buffer::RunBuffer;
use super::socket::receive_window;
use super::supervisor::Supervisor;
use crate::proto::close_frame::{CloseCode, CloseFrame};
use crate::proto::ecn::Ecn;
use crate::proto::handshake::Established;
use crate::proto::limits::{self, DATAGRAM_BYTES_BASE};
use crate::proto::receiver::{Receiver, ReceiverOutcome};
use crate::proto::sender::SessionSeed;
use crate::range_set::RangeSet;
use crate::sink::Sink;

/// Bytes received in a row before they are acknowledged. More would keep the sender waiting, less
/// would cost an ACK for every few datagrams where the kernel does not join them.
const TURN_BYTES: usize = 256 << 10;

/// How long an ended session may repeat its CLOSE. The bytes are there, or given up: whoever waits
/// for the result is not kept waiting for the other end's answer.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// How patient a receiving end is, and how much it takes.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Without a packet for so long at the start …
    pub(crate) silence_at_start_max: Duration,
    /// … or later nothing gets through.
    pub(crate) silence_max: Duration,
    /// A peer that answers and sends no byte that is missing for so long is closed as stalled.
    pub(crate) stall_max: Duration,
    /// File bytes taken in all, repeats included.
    pub(crate) bytes_max: u64,
    /// It may go on from a new socket: a client's, for a node's is its front door's.
    pub(crate) moves: bool,
}

impl Bounds {
    /// There is another way to try, and a node keeps to what the ticket allows by itself.
    pub(crate) const OF_CLIENT: Self = Self {
        silence_at_start_max: SILENCE_AT_START_MAX,
        silence_max: SILENCE_MAX,
        stall_max: Duration::MAX,
        bytes_max: u64::MAX,
        moves: true,
    };

    /// A node waits as long as the protocol does, and takes what the ticket allows.
    pub(crate) fn of_node(bytes_max: u64) -> Self {
        Self {
            silence_at_start_max: limits::SILENCE_MAX,
            silence_max: limits::SILENCE_MAX,
            stall_max: limits::STALL_MAX,
            bytes_max,
            moves: false,
        }
    }
}

/// One session's receiving end.
pub(crate) struct ReceiveLoop<'a, S> {
    link: Link<S>,
    receiver: Receiver<SocketAddr>,
    asked: &'a RangeSet,
    progress: &'a AtomicU64,
    bounds: Bounds,
    /// Since when no missing byte has come, and how many had.
    progressed: (Instant, u64),
    /// File bytes that the supervisor knows of.
    told: u64,
    runs: RunBuffer,
    /// What came after the sink had failed.
    dropped: RangeSet,
    arrivals: Arrivals,
    window: ReceiveWindow,
    /// `None` where the kernel's drops cannot be read: the window then stays as it is.
    drops: Option<DropCounter>,
    started: Instant,
    network: NetworkChange,
    /// For what comes from other addresses than the peer's; only a node's clients may change theirs.
    mailbox: Option<MailboxKey>,
}

impl<'a, S: Supervisor> ReceiveLoop<'a, S> {
    pub(crate) fn new(
        link: Link<S>,
        session: Established,
        missing: &'a RangeSet,
        progress: &'a AtomicU64,
        bounds: Bounds,
    ) -> Self {
        let started = Instant::now();
        let window = ReceiveWindow::new(started, receive_window(link.io.socket()));
        let drops = DropCounter::of(link.io.socket());
        let peer = (link.peer, SessionSeed::new(rand::random()));
        Self {
            link,
            receiver: Receiver::new(started, session, peer, missing.clone(), window.bytes()),
            asked: missing,
            progress,
            bounds,
            progressed: (started, 0),
            told: 0,
            runs: RunBuffer::new(),
            dropped: RangeSet::new(),
            arrivals: Arrivals::new(),
            window,
            drops,
            started,
            network: NetworkChange::new(started),
            mailbox: None,
        }
    }

    /// Follows a client that goes on from another address, whose datagrams come into `mailbox`.
    pub(crate) fn with_mailbox(self, mailbox: MailboxKey) -> Self {
        Self { mailbox: Some(mailbox), ..self }
    }

    /// Receives until the end, whichever it is.
    pub(crate) fn run(mut self, sink: &mut impl Sink) -> Received {
        let mut end = self.receive_all(sink);
        self.tell_taken();
        // What has arrived is kept, unless it is the disk that fails.
        if !matches!(end, Err(ReceiveError::Disk(_)))
            && let Err(error) = self.runs.flush(sink)
        {
            end = Err(ReceiveError::Disk(error));
        }
        // A sink that is taken away fails, too: then it is the end from outside that counts.
        if matches!(end, Err(ReceiveError::Disk(_))) && self.link.supervisor.end().is_some() {
            end = Err(ReceiveError::Cancelled);
        }
        if let Some((code, reason)) = self.last_words(&end) {
            self.receiver.close(Instant::now(), code, &reason);
        }
        self.link.supervisor.over();
        self.say_farewell();
        let mut present = self.asked.clone();
        present.remove_all(self.receiver.missing());
        present.remove_all(&self.runs.unwritten());
        present.remove_all(&self.dropped);
        Received { present, end, stats: self.receiver.stats() }
    }

    /// Takes datagrams of the peer that arrived before this loop began.
    pub(crate) fn take_early(&mut self, early: &mut [Vec<u8>], sink: &mut impl Sink) {
        let (now, from) = (Instant::now(), self.link.peer);
        for datagram in early {
            // A sink that fails says so again at the next write.
            let _ = self.take(now, from, Ecn::NotEct, datagram, sink);
        }
    }

    /// Until everything is written to the sink and the sender is about to be told.
    fn receive_all(&mut self, sink: &mut impl Sink) -> Result<(), ReceiveError> {
        loop {
            let now = Instant::now();
            if self.link.supervisor.end().is_some() {
                return Err(ReceiveError::Cancelled);
            }
            self.receive_from_elsewhere(now, sink)?;
            self.receiver.handle_timeout(now);
            if let Some(end) = end_of(&self.receiver) {
                end?;
                self.runs.flush(sink).map_err(ReceiveError::Disk)?;
                self.receiver.finish(now);
                return Ok(());
            }
            self.check_bounds(now)?;
            self.adjust_window(now);
            self.transmit(now);
            let give_up = self.give_up_at(now);
            if now >= give_up {
                return Err(ReceiveError::Silent);
            }
            if !self.receive_turn(sink)? {
                if self.follow_network(now) {
                    continue;
                }
                let due = self.receiver.poll_timeout().unwrap_or(give_up);
                self.link.wait(due.min(give_up)).map_err(ReceiveError::Socket)?;
            }
        }
    }

    /// In a silence, goes on from a new socket where the old one may be of no more use; the session
    /// stays the same. Says whether it did.
    fn follow_network(&mut self, now: Instant) -> bool {
        if !self.bounds.moves || self.receiver.stats().packets == 0 {
            return false;
        }
        let (silence, node) = (self.receiver.silent_for(now), self.link.peer);
        if self.network.follow(now, silence, &mut self.link.io, node).is_none() {
            return false;
        }
        let socket = self.link.io.socket();
        self.window = ReceiveWindow::new(now, receive_window(socket));
        self.drops = DropCounter::of(socket);
        self.receiver.set_window(now, self.window.bytes());
        self.receiver.readdressed(now);
        true
    }

    /// Takes in what the front door got for this session from other addresses.
    fn receive_from_elsewhere(
        &mut self,
        now: Instant,
        sink: &mut impl Sink,
    ) -> Result<(), ReceiveError> {
        let Some(mailbox) = &self.mailbox else { return Ok(()) };
        for (from, mut datagram) in mailbox.empty() {
            self.take(now, from, Ecn::NotEct, &mut datagram, sink)?;
        }
        if self.receiver.peer() != self.link.peer {
            self.follow_peer();
        }
        Ok(())
    }

    /// The peer has proven another address: the socket takes its datagrams from there alone.
    fn follow_peer(&mut self) {
        let (before, peer) = (self.link.peer, self.receiver.peer());
        tracing::info!(%before, %peer, "a client goes on from another address");
        if let Err(error) = self.link.io.socket().connect(peer) {
            // Its datagrams come by way of the front door then.
            tracing::warn!(%error, %peer, "a session's socket does not follow its client");
        }
        self.link.peer = peer;
    }

    /// Takes in one datagram, whose file bytes go to the sink.
    fn take(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ecn: Ecn,
        datagram: &mut [u8],
        sink: &mut impl Sink,
    ) -> Result<(), ReceiveError> {
        let (runs, dropped, mut stored) = (&mut self.runs, &mut self.dropped, Ok(()));
        self.receiver.handle_datagram(now, from, ecn, datagram, |offset, chunk| {
            if stored.is_ok() {
                stored = runs.add(offset, chunk, sink);
            }
            if stored.is_err() {
                dropped.insert(offset..offset + chunk.len() as u64);
            }
        });
        stored.map_err(ReceiveError::Disk)
    }

    /// One turn; says whether anything came.
    fn receive_turn(&mut self, sink: &mut impl Sink) -> Result<bool, ReceiveError> {
        let mut bytes = 0;
        while bytes < TURN_BYTES {
            let came =
                self.link.io.receive_many(&mut self.arrivals).map_err(ReceiveError::Socket)?;
            if !came {
                break;
            }
            let now = Instant::now();
            let (runs, dropped, mut stored) = (&mut self.runs, &mut self.dropped, Ok(()));
            for (received, arrived) in self.arrivals.each() {
                // An empty datagram counts too, or a flood of them would never end a turn.
                bytes += arrived.len().max(received.stride);
                for datagram in arrived.chunks_mut(received.stride) {
                    let (from, ecn) = (received.from, received.ecn);
                    self.receiver.handle_datagram(now, from, ecn, datagram, |offset, chunk| {
                        if stored.is_ok() {
                            stored = runs.add(offset, chunk, sink);
                        }
                        if stored.is_err() {
                            dropped.insert(offset..offset + chunk.len() as u64);
                        }
                    });
                }
            }
            self.progress.store(self.receiver.file_bytes(), Ordering::Relaxed);
            stored.map_err(ReceiveError::Disk)?;
        }
        Ok(bytes > 0)
    }

    /// Tells the sender of a smaller window while the kernel has to drop what it sends.
    fn adjust_window(&mut self, now: Instant) {
        if self.window.is_due(now) {
            let drops = self.drops.as_ref().and_then(DropCounter::read);
            if self.window.look(now, drops) {
                tracing::debug!(window = self.window.bytes(), ?drops, "another receive window");
                self.receiver.set_window(now, self.window.bytes());
            }
        }
    }

    fn transmit(&mut self, now: Instant) {
        let mut datagram = [0; DATAGRAM_BYTES_BASE];
        while let Some((to, bytes)) = self.receiver.poll_challenge(now, &mut datagram) {
            self.link.send_to(to, datagram.get(..bytes).unwrap_or_default());
        }
        while let Some(bytes) = self.receiver.poll_transmit(now, &mut datagram) {
            self.link.send(datagram.get(..bytes).unwrap_or_default());
        }
    }

    /// When the silence will have lasted too long. Before the first packet it is the node that does
    /// not answer, so the time runs from the start.
    fn give_up_at(&self, now: Instant) -> Instant {
        if self.receiver.stats().packets == 0 {
            return self.started + self.bounds.silence_at_start_max;
        }
        let heard = now.checked_sub(self.receiver.silent_for(now)).unwrap_or(now);
        heard + self.bounds.silence_max
    }

    /// Has what was taken accounted for; says how much it is in all.
    fn tell_taken(&mut self) -> u64 {
        let (new, repeated) = (self.receiver.file_bytes(), self.receiver.stats().redundant_bytes);
        let taken = new.saturating_add(repeated);
        self.link.supervisor.took(taken.saturating_sub(self.told));
        self.told = taken;
        taken
    }

    /// Gives up on a peer that sends more than it may, or nothing that is missing.
    fn check_bounds(&mut self, now: Instant) -> Result<(), ReceiveError> {
        if self.tell_taken() > self.bounds.bytes_max {
            return Err(ReceiveError::GivenUp(CloseCode::LimitReached));
        }
        let new = self.receiver.file_bytes();
        if new != self.progressed.1 {
            self.progressed = (now, new);
        }
        if now.saturating_duration_since(self.progressed.0) >= self.bounds.stall_max {
            return Err(ReceiveError::GivenUp(CloseCode::Stalled));
        }
        Ok(())
    }

    /// What the sender is told when this end gives up. Nothing if it knows.
    fn last_words(&self, end: &Result<(), ReceiveError>) -> Option<(CloseCode, String)> {
        match end {
            Err(ReceiveError::Disk(error)) => Some((disk_code(error), error.kind().to_string())),
            Err(ReceiveError::GivenUp(code)) => Some((*code, String::new())),
            Err(ReceiveError::Cancelled) => {
                self.link.supervisor.end().map(|(code, reason)| (code, reason.to_owned()))
            }
            Ok(()) | Err(_) => None,
        }
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
        self.link.io.receive_many(&mut self.arrivals)?;
        let now = Instant::now();
        for (received, arrived) in self.arrivals.each() {
            for datagram in arrived.chunks_mut(received.stride) {
                // File bytes that come this late were not asked for, or were given up.
                self.receiver.handle_datagram(
                    now,
                    received.from,
                    received.ecn,
                    datagram,
                    |_, _| {},
                );
            }
        }
        Ok(())
    }
}

/// A full disk may have room again later; no other failure heals by itself.
fn disk_code(error: &io::Error) -> CloseCode {
    match error.kind() {
        // Another session writes the part by now, or it is being checked.
        io::ErrorKind::Interrupted => CloseCode::Replaced,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CloseCode::DiskFull,
        _ => CloseCode::DiskFailed,
    }
}

/// Whether and how the transfer is over. Who has everything has it, whatever the sender said after the
/// last byte.
fn end_of(receiver: &Receiver<SocketAddr>) -> Option<Result<(), ReceiveError>> {
    if receiver.is_complete() && receiver.stats().packets > 0 {
        return Some(Ok(()));
    }
    receiver.outcome().map(|outcome| Err(error_of(outcome)))
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
