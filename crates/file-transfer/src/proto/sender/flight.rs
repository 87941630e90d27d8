//! What is on the way, and what follows from each ACK: round trips, losses, congestion window, pace.
//! Wires the single-idea files beside it together; which bytes are sent is not its business.

use std::ops::Range;
use std::time::Instant;

use self::loss_run::LossRun;
use self::tally::{Episode, Losses, Tally};
use super::congestion::{AckSample, CongestionController, LossSample};
use super::delivery_rate::{DeliveryRate, MaxRate};
use super::ecn_validation::EcnValidation;
use super::loss_detection::LossDetection;
use super::number_skips::NumberSkips;
use super::pacer::Pacer;
use super::path_mtu::PathMtu;
use super::sent_packets::{PacketContent, PacketState, SentBatch, SentPacket, SentPackets};
use super::session_seed::SessionSeed;
use super::work_list::WorkList;
use crate::proto::ack_frame::AckFrame;
use crate::proto::ecn::Ecn;
use crate::proto::limits::{DATAGRAM_BYTES_BASE, TRACKED_NUMBERS_MAX, TRACKED_NUMBERS_RESERVE};
use crate::proto::rtt::RttEstimator;
use crate::range_set::RangeSet;

mod loss_run;
mod path_change;
mod tally;

/// Probe timeouts for which a lost packet is remembered, should it have been late.
const LOST_MEMORY_TIMEOUTS: u32 = 3;

/// The receiver acknowledged a number that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeverSent;

/// Counters of a flight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlightStats {
    pub(super) packets_sent: u64,
    pub(super) packets_lost: u64,
    pub(super) spurious_losses: u64,
}

/// Everything on the way to one receiver.
#[derive(Debug)]
pub(super) struct Flight {
    sent: SentPackets,
    loss: LossDetection,
    rate: DeliveryRate,
    max_rate: MaxRate,
    rtt: RttEstimator,
    mtu: PathMtu,
    /// The most that both ends and the interface take.
    datagram_bytes_max: usize,
    controller: Box<dyn CongestionController>,
    pacer: Pacer,
    skips: NumberSkips,
    ecn: EcnValidation,
    /// Acknowledged numbers that are still tracked.
    acked: RangeSet,
    episode: Episode,
    loss_run: LossRun,
    /// When file bytes were acknowledged last.
    progress_at: Instant,
    /// Bytes that may be queued at the receiver.
    window: u64,
    stats: FlightStats,
}

impl Flight {
    pub(super) fn new(
        now: Instant,
        rtt: RttEstimator,
        datagram_bytes_max: usize,
        seed: SessionSeed,
        controller: Box<dyn CongestionController>,
    ) -> Self {
        Self {
            sent: SentPackets::default(),
            loss: LossDetection::new(),
            rate: DeliveryRate::new(now),
            max_rate: MaxRate::default(),
            rtt,
            mtu: PathMtu::new(datagram_bytes_max),
            datagram_bytes_max,
            controller,
            pacer: Pacer::new(now, DATAGRAM_BYTES_BASE),
            skips: NumberSkips::new(seed.for_skips()),
            ecn: EcnValidation::new(),
            acked: RangeSet::new(),
            episode: Episode::default(),
            loss_run: LossRun::new(rtt.is_measured().then_some(now)),
            progress_at: now,
            window: 0,
            stats: FlightStats::default(),
        }
    }

    pub(super) fn rtt(&self) -> &RttEstimator {
        &self.rtt
    }

    pub(super) fn stats(&self) -> FlightStats {
        self.stats
    }

    pub(super) fn datagram_bytes(&self) -> usize {
        self.mtu.current()
    }

    pub(super) fn congestion_window(&self) -> u64 {
        self.controller.window()
    }

    /// What the packets recorded last are to be marked with.
    pub(super) fn ecn(&self) -> Ecn {
        self.sent.newest_mark()
    }

    pub(super) fn bytes_in_flight(&self) -> u64 {
        self.sent.bytes_in_flight()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.packets_in_flight() == 0
    }

    pub(super) fn tracked(&self) -> usize {
        self.sent.tracked()
    }

    /// More is tracked than any peer needs that acknowledges what comes to it.
    pub(super) fn is_overfull(&self) -> bool {
        self.sent.tracked() > TRACKED_NUMBERS_MAX + TRACKED_NUMBERS_RESERVE
    }

    pub(super) fn least_unsettled(&self) -> u64 {
        self.sent.least_unsettled()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.sent.next_number()
    }

