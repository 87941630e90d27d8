//! The client's side: one connection to one node, for the bytes that are missing.
//!
//! Received blocks go through a short queue to a thread that may wait for the disk; when that is full,
//! nothing more is read from the network. Nothing but the wanted bytes, in their order, is accepted.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::ALPN;
use super::frame::{
    self, CloseCode, FrameError, HEADER_BYTES, Hello, Kind, NODE_BODY_BYTES_MAX, OFFSET_BYTES,
    Welcome,
};
use super::proof::{self, Exporter};
use crate::download::NodeAddress;
use crate::pinned_tls::{PinnedTls, is_wrong_key};
use crate::range_set::RangeSet;
use crate::sink::Sink;
use crate::ticket::TICKET_BYTES;

/// How long connecting may take, and then the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node may send no byte at all.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A connection without a word is probed, and given up, in about this time too.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(4);
/// Blocks of up to 256 KiB between network and disk. When full, the network waits.
const QUEUED_BLOCKS_MAX: usize = 4;

/// What to fetch and from where.
#[derive(Debug)]
pub(crate) struct FetchConfig {
    pub(crate) node: NodeAddress,
    pub(crate) ticket: Vec<u8>,
    pub(crate) secret: [u8; 32],
    /// Of the whole file, in bytes.
    pub(crate) size: u64,
    /// What is missing.
    pub(crate) wanted: RangeSet,
}

/// Why not everything was fetched. What arrived before is in the sink.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// As asked; the connection is closed.
    #[error("cancelled")]
    Cancelled,
    /// The node ended it and said why.
    #[error("closed by the node: {0:?}")]
    Closed(CloseCode),
    /// No connection, or it broke.
    #[error("{0}")]
    Connection(#[from] io::Error),
    /// The node did what it must not.
    #[error("{0}")]
    Protocol(String),
    /// The sink failed.
    #[error("cannot store what arrives: {0}")]
    Sink(io::Error),
    /// The node was silent for too long.
    #[error("no answer")]
    TimedOut,
    /// Another key than was announced.
    #[error("the node shows another key than the chat server announced")]
    WrongKey,
}

impl From<FrameError> for FetchError {
    fn from(error: FrameError) -> Self {
        FetchError::Protocol(error.to_string())
    }
}

/// Fetches all that is wanted. Gives the sink back in any case but that its thread panicked. Dropping
/// the future closes the connection, and the sink is dropped once its last write is done.
pub(crate) async fn fetch<S: Sink + Send + 'static>(
    config: FetchConfig,
    sink: S,
    cancel: &CancellationToken,
) -> (Option<S>, Result<(), FetchError>) {
    let (blocks, queue) = mpsc::channel(QUEUED_BLOCKS_MAX);
    let (spent, spare) = mpsc::channel(QUEUED_BLOCKS_MAX + 2);
    let writer = tokio::task::spawn_blocking(move || write_blocks(sink, queue, &spent));
    let received = tokio::select! {
        () = cancel.cancelled() => Err(FetchError::Cancelled),
        received = receive(&config, Blocks { blocks, spare }) => received,
    };
    match writer.await {
        Ok((sink, Ok(()))) => (Some(sink), received),
        Ok((sink, Err(error))) => (Some(sink), Err(FetchError::Sink(error))),
        Err(_) => (None, Err(FetchError::Sink(io::Error::other("the writing thread panicked")))),
    }
}

/// A piece of the file on its way to the sink.
#[derive(Debug)]
struct Block {
    offset: u64,
    bytes: Vec<u8>,
}

/// The network's end of the queue, and the way the memory comes back.
#[derive(Debug)]
struct Blocks {
    blocks: mpsc::Sender<Block>,
    spare: mpsc::Receiver<Vec<u8>>,
}

fn write_blocks<S: Sink>(
    mut sink: S,
    mut queue: mpsc::Receiver<Block>,
    spent: &mpsc::Sender<Vec<u8>>,
) -> (S, io::Result<()>) {
    while let Some(Block { offset, bytes }) = queue.blocking_recv() {
        if let Err(error) = sink.write_at(offset, &bytes) {
            return (sink, Err(error));
        }
        // Full only if the network does not take its memory back: then it is freed.
        let _ = spent.try_send(bytes);
    }
    (sink, Ok(()))
}

async fn receive(config: &FetchConfig, mut blocks: Blocks) -> Result<(), FetchError> {
    let mut stream = connect(&config.node).await?;
    let wanted = frame::nameable(&config.wanted);
    greet(&mut stream, config, &wanted).await?;
    let mut expected = wanted;
    while let Some(block) = read_frame(&mut stream, &mut expected, &mut blocks).await? {
        // The writer is gone only after an error, which it reports itself.
        blocks.blocks.send(block).await.map_err(|_| FetchError::TimedOut)?;
    }
    // The node has done its part; whether it hears of it changes nothing here.
    let done = frame::encode(Kind::Done, &[]);
    let _ = timeout(CONNECT_TIMEOUT, async {
        stream.write_all(&done).await?;
        stream.shutdown().await
    })
    .await;
    Ok(())
}

async fn connect(node: &NodeAddress) -> Result<TlsStream<TcpStream>, FetchError> {
    let tcp = timeout(CONNECT_TIMEOUT, TcpStream::connect(node.addr))
        .await
        .map_err(|_| FetchError::TimedOut)??;
    tcp.set_nodelay(true)?;
    SockRef::from(&tcp).set_tcp_keepalive(&KEEPALIVE)?;
    let tls = PinnedTls::new(Some(node.spki_sha256), ALPN)
        .map_err(|error| FetchError::Protocol(error.to_string()))?;
    let name = server_name(node.addr, &node.server_name);
    let stream = timeout(CONNECT_TIMEOUT, TlsConnector::from(tls.config).connect(name, tcp))
        .await
        .map_err(|_| FetchError::TimedOut)?
        .map_err(handshake_error)?;
    match stream.get_ref().1.alpn_protocol() {
        Some(ALPN) => Ok(stream),
        _ => Err(FetchError::Protocol("the node does not speak simplechat-file/1".into())),
    }
}

