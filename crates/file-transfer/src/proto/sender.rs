//! The sending end of a session: which bytes go out when, what was lost, when it is over.
//!
//! * `sender/work_list.rs`: which file bytes are to be sent, lost ones first
//! * `sender/sending.rs`: what goes out next
//! * `sender/batch.rs`: one send, with places for file bytes
//! * `sender/flight.rs`: what is on the way and what follows from an ACK, on top of
//!   `sent_packets.rs` (the ring), `loss_detection.rs` with `reordering.rs`, `delivery_rate.rs`,
//!   `pacer.rs`, `path_mtu.rs` and `ecn_validation.rs` with `black_hole.rs`, `number_skips.rs`
//! * `sender/congestion.rs`: the trait; `cubic.rs` with `hystart.rs` and `bbr.rs`
//!   implement it
//!
//! The other end is [`receiver`](super::receiver). Where that is, and when another address of it is
//! proven, is the business of `address_change.rs`, which both ends have.

use std::time::{Duration, Instant};

pub use self::batch::{Batch, Slot};
pub use self::bbr::Bbr;
pub use self::congestion::{
    AckSample, CongestionChoice, CongestionController, LossSample, LostPacket,
};
pub use self::cubic::Cubic;
pub use self::delivery_rate::RateSample;
pub use self::sender_stats::SenderStats;
pub use self::session_seed::SessionSeed;

use self::flight::{Flight, NeverSent};
use self::work_list::WorkList;
use super::ack_frame::AckFrame;
use super::address_change::{AddressChange, Token};
use super::close_frame::{CloseCode, CloseFrame};
use super::closing::Closing;
use super::ecn::Ecn;
use super::keys::SessionKeys;
use super::limits::{
    CLOSE_ATTEMPTS_MAX, COMPLETE_IDLE_MAX, PING_ANSWER_INTERVAL_MIN, STALL_MAX, WANTED_RANGES_MAX,
};
use super::liveness::Liveness;
use super::packet::{Header, PacketKind};
use super::ping_frame::PingFrame;
use super::rtt::RttEstimator;
use super::sealed_channel::SealedChannel;
use super::want_frame::WantFrame;

mod batch;
mod bbr;
mod black_hole;
mod congestion;
mod cubic;
mod delivery_rate;
mod ecn_validation;
mod flight;
mod hystart;
mod loss_detection;
mod number_skips;
mod pacer;
mod path_mtu;
mod reordering;
mod sender_stats;
mod sending;
mod sent_packets;
mod session_seed;
mod split_mix;
mod work_list;

/// Packets sent on a probe timeout (RFC 9002, section 6.2.4).
const PROBES_PER_TIMEOUT: u32 = 2;

/// How a session ended, as the sender sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderOutcome {
    /// The receiver has everything.
    Done,
    /// [`Sender::close`] was called, or the peer broke a rule.
    ClosedHere(CloseCode),
    /// The receiver ended the session.
    ClosedByPeer(CloseFrame),
    /// Nothing authentic came for 30 s.
    Silent,
    /// So many forged packets came that the keys must not be used any longer.
    Forged,
}

/// What a sender needs to know.
#[derive(Debug)]
pub struct SenderConfig<A> {
    /// The session's name.
    pub session_id: u64,
    /// Where the receiver is: the address that the handshake proved.
    pub peer: A,
    /// Whether two addresses differ in their port alone: the path to both is the same (RFC 9000,
    /// section 9.4).
    pub same_host: fn(&A, &A) -> bool,
    /// Traffic keys of this end.
    pub keys: SessionKeys,
    /// Size of the file; a WANT beyond it ends the session.
    pub file_bytes: u64,
    /// File bytes that may be sent in all, retransmissions included.
    pub bytes_max: u64,
    /// Largest datagram that both ends and the interface take.
    pub datagram_bytes_max: usize,
    /// Round trip of the handshake, if it was measured.
    pub rtt: Option<Duration>,
    /// Secret randomness: which packet numbers are left out, and what challenges say.
    pub seed: SessionSeed,
    /// Who decides how much may be in flight.
    pub controller: Box<dyn CongestionController>,
}

