//! A client against nodes that do what they must not, over TLS on loopback.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream as ServerStream;

use super::*;
use crate::tcp::frame::{CLIENT_BODY_BYTES_MAX, HEADER_BYTES};
use crate::tcp::incoming::{Block, read_frame};
use crate::tls_identity::TlsIdentity;

const SECRET: [u8; 32] = [7; 32];
const SIZE: u64 = 1000;
const SIZE_IN_MEMORY: usize = 1000;

/// A node that says what it is told to, after HELLO.
struct FakeNode {
    address: NodeAddress,
    serving: JoinHandle<()>,
}

async fn fake_node(
    alpn: &'static [u8],
    answer: impl FnOnce(&Hello, Exporter) -> Vec<u8> + Send + 'static,
) -> FakeNode {
    let dir = tempfile::tempdir().unwrap();
    let identity = TlsIdentity::load_or_create(dir.path(), "fake").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = NodeAddress {
        addr: listener.local_addr().unwrap(),
        spki_sha256: identity.spki_sha256(),
        server_name: "not a host name".into(),
    };
    let acceptor = TlsAcceptor::from(identity.server_config(&[alpn]).unwrap());
    let serving = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        // A client that does not like the key or the protocol ends it here.
        let Ok(mut tls) = acceptor.accept(tcp).await else { return };
        let Some(hello) = read_hello(&mut tls).await else { return };
        let exporter = Exporter::of_node(tls.get_ref().1).unwrap();
        let _ = tls.write_all(&answer(&hello, exporter)).await;
        let _ = tls.shutdown().await;
        let _ = tls.read_to_end(&mut Vec::new()).await;
    });
    FakeNode { address, serving }
}

async fn read_hello(tls: &mut ServerStream<TcpStream>) -> Option<Hello> {
    let mut header = [0; HEADER_BYTES];
    tls.read_exact(&mut header).await.ok()?;
    let (kind, bytes) = frame::decode_header(header, CLIENT_BODY_BYTES_MAX).unwrap();
    assert_eq!(kind, Kind::Hello);
    let mut body = vec![0; bytes];
    tls.read_exact(&mut body).await.ok()?;
    Some(Hello::decode(&body).unwrap())
}

fn config(node: &NodeAddress, wanted: RangeSet) -> FetchConfig {
    let ticket = vec![1; TICKET_BYTES];
    FetchConfig { node: node.clone(), ticket, secret: SECRET, size: SIZE, wanted }
}

fn welcome(hello: &Hello, exporter: Exporter) -> Vec<u8> {
    let proof = proof::of_node(&SECRET, &exporter, &hello.client_random);
    Welcome { proof, size: SIZE }.encode()
}

fn data(offset: u64, bytes: &[u8]) -> Vec<u8> {
    frame::encode(Kind::Data, &[&offset.to_be_bytes(), bytes].concat())
}

fn end() -> Vec<u8> {
    frame::encode(Kind::End, &[])
}

/// What comes of a node that welcomes properly and then says this.
async fn after_welcome(rest: Vec<u8>) -> (Vec<u8>, Result<(), FetchError>) {
    let answer = |hello: &Hello, exporter| [welcome(hello, exporter), rest].concat();
    let node = fake_node(ALPN, answer).await;
    let config = config(&node.address, RangeSet::of(0..SIZE));
    let (sink, result) = fetch(config, Vec::new(), &CancellationToken::new()).await;
    node.serving.await.unwrap();
    (sink.unwrap(), result)
}

#[tokio::test]
async fn a_good_node_is_believed() {
    let rest = [data(0, &[1; 400]), data(400, &[2; 600]), end()].concat();
    let (sink, result) = after_welcome(rest).await;
    result.unwrap();
    assert_eq!(sink, [[1; 400].as_slice(), &[2; 600]].concat());
}

#[track_caller]
fn is_protocol_error(result: &Result<(), FetchError>) {
    assert!(matches!(result, Err(FetchError::Protocol(_))), "{result:?}");
}

#[tokio::test]
async fn bytes_that_were_not_asked_for_are_refused() {
    for rest in [
        data(1, &[1; 10]),
        data(0, &[1; 1001]),
        [data(0, &[1; 10]), data(0, &[1; 10])].concat(),
        [data(0, &[1; 10]), data(11, &[1; 10])].concat(),
        data(u64::MAX, &[1; 10]),
        data(0, &[]),
        frame::encode(Kind::Data, &[0; 7]),
    ] {
        let (sink, result) = after_welcome(rest).await;
        is_protocol_error(&result);
        assert!(sink.len() <= 10);
    }
}

#[tokio::test]
async fn an_end_too_early_is_no_end() {
    let (_, result) = after_welcome([data(0, &[1; 999]), end()].concat()).await;
    is_protocol_error(&result);
}

#[tokio::test]
async fn frames_that_do_not_belong_there_are_refused() {
    let oversized = [0, 4, 0, 10, 17].to_vec();
    for rest in [
        oversized,
        vec![0; 5],
        vec![0, 0, 0, 1, 99],
        frame::encode(Kind::Done, &[]),
        b"junk!".into(),
    ] {
        let (_, result) = after_welcome(rest).await;
        is_protocol_error(&result);
    }
}

#[tokio::test]
async fn a_close_is_passed_on() {
    let rest = [data(0, &[1; 10]), CloseCode::FileChanged.encode()].concat();
    let (sink, result) = after_welcome(rest).await;
    let changed = matches!(result, Err(FetchError::Closed(CloseCode::FileChanged)));
    assert!(changed, "{result:?}");
    assert_eq!(sink, [1; 10]);
}

