//! The receiving end of a session: opens packets, hands out file bytes, acknowledges, asks.
//!
//! * `receiver/ack_policy.rs`: when an ACK is due
//! * `receiver/want_list.rs`: which file ranges were asked for, and which are next
//! * `receiver/sender_address.rs`: where the sender is, which a node's client may change
//!
//! There is no reassembly buffer: file bytes are handed out in whatever order they come, each byte
//! once. The other end is [`sender`](super::sender).

use std::ops::Range;
use std::time::{Duration, Instant};

use self::ack_policy::AckPolicy;
use self::want_list::WantList;
use super::ack_frame::AckHeader;
use super::address_change::{AddressChange, Token};
use super::close_frame::{CloseCode, CloseFrame};
use super::closing::Closing;
use super::data_frame::{DataHeader, SyncBlock};
use super::ecn::{Ecn, EcnCounts};
use super::handshake::Established;
use super::limits::{MISSING_RANGES_MAX, PING_INTERVAL_IDLE};
use super::liveness::Liveness;
use super::packet::{Header, PacketKind};
use super::ping_frame::PingFrame;
use super::rtt::RttEstimator;
use super::sealed_channel::SealedChannel;
use super::sender::SessionSeed;
use crate::range_set::RangeSet;

mod ack_policy;
mod sender_address;
mod want_list;

/// How a session ended, as the receiver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverOutcome {
    /// Everything was received and the sender was told.
    Done,
    /// [`Receiver::close`] was called.
    ClosedHere(CloseCode),
    /// The sender ended the session.
    ClosedByPeer(CloseFrame),
    /// Nothing authentic came for 30 s.
    Silent,
    /// So many forged packets came that the keys must not be used any longer.
    Forged,
}

/// Counters of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Authentic packets, repeats not counted.
    pub packets: u64,
    /// Packets whose number was seen before.
    pub repeats: u64,
    /// Packets that did not authenticate.
    pub forgeries: u64,
    /// File bytes that came although they were there already.
    pub redundant_bytes: u64,
    /// DATA dropped because the set of gaps was full.
    pub refused: u64,
    /// ACKs sent.
    pub acks: u64,
    /// How often the sender proved another address.
    pub address_changes: u64,
}

/// How a datagram came.
#[derive(Clone, Copy)]
struct Arrival<A> {
    now: Instant,
    from: A,
    ecn: Ecn,
    /// Of the datagram.
    bytes: usize,
}

/// Receives one file, or what is missing of it.
///
/// Calling order: give every datagram of a receive batch to
/// [`handle_datagram`](Self::handle_datagram), then drain
/// [`poll_transmit`](Self::poll_transmit) (so a batch is acknowledged once); sleep until
/// [`poll_timeout`](Self::poll_timeout), call [`handle_timeout`](Self::handle_timeout) and drain
/// again. When [`is_complete`](Self::is_complete), [`finish`](Self::finish): what turns out to be
/// damaged is fetched in another session. [`outcome`](Self::outcome) ends the session; go on until
/// [`is_drained`](Self::is_drained) if there is time, so that the sender hears of it. All of it goes to
/// [`peer`](Self::peer), which may be another after each `handle_datagram`; only what
/// [`poll_challenge`](Self::poll_challenge) gives goes where it says.
///
/// `A` is the address type.
#[derive(Debug)]
pub struct Receiver<A> {
    channel: SealedChannel,
    address: AddressChange<A>,
    next_number: u64,
    rtt: Duration,
    probe_timeout: Duration,
    liveness: Liveness,
    acks: AckPolicy,
    wants: WantList,
    missing: RangeSet,
    file_bytes: u64,
    window: u64,
    ecn: EcnCounts,
    ping_due: bool,
    path_response: Option<Token>,
    closing: Option<Closing>,
    outcome: Option<ReceiverOutcome>,
    stats: ReceiverStats,
}

impl<A: Copy + Eq> Receiver<A> {
    /// Starts the flow with the sender at `peer`: the first packet asks for `missing`, of which at most
    /// `window` bytes may be queued at this end. `seed`: secret randomness, which challenges are made of.
    #[must_use]
    pub fn new(
        now: Instant,
        established: Established,
        (peer, seed): (A, SessionSeed),
        missing: RangeSet,
        window: u64,
    ) -> Self {
        let estimate = RttEstimator::new(established.round_trip_hint);
        Self {
            channel: SealedChannel::of(established),
            address: AddressChange::new(peer, seed.for_challenges()),
            next_number: 0,
            rtt: estimate.smoothed(),
            probe_timeout: estimate.probe_timeout(),
            liveness: Liveness::new(now),
            acks: AckPolicy::default(),
            wants: WantList::new(now, missing.clone()),
            missing,
            file_bytes: 0,
            window,
            ecn: EcnCounts::default(),
            ping_due: false,
            path_response: None,
            closing: None,
            outcome: None,
            stats: ReceiverStats::default(),
        }
    }

