//! The node's side of a download: one client, one file, from its HELLO to its DONE. What it shares with
//! uploads: HELLO, CLOSE, and sending.
//!
//! Two buffers of one DATA frame each: while one is written to the client, the other is read from the
//! disk, on a thread that may block. The file's version is compared before the first byte, after
//! every read and at the end, so no byte of another version is ever followed by END.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, sleep_until, timeout};

use super::frame::{
    self, CLIENT_BODY_BYTES_MAX, CloseCode, DATA_BYTES_MAX, FrameError, HEADER_BYTES, Hello, Kind,
    OFFSET_BYTES, Welcome,
};
use super::proof::{self, Exporter};
use crate::file_version::FileVersion;
use crate::range_set::RangeSet;
use crate::rate_share::RateLimits;
use crate::sessions::Place;
use crate::ticket::{Direction, Grant};

/// How long a new client may take for its HELLO.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take no byte at all.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take for DONE: it writes the rest to its disk meanwhile.
pub(super) const DONE_TIMEOUT: Duration = Duration::from_secs(60);
/// How soon a transfer that has to wait for its turn notices that it is to end.
const STOP_LATENCY: Duration = Duration::from_millis(200);
/// How long a client that is closed may take to finish its frame, and then to read why.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a transfer over TCP ended before the client had everything. For the log: what can be told to
/// the client has been.
#[derive(Debug, thiserror::Error)]
pub enum TcpServeError {
    /// The node ended it.
    #[error("closed: {0:?}")]
    Closed(CloseCode),
    /// The connection broke, or the client gave up.
    #[error("the connection broke: {0}")]
    Connection(#[from] io::Error),
    /// The client broke the protocol.
    #[error("the client broke the protocol: {0}")]
    Protocol(String),
    /// The client was silent, or took no bytes, for too long.
    #[error("the client was silent for too long")]
    TimedOut,
}

/// How fast the file bytes may follow each other.
pub(crate) trait Pacer {
    /// Takes note of `sent` file bytes, and says when more may follow, `None` at once; until then it is
    /// asked again.
    fn next_batch(&self, sent: u64) -> Option<Instant>;

    /// File bytes of a frame, at most [`DATA_BYTES_MAX`].
    fn frame_bytes(&self) -> usize {
        DATA_BYTES_MAX
    }
}

impl Pacer for Place {
    fn next_batch(&self, sent: u64) -> Option<Instant> {
        Place::next_batch(self, Instant::now(), sent)
    }

    fn frame_bytes(&self) -> usize {
        if self.is_limited() { RateLimits::FRAME_BYTES_MAX } else { DATA_BYTES_MAX }
    }
}

/// As fast as the connection takes them; is told how many.
pub(super) struct Unpaced<F>(pub(super) F);

impl<F: Fn(u64)> Pacer for Unpaced<F> {
    fn next_batch(&self, sent: u64) -> Option<Instant> {
        (self.0)(sent);
        None
    }
}

/// What a node has ready for a client that it lets in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Of the version that the ticket is for.
    pub(crate) file: Arc<File>,
    pub(crate) version: FileVersion,
}

/// A HELLO whose client knows the secret.
#[derive(Debug)]
pub(crate) struct ProvenHello {
    pub(crate) hello: Hello,
    pub(crate) direction: Direction,
    pub(crate) grant: Grant,
    exporter: Exporter,
}

impl ProvenHello {
    /// The answer to it, for a file of `size` bytes.
    pub(super) fn welcome(&self, size: u64) -> Welcome {
        let ProvenHello { hello, grant, exporter, .. } = self;
        Welcome { proof: proof::of_node(&grant.secret, exporter, &hello.client_random), size }
    }
}

/// Reads HELLO and checks ticket and proof. On failure the client has been told.
pub(crate) async fn read_hello<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    exporter: Exporter,
    open_ticket: impl FnOnce(&[u8]) -> Result<(Direction, Grant), CloseCode>,
) -> Result<ProvenHello, TcpServeError> {
    let body = timeout(HELLO_TIMEOUT, read_frame(stream, Kind::Hello))
        .await
        .map_err(|_| TcpServeError::TimedOut)?;
    let decoded = match body {
        Ok(body) => Hello::decode(&body),
        Err(ReadError::Frame(error)) => Err(error),
        Err(ReadError::Io(error)) => return Err(error.into()),
    };
    let hello = match decoded {
        Ok(hello) => hello,
        Err(FrameError::Version(_)) => return Err(close(stream, CloseCode::Version).await),
        Err(error) => {
            close(stream, CloseCode::Violation).await;
            return Err(TcpServeError::Protocol(error.to_string()));
        }
    };
    let (direction, grant) = match open_ticket(&hello.ticket) {
        Ok(opened) => opened,
        Err(code) => return Err(close(stream, code).await),
    };
    let expected = proof::of_client(&grant.secret, &exporter, &hello.client_random, &hello.ticket);
    if !proof::is_equal(&hello.proof, &expected) {
        return Err(close(stream, CloseCode::BadTicket).await);
    }
    Ok(ProvenHello { hello, direction, grant, exporter })
}