#[tokio::test]
async fn a_connection_that_breaks_keeps_what_came() {
    let (sink, result) = after_welcome(data(0, &[1; 10])).await;
    assert!(matches!(result, Err(FetchError::Connection(_))), "{result:?}");
    assert_eq!(sink, [1; 10]);
}

/// What comes of a node that answers HELLO with this.
async fn answered(
    answer: impl FnOnce(&Hello, Exporter) -> Vec<u8> + Send + 'static,
) -> Result<(), FetchError> {
    let node = fake_node(ALPN, answer).await;
    let config = config(&node.address, RangeSet::of(0..SIZE));
    let result = fetch(config, Vec::new(), &CancellationToken::new()).await.1;
    node.serving.await.unwrap();
    result
}

#[tokio::test]
async fn a_node_that_does_not_know_the_secret_is_refused() {
    is_protocol_error(&answered(|_, _| Welcome { proof: [0; 32], size: SIZE }.encode()).await);
}

#[tokio::test]
async fn a_file_of_another_size_has_changed() {
    let result = answered(|hello, exporter| {
        let proof = proof::of_node(&SECRET, &exporter, &hello.client_random);
        Welcome { proof, size: SIZE + 1 }.encode()
    });
    let result = result.await;
    assert!(matches!(result, Err(FetchError::Closed(CloseCode::FileChanged))), "{result:?}");
}

#[tokio::test]
async fn the_proof_of_the_client_is_for_this_connection() {
    let result = answered(|hello, exporter| {
        let expected = proof::of_client(&SECRET, &exporter, &hello.client_random, &hello.ticket);
        assert_eq!(hello.proof, expected);
        CloseCode::Busy.encode()
    });
    let result = result.await;
    assert!(matches!(result, Err(FetchError::Closed(CloseCode::Busy))), "{result:?}");
}

#[tokio::test]
async fn another_key_than_announced_gets_no_hello() {
    let mut node = fake_node(ALPN, |_, _| panic!("HELLO was sent")).await;
    node.address.spki_sha256[0] ^= 1;
    let config = config(&node.address, RangeSet::of(0..SIZE));
    let (_, result) = fetch(config, Vec::new(), &CancellationToken::new()).await;
    assert!(matches!(result, Err(FetchError::WrongKey)), "{result:?}");
    node.serving.await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_protocol_gets_no_hello() {
    let node = fake_node(b"simplechat/1", |_, _| panic!("HELLO was sent")).await;
    let config = config(&node.address, RangeSet::of(0..SIZE));
    let (_, result) = fetch(config, Vec::new(), &CancellationToken::new()).await;
    is_protocol_error(&result);
    node.serving.await.unwrap();
}

/// A disk that is full after some bytes.
#[derive(Debug)]
struct SmallDisk(u64);

impl Sink for SmallDisk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset + bytes.len() as u64 > self.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_ends_it_with_the_disks_own_error() {
    let rest: Vec<u8> = (0..100).flat_map(|i| data(i * 10, &[1; 10])).chain(end()).collect();
    let answer = |hello: &Hello, exporter| [welcome(hello, exporter), rest].concat();
    let node = fake_node(ALPN, answer).await;
    let config = config(&node.address, RangeSet::of(0..SIZE));
    let (sink, result) = fetch(config, SmallDisk(50), &CancellationToken::new()).await;
    assert!(sink.is_some());
    match result {
        Err(FetchError::Sink(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    }
    node.serving.await.unwrap();
}

#[tokio::test]
async fn a_cancelled_download_gives_its_sink_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = NodeAddress {
        addr: listener.local_addr().unwrap(),
        spki_sha256: [0; 32],
        server_name: "localhost".into(),
    };
    let cancel = CancellationToken::new();
    let cancelling = async {
        // Connected, and waiting for a handshake that never comes.
        let connection = listener.accept().await.unwrap();
        cancel.cancel();
        connection
    };
    let config = config(&address, RangeSet::of(0..SIZE));
    let ((sink, result), _connection) =
        tokio::join!(fetch(config, Vec::new(), &cancel), cancelling);
    assert!(matches!(result, Err(FetchError::Cancelled)), "{result:?}");
    assert_eq!(sink, Some(Vec::new()));
}

/// Reads one frame of what `node` writes, on a network without TLS whose time passes at once.
async fn one_frame(
    node: impl AsyncFnOnce(&mut tokio::io::DuplexStream),
) -> Result<Option<Block>, FetchError> {
    let (mut here, mut there) = tokio::io::duplex(1 << 16);
    let mut expected = RangeSet::of(0..SIZE);
    let (sender, _queue) = mpsc::channel(1);
    let (_spent, spare) = mpsc::channel(1);
    let mut blocks = Blocks { blocks: sender, spare };
    let reading = read_frame(&mut here, &mut expected, &mut blocks);
    tokio::select! {
        frame = reading => frame,
        () = async { node(&mut there).await; std::future::pending().await } => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_may_take_longer_than_a_silence() {
    let frame = data(0, &[1; SIZE_IN_MEMORY]);
    let block = one_frame(async |node| {
        for piece in frame.chunks(100) {
            tokio::time::sleep(SILENCE_MAX * 9 / 10).await;
            node.write_all(piece).await.unwrap();
        }
    });
    assert_eq!(block.await.unwrap().unwrap().bytes, [1; SIZE_IN_MEMORY]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_falls_silent_in_a_frame_is_given_up() {
    let started = tokio::time::Instant::now();
    let frame = data(0, &[1; SIZE_IN_MEMORY]);
    let result = one_frame(async |node| node.write_all(&frame[..500]).await.unwrap()).await;
    assert!(matches!(result, Err(FetchError::TimedOut)), "{result:?}");
    assert_eq!(started.elapsed().as_secs(), SILENCE_MAX.as_secs());
}