    /// When file bytes were acknowledged last.
    pub(super) fn progress_at(&self) -> Instant {
        self.progress_at
    }

    pub(super) fn loss_time(&self) -> Option<Instant> {
        self.loss.loss_time()
    }

    /// Bytes that may be queued at the receiver.
    pub(super) fn set_window(&mut self, bytes: u64) {
        self.window = bytes;
    }

    /// How many more bytes the congestion window and the receiver's window let out.
    pub(super) fn room(&self) -> u64 {
        if self.sent.tracked() >= TRACKED_NUMBERS_MAX || self.window == 0 {
            return 0;
        }
        // What is on the path is not queued at the receiver: bandwidth × minimum RTT.
        let min_rtt_ns = u128::from(self.max_rate.get()) * self.rtt.minimum().as_nanos();
        let on_path = u64::try_from(min_rtt_ns / 1_000_000_000).unwrap_or(u64::MAX);
        let limit = self.controller.window().min(self.window.saturating_add(on_path));
        let room = limit.saturating_sub(self.sent.bytes_in_flight());
        // A window smaller than a datagram still lets one out at a time.
        if self.is_empty() { room.max(self.mtu.current() as u64) } else { room }
    }

    /// Whether the windows let nothing more out.
    pub(super) fn is_full(&self) -> bool {
        self.room() < self.mtu.current() as u64
    }

    /// How many datagrams may go out now.
    pub(super) fn allowance(&mut self, now: Instant) -> u64 {
        let room = self.room();
        let size = self.mtu.current() as u64;
        if room < size { 0 } else { room.min(self.pacer.allowance(now)) / size }
    }

    /// When the pacer lets something out, if the windows do.
    pub(super) fn next_send(&self, now: Instant) -> Option<Instant> {
        (!self.is_full()).then(|| self.pacer.next_at(now))
    }

    /// Less is to be sent than may be.
    pub(super) fn limited_by_application(&mut self) {
        self.rate.limited_by_application(self.sent.bytes_in_flight());
        self.controller.on_nothing_to_send();
    }

    /// Something else than the path holds back what could go out.
    pub(super) fn held_back(&mut self, now: Instant) {
        if self.allowance(now) > 0 {
            self.limited_by_application();
        }
    }

    /// The packets recorded next go out together, marked if the path carries marks.
    pub(super) fn begin_batch(&mut self, now: Instant) {
        self.begin_batch_with(now, self.ecn.mark());
    }

    /// The packets recorded next go out together, without a mark: they must get through.
    pub(super) fn begin_unmarked(&mut self, now: Instant) {
        self.begin_batch_with(now, Ecn::NotEct);
    }

    fn begin_batch_with(&mut self, now: Instant, ecn: Ecn) {
        let rate = self.rate.snapshot(now, self.sent.bytes_in_flight());
        self.sent.begin_batch(SentBatch { sent_at: now, ecn, rate });
    }

    /// A packet goes out; gives its number.
    pub(super) fn record(
        &mut self,
        now: Instant,
        content: PacketContent,
        range: Range<u64>,
        size: usize,
    ) -> u64 {
        if self.skips.skips(self.sent.next_number()) {
            self.sent.skip();
        }
        let number = self.sent.push(content, range, size);
        self.pacer.sent(size as u64);
        if self.ecn() != Ecn::NotEct {
            self.ecn.sent();
        }
        self.controller.on_sent(now, number, size as u64, self.sent.bytes_in_flight());
        self.stats.packets_sent += 1;
        number
    }

    /// A packet goes out that proves an address, and says nothing about the path; gives its
    /// number.
    pub(super) fn record_untracked(&mut self, now: Instant, size: usize) -> u64 {
        self.begin_unmarked(now);
        let number = self.sent.push(PacketContent::Ping, 0..0, size);
        self.sent.settle(number, PacketState::Acknowledged);
        self.retire(now);
        self.stats.packets_sent += 1;
        number
    }

    /// The size to probe the path with, if it is time for that.
    pub(super) fn size_probe_due(&mut self, now: Instant) -> Option<usize> {
        let room = self.room();
        self.mtu.probe_due(now).filter(|size| room >= *size as u64)
    }

    pub(super) fn size_probe_sent(&mut self, number: u64, size: usize) {
        self.mtu.probe_sent(number, size);
    }

