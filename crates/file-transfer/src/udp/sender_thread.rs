//! One session's sending thread: file bytes in, sealed datagrams out, ACKs in.
//!
//! The hot path is one batch: the state machine plans up to 45 datagrams, one `preadv` puts the file's
//! bytes into their places, each is sealed where it lies, and one `sendmsg` takes them all. Nothing
//! is allocated for it. Whatever ends the session from outside wakes the thread.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::datagram_io::{DatagramIo, Outgoing, RECEIVE_BUFFER_BYTES, SEGMENTS_MAX, Sent};
use super::front_door::Admitted;
use super::mailboxes::MailboxKey;
use super::network_change::{Moved, NetworkChange};
use super::server::{OpenError, Service};
use super::source_file::{SourceError, SourceFile};
use super::supervisor::Supervisor;
use super::wakeup::wait_readable;
use crate::file_path::FilePath;
use crate::proto::close_frame::CloseCode;
use crate::proto::front_door::NewSession;
use crate::proto::limits::{DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_MAX};
use crate::proto::sender::{
    Batch, CongestionChoice, Sender, SenderConfig, SenderOutcome, SenderStats, SessionSeed,
};
use crate::sessions::Place;
use crate::ticket::Grant;

/// Batches sent in a row before ACKs are looked for.
const BATCHES_PER_TURN: usize = 4;

/// Receives in a row before the next batches.
const RECEIVES_PER_TURN: usize = 8;

/// How long an ended session may repeat its CLOSE, or answer a repeated one.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Room for the largest batch.
const BATCH_BYTES_MAX: usize = SEGMENTS_MAX * DATAGRAM_BYTES_MAX;

/// A session that ended, for the node's log.
#[derive(Debug, Clone)]
pub struct SessionReport {
    /// Whose it was.
    pub user: String,
    /// The login it belonged to.
    pub login: u64,
    /// Which file.
    pub file: FilePath,
    /// Where to.
    pub peer: SocketAddr,
    /// How it ended.
    pub end: SenderOutcome,
    /// How long it took.
    pub duration: Duration,
    /// What it took.
    pub stats: SenderStats,
}

/// A confirmed session with its socket, before its thread runs.
pub(crate) struct SessionStart {
    pub(crate) session: NewSession<SocketAddr, Admitted>,
    pub(crate) io: DatagramIo,
    /// Datagrams of the peer that have arrived already; the first one proved its address.
    pub(crate) early: Vec<Vec<u8>>,
}

/// Starts the thread of a session that has a place.
pub(crate) fn spawn(start: SessionStart, place: Place, service: &Arc<Service>) {
    let (key, sessions) = (place.key(), service.sessions.clone());
    let service = service.clone();
    let thread = std::thread::Builder::new().name("file-session".into()).spawn(move || {
        let report = run(start, &place, &service);
        drop(place);
        if let Some(on_session_end) = &service.on_session_end {
            on_session_end(&report);
        }
    });
    match thread {
        Ok(thread) => sessions.attach(key, thread),
        Err(error) => tracing::error!(%error, "no thread for a session"),
    }
}

/// Tells a peer why there is nothing for it. Said once: if it is lost, the peer hears nothing.
pub(crate) fn refuse(start: SessionStart, code: CloseCode, reason: &str) {
    let now = Instant::now();
    let mut session = Session::of_node(now, start, CongestionChoice::default());
    session.sender.close(now, code, reason);
    session.transmit(now);
}

fn run(mut start: SessionStart, place: &Place, service: &Service) -> SessionReport {
    let began = Instant::now();
    let peer = start.session.peer;
    let Grant { user, login, file, .. } = start.session.grant.grant.clone();
    let source = open_source(&start.session.grant.grant, service);
    let allowed = &mut start.session.grant.grant.bytes_max;
    *allowed = place.bytes_left(*allowed);
    let (session_id, wakeup) = (start.session.session_id, place.control().wakeup().clone());
    let mut session = Session::of_node(began, start, service.sending.congestion);
    session.mailbox = Some(service.sessions.mailboxes().open(session_id, wakeup));
    let end = session.run(&place, source, |_| {});
    SessionReport {
        user,
        login,
        file,
        peer,
        end,
        duration: began.elapsed(),
        stats: session.sender.stats(),
    }
}

