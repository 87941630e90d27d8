//! A node against clients that do what they must not, over a pipe in memory.

use std::future::pending;
use std::io::Read;

use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::file_path::FilePath;
use crate::ticket::TICKET_BYTES;

const SIZE: u64 = 1_000_000;
const EXPORTER: Exporter = Exporter([0x22; 32]);

fn grant() -> Grant {
    Grant {
        secret: [7; 32],
        user: "bob".into(),
        login: 1,
        file: FilePath::parse("file").unwrap(),
        version: FileVersion { size: SIZE, modified_ns: 0 },
        bytes_max: 2 * SIZE,
        expires_at: 0,
    }
}

fn hello(wanted: RangeSet) -> Hello {
    let (ticket, client_random) = ([1; TICKET_BYTES], [0x11; 32]);
    let proof = proof::of_client(&grant().secret, &EXPORTER, &client_random, &ticket);
    Hello { ticket, client_random, proof, wanted }
}

pub(super) fn proven(wanted: RangeSet) -> ProvenHello {
    let direction = Direction::Download;
    ProvenHello { hello: hello(wanted), direction, grant: grant(), exporter: EXPORTER }
}

fn admitted() -> (Admitted, File) {
    let mut file = tempfile::tempfile().unwrap();
    std::io::copy(&mut std::io::repeat(5).take(SIZE), &mut file).unwrap();
    let version = FileVersion::of(&file.metadata().unwrap());
    let other = file.try_clone().unwrap();
    (Admitted { file: Arc::new(file), version }, other)
}

/// What a node thinks of a client that sends these bytes and then nothing, and what it answers.
async fn answer(bytes: &[u8]) -> (Result<ProvenHello, TcpServeError>, Vec<u8>) {
    let (mut client, mut node) = duplex(1 << 20);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let result = read_hello(&mut node, EXPORTER, |_| Ok((Direction::Download, grant()))).await;
    drop(node);
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.unwrap();
    (result, said)
}

#[track_caller]
fn is_closed(result: &Result<ProvenHello, TcpServeError>, said: &[u8], code: CloseCode) {
    assert!(result.is_err(), "{result:?}");
    assert_eq!(said, code.encode());
}

#[tokio::test]
async fn a_good_hello_is_understood() {
    let hello = hello(RangeSet::of(0..SIZE));
    let (result, said) = answer(&hello.encode()).await;
    assert_eq!((result.unwrap().hello, said), (hello, vec![]));
}

#[tokio::test]
async fn what_is_no_hello_is_told_so_and_closed() {
    let too_long = frame::encode_header(Kind::Hello, CLIENT_BODY_BYTES_MAX + 1);
    for junk in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"SSH-2.0-OpenSSH\r\n",
        &[0, 0, 0, 0, 1],
        &[0xff; 100],
        &too_long,
        &frame::encode(Kind::Hello, &[]),
        &frame::encode(Kind::Hello, &[1; 50]),
        &frame::encode(Kind::Done, &[]),
        &frame::encode(Kind::Data, &[0; 9]),
    ] {
        let (result, said) = answer(junk).await;
        is_closed(&result, &said, CloseCode::Violation);
    }
}

#[tokio::test]
async fn a_hello_of_another_version_is_told_so() {
    let mut bytes = hello(RangeSet::new()).encode();
    bytes[HEADER_BYTES] = 9;
    let (result, said) = answer(&bytes).await;
    is_closed(&result, &said, CloseCode::Version);
}

#[tokio::test]
async fn a_ticket_without_its_secret_opens_nothing() {
    let mut hello = hello(RangeSet::of(0..SIZE));
    hello.proof[31] ^= 1;
    let (result, said) = answer(&hello.encode()).await;
    is_closed(&result, &said, CloseCode::BadTicket);
}

#[tokio::test]
async fn a_proof_of_another_connection_opens_nothing() {
    let mut hello = hello(RangeSet::of(0..SIZE));
    let elsewhere = Exporter([0x23; 32]);
    let secret = grant().secret;
    hello.proof = proof::of_client(&secret, &elsewhere, &hello.client_random, &hello.ticket);
    let (result, said) = answer(&hello.encode()).await;
    is_closed(&result, &said, CloseCode::BadTicket);
}