/// Sends what the receiver asks for.
///
/// Calling order: give every datagram to [`handle_datagram`](Self::handle_datagram); when
/// [`poll_timeout`](Self::poll_timeout) is reached call [`handle_timeout`](Self::handle_timeout);
/// after either, drain [`poll_transmit`](Self::poll_transmit) and then
/// [`poll_batch`](Self::poll_batch): for each [`Slot`] read its file bytes into its payload's place,
/// [`seal`](Self::seal) the datagram, and send the whole batch. What a batch carries counts as sent
/// from `poll_batch` on; a batch that the system refuses is lost like any other. All of it goes to
/// [`peer`](Self::peer), which may be another after each `handle_datagram`; only what
/// [`poll_challenge`](Self::poll_challenge) gives goes where it says.
/// [`outcome`](Self::outcome) ends the session; go on until [`is_drained`](Self::is_drained), so that
/// a repeated CLOSE is answered.
///
/// `A` is the address type.
#[derive(Debug)]
pub struct Sender<A> {
    channel: SealedChannel,
    address: AddressChange<A>,
    same_host: fn(&A, &A) -> bool,
    work: WorkList,
    flight: Flight,
    liveness: Liveness,
    file_bytes: u64,
    bytes_left: u64,
    want_version: u32,
    /// Number of the newest packet whose window and counters count.
    newest_report: Option<u64>,
    last_eliciting: Option<Instant>,
    last_sync: Option<Instant>,
    ping_due: bool,
    /// When a PING was answered last.
    answered_at: Option<Instant>,
    /// The node has heard this end from another address, and asks there whether it is this end.
    path_response: Option<Token>,
    /// Packets to be sent whatever the windows say.
    probes_due: u32,
    /// Since when everything asked for has arrived; `None` while something has not.
    complete_since: Option<Instant>,
    /// When the work in hand was asked for.
    work_since: Instant,
    closing: Option<Closing>,
    /// A CLOSE(done) is to be answered.
    close_answer_due: bool,
    close_answers_left: u32,
    drained_at: Option<Instant>,
    outcome: Option<SenderOutcome>,
    stats: SenderStats,
}

impl<A: Copy + Eq> Sender<A> {
    /// A session whose first packet, which proved the address, comes next.
    #[must_use]
    pub fn new(now: Instant, config: SenderConfig<A>) -> Self {
        let rtt = RttEstimator::new(config.rtt);
        let datagram_bytes_max = config.datagram_bytes_max;
        Self {
            channel: SealedChannel::new(config.session_id, config.keys),
            address: AddressChange::new(config.peer, config.seed.for_challenges()),
            same_host: config.same_host,
            work: WorkList::default(),
            flight: Flight::new(now, rtt, datagram_bytes_max, config.seed, config.controller),
            liveness: Liveness::new(now),
            file_bytes: config.file_bytes,
            bytes_left: config.bytes_max,
            want_version: 0,
            newest_report: None,
            last_eliciting: None,
            last_sync: None,
            ping_due: false,
            answered_at: None,
            path_response: None,
            probes_due: 0,
            complete_since: Some(now),
            work_since: now,
            closing: None,
            close_answer_due: false,
            close_answers_left: CLOSE_ATTEMPTS_MAX,
            drained_at: None,
            outcome: None,
            stats: SenderStats::default(),
        }
    }

    /// Takes a datagram that came from `from`, opening it in place. Repeated, reordered, forged or
    /// foreign ones do no harm.
    pub fn handle_datagram(&mut self, now: Instant, from: A, datagram: &mut [u8]) {
        let bytes = datagram.len();
        let Some((header, body)) = self.channel.open(datagram) else {
            if self.channel.worn_out() && self.outcome.is_none() {
                self.outcome = Some(SenderOutcome::Forged);
            }
            return;
        };
        let is_newest = self.channel.is_newest(header.number);
        self.channel.note(header.number);
        self.liveness.heard(now);
        self.address.heard(now, from, bytes, is_newest);
        match header.kind {
            // A sender's own kinds are authentic, but mean nothing here.
            PacketKind::Data | PacketKind::Probe => {}
            PacketKind::PathChallenge => self.path_response = body.first_chunk().copied(),
            PacketKind::PathResponse => self.handle_path_response(now, from, body),
            PacketKind::Ack => self.handle_ack(now, &header, body),
            PacketKind::Want => self.handle_want(now, &header, body),
            PacketKind::Ping => self.handle_ping(now, body),
            PacketKind::Close => self.handle_close(now, body),
        }
        if self.flight.is_overfull() {
            self.close(now, CloseCode::Violation, "acknowledged too little of what it was sent");
        }
    }

    fn handle_ack(&mut self, now: Instant, header: &Header, body: &[u8]) {
        let Some(ack) = AckFrame::decode(body) else { return };
        let is_newest = self.is_newest_report(header);
        match self.flight.handle_ack(now, &ack, is_newest, &mut self.work) {
            Ok(progress) => {
                if is_newest {
                    self.stats.file_bytes_received = ack.header.file_bytes;
                }
                if progress {
                    self.liveness.progressed();
                    self.probes_due = 0;
                }
            }
            Err(NeverSent) => {
                self.close(now, CloseCode::Violation, "acknowledged what was never sent");
            }
        }
        self.note_completeness(now);
    }