fn open_source(grant: &Grant, service: &Service) -> Result<SourceFile, SourceError> {
    match (service.open_file)(&grant.file) {
        Ok(file) => SourceFile::new(file, grant.version),
        Err(OpenError::Gone) => Err(SourceError::Changed),
        Err(OpenError::Unreadable) => {
            Err(SourceError::Unreadable(std::io::ErrorKind::PermissionDenied.into()))
        }
    }
}

/// How patient a client's sending end is: there is another way to try. A node waits as long as the
/// protocol does.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// Without a packet for so long at the start …
    pub(crate) at_start: Duration,
    /// … or later nothing gets through.
    pub(crate) later: Duration,
}

/// A sending end with its socket and its buffers.
pub(crate) struct Session {
    io: DatagramIo,
    peer: SocketAddr,
    sender: Sender<SocketAddr>,
    batch: Batch,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    patience: Option<Patience>,
    started: Instant,
    /// Why the file cannot be sent any further.
    problem: Option<SourceError>,
    /// When the next batch may go, where there is a limit to how fast it goes.
    not_before: Option<Instant>,
    /// For what comes from other addresses than the peer's; only a node's clients may change theirs.
    mailbox: Option<MailboxKey>,
    /// Of a client, which may go on from a new socket; a node's is its front door's.
    network: Option<NetworkChange>,
}

impl Session {
    fn of_node(now: Instant, start: SessionStart, congestion: CongestionChoice) -> Self {
        let SessionStart { session, io, mut early } = start;
        let seed = SessionSeed::new(rand::random());
        let config = SenderConfig {
            session_id: session.session_id,
            peer: session.peer,
            same_host: |one, other| one.ip() == other.ip(),
            keys: session.keys,
            file_bytes: session.file.file_bytes,
            bytes_max: session.grant.grant.bytes_max,
            datagram_bytes_max: session.datagram_bytes_max.min(DATAGRAM_BYTES_MAX),
            rtt: session.rtt,
            seed,
            controller: congestion.controller(DATAGRAM_BYTES_BASE, seed.for_congestion()),
        };
        let mut sender = Sender::new(now, config);
        early.iter_mut().for_each(|datagram| sender.handle_datagram(now, session.peer, datagram));
        Self::new(now, io, session.peer, sender, None)
    }

    pub(crate) fn new(
        now: Instant,
        io: DatagramIo,
        peer: SocketAddr,
        sender: Sender<SocketAddr>,
        patience: Option<Patience>,
    ) -> Self {
        Self {
            io,
            peer,
            sender,
            batch: Batch::new(),
            outgoing: vec![0; BATCH_BYTES_MAX],
            incoming: vec![0; RECEIVE_BUFFER_BYTES],
            patience,
            started: now,
            problem: None,
            // A user who starts one transfer after the other waits like with one.
            not_before: Some(now),
            mailbox: None,
            network: patience.map(|_| NetworkChange::new(now)),
        }
    }

    /// The state machine, for its counters.
    pub(crate) fn sender(&self) -> &Sender<SocketAddr> {
        &self.sender
    }

    /// Why the file could not be sent to the end, where that was it.
    pub(crate) fn into_problem(self) -> Option<SourceError> {
        self.problem
    }

