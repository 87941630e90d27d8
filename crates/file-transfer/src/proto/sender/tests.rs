//! A sender against a peer that breaks rules: the peer's packets are made by hand.

use crate::proto::data_frame::SyncBlock;
use std::time::{Duration, Instant};

use super::*;
use crate::proto::ack_frame::AckHeader;
use crate::proto::keys::{CipherSuite, SessionSecrets};
use crate::proto::limits::{TRACKED_NUMBERS_MAX, TRACKED_NUMBERS_RESERVE};
use crate::range_set::RangeSet;

/// A sender of a file of 10 MB and the keys of its peer.
struct Bench {
    sender: Sender<u8>,
    peer: SealedChannel,
    next_number: u64,
    /// Every number the sender has sent.
    arrived: RangeSet,
    /// Those of DATA.
    data: Vec<u64>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with_datagrams_of(1200)
    }

    fn with_datagrams_of(datagram_bytes_max: usize) -> Self {
        let secrets = SessionSecrets::derive(&[1; 32], b"hello", 7, &[2; 32]);
        let now = Instant::now();
        let sender = Sender::new(
            now,
            SenderConfig {
                session_id: 7,
                peer: 0,
                same_host: |_, _| true,
                keys: secrets.server_keys(CipherSuite::ChaCha20Poly1305),
                file_bytes: 10_000_000,
                bytes_max: 15_000_000,
                datagram_bytes_max,
                rtt: Some(Duration::from_millis(10)),
                seed: SessionSeed::new(3),
                controller: Box::new(Cubic::new(1200)),
            },
        );
        let peer = SealedChannel::new(7, secrets.client_keys(CipherSuite::ChaCha20Poly1305));
        Self { sender, peer, next_number: 0, arrived: RangeSet::new(), data: Vec::new(), now }
    }

    fn send(&mut self, kind: PacketKind, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut datagram = [0; 1200];
        let length = self.peer.seal(kind, self.next_number, &mut datagram, write).expect("it fits");
        self.next_number += 1;
        self.sender.handle_datagram(self.now, 0, &mut datagram[..length]);
    }

    fn want(&mut self, version: u32, window: u64, ranges: RangeSet) {
        let want = WantFrame { version, window, ranges };
        self.send(PacketKind::Want, |body| want.encode(body));
    }

    fn ack(&mut self, numbers: &RangeSet, window: u64) {
        let header = AckHeader { window, ..AckHeader::default() };
        self.send(PacketKind::Ack, |body| header.encode(numbers, body));
    }

    fn ask(&mut self) {
        let ping = PingFrame { answer_me: true, sync: SyncBlock::default() };
        self.send(PacketKind::Ping, |body| ping.encode(body));
    }

    /// Lets the sender send what it wants to; gives the datagrams' count and the numbers of DATA.
    fn drain(&mut self) -> (usize, Vec<u64>) {
        let (mut count, mut numbers) = (0, Vec::new());
        let mut out = [0; 1500];
        while let Some(length) = self.sender.poll_transmit(self.now, &mut out) {
            let number = Header::decode(&out[..length]).expect("a header").number;
            self.arrived.insert(number..number + 1);
            count += 1;
        }
        let mut batch = Batch::new();
        while self.sender.poll_batch(self.now, 45, &mut batch) {
            numbers.extend(batch.slots().iter().map(|slot| slot.number));
            for number in &numbers {
                self.arrived.insert(*number..number + 1);
            }
            count += batch.slots().len();
        }
        self.data.extend(&numbers);
        (count, numbers)
    }

    /// The same; gives the numbers of what is not DATA, and of DATA.
    fn drain_with_probes(&mut self) -> (Vec<u64>, Vec<u64>) {
        let before = self.arrived.clone();
        let (_, data) = self.drain();
        let mut sent = self.arrived.clone();
        sent.remove_all(&before);
        (sent.iter().flatten().filter(|number| !data.contains(number)).collect(), data)
    }

    /// Follows the sender's timers for the given time; gives how many datagrams it sent.
    fn pass(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut count = 0;
        while let Some(at) = self.sender.poll_timeout(self.now).filter(|at| *at <= end) {
            self.now = self.now.max(at) + Duration::from_nanos(1);
            self.sender.handle_timeout(self.now);
            count += self.drain().0;
        }
        self.now = end;
        count
    }
}

