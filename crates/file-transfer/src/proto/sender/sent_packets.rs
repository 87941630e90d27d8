//! What was sent and not yet settled: a ring indexed by packet number, 24 bytes a packet. The file is
//! the retransmission buffer, so a packet is only an offset and a length; time and delivery-rate
//! snapshot are shared by the packets of a batch.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::delivery_rate::RateSnapshot;
use crate::proto::ecn::Ecn;
use crate::proto::limits::{LOST_MEMORY_MAX, LOST_MEMORY_PACKETS};

/// The ring grows by at least so many packets at a time.
const RING_GROWTH_MIN: usize = 256;

/// What became of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketState {
    /// Never sent: whoever acknowledges it lies.
    Skipped,
    InFlight,
    /// Overtaken by later ones, and not given up yet on a path that reorders: it no longer counts as
    /// in flight, or waiting for it would hold back what comes after it.
    Overtaken,
    Acknowledged,
    /// Declared lost; may still turn out to have been late.
    Lost,
    /// Went where the receiver no longer is, or not out at all: no sign of anything, come what may.
    GivenUp,
}

/// What a packet carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketContent {
    Data,
    Ping,
    /// Padding of a size that path MTU discovery tries.
    SizeProbe,
}

/// One sent packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentPacket {
    /// File offset of its bytes.
    pub(super) offset: u64,
    /// Low bits of its batch's number.
    batch: u32,
    /// File bytes it carried.
    pub(super) file_bytes: u16,
    /// Bytes of the datagram.
    pub(super) size: u16,
    pub(super) state: PacketState,
    pub(super) content: PacketContent,
}

impl SentPacket {
    /// Whether it was neither acknowledged nor given up.
    pub(super) fn is_on_its_way(&self) -> bool {
        matches!(self.state, PacketState::InFlight | PacketState::Overtaken)
    }

    /// The file bytes it carried.
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.file_bytes)
    }
}

/// What the packets of one send have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentBatch {
    pub(super) sent_at: Instant,
    /// What its datagrams are marked with.
    pub(super) ecn: Ecn,
    pub(super) rate: RateSnapshot,
}

/// The ring of packets, from the oldest number that is not settled to the newest.
#[derive(Debug, Default)]
pub(super) struct SentPackets {
    packets: VecDeque<SentPacket>,
    /// Number of the first packet in the ring.
    base: u64,
    batches: VecDeque<SentBatch>,
    /// Number of the first batch in its ring.
    batch_base: u32,
    bytes_in_flight: u64,
    packets_in_flight: u64,
}