    /// Sends what is asked for until the session has ended and its end was told.
    pub(crate) fn run(
        &mut self,
        supervisor: &impl Supervisor,
        source: Result<SourceFile, SourceError>,
        mut received: impl FnMut(u64),
    ) -> SenderOutcome {
        let source = match source {
            Ok(source) => Some(source),
            Err(error) => {
                self.give_up(error);
                None
            }
        };
        let mut farewell_ends = None;
        loop {
            let now = Instant::now();
            if let Some((code, reason)) = supervisor.end() {
                self.sender.close(now, code, reason);
            }
            if self.silent_at(now).is_some_and(|at| now >= at) {
                return SenderOutcome::Silent;
            }
            self.receive_from_elsewhere(now);
            self.sender.handle_timeout(now);
            if self.sender.outcome().is_some() && farewell_ends.is_none() {
                supervisor.over();
                farewell_ends = Some(now + FAREWELL_MAX);
            }
            self.transmit(now);
            let sends_more =
                source.as_ref().is_some_and(|source| self.send_batches(source, supervisor));
            if let (Some(outcome), Some(ends)) = (self.sender.outcome(), farewell_ends)
                && (now >= ends || self.sender.is_drained(now))
            {
                return outcome.clone();
            }
            let heard = self.receive_turn();
            received(self.sender.file_bytes_received());
            if heard {
                supervisor.heard(Instant::now());
            }
            if !sends_more && !heard && !self.follow_network(now) {
                self.wait(supervisor, farewell_ends);
            }
        }
    }

    /// When a silence that has lasted until `now` will have lasted too long for this end.
    fn silent_at(&self, now: Instant) -> Option<Instant> {
        let Patience { at_start, later } = self.patience?;
        if self.sender.outcome().is_some() {
            return None;
        }
        let heard = now.checked_sub(self.sender.silent_for(now)).unwrap_or(now);
        // Until the first packet, the silence began with the session.
        Some(if heard <= self.started { self.started + at_start } else { heard + later })
    }

    /// Sends the datagrams without file bytes that are due.
    fn transmit(&mut self, now: Instant) {
        while let Some((to, bytes)) = self.sender.poll_challenge(now, &mut self.outgoing) {
            self.send_to(to, bytes, bytes);
        }
        while let Some(bytes) = self.sender.poll_transmit(now, &mut self.outgoing) {
            self.send(bytes, bytes);
        }
    }

    /// Sends file bytes as far as windows, pace and the limit of the rate allow; says whether there may
    /// be more to send right now.
    fn send_batches(&mut self, source: &SourceFile, supervisor: &impl Supervisor) -> bool {
        if let Some(at) = self.not_before {
            let now = Instant::now();
            // Its time has come, but it may be somebody else's turn.
            self.not_before = if now < at { Some(at) } else { supervisor.next_batch(now, 0) };
            if self.not_before.is_some() {
                self.sender.held_back(now);
                return false;
            }
        }
        for _ in 0..BATCHES_PER_TURN {
            if !self.sender.poll_batch(Instant::now(), SEGMENTS_MAX, &mut self.batch) {
                return false;
            }
            let places = self.batch.slots().iter().map(|slot| (slot.offset(), slot.payload()));
            if let Err(error) = source.fill(&mut self.outgoing, places) {
                self.give_up(error);
                return false;
            }
            for slot in self.batch.slots() {
                if let Some(datagram) = self.outgoing.get_mut(slot.datagram()) {
                    self.sender.seal(slot, datagram);
                }
            }
            self.send(self.batch.total_bytes(), self.batch.segment_bytes());
            let payloads = self.batch.slots().iter().map(|slot| slot.payload().len() as u64);
            // Paid for at once: what the path takes for it is no time lost.
            self.not_before = supervisor.next_batch(Instant::now(), payloads.sum());
            if self.not_before.is_some() {
                return false;
            }
        }
        true
    }

    /// Sends the first `bytes` of the outgoing buffer. What does not go out is lost, and found so.
    fn send(&mut self, bytes: usize, segment_bytes: usize) {
        self.send_to(self.peer, bytes, segment_bytes);
    }

