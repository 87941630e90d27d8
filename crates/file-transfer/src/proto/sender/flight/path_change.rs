//! What a flight forgets, and what it keeps, when its packets take another path from now on: the
//! receiver is elsewhere, or the path no longer carries datagrams as large as it did.

use std::time::{Duration, Instant};

use super::loss_run::LossRun;
use super::{Episode, Flight};
use crate::proto::rtt::RttEstimator;
use crate::proto::sender::delivery_rate::MaxRate;
use crate::proto::sender::path_mtu::PathMtu;
use crate::proto::sender::sent_packets::PacketContent;
use crate::proto::sender::work_list::WorkList;

impl Flight {
    /// The receiver's port has changed: what was on its way went to the old one. The path is the same.
    pub(in crate::proto::sender) fn readdressed(&mut self, now: Instant, work: &mut WorkList) {
        self.give_up_flight(now, work);
        self.episode = Episode { began: Some(now), ..Episode::default() };
        self.loss_run = LossRun::new(self.rtt.is_measured().then_some(now));
    }

    /// The receiver is elsewhere, `round_trip` away if that was measured. Nothing that is known about
    /// the old path holds on the new one (RFC 9000, section 9.4).
    pub(in crate::proto::sender) fn rerouted(
        &mut self,
        now: Instant,
        round_trip: Option<Duration>,
        work: &mut WorkList,
    ) {
        self.give_up_flight(now, work);
        self.rtt = RttEstimator::new(round_trip);
        self.max_rate = MaxRate::default();
        self.mtu = PathMtu::new(self.datagram_bytes_max);
        self.ecn.begin_path();
        self.loss.begin_path();
        self.controller.on_datagram_bytes(self.mtu.current());
        self.begin_path(now);
        let rate = self.controller.pacing_rate(self.rtt.smoothed());
        self.pacer.set_rate(now, rate, self.mtu.current());
    }

    fn give_up_flight(&mut self, now: Instant, work: &mut WorkList) {
        let mtu = &mut self.mtu;
        self.sent.give_up_flight(|packet, number| match packet.content {
            PacketContent::Data => work.lost(packet.range()),
            PacketContent::SizeProbe => mtu.probe_lost(now, number),
            PacketContent::Ping => {}
        });
    }

    /// Datagrams may have another size than before the ACK in hand. A path that swallows what it used
    /// to carry is another one, and what it swallowed was not lost to congestion.
    pub(super) fn follow_path_size(&mut self, now: Instant, before: usize) {
        let size = self.mtu.current();
        if size != before {
            self.controller.on_datagram_bytes(size);
        }
        if size < before {
            self.begin_path(now);
        }
    }

    /// Packets go over another path from now on, or over one that treats them as another would: it
    /// swallows those that are large, or marked. What the old one loses yet is sent again, and no sign
    /// of congestion on the new one.
    pub(super) fn begin_path(&mut self, now: Instant) {
        self.episode = Episode { began: Some(now), ..Episode::default() };
        self.loss_run = LossRun::new(self.rtt.is_measured().then_some(now));
        self.controller.on_path_change(now);
    }

    /// The interface refused the newest batch, whose datagrams have `size` bytes.
    pub(in crate::proto::sender) fn refused(
        &mut self,
        now: Instant,
        size: usize,
        work: &mut WorkList,
    ) {
        self.sent.give_up_newest_batch(|packet, _| work.lost(packet.range()));
        let before = self.mtu.current();
        self.mtu.refused(now, size);
        self.follow_path_size(now, before);
    }
}
