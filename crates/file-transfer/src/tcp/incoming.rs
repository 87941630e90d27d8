//! File bytes as they come in, whichever end takes them: from DATA frames through a short queue to a
//! thread that may wait for the disk. When the queue is full, nothing more is read from the network.
//! Nothing but the wanted bytes, in their order, is accepted.

use std::io;
use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fetch::FetchError;
use super::frame::{
    self, CloseCode, FrameError, HEADER_BYTES, Kind, NODE_BODY_BYTES_MAX, OFFSET_BYTES,
};
use crate::range_set::RangeSet;
use crate::sink::Sink;

/// How long the end that sends may send no byte at all.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Blocks of up to 256 KiB between network and disk. When full, the network waits.
const QUEUED_BLOCKS_MAX: usize = 4;

/// A thread that writes to a sink, and gives it back with what went wrong.
pub(super) type Writer<S> = JoinHandle<(S, io::Result<()>)>;

/// Starts the thread that writes to `sink` what is put into the queue. It ends when the queue's other
/// end is dropped, or the sink fails.
pub(super) fn start_writer<S: Sink + Send + 'static>(sink: S) -> (Blocks, Writer<S>) {
    let (blocks, queue) = mpsc::channel(QUEUED_BLOCKS_MAX);
    let (spent, spare) = mpsc::channel(QUEUED_BLOCKS_MAX + 2);
    let writer = tokio::task::spawn_blocking(move || write_blocks(sink, queue, &spent));
    (Blocks { blocks, spare }, writer)
}

/// What came of a writer that has ended, or is about to because its queue is dropped.
pub(super) async fn written<S>(
    writer: Writer<S>,
    received: Result<(), FetchError>,
) -> (Option<S>, Result<(), FetchError>) {
    match writer.await {
        Ok((sink, Ok(()))) => (Some(sink), received),
        Ok((sink, Err(error))) => (Some(sink), Err(FetchError::Sink(error))),
        Err(_) => (None, Err(FetchError::Sink(io::Error::other("the writing thread panicked")))),
    }
}

/// Puts exactly the bytes in `expected`, in their order, into the queue, until END.
pub(super) async fn receive_all<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut expected: RangeSet,
    mut blocks: Blocks,
) -> Result<(), FetchError> {
    while let Some(block) = read_frame(stream, &mut expected, &mut blocks).await? {
        // The writer is gone only after an error, which it reports itself.
        blocks.blocks.send(block).await.map_err(|_| FetchError::TimedOut)?;
    }
    Ok(())
}

/// A piece of the file on its way to the sink.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// The network's end of the queue, and the way the memory comes back.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) blocks: mpsc::Sender<Block>,
    pub(super) spare: mpsc::Receiver<Vec<u8>>,
}

pub(super) fn write_blocks<S: Sink>(
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

/// Reads one frame; `None` is END.
pub(super) async fn read_frame<S: AsyncRead + Unpin>(
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
                return Err(protocol("the other end sends what was not asked for"));
            }
            read_block(stream, range, blocks).await.map(Some)
        }
        Kind::End if bytes == 0 && expected.is_empty() => Ok(None),
        Kind::End => Err(protocol("the other end ends before it has sent everything")),
        Kind::Close if bytes == 1 => {
            let mut code = [0];
            read_patiently(stream, &mut code).await?;
            Err(FetchError::Closed(CloseCode::decode(&code)?))
        }
        _ => Err(protocol("the other end sends a frame that does not belong here")),
    }
}

pub(super) async fn read_header<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<(Kind, usize), FetchError> {
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
pub(super) fn takes_next(expected: &mut RangeSet, range: &Range<u64>) -> bool {
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
pub(super) async fn read_patiently<S: AsyncRead + Unpin>(
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