    fn send_to(&mut self, to: SocketAddr, bytes: usize, segment_bytes: usize) {
        let batch = Outgoing {
            to,
            from_ip: None,
            contents: self.outgoing.get(..bytes).unwrap_or_default(),
            segment_bytes,
            ecn: self.sender.ecn(),
        };
        if self.io.send(&batch) == Sent::TooLarge {
            tracing::debug!(peer = %self.peer, segment_bytes, "larger than the interface takes");
            self.sender.datagrams_too_large(Instant::now(), segment_bytes);
        }
    }

    /// Takes in what waits; says whether there was anything.
    fn receive_turn(&mut self) -> bool {
        for turn in 0..RECEIVES_PER_TURN {
            let received = match self.io.receive(&mut self.incoming) {
                Ok(Some(received)) => received,
                Ok(None) => return turn > 0,
                Err(error) => {
                    tracing::warn!(%error, peer = %self.peer, "a session's socket fails");
                    self.sender.close(Instant::now(), CloseCode::ShuttingDown, "socket failed");
                    return false;
                }
            };
            let now = Instant::now();
            let arrived = self.incoming.get_mut(..received.bytes).unwrap_or_default();
            for datagram in arrived.chunks_mut(received.stride) {
                self.sender.handle_datagram(now, received.from, datagram);
            }
        }
        true
    }

    /// Takes in what the front door got for this session from other addresses.
    fn receive_from_elsewhere(&mut self, now: Instant) {
        let Some(mailbox) = &self.mailbox else { return };
        for (from, mut datagram) in mailbox.empty() {
            self.sender.handle_datagram(now, from, &mut datagram);
        }
        if self.sender.peer() != self.peer {
            self.follow_peer();
        }
    }

    /// The peer has proven another address: the socket takes its datagrams from there alone.
    fn follow_peer(&mut self) {
        let (before, peer) = (self.peer, self.sender.peer());
        tracing::info!(%before, %peer, "a client goes on from another address");
        if let Err(error) = self.io.socket().connect(peer) {
            // Its datagrams come by way of the front door then.
            tracing::warn!(%error, %peer, "a session's socket does not follow its client");
        }
        self.peer = peer;
    }

    /// In a silence, goes on from a new socket where the old one may be of no more use; the session
    /// stays the same. Says whether it did.
    fn follow_network(&mut self, now: Instant) -> bool {
        let silence = self.sender.silent_for(now);
        let is_over = self.sender.outcome().is_some();
        let has_answered = now.checked_sub(silence).is_some_and(|heard| heard > self.started);
        let Some(network) = self.network.as_mut().filter(|_| has_answered && !is_over) else {
            return false;
        };
        let Some(moved) = network.follow(now, silence, &mut self.io, self.peer) else {
            return false;
        };
        tracing::debug!(?moved, node = %self.peer, "a client goes on from a new socket");
        self.sender.moved(now, moved == Moved::Network);
        true
    }

    /// Waits for a datagram, for the end, or until something is due.
    fn wait(&self, supervisor: &impl Supervisor, farewell_ends: Option<Instant>) {
        let now = Instant::now();
        // Until then the sender is ready in vain; what else was due has just been done.
        let held_back = self.not_before.is_some_and(|at| now < at);
        let of_sender = self.sender.poll_timeout(now).filter(|at| !held_back || *at > now);
        let times = [of_sender, farewell_ends, self.silent_at(now), self.not_before];
        let due = times.into_iter().flatten().min();
        let timeout = due.map(|due| due.saturating_duration_since(now));
        if let Err(error) = wait_readable(self.io.as_fd(), supervisor.wakeup(), timeout) {
            tracing::warn!(%error, "a session cannot wait");
        }
    }

    fn give_up(&mut self, error: SourceError) {
        let code = match error {
            SourceError::Changed => CloseCode::FileChanged,
            SourceError::Unreadable(_) => CloseCode::FileUnreadable,
        };
        tracing::info!(%error, peer = %self.peer, "a transfer is given up");
        // What the disk said is the operator's business.
        self.sender.close(Instant::now(), code, "");
        self.problem = Some(error);
    }
}