    /// File bytes to probe with: of the oldest packet in flight.
    pub(super) fn oldest_data(&self) -> Option<Range<u64>> {
        self.sent.oldest_data_in_flight().map(SentPacket::range)
    }

    /// Takes an ACK; `is_newest` says that no later one came before it. Says whether the transfer
    /// moved on: a peer that acknowledges questions but takes no file bytes does not move it.
    pub(super) fn handle_ack(
        &mut self,
        now: Instant,
        ack: &AckFrame<'_>,
        is_newest: bool,
        work: &mut WorkList,
    ) -> Result<bool, NeverSent> {
        if ack.largest >= self.sent.next_number() {
            return Err(NeverSent);
        }
        if is_newest {
            self.window = ack.header.window;
        }
        let (prior_in_flight, size_before) = (self.sent.bytes_in_flight(), self.mtu.current());
        let tally = self.acknowledge_all(now, ack, work)?;
        if let Some((number, sent_at)) = tally.largest {
            self.loss.acknowledged(number);
            let measured = (number == ack.largest).then(|| now.saturating_duration_since(sent_at));
            if let Some(sample) = measured {
                self.rtt.update(sample, ack.header.delay);
                self.loss_run.measured(now);
            }
            self.detect_losses(now, work);
            if self.ecn.arrived(tally.newest_marked, tally.newest_unmarked) {
                self.begin_path(now);
            }
            self.undo_if_spurious(now);
            self.report_ack(now, &tally, prior_in_flight, measured.is_some());
            self.follow_path_size(now, size_before);
        }
        if tally.has_data {
            self.progress_at = now;
        }
        if is_newest && self.ecn.reported(ack.header.ecn, tally.marked) {
            self.handle_congestion_mark(now, &tally);
        }
        self.pacer.set_rate(
            now,
            self.controller.pacing_rate(self.rtt.smoothed()),
            self.mtu.current(),
        );
        self.retire(now);
        Ok(tally.has_data)
    }

    /// Walks over the numbers that no ACK has named before.
    fn acknowledge_all(
        &mut self,
        now: Instant,
        ack: &AckFrame<'_>,
        work: &mut WorkList,
    ) -> Result<Tally, NeverSent> {
        let mut tally = Tally::default();
        let floor = self.sent.least_unsettled();
        for range in ack.ranges().take_while(|range| range.end > floor) {
            let mut rest = range.start.max(floor)..range.end;
            let whole = rest.clone();
            while let Some(new) = self.acked.first_gap_in(&rest) {
                rest.start = new.end;
                for number in new {
                    self.acknowledge(now, number, work, &mut tally)?;
                }
            }
            self.acked.insert(whole);
        }
        if let Some(run) = tally.run.take() {
            work.acknowledged(run);
        }
        Ok(tally)
    }

    fn acknowledge(
        &mut self,
        now: Instant,
        number: u64,
        work: &mut WorkList,
        tally: &mut Tally,
    ) -> Result<(), NeverSent> {
        let Some(packet) = self.sent.settle(number, PacketState::Acknowledged) else {
            return Ok(());
        };
        let Some(batch) = self.sent.batch_of(&packet).copied() else { return Ok(()) };
        match packet.state {
            PacketState::Skipped => return Err(NeverSent),
            PacketState::Acknowledged => return Ok(()),
            PacketState::InFlight | PacketState::Overtaken | PacketState::GivenUp => {}
            // The loss of a probe of a size was never held against the path.
            PacketState::Lost if packet.content == PacketContent::SizeProbe => {}
            PacketState::Lost => self.note_spurious(now, number, batch.sent_at),
        }
        self.rate.acknowledged(now, u64::from(packet.size), &batch.rate, batch.sent_at);
        match packet.content {
            PacketContent::Data => {
                tally.has_data = true;
                tally.add_run(packet.range(), work);
            }
            PacketContent::Ping => {}
            PacketContent::SizeProbe => self.mtu.probe_acknowledged(now, number),
        }
        self.mtu.acknowledged(now, number, usize::from(packet.size));
        tally.add(number, &packet, &batch);
        Ok(())
    }

    /// A packet that was declared lost has arrived after all.
    fn note_spurious(&mut self, now: Instant, number: u64, sent_at: Instant) {
        self.loss.spurious(now.saturating_duration_since(sent_at), &self.rtt);
        self.episode.spurious += u64::from(number >= self.episode.first_lost);
        self.stats.spurious_losses += 1;
        self.loss_run.arrived(number);
    }