/// A name for the handshake. The pin decides, so any will do.
fn server_name(addr: SocketAddr, name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap_or_else(|_| ServerName::from(addr.ip()))
}

fn handshake_error(error: io::Error) -> FetchError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls) if is_wrong_key(tls) => FetchError::WrongKey,
        Some(tls) => FetchError::Protocol(tls.to_string()),
        None => FetchError::Connection(error),
    }
}

/// HELLO and WELCOME.
async fn greet(
    stream: &mut TlsStream<TcpStream>,
    config: &FetchConfig,
    wanted: &RangeSet,
) -> Result<(), FetchError> {
    let protocol = |problem: &str| FetchError::Protocol(problem.to_owned());
    let ticket: [u8; TICKET_BYTES] = config
        .ticket
        .as_slice()
        .try_into()
        .map_err(|_| protocol("the chat server's ticket has a wrong length"))?;
    let mut client_random = [0; 32];
    aws_lc_rs::rand::fill(&mut client_random).map_err(|_| protocol("no random bytes"))?;
    let exporter = Exporter::of_client(stream.get_ref().1)
        .map_err(|error| FetchError::Protocol(error.to_string()))?;
    let client_proof = proof::of_client(&config.secret, &exporter, &client_random, &ticket);
    let hello = Hello { ticket, client_random, proof: client_proof, wanted: wanted.clone() };
    timeout(SILENCE_MAX, stream.write_all(&hello.encode()))
        .await
        .map_err(|_| FetchError::TimedOut)??;

    let (kind, bytes) = read_header(stream).await?;
    let mut body = vec![0; bytes];
    read_patiently(stream, &mut body).await?;
    let welcome = match kind {
        Kind::Welcome => Welcome::decode(&body)?,
        Kind::Close => return Err(FetchError::Closed(CloseCode::decode(&body)?)),
        _ => return Err(protocol("the node does not answer with WELCOME")),
    };
    let expected = proof::of_node(&config.secret, &exporter, &client_random);
    if !proof::is_equal(&welcome.proof, &expected) {
        return Err(protocol("the node does not know the ticket's secret"));
    }
    if welcome.size != config.size {
        return Err(FetchError::Closed(CloseCode::FileChanged));
    }
    Ok(())
}

/// Reads one frame; `None` is END.
async fn read_frame<S: AsyncRead + Unpin>(
    stream: &mut S,
    expected: &mut RangeSet,
    blocks: &mut Blocks,
) -> Result<Option<Block>, FetchError> {
    let protocol = |problem: &str| FetchError::Protocol(problem.to_owned());
    let (kind, bytes) = read_header(stream).await?;
    match kind {
        Kind::Data => {
            let range = read_offset(stream, bytes).await?;
            if !takes_next(expected, &range) {
                return Err(protocol("the node sends what was not asked for"));
            }
            read_block(stream, range, blocks).await.map(Some)
        }
        Kind::End if bytes == 0 && expected.is_empty() => Ok(None),
        Kind::End => Err(protocol("the node ends before it has sent everything")),
        Kind::Close if bytes == 1 => {
            let mut code = [0];
            read_patiently(stream, &mut code).await?;
            Err(FetchError::Closed(CloseCode::decode(&code)?))
        }
        _ => Err(protocol("the node sends a frame that does not belong here")),
    }
}

async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Kind, usize), FetchError> {
    let mut header = [0; HEADER_BYTES];
    read_patiently(stream, &mut header).await?;
    Ok(frame::decode_header(header, NODE_BODY_BYTES_MAX)?)
}

async fn read_offset<S: AsyncRead + Unpin>(
    stream: &mut S,
    body_bytes: usize,
) -> Result<Range<u64>, FetchError> {
    let malformed = FrameError::Malformed(Kind::Data);
    let bytes = body_bytes.checked_sub(OFFSET_BYTES).ok_or(malformed)?;
    let mut offset = [0; OFFSET_BYTES];
    read_patiently(stream, &mut offset).await?;
    Ok(frame::decode_data(offset, bytes).ok_or(malformed)?)
}

/// Takes a range off the front of what is expected, if it is exactly there.
fn takes_next(expected: &mut RangeSet, range: &Range<u64>) -> bool {
    let fits =
        expected.first().is_some_and(|first| first.start == range.start && range.end <= first.end);
    fits && expected.remove(range.clone())
}

async fn read_block<S: AsyncRead + Unpin>(
    stream: &mut S,
    range: Range<u64>,
    blocks: &mut Blocks,
) -> Result<Block, FetchError> {
    let length = usize::try_from(range.end - range.start).unwrap_or_default();
    let mut bytes = blocks.spare.try_recv().unwrap_or_default();
    bytes.resize(length, 0);
    read_patiently(stream, &mut bytes).await?;
    Ok(Block { offset: range.start, bytes })
}

/// Fills `bytes`, however long it takes, as long as a byte comes now and then: a frame is much for a
/// slow network.
async fn read_patiently<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut bytes: &mut [u8],
) -> Result<(), FetchError> {
    while !bytes.is_empty() {
        let read =
            timeout(SILENCE_MAX, stream.read(bytes)).await.map_err(|_| FetchError::TimedOut)??;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        bytes = bytes.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