#[tokio::test]
async fn a_hello_cut_short_is_a_broken_connection() {
    let bytes = hello(RangeSet::new()).encode();
    for length in [0, 3, HEADER_BYTES, HEADER_BYTES + 500, bytes.len() - 1] {
        let (result, said) = answer(&bytes[..length]).await;
        assert!(matches!(result, Err(TcpServeError::Connection(_))), "{result:?}");
        assert!(said.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_given_up() {
    let (_client, mut node) = duplex(1024);
    let result = read_hello(&mut node, EXPORTER, |_| Ok((Direction::Download, grant()))).await;
    assert!(matches!(result, Err(TcpServeError::TimedOut)), "{result:?}");
}

/// Sends a file to a client that reads everything and then says `last_words`.
async fn sent(
    wanted: RangeSet,
    admitted: Admitted,
    last_words: &[u8],
    ended: impl Future<Output = CloseCode>,
) -> (Result<u64, TcpServeError>, Vec<u8>) {
    let (mut client, mut node) = duplex(64 * 1024);
    client.write_all(last_words).await.unwrap();
    client.shutdown().await.unwrap();
    let proven = proven(wanted);
    let serving = async {
        let result = send_file(&mut node, proven, admitted, &Unpaced(|_| ()), ended).await;
        drop(node);
        result
    };
    let reading = async {
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        said
    };
    tokio::join!(serving, reading)
}

const DONE: [u8; 5] = [0, 0, 0, 1, 2];

#[tokio::test]
async fn exactly_the_wanted_bytes_are_sent() {
    let mut wanted = RangeSet::of(10..300_010);
    wanted.insert(999_999..SIZE);
    let (result, said) = sent(wanted, admitted().0, &DONE, pending()).await;
    assert_eq!(result.unwrap(), 300_001);
    let frames = 3 * (HEADER_BYTES + OFFSET_BYTES) + 300_001;
    assert_eq!(said.len(), HEADER_BYTES + 40 + frames + HEADER_BYTES);
    assert!(said.ends_with(&frame::encode(Kind::End, &[])));
}

#[tokio::test]
async fn bytes_behind_the_end_are_a_violation() {
    let (result, said) = sent(RangeSet::of(0..SIZE + 1), admitted().0, &DONE, pending()).await;
    assert!(matches!(result, Err(TcpServeError::Closed(CloseCode::Violation))), "{result:?}");
    assert_eq!(said, CloseCode::Violation.encode());
}

#[tokio::test]
async fn more_than_the_ticket_allows_is_not_sent() {
    let (admitted, file) = admitted();
    file.set_len(3 * SIZE).unwrap();
    let version = FileVersion::of(&file.metadata().unwrap());
    let admitted = Admitted { version, ..admitted };
    let (result, said) = sent(RangeSet::of(0..3 * SIZE), admitted, &DONE, pending()).await;
    assert!(matches!(result, Err(TcpServeError::Closed(CloseCode::LimitReached))), "{result:?}");
    assert_eq!(said, CloseCode::LimitReached.encode());
}

#[tokio::test]
async fn a_file_that_changed_is_never_ended_well() {
    for (what, change) in [
        ("truncated", (|file| file.set_len(10)) as fn(&File) -> io::Result<()>),
        ("grown", |file| file.set_len(SIZE + 1)),
        ("touched", |file| file.set_modified(std::time::SystemTime::UNIX_EPOCH)),
    ] {
        let (admitted, file) = admitted();
        change(&file).unwrap();
        let (result, said) = sent(RangeSet::of(0..SIZE), admitted, &DONE, pending()).await;
        let closed = matches!(result, Err(TcpServeError::Closed(CloseCode::FileChanged)));
        assert!(closed, "{what}: {result:?}");
        assert!(said.ends_with(&CloseCode::FileChanged.encode()), "{what}");
    }
}

#[tokio::test]
async fn an_end_from_outside_comes_between_two_frames() {
    let code = CloseCode::LoginEnded;
    let (result, said) = sent(RangeSet::of(0..SIZE), admitted().0, &DONE, async { code }).await;
    assert!(matches!(result, Err(TcpServeError::Closed(CloseCode::LoginEnded))), "{result:?}");
    let mut rest = said.as_slice();
    let mut kinds = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk() {
        let (kind, bytes) = frame::decode_header(*header, frame::NODE_BODY_BYTES_MAX).unwrap();
        kinds.push(kind);
        rest = &behind[bytes..];
    }
    assert_eq!(kinds.last(), Some(&Kind::Close), "{kinds:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_it() {
    let (client, mut node): (DuplexStream, _) = duplex(1024);
    drop(client);
    let proven = proven(RangeSet::of(0..SIZE));
    let result = send_file(&mut node, proven, admitted().0, &Unpaced(|_| ()), pending()).await;
    assert!(matches!(result, Err(TcpServeError::Connection(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_byte_is_given_up() {
    let (_client, mut node) = duplex(10);
    let result = write_patiently(&mut node, &[0; 100]).await;
    assert!(matches!(result, Err(TcpServeError::TimedOut)), "{result:?}");
}

/// Notes what it is told, and lets each frame wait once.
#[derive(Default)]
struct Slow {
    told: std::cell::RefCell<Vec<u64>>,
    frame_bytes: usize,
}

impl Pacer for Slow {
    fn next_batch(&self, sent: u64) -> Option<Instant> {
        self.told.borrow_mut().push(sent);
        let has_waited = self.told.borrow().len().is_multiple_of(2);
        (!has_waited).then(|| Instant::now() + Duration::from_millis(1))
    }

    fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }
}

#[tokio::test(start_paused = true)]
async fn every_frame_waits_for_its_turn_and_every_byte_is_accounted_for() {
    let pacer = Slow { frame_bytes: 400, ..Slow::default() };
    let (_client, mut node) = duplex(10_000);
    let (wanted, stop) = (RangeSet::of(0..1000), OnceLock::new());
    send_pieces(&mut node, wanted.clone(), &admitted().0, &pacer, &stop).await.unwrap();
    // The last portion is paid for and keeps nothing waiting: END follows at once.
    assert_eq!(pacer.told.take(), [0, 0, 400, 0, 400, 0, 200]);
    stop.set(CloseCode::LoginEnded).unwrap();
    let stopped = wait_for_turn(1, &pacer, &stop).await;
    assert!(matches!(stopped, Err(TcpServeError::Closed(CloseCode::LoginEnded))), "{stopped:?}");
}