/// Sends what the client wants and waits for its DONE; ends early when `ended` does. Says how many
/// file bytes were sent.
pub(crate) async fn send_file<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    proven: ProvenHello,
    admitted: Admitted,
    pacer: &impl Pacer,
    ended: impl Future<Output = CloseCode>,
) -> Result<u64, TcpServeError> {
    let stop = OnceLock::new();
    let sent = tokio::select! {
        sent = send_wanted(stream, &proven, &admitted, pacer, &stop) => sent,
        // A frame under way is finished first: CLOSE in the middle of it would be file bytes.
        code = async {
            let code = ended.await;
            let _ = stop.set(code);
            sleep(CLOSE_TIMEOUT).await;
            code
        } => return Err(TcpServeError::Closed(code)),
    };
    if let Err(TcpServeError::Closed(code)) = &sent {
        close(stream, *code).await;
    }
    sent
}

/// Tells the client why it is over, as far as it still listens.
pub(crate) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    code: CloseCode,
) -> TcpServeError {
    let _ = timeout(CLOSE_TIMEOUT, async {
        stream.write_all(&code.encode()).await?;
        stream.shutdown().await?;
        // Closing with bytes unread would reset the connection and could swallow the code.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
    TcpServeError::Closed(code)
}

async fn send_wanted<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    proven: &ProvenHello,
    admitted: &Admitted,
    pacer: &impl Pacer,
    stop: &OnceLock<CloseCode>,
) -> Result<u64, TcpServeError> {
    let ProvenHello { hello, grant, .. } = proven;
    let size = admitted.version.size;
    check_wanted(&hello.wanted, size, grant.bytes_max).map_err(TcpServeError::Closed)?;
    write_patiently(stream, &proven.welcome(size).encode()).await?;

    send_pieces(stream, hello.wanted.clone(), admitted, pacer, stop).await?;
    match timeout(DONE_TIMEOUT, read_frame(stream, Kind::Done)).await {
        Ok(Ok(_)) => Ok(hello.wanted.total()),
        Ok(Err(ReadError::Io(error))) => Err(error.into()),
        Ok(Err(ReadError::Frame(error))) => Err(TcpServeError::Protocol(error.to_string())),
        Err(_) => Err(TcpServeError::TimedOut),
    }
}

/// Sends these bytes of the file as DATA, and then END.
pub(super) async fn send_pieces<W: AsyncWrite + Unpin>(
    stream: &mut W,
    wanted: RangeSet,
    admitted: &Admitted,
    pacer: &impl Pacer,
    stop: &OnceLock<CloseCode>,
) -> Result<(), TcpServeError> {
    let mut pieces = pieces(wanted, pacer.frame_bytes());
    let mut next = read_next(&mut pieces, admitted, Vec::new()).await?;
    let mut spare = Vec::new();
    let mut unpaid = 0;
    while let Some(frame) = next {
        wait_for_turn(unpaid, pacer, stop).await?;
        if let Some(code) = stop.get() {
            return Err(TcpServeError::Closed(*code));
        }
        // The next piece is read while this one is written.
        let (written, read) =
            tokio::join!(write_patiently(stream, &frame), read_next(&mut pieces, admitted, spare));
        written?;
        next = read?;
        unpaid = (frame.len() - HEADER_BYTES - OFFSET_BYTES) as u64;
        spare = frame;
    }
    // What is sent later waits for this, not what there is already.
    pacer.next_batch(unpaid);
    check_version(admitted).map_err(TcpServeError::Closed)?;
    write_patiently(stream, &frame::encode(Kind::End, &[])).await?;
    timeout(STALL_TIMEOUT, stream.flush()).await.map_err(|_| TcpServeError::TimedOut)??;
    Ok(())
}

/// Waits as long as the limit of the rate wants it; not for an end that is known.
async fn wait_for_turn(
    mut unpaid: u64,
    pacer: &impl Pacer,
    stop: &OnceLock<CloseCode>,
) -> Result<(), TcpServeError> {
    while let Some(at) = pacer.next_batch(std::mem::take(&mut unpaid)) {
        if let Some(code) = stop.get() {
            return Err(TcpServeError::Closed(*code));
        }
        sleep_until(at.min(Instant::now() + STOP_LATENCY).into()).await;
    }
    Ok(())
}

fn check_wanted(wanted: &RangeSet, size: u64, bytes_max: u64) -> Result<(), CloseCode> {
    if wanted.last().is_some_and(|range| range.end > size) {
        return Err(CloseCode::Violation);
    }
    if wanted.total() > bytes_max { Err(CloseCode::LimitReached) } else { Ok(()) }
}

/// The wanted bytes in the portions of DATA frames.
fn pieces(mut wanted: RangeSet, frame_bytes: usize) -> impl Iterator<Item = Range<u64>> {
    std::iter::from_fn(move || wanted.take_first(frame_bytes as u64))
}

/// The next DATA frame, in the memory of an old one.
async fn read_next(
    pieces: &mut impl Iterator<Item = Range<u64>>,
    admitted: &Admitted,
    frame: Vec<u8>,
) -> Result<Option<Vec<u8>>, TcpServeError> {
    let Some(piece) = pieces.next() else { return Ok(None) };
    let (file, version) = (Arc::clone(&admitted.file), admitted.version);
    let read = move || read_piece(&file, &version, piece, frame);
    let frame = tokio::task::spawn_blocking(read)
        .await
        .map_err(|_| TcpServeError::Closed(CloseCode::ShuttingDown))?;
    frame.map(Some).map_err(TcpServeError::Closed)
}

fn read_piece(
    file: &File,
    version: &FileVersion,
    piece: Range<u64>,
    mut frame: Vec<u8>,
) -> Result<Vec<u8>, CloseCode> {
    let bytes = usize::try_from(piece.end - piece.start).unwrap_or(DATA_BYTES_MAX);
    frame.clear();
    frame.extend_from_slice(&frame::encode_header(Kind::Data, OFFSET_BYTES + bytes));
    frame.extend_from_slice(&piece.start.to_be_bytes());
    frame.resize(HEADER_BYTES + OFFSET_BYTES + bytes, 0);
    let slot = frame.get_mut(HEADER_BYTES + OFFSET_BYTES..).unwrap_or_default();
    file.read_exact_at(slot, piece.start).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => CloseCode::FileChanged,
        _ => CloseCode::FileUnreadable,
    })?;
    check_open_version(file, version)?;
    Ok(frame)
}

