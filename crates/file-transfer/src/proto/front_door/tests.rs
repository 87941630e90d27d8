//! The front door against clients that are not where they say, or start again and again.

use super::*;
use crate::proto::handshake::ClientHandshake;
use crate::proto::limits::STARTS_PER_TICKET_MAX;
use crate::proto::receiver::Receiver;
use crate::proto::sender::SessionSeed;
use crate::range_set::RangeSet;

const SECRET: [u8; 32] = [1; 32];
const SUITES: CipherSuites = CipherSuites { aes: false };
const FILE: WelcomeBody = WelcomeBody { file_bytes: 1000, modified_ns: 1 };

/// Where clients are.
const HOME: u8 = 1;
const ELSEWHERE: u8 = 2;

/// A door that knows every ticket, and its time.
struct Bench {
    door: FrontDoor<u8, ()>,
    datagrams: u64,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { door: FrontDoor::new(SUITES), datagrams: 0, now: Instant::now() }
    }

    fn take(&mut self, from: u8, datagram: &[u8]) -> FrontDoorOutput<u8, ()> {
        self.datagrams += 1;
        let randomness = DoorRandomness { session_id: self.datagrams, server_random: [9; 32] };
        self.door.handle_datagram(self.now, 1000, from, datagram, randomness, |_| {
            let expires_at_unix = 1060;
            Some(OpenedTicket { secret: SECRET, file: FILE, expires_at_unix, grant: () })
        })
    }

    /// The WELCOME to a HELLO from there, if there is one.
    fn greet(&mut self, from: u8, client: &ClientHandshake) -> Option<[u8; WELCOME_BYTES]> {
        match self.take(from, client.hello()) {
            FrontDoorOutput::Reply(welcome) => Some(welcome),
            FrontDoorOutput::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    /// Where a WANT that comes from there confirms a session, if it does.
    fn prove(&mut self, from: u8, want: &[u8]) -> Option<u8> {
        match self.take(from, want) {
            FrontDoorOutput::Confirmed(session) => Some(session.peer),
            FrontDoorOutput::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    /// The first packet of a client that got this WELCOME.
    fn want(&self, client: &mut ClientHandshake, mut welcome: [u8; WELCOME_BYTES]) -> Vec<u8> {
        let session = client.handle_datagram(self.now, &mut welcome).unwrap();
        let (peer, missing) = (((), SessionSeed::new(1)), RangeSet::of(0..1000));
        let mut receiver = Receiver::new(self.now, session, peer, missing, 1 << 20);
        let mut want = vec![0; DATAGRAM_BYTES_BASE];
        let bytes = receiver.poll_transmit(self.now, &mut want).unwrap();
        want.truncate(bytes);
        want
    }
}

/// A client of the one ticket; `random` tells it from others.
fn client(random: u8) -> ClientHandshake {
    ClientHandshake::new(&[7; 100], SECRET, [random; 32], SUITES).unwrap()
}

#[test]
fn a_session_begins_only_where_its_welcome_went() {
    let (mut bench, mut client) = (Bench::new(), client(1));
    let welcome = bench.greet(HOME, &client).unwrap();
    let want = bench.want(&mut client, welcome);
    assert_eq!(bench.prove(ELSEWHERE, &want), None);
    assert_eq!(bench.prove(HOME, &want), Some(HOME), "and the attempt has spoilt nothing");
}

#[test]
fn a_welcome_is_shown_to_nobody_else() {
    let (mut bench, mut client) = (Bench::new(), client(1));
    let first = bench.greet(HOME, &client).unwrap();
    assert_eq!(bench.greet(ELSEWHERE, &client), None);
    assert_eq!(bench.greet(HOME, &client), Some(first), "repeated as long as it is lost");
    let want = bench.want(&mut client, first);
    assert_eq!(bench.prove(HOME, &want), Some(HOME));
    assert_eq!(bench.greet(ELSEWHERE, &client), None, "nor once it is confirmed");
}

#[test]
fn a_start_that_was_not_confirmed_in_time_may_begin_elsewhere() {
    let (mut bench, mut client) = (Bench::new(), client(1));
    bench.greet(HOME, &client).unwrap();
    bench.now += HANDSHAKE_TIMEOUT;
    let welcome = bench.greet(ELSEWHERE, &client).unwrap();
    let want = bench.want(&mut client, welcome);
    assert_eq!(bench.prove(HOME, &want), None);
    assert_eq!(bench.prove(ELSEWHERE, &want), Some(ELSEWHERE));
}

#[test]
fn a_ticket_starts_only_so_often_until_it_expires() {
    let mut bench = Bench::new();
    let start = |bench: &mut Bench, random| {
        let mut client = client(random);
        let Some(welcome) = bench.greet(HOME, &client) else { return false };
        let want = bench.want(&mut client, welcome);
        bench.prove(HOME, &want) == Some(HOME)
    };
    let starts = (0..=u8::MAX).filter(|random| start(&mut bench, *random)).count();
    assert_eq!(starts, STARTS_PER_TICKET_MAX);
    bench.now += Duration::from_secs(60);
    assert!(start(&mut bench, 0), "the bench's ticket is always good for another minute");
}

#[test]
fn unconfirmed_starts_push_out_only_their_like_and_are_counted_all_the_same() {
    let mut bench = Bench::new();
    let other = ClientHandshake::new(&[8; 100], SECRET, [0; 32], SUITES).unwrap();
    assert!(bench.greet(HOME, &other).is_some());
    let clients = (0..=u8::MAX).map(client).collect::<Vec<_>>();
    let answered = clients.iter().filter(|client| bench.greet(HOME, client).is_some()).count();
    assert_eq!(answered, STARTS_PER_TICKET_MAX);
    assert_eq!(bench.door.start_count(), PENDING_PER_TICKET_MAX + 1);
    assert!(bench.greet(HOME, &other).is_some(), "another ticket's start is known still");
}

#[test]
fn however_a_ticket_is_used_it_gets_so_many_answers() {
    let mut bench = Bench::new();
    let clients = (0..=u8::MAX).map(client).collect::<Vec<_>>();
    let mut answers = 0;
    // New starts, repeated ones, and ones that are new because the door forgot them: for a minute.
    for second in 0..60 {
        for client in clients.iter().skip(second % 4).chain(&clients[..4]) {
            answers += u32::from(bench.greet(HOME, client).is_some());
        }
        bench.now += Duration::from_secs(1);
    }
    let most = u32::try_from(STARTS_PER_TICKET_MAX).unwrap() * WELCOMES_PER_START_MAX;
    assert!(answers <= most, "{answers} answers to one ticket");
}

#[test]
fn a_start_is_answered_as_often_as_an_honest_client_asks() {
    let (mut bench, client) = (Bench::new(), client(1));
    let answered = (0..1000).filter(|_| bench.greet(HOME, &client).is_some()).count();
    assert_eq!(answered, WELCOMES_PER_START_MAX as usize);
    let mut asking = ClientHandshake::new(&[7; 100], SECRET, [2; 32], SUITES).unwrap();
    let (mut now, mut hellos) = (bench.now, 0);
    while !asking.is_timed_out() {
        hellos += u32::from(asking.poll_transmit(now).is_some());
        now = asking.poll_timeout().unwrap_or(now);
        asking.handle_timeout(now);
    }
    assert!(hellos * 2 <= WELCOMES_PER_START_MAX, "{hellos} HELLOs, each of them twice");
}
