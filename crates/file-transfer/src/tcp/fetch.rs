//! The client's side: one connection to one node, for the bytes that are missing.
//!
//! How the bytes get to the disk is told in `incoming`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::ALPN;
use super::frame::{self, CloseCode, FrameError, Hello, Kind, Welcome};
use super::incoming::{
    Blocks, SILENCE_MAX, read_header, read_patiently, receive_all, start_writer, written,
};
use super::proof::{self, Exporter};
use crate::download::NodeAddress;
use crate::pinned_tls::{PinnedTls, is_wrong_key};
use crate::range_set::RangeSet;
use crate::sink::Sink;
use crate::ticket::TICKET_BYTES;

/// How long connecting may take, and then the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection without a word is probed, and given up, in about this time too.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(4);

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
    let (blocks, writer) = start_writer(sink);
    let received = tokio::select! {
        () = cancel.cancelled() => Err(FetchError::Cancelled),
        received = receive(&config, blocks) => received,
    };
    written(writer, received).await
}

async fn receive(config: &FetchConfig, blocks: Blocks) -> Result<(), FetchError> {
    let mut stream = connect(&config.node).await?;
    let wanted = frame::nameable(&config.wanted);
    greet(&mut stream, config, &wanted).await?;
    receive_all(&mut stream, wanted, blocks).await?;
    // The node has done its part; whether it hears of it changes nothing here.
    let done = frame::encode(Kind::Done, &[]);
    let _ = timeout(CONNECT_TIMEOUT, async {
        stream.write_all(&done).await?;
        stream.shutdown().await
    })
    .await;
    Ok(())
}

pub(super) async fn connect(node: &NodeAddress) -> Result<TlsStream<TcpStream>, FetchError> {
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
pub(super) async fn greet(
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

#[cfg(test)]
mod tests;