impl SentPackets {
    /// The number the next packet gets.
    pub(super) fn next_number(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    /// The lowest number that is not settled.
    pub(super) fn least_unsettled(&self) -> u64 {
        self.base
    }

    /// How many numbers are tracked.
    pub(super) fn tracked(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn bytes_in_flight(&self) -> u64 {
        self.bytes_in_flight
    }

    pub(super) fn packets_in_flight(&self) -> u64 {
        self.packets_in_flight
    }

    /// The packets that follow were sent together.
    pub(super) fn begin_batch(&mut self, batch: SentBatch) {
        self.batches.push_back(batch);
    }

    /// What the packets of the newest batch are marked with.
    pub(super) fn newest_mark(&self) -> Ecn {
        self.batches.back().map_or(Ecn::NotEct, |batch| batch.ecn)
    }

    /// A packet of the newest batch went out; gives its number.
    pub(super) fn push(&mut self, content: PacketContent, range: Range<u64>, size: usize) -> u64 {
        let number = self.next_number();
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        self.make_room();
        self.packets.push_back(SentPacket {
            offset: range.start,
            batch: self.newest_batch(),
            file_bytes: u16::try_from(range.end - range.start).unwrap_or(u16::MAX),
            size,
            state: PacketState::InFlight,
            content,
        });
        self.bytes_in_flight += u64::from(size);
        self.packets_in_flight += 1;
        number
    }

    /// A number is left out.
    pub(super) fn skip(&mut self) {
        self.make_room();
        self.packets.push_back(SentPacket {
            offset: 0,
            batch: self.newest_batch(),
            file_bytes: 0,
            size: 0,
            state: PacketState::Skipped,
            content: PacketContent::Ping,
        });
    }

    /// The packet of a number that is still tracked.
    pub(super) fn get(&self, number: u64) -> Option<&SentPacket> {
        self.packets.get(self.index(number)?)
    }

    /// The batch that a packet belonged to.
    pub(super) fn batch_of(&self, packet: &SentPacket) -> Option<&SentBatch> {
        self.batches.get(packet.batch.wrapping_sub(self.batch_base) as usize)
    }

    /// Sets what became of a number; gives the packet as it was before.
    pub(super) fn settle(&mut self, number: u64, state: PacketState) -> Option<SentPacket> {
        let index = self.index(number)?;
        let packet = self.packets.get_mut(index)?;
        let before = *packet;
        if before.state != PacketState::Skipped {
            packet.state = state;
        }
        let leaves_flight = state != PacketState::InFlight;
        if before.state == PacketState::InFlight && leaves_flight {
            self.bytes_in_flight -= u64::from(before.size);
            self.packets_in_flight -= 1;
        }
        Some(before)
    }

    /// Gives up what is in flight of the newest batch; gives each packet, with its number, to `each`.
    pub(super) fn give_up_newest_batch(&mut self, mut each: impl FnMut(&SentPacket, u64)) {
        let batch = self.newest_batch();
        let of_batch = self.packets.iter().rev().take_while(|packet| packet.batch == batch).count();
        let first = self.next_number() - of_batch as u64;
        for number in first..self.next_number() {
            if self.get(number).is_some_and(|packet| packet.state == PacketState::InFlight)
                && let Some(packet) = self.settle(number, PacketState::GivenUp)
            {
                each(&packet, number);
            }
        }
    }

    /// Gives up everything on its way; gives each packet, with its number, to `each`.
    pub(super) fn give_up_flight(&mut self, mut each: impl FnMut(&SentPacket, u64)) {
        for number in self.base..self.next_number() {
            if self.get(number).is_some_and(SentPacket::is_on_its_way)
                && let Some(packet) = self.settle(number, PacketState::GivenUp)
            {
                each(&packet, number);
            }
        }
    }

    /// The oldest packet on its way that carries file bytes.
    pub(super) fn oldest_data_in_flight(&self) -> Option<&SentPacket> {
        self.packets
            .iter()
            .find(|packet| packet.is_on_its_way() && packet.content == PacketContent::Data)
    }

    /// Forgets settled packets at the old end. Lost ones stay as long as `memory` says and no more
    /// than `kept_max` numbers would be kept for them.
    pub(super) fn retire(&mut self, now: Instant, memory: Duration, kept_max: usize) {
        while let Some(packet) = self.packets.front() {
            // A number that was left out goes with the next one, or a lie about it would not be noticed.
            let is_skipped = packet.state == PacketState::Skipped;
            let decisive = if is_skipped { self.packets.get(1) } else { Some(packet) };
            if !decisive.is_some_and(|packet| self.is_over(packet, now, memory, kept_max)) {
                break;
            }
            self.packets.pop_front();
            self.base += 1;
        }
        self.retire_batches();
    }

    fn is_over(&self, lost: &SentPacket, now: Instant, memory: Duration, kept_max: usize) -> bool {
        match lost.state {
            PacketState::InFlight | PacketState::Overtaken | PacketState::Skipped => false,
            PacketState::Acknowledged => true,
            PacketState::Lost | PacketState::GivenUp => {
                let kept = self.packets.len();
                let are_few = kept <= LOST_MEMORY_PACKETS;
                let memory = if are_few { memory.max(LOST_MEMORY_MAX) } else { memory };
                let is_old = |batch: &SentBatch| now >= batch.sent_at + memory;
                kept > kept_max || self.batch_of(lost).is_none_or(is_old)
            }
        }
    }

    /// Forgets everything and goes on with this number.
    #[cfg(test)]
    pub(super) fn leave_out_numbers_to(&mut self, number: u64) {
        *self = Self { base: number, ..Self::default() };
    }

    /// Grows by an eighth where the ring would double by itself: what is allocated is to stay
    /// proportional to what is in flight.
    fn make_room(&mut self) {
        let length = self.packets.len();
        if length == self.packets.capacity() {
            self.packets.reserve_exact((length / 8).max(RING_GROWTH_MIN));
        }
    }

    fn retire_batches(&mut self) {
        let oldest = self.packets.front().map(|packet| packet.batch);
        while !self.batches.is_empty() && oldest != Some(self.batch_base) {
            let is_newest = self.batches.len() == 1;
            if is_newest && oldest.is_none() {
                break;
            }
            self.batches.pop_front();
            self.batch_base = self.batch_base.wrapping_add(1);
        }
    }

    fn newest_batch(&self) -> u32 {
        let behind = u32::try_from(self.batches.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.batch_base.wrapping_add(behind)
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.base)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery_rate::DeliveryRate;
    use super::*;
    use crate::proto::limits::TRACKED_NUMBERS_MAX;

    /// Sends in batches of `per_batch` and gives the bytes that tracking takes for each packet.
    fn bytes_per_packet(packets: usize, per_batch: usize) -> usize {
        let now = Instant::now();
        let rate = DeliveryRate::new(now).snapshot(now, 0);
        let mut sent = SentPackets::default();
        for number in 0..packets as u64 {
            if number % per_batch as u64 == 0 {
                sent.begin_batch(SentBatch { sent_at: now, ecn: Ecn::NotEct, rate });
            }
            sent.push(PacketContent::Data, number * 1412..(number + 1) * 1412, 1452);
        }
        let ring = sent.packets.capacity() * size_of::<SentPacket>();
        (ring + sent.batches.capacity() * size_of::<SentBatch>()) / packets
    }

    #[test]
    fn a_packet_in_flight_takes_no_more_than_32_bytes() {
        for packets in [10_000, 33_000, 66_000, 131_000] {
            let bytes = bytes_per_packet(packets, 45);
            assert!(bytes <= 32, "{bytes} bytes for each of {packets} packets");
        }
    }

    #[test]
    fn what_is_tracked_at_most_fits_four_megabytes() {
        let bytes = bytes_per_packet(TRACKED_NUMBERS_MAX, 45) * TRACKED_NUMBERS_MAX;
        assert!(bytes <= 4 << 20, "{bytes} bytes");
    }

    #[test]
    fn only_what_is_in_flight_of_the_newest_batch_is_given_up() {
        let now = Instant::now();
        let rate = DeliveryRate::new(now).snapshot(now, 0);
        let mut sent = SentPackets::default();
        for _ in 0..2 {
            sent.begin_batch(SentBatch { sent_at: now, ecn: Ecn::NotEct, rate });
            (0..3).for_each(|_| {
                sent.push(PacketContent::Data, 0..1000, 1040);
            });
        }
        sent.settle(4, PacketState::Acknowledged);
        let mut given_up = Vec::new();
        sent.give_up_newest_batch(|_, number| given_up.push(number));
        assert_eq!((given_up, sent.packets_in_flight()), (vec![3, 5], 3));
    }

    /// Packets sent at one time, one letter each: `s`kipped, in `f`light, `a`cknowledged, `l`ost; how
    /// many numbers stay at the given second; all were sent at the first, and lost ones are remembered
    /// for one.
    #[track_caller]
    fn check(states: &str, at: u64, tracked_max: usize, kept: usize) {
        let start = Instant::now();
        let mut sent = SentPackets::default();
        let rate = DeliveryRate::new(start).snapshot(start, 0);
        sent.begin_batch(SentBatch {
            sent_at: start + Duration::from_secs(1),
            ecn: Ecn::NotEct,
            rate,
        });
        for (state, number) in states.chars().zip(0..) {
            match state {
                's' => sent.skip(),
                _ => assert_eq!(sent.push(PacketContent::Data, 0..1000, 1200), number),
            }
            let became = match state {
                'a' => Some(PacketState::Acknowledged),
                'l' => Some(PacketState::Lost),
                _ => None,
            };
            became.map(|state| sent.settle(number, state));
        }
        sent.retire(start + Duration::from_secs(at), Duration::ZERO, tracked_max);
        assert_eq!(sent.tracked(), kept, "{states}");
        assert_eq!(sent.next_number(), states.len() as u64);
    }

    #[test]
    fn what_is_settled_is_forgotten_up_to_what_is_in_flight() {
        check("aaafaa", 0, 100, 3);
        check("aaaa", 0, 100, 0);
    }

    #[test]
    fn lost_ones_are_remembered_for_a_while() {
        check("laaa", 1, 100, 4);
        check("laaa", 2, 100, 0);
        check("llla", 1, 2, 2);
    }

    #[test]
    fn a_number_left_out_is_remembered_as_long_as_the_next_one() {
        check("as", 2, 100, 1);
        check("asfa", 2, 100, 3);
        check("asa", 2, 100, 0);
        check("asla", 1, 100, 3);
        // Kept for good, it would end the session once the numbers that may be tracked are used up.
        check("asla", 2, 100, 0);
    }
}
