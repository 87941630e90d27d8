//! What goes out next: one datagram without file bytes, or a batch of them. Lost bytes go before new
//! ones: [`WorkList::take`](super::work_list::WorkList::take) hands them out in that order.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Sender;
use super::batch::{self, Batch, Slot};
use super::sent_packets::PacketContent;
use crate::proto::address_change::CHALLENGE_BYTES;
use crate::proto::close_frame::{CloseCode, CloseFrame};
use crate::proto::data_frame::{DataHeader, SyncBlock};
use crate::proto::limits::{
    BATCH_SEGMENTS_MAX, DATAGRAM_BYTES_BASE, GENERATION_SHIFT, HEADER_BYTES, TAG_BYTES,
};
use crate::proto::packet::PacketKind;
use crate::proto::ping_frame::{PING_BODY_BYTES, PingFrame};

/// A sync block goes out at least this much apart, however short the round trip.
const SYNC_INTERVAL_MIN: Duration = Duration::from_millis(1);

impl<A: Copy + Eq> Sender<A> {
    /// Writes the next datagram without file bytes that is due into `out` (at least 1452 bytes) and
    /// gives its length. Call until it gives `None`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if std::mem::take(&mut self.close_answer_due) {
            let answer = CloseFrame { code: CloseCode::Done, reason: String::new() };
            return self.transmit_close(now, &answer, out);
        }
        let probe_timeout = self.probe_timeout();
        if let Some(closing) = &mut self.closing {
            let frame = closing.take_due(now, probe_timeout).then(|| closing.frame().clone())?;
            return self.transmit_close(now, &frame, out);
        }
        if self.outcome.is_some() {
            return None;
        }
        if let Some(token) = self.path_response.take() {
            let number = self.flight.record_untracked(now, CHALLENGE_BYTES);
            return self.channel.seal_token(PacketKind::PathResponse, number, &token, out);
        }
        if std::mem::take(&mut self.ping_due) {
            let ping = PingFrame { answer_me: false, sync: self.sync_block() };
            self.last_sync = Some(now);
            let size = HEADER_BYTES + PING_BODY_BYTES + TAG_BYTES;
            let number = self.record_alone(now, PacketContent::Ping, size);
            return self.channel.seal(PacketKind::Ping, number, out, |body| ping.encode(body));
        }
        let size = self.flight.size_probe_due(now).filter(|_| !self.work.is_empty())?;
        let number = self.record_alone(now, PacketContent::SizeProbe, size);
        self.flight.size_probe_sent(number, size);
        self.channel.seal(PacketKind::Probe, number, out, |body| {
            let padding = size - HEADER_BYTES - TAG_BYTES;
            body.get_mut(..padding).map_or(0, |body| {
                body.fill(0);
                padding
            })
        })
    }

    /// Writes the next PATH_CHALLENGE that is due into `out` and gives its length, and the address to
    /// send it to, which is not proven yet. Call until it gives `None`.
    #[must_use]
    pub fn poll_challenge(&mut self, now: Instant, out: &mut [u8]) -> Option<(A, usize)> {
        if self.outcome.is_some() {
            return None;
        }
        let (to, token) = self.address.take_due(now, self.probe_timeout())?;
        let number = self.flight.record_untracked(now, CHALLENGE_BYTES);
        let length = self.channel.seal_token(PacketKind::PathChallenge, number, &token, out)?;
        Some((to, length))
    }

    pub(super) fn challenge_at(&self) -> Option<Instant> {
        self.address.next_at()
    }

    fn transmit_close(
        &mut self,
        now: Instant,
        frame: &CloseFrame,
        out: &mut [u8],
    ) -> Option<usize> {
        let number = self.record_alone(now, PacketContent::Ping, DATAGRAM_BYTES_BASE);
        self.channel.seal(PacketKind::Close, number, out, |body| frame.encode(body))
    }

    fn record_alone(&mut self, now: Instant, content: PacketContent, size: usize) -> u64 {
        self.flight.begin_unmarked(now);
        self.last_eliciting = Some(now);
        self.flight.record(now, content, 0..0, size)
    }

    /// Fills `batch` with what goes out now, at most `segments_max` datagrams (1 where the system
    /// cannot segment); says whether there is anything. Call again after sending until it says no.
    #[must_use]
    pub fn poll_batch(&mut self, now: Instant, segments_max: usize, batch: &mut Batch) -> bool {
        batch.begin(self.flight.datagram_bytes());
        if self.outcome.is_some() {
            return false;
        }
        if let Some(range) = self.probe_range() {
            return self.probe_batch(now, range, batch);
        }
        if self.work.is_empty() {
            self.flight.limited_by_application();
            return false;
        }
        if self.bytes_left == 0 {
            self.close(now, CloseCode::LimitReached, "the ticket's bytes are used up");
            return false;
        }
        let allowed = usize::try_from(self.flight.allowance(now)).unwrap_or(usize::MAX);
        let datagrams = allowed.min(segments_max).min(BATCH_SEGMENTS_MAX);
        if datagrams == 0 {
            return false;
        }
        self.flight.begin_batch(now);
        while batch.slots().len() < datagrams && self.bytes_left > 0 && !self.ends_generation(batch)
        {
            let sync = self.sync_due(now).then(|| self.sync_block());
            let bytes_max = batch::capacity(batch.segment_bytes(), sync.as_ref());
            let Some(range) = self.work.take(bytes_max.min(self.bytes_left)) else {
                break;
            };
            let is_full = range.end - range.start == bytes_max;
            if sync.is_some() {
                self.last_sync = Some(now);
            }
            self.put(now, batch, range, sync);
            if !is_full {
                break;
            }
        }
        let is_last_of_flight = self.work.is_empty() || self.flight.is_full();
        if is_last_of_flight {
            batch.ask_for_ack();
        }
        self.finish_batch(now, batch)
    }

    /// A limit of the rate keeps batches back: how fast what is sent arrives says nothing then about how
    /// much the path bears.
    pub fn held_back(&mut self, now: Instant) {
        if !self.work.is_empty() {
            self.flight.held_back(now);
        }
    }

    /// What a probe carries, if one is due: the oldest bytes in flight.
    fn probe_range(&mut self) -> Option<Range<u64>> {
        if self.probes_due == 0 || self.bytes_left == 0 {
            return None;
        }
        self.probes_due -= 1;
        self.oldest_unacknowledged()
    }

    /// The oldest bytes in flight.
    pub(super) fn oldest_unacknowledged(&self) -> Option<Range<u64>> {
        self.flight.oldest_data().and_then(|range| self.work.unacknowledged_in(&range))
    }

    /// Sends one probe; the second of a pair is small enough for any path.
    fn probe_batch(&mut self, now: Instant, range: Range<u64>, batch: &mut Batch) -> bool {
        let is_second = self.probes_due == 0;
        let size = if is_second { DATAGRAM_BYTES_BASE } else { batch.segment_bytes() };
        let end = range.end.min(range.start + batch::capacity(size, None).min(self.bytes_left));
        batch.begin(size);
        self.flight.begin_unmarked(now);
        self.put(now, batch, range.start..end, None);
        batch.ask_for_ack();
        self.finish_batch(now, batch)
    }

    fn put(&mut self, now: Instant, batch: &mut Batch, range: Range<u64>, sync: Option<SyncBlock>) {
        let header = DataHeader { ack_now: false, offset: range.start, sync };
        let file_bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let size = HEADER_BYTES + header.encoded_bytes() + file_bytes + TAG_BYTES;
        let number = self.flight.record(now, PacketContent::Data, range, size);
        let pushed = batch.push(number, header, file_bytes);
        debug_assert_eq!(pushed, size);
        self.stats.data_bytes_sent += file_bytes as u64;
        self.bytes_left = self.bytes_left.saturating_sub(file_bytes as u64);
    }

    fn finish_batch(&mut self, now: Instant, batch: &Batch) -> bool {
        let Some(first) = batch.slots().first() else { return false };
        self.channel.prepare(first.number);
        self.last_eliciting = Some(now);
        true
    }

    /// Whether the next packet might fall into another key generation than the batch's first.
    fn ends_generation(&self, batch: &Batch) -> bool {
        let generation = |number: u64| number >> GENERATION_SHIFT;
        let next = self.flight.next_number() + 1;
        batch.slots().first().is_some_and(|first| generation(first.number) != generation(next))
    }

    /// Completes one datagram of the batch in hand, whose file bytes stand in their place.
    /// `datagram` is what [`Slot::datagram`] names.
    pub fn seal(&self, slot: &Slot, datagram: &mut [u8]) {
        if let Some(body) = datagram.get_mut(HEADER_BYTES..) {
            slot.header.encode(body);
        }
        self.channel.seal_in_place(PacketKind::Data, slot.number, datagram);
    }

    /// A sync block goes with new data only: it would cut a lost chunk in two.
    fn sync_due(&self, now: Instant) -> bool {
        let interval = self.flight.rtt().smoothed().max(SYNC_INTERVAL_MIN);
        self.work.next_is_new() && self.last_sync.is_none_or(|last| now >= last + interval)
    }

    fn sync_block(&self) -> SyncBlock {
        let rtt = self.flight.rtt();
        let rtt_us = u32::try_from(rtt.smoothed().as_micros().max(1)).unwrap_or(u32::MAX);
        SyncBlock {
            least_unacknowledged: self.flight.least_unsettled(),
            rtt_us: if rtt.is_measured() { rtt_us } else { 0 },
            want_version: self.want_version,
        }
    }
}