    fn handle_path_response(&mut self, now: Instant, from: A, body: &[u8]) {
        let Some((left, round_trip)) = self.address.answered(now, from, body) else { return };
        self.stats.address_changes += 1;
        self.probes_due = 0;
        if (self.same_host)(&left, &from) {
            self.flight.readdressed(now, &mut self.work);
        } else {
            self.flight.rerouted(now, round_trip, &mut self.work);
        }
    }

    /// Where the receiver is.
    #[must_use]
    pub fn peer(&self) -> A {
        self.address.current()
    }

    fn handle_want(&mut self, now: Instant, header: &Header, body: &[u8]) {
        let Some(want) = WantFrame::decode(body) else { return };
        if self.is_newest_report(header) {
            self.flight.set_window(want.window);
        }
        // Answered even if seen before: the echo may have been lost.
        self.ping_due = true;
        if want.version <= self.want_version {
            return;
        }
        self.want_version = want.version;
        if want.ranges.last().is_some_and(|last| last.end > self.file_bytes) {
            return self.close(now, CloseCode::Violation, "asked for bytes beyond the file");
        }
        for range in want.ranges.iter() {
            self.work.want(&range);
        }
        if self.work.unsent_ranges() > WANTED_RANGES_MAX {
            self.close(now, CloseCode::Violation, "asked for too many separate ranges");
        }
        self.note_completeness(now);
    }

    fn handle_ping(&mut self, now: Instant, body: &[u8]) {
        let asks = PingFrame::decode(body).is_some_and(|ping| ping.answer_me);
        let too_soon = self.answered_at.is_some_and(|at| now < at + PING_ANSWER_INTERVAL_MIN);
        if asks && !too_soon {
            self.answered_at = Some(now);
            self.ping_due = true;
        }
    }

    /// Whether the packet is newer than all whose window and counters were taken.
    fn is_newest_report(&mut self, header: &Header) -> bool {
        let is_newest = self.newest_report.is_none_or(|newest| header.number > newest);
        if is_newest {
            self.newest_report = Some(header.number);
        }
        is_newest
    }

    fn note_completeness(&mut self, now: Instant) {
        match (self.work.is_complete(), self.complete_since) {
            (false, Some(_)) => {
                self.complete_since = None;
                self.work_since = now;
            }
            (true, None) => self.complete_since = Some(now),
            (true, Some(_)) | (false, None) => {}
        }
    }

    fn handle_close(&mut self, now: Instant, body: &[u8]) {
        let Some(frame) = CloseFrame::decode(body) else { return };
        if frame.code == CloseCode::Done {
            if let Some(left) = self.close_answers_left.checked_sub(1) {
                self.close_answers_left = left;
                self.close_answer_due = true;
                self.drained_at = Some(now + self.probe_timeout() * 3);
            }
            self.outcome.get_or_insert(SenderOutcome::Done);
        } else {
            if let Some(closing) = &mut self.closing {
                closing.acknowledge();
            }
            self.outcome.get_or_insert(SenderOutcome::ClosedByPeer(frame));
        }
    }

    /// A client that sends speaks first: the next packet is a PING, repeated until it is answered,
    /// which proves the client's address and starts the flow.
    pub fn speak_first(&mut self) {
        self.ping_due = true;
    }

    /// This end has another address from now on, and says so at once. What was on its way is sent
    /// again; on another path (`is_other_path`) nothing that is known about the old one holds.
    pub fn moved(&mut self, now: Instant, is_other_path: bool) {
        self.ping_due = true;
        self.probes_due = 0;
        if is_other_path {
            self.flight.rerouted(now, None, &mut self.work);
        } else {
            self.flight.readdressed(now, &mut self.work);
        }
    }