#[test]
fn acknowledging_the_future_ends_the_session() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..1_000_000));
    bench.drain();
    bench.ack(&RangeSet::of(0..1 << 40), 1 << 20);
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::Violation)));
}

#[test]
fn acknowledging_a_number_that_was_left_out_ends_the_session() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..10_000_000));
    // An honest receiver names what it got; this one says "everything up to the largest".
    for _ in 0..20_000 {
        let (_, numbers) = bench.drain();
        if let Some(largest) = numbers.last() {
            bench.ack(&RangeSet::of(0..largest + 1), 1 << 20);
        }
        if bench.sender.outcome().is_some() {
            break;
        }
        bench.now += Duration::from_millis(10);
    }
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::Violation)));
    assert!(bench.sender.stats().data_bytes_sent < 10_000_000, "found before the file was through");
}

#[test]
fn a_window_of_zero_gets_questions_and_then_the_end() {
    let mut bench = Bench::new();
    bench.want(1, 0, RangeSet::of(0..1_000_000));
    let mut packets = 0;
    for _ in 0..700 {
        let questions = bench.pass(Duration::from_millis(100));
        if questions > 0 {
            // An honest answer to each, and no byte is taken.
            bench.ack(&bench.arrived.clone(), 0);
        }
        packets += questions;
    }
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::Stalled)));
    assert_eq!(bench.sender.stats().data_bytes_sent, 0);
    assert!((60..600).contains(&packets), "{packets} questions in a minute");
}

#[test]
fn a_silent_peer_ends_the_session_after_thirty_seconds() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..1_000_000));
    bench.drain();
    let packets = bench.pass(Duration::from_secs(29));
    assert_eq!(bench.sender.outcome(), None);
    assert!((20..120).contains(&packets), "{packets} packets to nobody");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::Silent));
    assert_eq!(bench.sender.poll_timeout(bench.now), None);
}

#[test]
fn bytes_beyond_the_file_are_not_asked_for() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(9_999_999..10_000_001));
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::Violation)));
}

#[test]
fn asking_again_and_again_ends_at_the_limit_of_the_ticket() {
    let mut bench = Bench::new();
    for version in 1..10_000 {
        bench.want(version, 1 << 20, RangeSet::of(0..1_000_000));
        let (_, numbers) = bench.drain();
        if !numbers.is_empty() {
            bench.ack(&numbers.iter().map(|number| *number..number + 1).collect(), 1 << 20);
        }
        bench.now += Duration::from_millis(10);
        if bench.sender.outcome().is_some() {
            break;
        }
    }
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::LimitReached)));
    assert_eq!(bench.sender.stats().data_bytes_sent, 15_000_000, "and not one byte more");
}

#[test]
fn what_is_lost_of_the_last_bytes_of_a_ticket_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.sender.bytes_left = 1_000;
    bench.want(1, 1 << 20, RangeSet::of(0..1_000));
    assert_eq!(bench.drain().1.len(), 1);
    // Nothing of it arrives; the questions do.
    for _ in 0..50 {
        bench.pass(Duration::from_millis(100));
        let questions = bench.arrived.clone();
        let pings = questions.iter().flatten().filter(|number| !bench.data.contains(number));
        bench.ack(&pings.map(|number| number..number + 1).collect(), 1 << 20);
    }
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::LimitReached)));
    assert_eq!(bench.sender.stats().data_bytes_sent, 1_000);
}

#[test]
fn a_flood_of_repeated_and_forged_packets_changes_nothing() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..1_000_000));
    bench.drain();
    let mut datagram = [0; 1200];
    let ping = PingFrame { answer_me: true, sync: SyncBlock::default() };
    let length = bench
        .peer
        .seal(PacketKind::Ping, 9, &mut datagram, |body| ping.encode(body))
        .expect("it fits");
    let original = datagram[..length].to_vec();
    bench.sender.handle_datagram(bench.now, 0, &mut original.clone());
    assert_eq!(bench.drain().0, 1, "the first one is answered");
    for round in 0..1000 {
        bench.sender.handle_datagram(bench.now, 0, &mut original.clone());
        let mut forged = original.clone();
        forged[15] = 10;
        forged[16 + round % 8] ^= 1;
        bench.sender.handle_datagram(bench.now, 0, &mut forged);
    }
    assert_eq!(bench.drain().0, 0);
    assert_eq!((bench.sender.stats().repeats, bench.sender.stats().forgeries), (1000, 1000));
}

