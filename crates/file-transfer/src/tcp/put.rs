//! The client's side of an upload: one connection to one node, for the bytes that the node wants.
//!
//! While it sends it listens: a node that gives up says so in the middle of the bytes.

use std::sync::OnceLock;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fetch::{FetchConfig, FetchError, connect, greet};
use super::frame::{self, CloseCode, HEADER_BYTES, Kind};
use super::incoming::{SILENCE_MAX, read_header, read_patiently};
use super::serve::{Admitted, DONE_TIMEOUT, TcpServeError, Unpaced, send_pieces};
use crate::range_set::RangeSet;

/// Longest body of what a node says after WANT: the code of CLOSE.
const LAST_BODY_BYTES_MAX: usize = 1;

/// Why not everything was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// The file here is not what the ticket is for, or no longer.
    #[error("the file has changed")]
    FileChanged,
    /// The file here cannot be read.
    #[error("the file cannot be read")]
    FileUnreadable,
    /// The connection, or the node.
    #[error(transparent)]
    Node(#[from] FetchError),
}

impl From<TcpServeError> for PutError {
    fn from(error: TcpServeError) -> Self {
        match error {
            TcpServeError::Closed(CloseCode::FileChanged) => Self::FileChanged,
            TcpServeError::Closed(CloseCode::FileUnreadable) => Self::FileUnreadable,
            TcpServeError::Closed(_) => Self::Node(FetchError::Cancelled),
            TcpServeError::Connection(error) => Self::Node(FetchError::Connection(error)),
            TcpServeError::Protocol(problem) => Self::Node(FetchError::Protocol(problem)),
            TcpServeError::TimedOut => Self::Node(FetchError::TimedOut),
        }
    }
}

/// Sends what the node wants; `sent` is told how many bytes more were handed to the network. `config`
/// wants nothing itself. Ends well when the node has handed everything to its disk.
///
/// Dropping the future, or cancelling, closes the connection.
pub(crate) async fn put(
    config: &FetchConfig,
    file: &Admitted,
    sent: impl Fn(u64),
    cancel: &CancellationToken,
) -> Result<(), PutError> {
    tokio::select! {
        () = cancel.cancelled() => Err(FetchError::Cancelled.into()),
        put = put_wanted(config, file, sent) => put,
    }
}

async fn put_wanted(
    config: &FetchConfig,
    file: &Admitted,
    sent: impl Fn(u64),
) -> Result<(), PutError> {
    debug_assert!(config.wanted.is_empty(), "the node wants, not the client");
    let mut stream = connect(&config.node).await?;
    greet(&mut stream, config, &config.wanted).await?;
    let wanted = read_want(&mut stream, config.size).await?;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let (unpaced, never) = (Unpaced(sent), OnceLock::new());
    let mut last_word = std::pin::pin!(read_last_word(&mut reading));
    let sending = tokio::select! {
        word = &mut last_word => {
            word?;
            let problem = "the node is done before it has everything".to_owned();
            return Err(FetchError::Protocol(problem).into());
        }
        sending = send_pieces(&mut writing, wanted, file, &unpaced, &never) => sending,
    };
    // A node that gives up closes: what it said before tells more than the broken connection.
    let is_broken = matches!(sending, Err(TcpServeError::Connection(_)));
    if !is_broken {
        sending?;
        let word = timeout(DONE_TIMEOUT, last_word).await;
        return Ok(word.map_err(|_| FetchError::TimedOut)??);
    }
    match timeout(SILENCE_MAX, last_word).await {
        Ok(Err(closed @ FetchError::Closed(_))) => Err(closed.into()),
        _ => Ok(sending?),
    }
}

/// What the node does not have.
async fn read_want<S: AsyncRead + Unpin>(
    stream: &mut S,
    size: u64,
) -> Result<RangeSet, FetchError> {
    let protocol = |problem: &str| FetchError::Protocol(problem.to_owned());
    let (kind, bytes) = read_header(stream).await?;
    if kind == Kind::Want && bytes > frame::CLIENT_BODY_BYTES_MAX {
        return Err(protocol("the node wants too many ranges"));
    }
    let mut body = vec![0; bytes];
    read_patiently(stream, &mut body).await?;
    match kind {
        Kind::Want => {
            let wanted = frame::decode_want(&body)?;
            match wanted.last() {
                Some(last) if last.end > size => Err(protocol("the node wants what is no file")),
                _ => Ok(wanted),
            }
        }
        Kind::Close => Err(FetchError::Closed(CloseCode::decode(&body)?)),
        _ => Err(protocol("the node does not say what it wants")),
    }
}

/// DONE or CLOSE, whenever it comes.
async fn read_last_word<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), FetchError> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let (kind, bytes) = frame::decode_header(header, LAST_BODY_BYTES_MAX)?;
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).await?;
    match kind {
        Kind::Done if bytes == 0 => Ok(()),
        Kind::Close => Err(FetchError::Closed(CloseCode::decode(&body)?)),
        _ => Err(FetchError::Protocol("the node sends a frame that does not belong here".into())),
    }
}