    /// How long nothing authentic has come.
    #[must_use]
    pub fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.liveness.last_heard())
    }

    /// Distinct file bytes the receiver says it has from this session.
    #[must_use]
    pub fn file_bytes_received(&self) -> u64 {
        self.stats.file_bytes_received
    }

    /// Ends the session. The outcome stands at once.
    pub fn close(&mut self, now: Instant, code: CloseCode, reason: &str) {
        if self.outcome.is_none() {
            let frame = CloseFrame { code, reason: reason.to_owned() };
            self.closing = Some(Closing::new(now, frame));
            self.outcome = Some(SenderOutcome::ClosedHere(code));
        }
    }

    /// The interface took no datagram of the last send, for they are larger than it carries: the size
    /// falls, and their bytes are sent again at once. That is no congestion.
    pub fn datagrams_too_large(&mut self, now: Instant, datagram_bytes: usize) {
        self.flight.refused(now, datagram_bytes, &mut self.work);
    }

    /// How the session ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&SenderOutcome> {
        self.outcome.as_ref()
    }

    /// Whether the session has ended and nothing is left to be sent or waited for.
    #[must_use]
    pub fn is_drained(&self, now: Instant) -> bool {
        self.outcome.is_some()
            && !self.close_answer_due
            && self.drained_at.is_none_or(|at| now >= at)
            && self.closing.as_ref().is_none_or(Closing::is_over)
    }

    /// The ECN bits that what the last `poll_…` gave is to go out with.
    #[must_use]
    pub fn ecn(&self) -> Ecn {
        self.flight.ecn()
    }

    /// Counters and current values.
    #[must_use]
    pub fn stats(&self) -> SenderStats {
        let flight = self.flight.stats();
        SenderStats {
            packets_sent: flight.packets_sent,
            packets_lost: flight.packets_lost,
            spurious_losses: flight.spurious_losses,
            smoothed_rtt: self.flight.rtt().smoothed(),
            congestion_window: self.flight.congestion_window(),
            bytes_in_flight: self.flight.bytes_in_flight(),
            tracked_numbers: self.flight.tracked(),
            datagram_bytes: self.flight.datagram_bytes(),
            forgeries: self.channel.forgeries(),
            repeats: self.channel.repeats(),
            ..self.stats
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and [`poll_batch`](Self::poll_batch)
    /// again; `None` when nothing is left to do.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if let Some(closing) = &self.closing {
            return closing.next_at();
        }
        if self.outcome.is_some() {
            return self.drained_at.filter(|at| now < *at);
        }
        let pace = if self.work.is_empty() { None } else { self.flight.next_send(now) };
        let times = [
            Some(self.liveness.deadline()),
            Some(self.give_up_at()),
            self.flight.loss_time(),
            self.probe_at(),
            self.challenge_at(),
            pace,
        ];
        times.into_iter().flatten().min()
    }

    /// Does what is due; packets that follow from it are got by the two `poll` methods.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.outcome.is_some() {
            return;
        }
        if now >= self.liveness.deadline() {
            self.outcome = Some(SenderOutcome::Silent);
            return;
        }
        if now >= self.give_up_at() {
            return self.close(now, CloseCode::Stalled, "no byte was taken for too long");
        }
        if self.flight.loss_time().is_some_and(|at| now >= at) {
            self.flight.detect_losses(now, &mut self.work);
        } else if self.probe_at().is_some_and(|at| now >= at) {
            self.liveness.asked(now);
            self.stats.probe_timeouts += 1;
            // Without file bytes to probe with, or that may be sent, a PING does as well.
            match self.oldest_unacknowledged() {
                Some(_) if self.bytes_left > 0 => self.probes_due = PROBES_PER_TIMEOUT,
                _ => self.ping_due = true,
            }
        }
        let sync_overdue =
            self.last_sync.is_some_and(|last| now >= last + self.probe_timeout() * 4);
        self.ping_due |= sync_overdue && !self.flight.is_empty();
    }

    /// When a probe is due: a probe timeout after the last packet that should have been answered, or,
    /// with nothing on the way although there is work (the windows are shut), after the last answer.
    fn probe_at(&self) -> Option<Instant> {
        if let (false, Some(sent_at)) = (self.flight.is_empty(), self.last_eliciting) {
            return Some(sent_at + self.liveness.interval(sent_at, self.probe_timeout()));
        }
        let is_blocked = !self.work.is_empty() && self.flight.room() == 0;
        is_blocked.then(|| self.liveness.next_question(self.probe_timeout()))
    }

    fn give_up_at(&self) -> Instant {
        match self.complete_since {
            Some(since) => since + COMPLETE_IDLE_MAX,
            None => self.flight.progress_at().max(self.work_since) + STALL_MAX,
        }
    }

    /// Goes on with this number, as if the ones before had been sent long ago.
    #[cfg(test)]
    pub(super) fn leave_out_numbers_to(&mut self, number: u64) {
        self.flight.leave_out_numbers_to(number);
    }

    fn probe_timeout(&self) -> Duration {
        self.flight.rtt().probe_timeout()
    }
}

#[cfg(test)]
mod tests;