#[test]
fn questions_without_end_from_a_peer_that_acknowledges_next_to_nothing_end_the_session() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..1_000_000));
    bench.drain();
    let (mut acknowledged, mut acknowledged_at) = (0, bench.now);
    let mut most = 0;
    while bench.sender.outcome().is_none() {
        bench.now += PING_ANSWER_INTERVAL_MIN;
        bench.sender.handle_timeout(bench.now);
        bench.ask();
        bench.drain();
        // One old packet a minute: never stalled, and nothing is found lost.
        if bench.now >= acknowledged_at + Duration::from_secs(59) {
            acknowledged_at = bench.now;
            let number = bench.data[acknowledged];
            acknowledged += 1;
            bench.ack(&RangeSet::of(number..number + 1), 1 << 20);
        }
        most = most.max(bench.sender.stats().tracked_numbers);
        assert!(most <= TRACKED_NUMBERS_MAX + TRACKED_NUMBERS_RESERVE + 64, "{most} are tracked");
    }
    assert_eq!(bench.sender.outcome(), Some(&SenderOutcome::ClosedHere(CloseCode::Violation)));
    assert!(acknowledged >= 4 && most > TRACKED_NUMBERS_MAX, "{acknowledged}, {most}");
}

#[test]
fn questions_get_no_more_answers_than_an_honest_end_needs() {
    let mut bench = Bench::new();
    let start = bench.now;
    let mut answers = 0;
    for _ in 0..1_000 {
        bench.ask();
        answers += bench.drain().0;
        bench.now += Duration::from_micros(100);
    }
    assert_eq!(bench.now - start, 50 * PING_ANSWER_INTERVAL_MIN);
    assert_eq!(answers, 50);
}

#[test]
fn the_end_is_confirmed_as_often_as_it_is_said_and_no_more() {
    let mut bench = Bench::new();
    let done = CloseFrame { code: CloseCode::Done, reason: String::new() };
    let mut answers = 0;
    for _ in 0..1_000 {
        bench.send(PacketKind::Close, |body| done.encode(body));
        answers += bench.drain().0;
    }
    assert_eq!(answers, 5);
    bench.now += Duration::from_secs(1);
    assert!(bench.sender.is_drained(bench.now));
}

#[test]
fn the_first_word_of_an_upload_goes_out_unmarked_and_file_bytes_marked() {
    let mut bench = Bench::new();
    bench.sender.speak_first();
    let mut out = [0; 1500];
    assert!(bench.sender.poll_transmit(bench.now, &mut out).is_some());
    assert_eq!(bench.sender.ecn(), Ecn::NotEct);
    bench.want(1, 1 << 20, RangeSet::of(0..1_000_000));
    let mut batch = Batch::new();
    assert!(bench.sender.poll_batch(bench.now, 45, &mut batch));
    assert_eq!(bench.sender.ecn(), Ecn::Ect0);
    // What a probe timeout sends, as well.
    bench.drain();
    while bench.sender.stats().probe_timeouts == 0 {
        bench.now = bench.sender.poll_timeout(bench.now).expect("it waits for an ACK");
        bench.sender.handle_timeout(bench.now);
    }
    assert!(bench.sender.poll_batch(bench.now, 45, &mut batch));
    assert_eq!(bench.sender.ecn(), Ecn::NotEct);
}

/// Numbers of these, without some.
fn without(numbers: &[u64], left_out: &[u64]) -> RangeSet {
    let named = numbers.iter().filter(|number| !left_out.contains(number));
    named.map(|number| *number..number + 1).collect()
}

