//! What strangers send to the front door: nothing comes back, and running transfers do not notice.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use file_transfer::proto::handshake::ClientHandshake;
use file_transfer::proto::hello::{HELLO_BYTES, TYPE_HELLO, WELCOME_BYTES};
use file_transfer::proto::keys::CipherSuites;
use file_transfer::proto::receiver::Receiver;
use file_transfer::proto::sender::SessionSeed;
use file_transfer::ticket::TicketKey;
use file_transfer::udp::{ReceiveConfig, receive};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::lossy_proxy::{Conditions, LossyProxy};
use crate::udp_node::{UdpNode, unix_now};

/// Largest payload of a UDP datagram over IPv4.
const DATAGRAM_BYTES_LARGEST: usize = 65_507;

/// A stranger's socket. Reading gives up when nothing comes for a while.
fn stranger() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket
}

/// All datagrams that wait at `socket` or still come.
fn replies(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    let mut all = Vec::new();
    loop {
        match socket.recv(&mut buffer) {
            Ok(bytes) => all.push(buffer[..bytes].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return all;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Every length that may matter, with every first byte that may mean something.
fn junk(chance: &mut Pcg64) -> Vec<u8> {
    let lengths = [0, 1, 15, 16, 31, 32, 33, 1199, 1200, 1201, 1452, 9000, DATAGRAM_BYTES_LARGEST];
    let length = lengths[chance.next_u32() as usize % lengths.len()];
    let mut datagram = vec![0; length];
    chance.fill_bytes(&mut datagram);
    if let Some(first) = datagram.first_mut() {
        let kinds = [TYPE_HELLO, 0x02, 0x10, 0x12, 0x17, 0x90, *first];
        *first = kinds[chance.next_u32() as usize % kinds.len()];
    }
    datagram
}

/// A HELLO for what `config` asks for.
fn hello(config: &ReceiveConfig) -> Vec<u8> {
    let suites = CipherSuites { aes: false };
    let handshake = ClientHandshake::new(&config.ticket, config.secret, [3; 32], suites).unwrap();
    handshake.hello().to_vec()
}

fn send_all(socket: &UdpSocket, node: SocketAddr, datagrams: impl Iterator<Item = Vec<u8>>) {
    for datagram in datagrams {
        socket.send_to(&datagram, node).unwrap();
    }
}

#[test]
fn junk_gets_not_one_byte_back() {
    let node = UdpNode::start();
    let mut chance = Pcg64::seed_from_u64(1);
    let stranger = stranger();
    send_all(&stranger, node.address(), (0..2_000).map(|_| junk(&mut chance)));
    assert_eq!(replies(&stranger), Vec::<Vec<u8>>::new());
}

#[test]
fn a_damaged_hello_gets_not_one_byte_back() {
    let node = UdpNode::start();
    let good = hello(&node.config(&node.offer(1, 1000), 1));
    let stranger = stranger();
    let damaged = (0..HELLO_BYTES).map(|at| {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        bad
    });
    send_all(&stranger, node.address(), damaged);
    assert_eq!(replies(&stranger), Vec::<Vec<u8>>::new());
}

#[test]
fn a_captured_hello_gets_nothing_and_its_owner_the_same_welcome() {
    let node = UdpNode::start();
    let hello = hello(&node.config(&node.offer(1, 1000), 1));
    let (owner, thief) = (stranger(), stranger());
    let repeats = 5;
    for socket in [&owner, &thief] {
        send_all(socket, node.address(), std::iter::repeat_n(hello.clone(), repeats));
    }
    let (to_owner, to_thief) = (replies(&owner), replies(&thief));
    assert_eq!(to_owner.len(), repeats);
    assert_eq!(to_thief, Vec::<Vec<u8>>::new());
    assert!(to_owner.iter().all(|welcome| welcome == &to_owner[0]), "always the same");
    let bytes_out: usize = to_owner.iter().map(Vec::len).sum();
    assert_eq!(bytes_out, repeats * WELCOME_BYTES);
    assert!(bytes_out <= repeats * hello.len(), "no more out than in before an address is proven");
    assert_eq!(node.server.session_count(), 0);
}

#[test]
fn a_ticket_that_is_expired_or_anothers_gets_not_one_byte_back() {
    let node = UdpNode::start();
    let file = node.offer(1, 1000);
    let other_key = TicketKey::from_bytes([8; 32]).unwrap();
    let expired = node.config_by(&node.key, unix_now() - 1, &file, 1);
    let anothers = node.config_by(&other_key, unix_now() + 60, &file, 1);
    let wrong_secret = ReceiveConfig { secret: [0; 32], ..node.config(&file, 1) };
    let stranger = stranger();
    let hellos = [expired, anothers, wrong_secret].iter().map(hello).collect::<Vec<_>>();
    send_all(&stranger, node.address(), hellos.into_iter());
    assert_eq!(replies(&stranger), Vec::<Vec<u8>>::new());
}

#[test]
fn a_replayed_flow_gets_not_one_byte_back() {
    let node = UdpNode::start();
    let file = node.offer(1, 1 << 20);
    let proxy = LossyProxy::start(node.address(), Conditions::PERFECT);
    let config = ReceiveConfig { node: proxy.address(), ..node.config(&file, 1) };
    let token = CancellationToken::new();
    let received = receive(&config, &mut Vec::new(), &AtomicU64::new(0), &token);
    assert!(received.end.is_ok(), "{:?}", received.end);
    node.next_report();

    let flow = proxy.stop().of_client;
    let hellos = flow.iter().filter(|datagram| datagram[0] == TYPE_HELLO).count();
    assert!(hellos > 0 && flow.len() > hellos, "a whole flow was seen");
    let stranger = stranger();
    send_all(&stranger, node.address(), flow.into_iter());
    assert_eq!(replies(&stranger), Vec::<Vec<u8>>::new());
    assert_eq!(node.server.session_count(), 0);
}

#[test]
fn a_session_begins_only_where_its_welcome_went() {
    let (node, now) = (UdpNode::start(), Instant::now());
    let config = node.config(&node.offer(1, 1000), 1);
    let suites = CipherSuites { aes: false };
    let mut handshake =
        ClientHandshake::new(&config.ticket, config.secret, [3; 32], suites).unwrap();
    let (client, elsewhere) = (stranger(), stranger());
    client.send_to(handshake.hello(), node.address()).unwrap();
    let session = handshake.handle_datagram(now, &mut replies(&client)[0]).unwrap();
    let mut receiver =
        Receiver::new(now, session, ((), SessionSeed::new(1)), config.missing, 1 << 20);
    let mut want = [0; 1200];
    let bytes = receiver.poll_transmit(now, &mut want).unwrap();

    elsewhere.send_to(&want[..bytes], node.address()).unwrap();
    assert_eq!(replies(&elsewhere), Vec::<Vec<u8>>::new());
    assert_eq!(node.server.session_count(), 0);
    client.send_to(&want[..bytes], node.address()).unwrap();
    assert!(!replies(&client).is_empty(), "where the WELCOME went the file comes");
}

#[test]
fn a_transfer_completes_while_the_front_door_is_flooded() {
    let node = UdpNode::start();
    let file = node.offer(1, 16 << 20);
    let config = node.config(&file, 1);
    let (stranger, over, flooded) = (stranger(), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut chance = Pcg64::seed_from_u64(2);
            let junk: Vec<Vec<u8>> = (0..256).map(|_| junk(&mut chance)).collect();
            while !over.load(Ordering::Relaxed) {
                send_all(&stranger, node.address(), junk.iter().cloned());
                flooded.fetch_add(junk.len() as u64, Ordering::Relaxed);
            }
        });
        let mut bytes = Vec::new();
        let received = receive(&config, &mut bytes, &AtomicU64::new(0), &CancellationToken::new());
        over.store(true, Ordering::Relaxed);
        assert!(received.end.is_ok() && bytes == file.bytes, "{:?}", received.end);
    });
    assert!(flooded.load(Ordering::Relaxed) > 0);
    let sent = node.next_report().stats.data_bytes_sent;
    assert!(sent * 10 <= file.version.size * 11, "{sent} bytes sent: the flood took places");
    assert_eq!(replies(&stranger), Vec::<Vec<u8>>::new());
}

/// Strangers write to the port just when sessions' sockets are made, which catch some of it.
#[test]
fn newcomers_are_answered_while_sessions_start() {
    let node = UdpNode::start();
    let file = node.offer(1, 100);
    std::thread::scope(|scope| {
        for login in 0..4 {
            let (node, file) = (&node, &file);
            scope.spawn(move || {
                for _ in 0..25 {
                    let mut bytes = Vec::new();
                    let config = node.config(file, login);
                    let token = CancellationToken::new();
                    let received = receive(&config, &mut bytes, &AtomicU64::new(0), &token);
                    assert!(received.end.is_ok() && bytes == file.bytes, "{:?}", received.end);
                }
            });
        }
    });
}