    /// Takes a datagram that came from `from` with `ecn`, opening it in place. `deliver` gets every run
    /// of file bytes that was missing: its offset in the file, and the bytes, which lie in `datagram`.
    /// A repeated, reordered, forged or foreign datagram does no harm.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: A,
        ecn: Ecn,
        datagram: &mut [u8],
        deliver: impl FnMut(u64, &[u8]),
    ) {
        if self.outcome.is_some() {
            return;
        }
        let arrival = Arrival { now, from, ecn, bytes: datagram.len() };
        let Some((header, body)) = self.channel.open(datagram) else {
            if self.channel.worn_out() {
                self.outcome = Some(ReceiverOutcome::Forged);
            }
            return;
        };
        if header.kind == PacketKind::Data {
            return self.handle_data(&arrival, &header, body, deliver);
        }
        self.take(&arrival, &header);
        match header.kind {
            // A receiver's own kinds are authentic, but mean nothing here.
            PacketKind::Data | PacketKind::Ack => {}
            PacketKind::PathResponse => self.handle_path_response(now, from, body),
            PacketKind::Want => self.close(now, CloseCode::Violation, "both ends want to receive"),
            PacketKind::Probe => self.acks.eliciting(now, header.number, true, self.rtt),
            PacketKind::Ping => self.handle_ping(now, &header, body),
            PacketKind::PathChallenge => self.path_response = body.first_chunk().copied(),
            PacketKind::Close => self.handle_close(body),
        }
    }

    fn handle_data(
        &mut self,
        arrival: &Arrival<A>,
        header: &Header,
        body: &[u8],
        mut deliver: impl FnMut(u64, &[u8]),
    ) {
        let (now, ecn) = (arrival.now, arrival.ecn);
        let Some((data, bytes)) = DataHeader::decode(body) else { return };
        let range = data.offset..data.offset + bytes.len() as u64;
        if self.would_fragment(&range) {
            // Not noted and not acknowledged: as if it had been lost.
            self.stats.refused += 1;
            return;
        }
        let at_once = data.ack_now || ecn == Ecn::Ce;
        self.acks.arrival(now, header.number, self.channel.received());
        self.take(arrival, header);
        if let Some(sync) = &data.sync {
            self.handle_sync(now, sync);
        }
        self.acks.eliciting(now, header.number, at_once, self.rtt);

        let mut delivered = 0;
        while let Some(part) = self.missing.first_in(&range) {
            let skip = usize::try_from(part.start - range.start).unwrap_or(usize::MAX);
            let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
            if let Some(run) = bytes.get(skip..).and_then(|rest| rest.get(..length)) {
                deliver(part.start, run);
            }
            delivered += part.end - part.start;
            self.missing.remove(part);
        }
        self.file_bytes += delivered;
        self.stats.redundant_bytes += bytes.len() as u64 - delivered;
        if delivered > 0 {
            self.liveness.progressed();
            self.wants.progress(now);
        }
    }

    /// Whether taking `range` out of the middle of a gap would make one more than the set may hold.
    fn would_fragment(&self, range: &Range<u64>) -> bool {
        let around = range.start.saturating_sub(1)..range.end + 1;
        self.missing.range_count() >= MISSING_RANGES_MAX
            && range.start > 0
            && self.missing.contains_range(&around)
    }

    /// Bookkeeping of every authentic packet.
    fn take(&mut self, arrival: &Arrival<A>, header: &Header) {
        let Arrival { now, from, ecn, bytes } = *arrival;
        let is_newest = self.channel.is_newest(header.number);
        self.channel.note(header.number);
        self.liveness.heard(now);
        self.address.heard(now, from, bytes, is_newest);
        self.ecn.count(ecn);
        self.stats.packets += 1;
    }

    fn handle_ping(&mut self, now: Instant, header: &Header, body: &[u8]) {
        let Some(ping) = PingFrame::decode(body) else { return };
        self.handle_sync(now, &ping.sync);
        self.acks.eliciting(now, header.number, true, self.rtt);
    }

    fn handle_sync(&mut self, now: Instant, sync: &SyncBlock) {
        self.channel.received_mut().settle_below(sync.least_unacknowledged);
        if let Some(rtt) = sync.rtt() {
            self.rtt = rtt;
            self.probe_timeout = RttEstimator::new(Some(rtt)).probe_timeout();
        }
        self.wants.echoed(now, sync.want_version, self.rtt);
    }

    fn handle_close(&mut self, body: &[u8]) {
        let Some(frame) = CloseFrame::decode(body) else { return };
        let answers_ours =
            self.closing.as_ref().is_some_and(|ours| ours.frame().code == frame.code);
        match &mut self.closing {
            Some(ours) if answers_ours => ours.acknowledge(),
            _ => self.outcome = Some(ReceiverOutcome::ClosedByPeer(frame)),
        }
        self.settle_closing();
    }

    /// Asks again for a range, so that a test's session lasts.
    #[cfg(test)]
    pub(crate) fn request(&mut self, now: Instant, range: Range<u64>) {
        self.missing.insert(range.clone());
        self.wants.ask(now, range);
    }

    /// How many bytes may be queued at this end from now on; told with the next ACK, which is sent at
    /// once if the window opens from zero.
    pub fn set_window(&mut self, now: Instant, bytes: u64) {
        if self.window == 0 && bytes > 0 {
            self.acks.send_now(now);
        }
        self.window = bytes;
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// What is missing.
    #[must_use]
    pub fn missing(&self) -> &RangeSet {
        &self.missing
    }

    /// File bytes received in this session, each counted once.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// This end has another address from now on: says so at once by asking.
    pub fn readdressed(&mut self, now: Instant) {
        self.ping_due = true;
        self.acks.send_now(now);
    }

    /// How long nothing authentic has come.
    #[must_use]
    pub fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.liveness.last_heard())
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> ReceiverStats {
        let (repeats, forgeries) = (self.channel.repeats(), self.channel.forgeries());
        ReceiverStats { repeats, forgeries, ..self.stats }
    }

    /// Everything is there and checked: tells the sender. The outcome follows when it has answered,
    /// or was told often enough.
    pub fn finish(&mut self, now: Instant) {
        if self.closing.is_none() && self.outcome.is_none() {
            let frame = CloseFrame { code: CloseCode::Done, reason: String::new() };
            self.closing = Some(Closing::new(now, frame));
        }
    }

    /// Gives the session up. The outcome stands at once.
    pub fn close(&mut self, now: Instant, code: CloseCode, reason: &str) {
        if self.outcome.is_none() {
            let frame = CloseFrame { code, reason: reason.to_owned() };
            self.closing = Some(Closing::new(now, frame));
            self.outcome = Some(ReceiverOutcome::ClosedHere(code));
        }
    }

    /// How the session ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<&ReceiverOutcome> {
        self.outcome.as_ref()
    }

    /// Whether the session has ended and nothing is left to be sent.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.outcome.is_some() && self.closing.as_ref().is_none_or(Closing::is_over)
    }

    /// Writes the next datagram that is due into `out` (at least 1200 bytes) and gives its length.
    /// Call until it gives `None`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if self.outcome.is_none()
            && (self.closing.is_none() || self.wants.is_unheard())
            && let Some(want) =
                self.wants.take_due(now, &self.missing, self.window, self.probe_timeout)
        {
            return self.seal(PacketKind::Want, out, |body| want.encode(body));
        }
        if let Some(closing) = &mut self.closing {
            if !closing.take_due(now, self.probe_timeout) {
                return None;
            }
            let frame = closing.frame().clone();
            // Said for the last time, it is over: no timer will tell.
            self.settle_closing();
            return self.seal(PacketKind::Close, out, |body| frame.encode(body));
        }
        if self.outcome.is_some() {
            return None;
        }
        if let Some(token) = self.path_response.take() {
            let number = self.take_number();
            return self.channel.seal_token(PacketKind::PathResponse, number, &token, out);
        }
        if self.acks.is_due(now) {
            return self.transmit_ack(now, out);
        }
        if std::mem::take(&mut self.ping_due) {
            self.liveness.asked(now);
            let ping = PingFrame { answer_me: true, sync: SyncBlock::default() };
            return self.seal(PacketKind::Ping, out, |body| ping.encode(body));
        }
        None
    }

    fn transmit_ack(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        let header = AckHeader {
            delay: self.acks.sent(now),
            window: self.window,
            file_bytes: self.file_bytes,
            ecn: self.ecn,
        };
        let number = self.take_number();
        self.stats.acks += 1;
        self.channel.seal_ack(number, &header, out)
    }

    fn seal(
        &mut self,
        kind: PacketKind,
        out: &mut [u8],
        write_body: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<usize> {
        let number = self.take_number();
        self.channel.seal(kind, number, out, write_body)
    }

    /// Goes on with this number, as if the ones before had been sent long ago.
    #[cfg(test)]
    pub(super) fn leave_out_numbers_to(&mut self, number: u64) {
        self.next_number = number;
    }

    fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` when nothing is left to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if let Some(closing) = &self.closing {
            return closing.next_at();
        }
        if self.outcome.is_some() {
            return None;
        }
        [
            Some(self.liveness.deadline()),
            Some(self.next_ping()),
            self.acks.due(),
            self.wants.next_at(),
            self.address.next_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due; datagrams that follow from it are got by
    /// [`poll_transmit`](Self::poll_transmit).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle_closing();
        if self.outcome.is_some() || self.closing.is_some() {
            return;
        }
        if now >= self.liveness.deadline() {
            self.outcome = Some(ReceiverOutcome::Silent);
            return;
        }
        self.ping_due |= now >= self.next_ping();
        self.wants.ask_again_if_stuck(now, &self.missing, self.probe_timeout);
    }

    /// A complete receiver only keeps the session alive; one that waits for bytes asks eagerly.
    fn next_ping(&self) -> Instant {
        let at_least = if self.is_complete() { PING_INTERVAL_IDLE } else { Duration::ZERO };
        self.liveness.next_question(self.probe_timeout.max(at_least))
    }

    fn settle_closing(&mut self) {
        let is_over = self.closing.as_ref().is_some_and(Closing::is_over);
        if is_over && self.outcome.is_none() {
            self.outcome = Some(ReceiverOutcome::Done);
        }
    }
}