#[test]
fn a_late_probe_of_a_size_undoes_nothing() {
    let mut bench = Bench::with_datagrams_of(1452);
    bench.want(1, 1 << 20, RangeSet::of(0..10_000_000));
    // The first probe is lost, and one packet with file bytes.
    let (_, first) = bench.drain();
    // The answer to the WANT has arrived.
    bench.ack(&RangeSet::of(0..1), 1 << 20);
    let window = bench.sender.stats().congestion_window;
    bench.ack(&without(&first, &first[1..2]), 1 << 20);
    assert_eq!(bench.sender.stats().packets_lost, 1);
    let reduced = bench.sender.stats().congestion_window;
    assert!(reduced < window);
    // The second probe goes out, and is only late: the third does when it is given up.
    bench.now += Duration::from_millis(50);
    let (probes, mut numbers) = bench.drain_with_probes();
    assert_eq!(probes.len(), 1);
    bench.now += Duration::from_millis(10);
    numbers.extend(bench.drain().1);
    bench.ack(&without(&numbers, &[]), 1 << 20);
    bench.now += Duration::from_millis(50);
    assert_eq!(bench.drain_with_probes().0.len(), 1);
    assert_eq!(bench.sender.stats().packets_lost, 1);
    let after = bench.sender.stats().congestion_window;
    bench.ack(&without(&probes, &[]), 1 << 20);
    assert_eq!(bench.sender.stats().spurious_losses, 0);
    assert!(bench.sender.stats().congestion_window <= after, "nothing is undone");
}

#[test]
fn what_was_given_up_with_the_old_port_and_comes_after_all_was_not_late() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..1_000_000));
    let (_, numbers) = bench.drain();
    bench.sender.flight.readdressed(bench.now, &mut bench.sender.work);
    bench.now += Duration::from_millis(20);
    bench.ack(&without(&numbers, &[]), 1 << 20);
    assert_eq!(bench.sender.stats().spurious_losses, 0);
}

#[test]
fn how_far_packets_overtook_each_other_is_forgotten_with_the_old_path() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..10_000_000));
    let (_, first) = bench.drain();
    bench.ack(&RangeSet::of(0..1), 1 << 20);
    bench.ack(&without(&first, &[]), 1 << 20);
    // A gap is a loss at once, until one turns out to have been late.
    let losses_after_a_gap = |bench: &mut Bench| {
        bench.now += Duration::from_millis(10);
        let (_, numbers) = bench.drain();
        let before = bench.sender.stats().packets_lost;
        bench.now += Duration::from_millis(10);
        bench.ack(&without(&numbers, &numbers[..1]), 1 << 20);
        let lost = bench.sender.stats().packets_lost - before;
        bench.now += Duration::from_millis(30);
        bench.ack(&without(&numbers, &[]), 1 << 20);
        lost
    };
    assert_eq!(losses_after_a_gap(&mut bench), 1);
    assert_eq!(losses_after_a_gap(&mut bench), 0);
    let round_trip = Some(Duration::from_millis(10));
    bench.sender.flight.rerouted(bench.now, round_trip, &mut bench.sender.work);
    assert_eq!(losses_after_a_gap(&mut bench), 1);
}

#[test]
fn a_batch_has_equal_datagrams_and_a_smaller_last_one() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, RangeSet::of(0..5000));
    bench.sender.ping_due = false;
    let mut batch = Batch::new();
    let mut sizes = Vec::new();
    while bench.sender.poll_batch(bench.now, 45, &mut batch) {
        sizes.extend(batch.slots().iter().map(|slot| slot.file_bytes()));
        let full = batch.slots().len() - 1;
        assert!(batch.slots()[..full].iter().all(|slot| slot.datagram().len() == 1200));
        assert_eq!(batch.total_bytes(), batch.slots()[full].datagram().end);
    }
    assert_eq!(sizes, [1144, 1160, 1160, 1160, 376], "the first carries a sync block");
}

#[test]
fn what_a_limit_keeps_back_says_nothing_about_the_path() {
    let mut bench = Bench::new();
    bench.want(1, 1 << 20, std::iter::once(0..10_000_000).collect());
    let is_limited = |bench: &mut Bench| bench.sender.flight.next_is_app_limited(bench.now);
    assert!(!is_limited(&mut bench));
    bench.drain();
    bench.sender.held_back(bench.now);
    assert!(!is_limited(&mut bench), "the window was full: nothing was kept back");
    let arrived = bench.arrived.clone();
    bench.now += Duration::from_millis(10);
    bench.ack(&arrived, 1 << 20);
    bench.now += Duration::from_millis(10);
    bench.sender.held_back(bench.now);
    assert!(is_limited(&mut bench));
}