fn check_version(admitted: &Admitted) -> Result<(), CloseCode> {
    check_open_version(&admitted.file, &admitted.version)
}

fn check_open_version(file: &File, version: &FileVersion) -> Result<(), CloseCode> {
    match file.metadata() {
        Ok(metadata) if FileVersion::of(&metadata) == *version => Ok(()),
        Ok(_) => Err(CloseCode::FileChanged),
        Err(_) => Err(CloseCode::FileUnreadable),
    }
}

/// Writes everything as long as the client takes a byte now and then.
pub(super) async fn write_patiently<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut bytes: &[u8],
) -> Result<(), TcpServeError> {
    while !bytes.is_empty() {
        let written = timeout(STALL_TIMEOUT, stream.write(bytes))
            .await
            .map_err(|_| TcpServeError::TimedOut)??;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

enum ReadError {
    Frame(FrameError),
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

/// Reads a frame that must be of one kind; its length is checked before anything is allocated.
async fn read_frame<S: AsyncRead + Unpin>(
    stream: &mut S,
    expected: Kind,
) -> Result<Vec<u8>, ReadError> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await?;
    let (kind, bytes) =
        frame::decode_header(header, CLIENT_BODY_BYTES_MAX).map_err(ReadError::Frame)?;
    if kind != expected {
        return Err(ReadError::Frame(FrameError::Malformed(kind)));
    }
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// An upload's HELLO, of a ticket for a file of `size` bytes.
#[cfg(test)]
pub(super) fn upload_for_tests(size: u64, bytes_max: u64) -> ProvenHello {
    let mut proven = tests::proven(RangeSet::new());
    proven.direction = Direction::Upload;
    proven.grant.version.size = size;
    proven.grant.bytes_max = bytes_max;
    proven
}

#[cfg(test)]
mod tests;