    fn undo_if_spurious(&mut self, now: Instant) {
        if self.episode.lost > 0 && self.episode.spurious >= self.episode.lost {
            self.episode = Episode::default();
            self.controller.on_spurious_loss(now);
        }
    }

    fn report_ack(&mut self, now: Instant, tally: &Tally, prior_in_flight: u64, measured: bool) {
        let Some(rate) = self.rate.sample(self.rtt.minimum()) else { return };
        if let Some(bytes_per_second) = rate.rate {
            self.max_rate.update(now, bytes_per_second, self.rtt.smoothed());
        }
        let in_recovery = match (self.episode.began, tally.newest_sent_at) {
            (Some(began), Some(sent_at)) => sent_at <= began,
            _ => false,
        };
        self.controller.on_ack(
            now,
            &AckSample {
                acked_bytes: tally.bytes,
                prior_in_flight,
                in_flight: self.sent.bytes_in_flight(),
                largest_acked: tally.largest.map_or(0, |(number, _)| number),
                next_number: self.sent.next_number(),
                rtt: measured.then(|| self.rtt.latest()),
                smoothed_rtt: self.rtt.smoothed(),
                min_rtt: self.rtt.minimum(),
                in_recovery,
                rate,
            },
        );
    }

    fn handle_congestion_mark(&mut self, now: Instant, tally: &Tally) {
        let is_new = match (self.episode.began, tally.newest_sent_at) {
            (Some(began), Some(sent_at)) => sent_at > began,
            _ => true,
        };
        if is_new {
            self.episode = Episode { began: Some(now), ..Episode::default() };
            self.controller.on_congestion_mark(now);
        }
    }

    /// Declares lost what is. This is where a lost chunk gets onto the list to be sent again.
    pub(super) fn detect_losses(&mut self, now: Instant, work: &mut WorkList) {
        let mut losses = Losses::default();
        let (mtu, rate, controller) = (&mut self.mtu, &mut self.rate, &mut self.controller);
        let (run, acked, ecn) = (&mut self.loss_run, &self.acked, &mut self.ecn);
        self.loss.detect(now, &self.rtt, &mut self.sent, |packet, number, batch| {
            match packet.content {
                PacketContent::SizeProbe => return mtu.probe_lost(now, number),
                PacketContent::Data => work.lost(packet.range()),
                PacketContent::Ping => {}
            }
            mtu.lost(number, usize::from(packet.size));
            if batch.ecn != Ecn::NotEct {
                ecn.lost(number);
            }
            losses.add(number, packet, batch.sent_at);
            run.lost(number, batch.sent_at, |between| acked.first_in(&between).is_some());
            let lost = rate.lost(number, u64::from(packet.size), &batch.rate);
            controller.on_packet_lost(now, &lost);
        });
        if let Some(newest) = losses.newest {
            self.report_losses(now, &losses, newest);
        }
    }

    fn report_losses(&mut self, now: Instant, losses: &Losses, newest: Instant) {
        self.stats.packets_lost += losses.packets;
        let is_new_episode = self.episode.began.is_none_or(|began| newest > began);
        if is_new_episode {
            let (first_lost, began) = (losses.first, Some(now));
            self.episode = Episode { began, first_lost, lost: 0, spurious: 0 };
            self.loss.episode_began();
        }
        self.episode.lost += losses.packets;
        self.controller.on_loss(
            now,
            &LossSample {
                lost_bytes: losses.bytes,
                in_flight: self.sent.bytes_in_flight(),
                is_new_episode,
                is_persistent: self.loss_run.take_persistent(self.rtt.probe_timeout()),
            },
        );
    }

    /// Whether what is sent now would be held back by something else than the path.
    #[cfg(test)]
    pub(super) fn next_is_app_limited(&mut self, now: Instant) -> bool {
        self.rate.snapshot(now, self.sent.bytes_in_flight()).app_limited
    }

    #[cfg(test)]
    pub(super) fn leave_out_numbers_to(&mut self, number: u64) {
        self.sent.leave_out_numbers_to(number);
    }

    fn retire(&mut self, now: Instant) {
        let memory = self.rtt.probe_timeout() * LOST_MEMORY_TIMEOUTS;
        self.sent.retire(now, memory.max(self.loss.memory()), TRACKED_NUMBERS_MAX / 2);
        let (floor, acked) = (self.sent.least_unsettled(), &self.acked);
        self.loss_run.forget_below(floor, |between| acked.first_in(&between).is_some());
        self.acked.remove_below(floor);
    }
}
