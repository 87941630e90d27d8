//! The writing half of a connection: everything that has gathered in the outbox goes out in as few
//! TLS records and system calls as it fits into.

use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::connection::link::Link;

/// Frames handed to one write. A TLS record holds 16 KiB, some two hundred short messages.
const FRAMES_PER_WRITE: usize = 256;

/// Writes until the outbox has ended and is empty, then says so to the client.
///
/// # Errors
/// Of the connection: the client is gone, or [`TimedOut`](io::ErrorKind::TimedOut): it has taken no byte for
/// `patience`.
pub(crate) async fn write_frames<W: AsyncWrite + Unpin>(
    mut sink: W,
    link: &Link,
    patience: Duration,
) -> io::Result<()> {
    let mut batch = Vec::new();
    let mut written = 0;
    while link.next_batch(written, &mut batch).await {
        written = batch.iter().map(Bytes::len).sum();
        write_batch(&mut sink, &mut batch, patience).await?;
    }
    sink.shutdown().await
}

async fn write_batch<W: AsyncWrite + Unpin>(
    sink: &mut W,
    batch: &mut Vec<Bytes>,
    patience: Duration,
) -> io::Result<()> {
    let mut next = 0;
    while next < batch.len() {
        let waiting = batch.get(next..).unwrap_or_default();
        let slices: Vec<IoSlice<'_>> =
            waiting.iter().take(FRAMES_PER_WRITE).map(|frame| IoSlice::new(frame)).collect();
        let mut accepted = timeout(patience, sink.write_vectored(&slices)).await??;
        if accepted == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while accepted > 0 {
            let Some(frame) = batch.get_mut(next) else { break };
            let taken = accepted.min(frame.len());
            frame.advance(taken);
            accepted -= taken;
            next += usize::from(frame.is_empty());
        }
    }
    batch.clear();
    timeout(patience, sink.flush()).await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::link::Kind;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn everything_arrives_in_order_through_a_narrow_pipe() {
        let frames: Vec<Bytes> = (0..=255_u8).map(|n| Bytes::from(vec![n; 300])).collect();
        let expected = frames.concat();
        let link = Link::new(1 << 20);
        frames.into_iter().for_each(|frame| {
            link.push(frame, Kind::Passing);
        });
        link.end();
        let (near, mut far) = tokio::io::duplex(100);
        let mut received = Vec::new();
        let (written, read) = tokio::join!(
            write_frames(near, &link, PATIENCE),
            tokio::io::AsyncReadExt::read_to_end(&mut far, &mut received),
        );
        written.unwrap();
        read.unwrap();
        assert_eq!(received, expected);
    }

    /// Reads `read` bytes in all, `at_once` of them after each minute less a moment; what becomes of writing 300.
    async fn write_to_slow(at_once: usize, read: usize) -> io::Result<()> {
        let link = Link::new(1 << 20);
        link.push(Bytes::from(vec![7; 300]), Kind::Passing);
        link.end();
        let (near, mut far) = tokio::io::duplex(10);
        let reading = async {
            for _ in 0..read / at_once {
                tokio::time::sleep(PATIENCE - Duration::from_millis(1)).await;
                tokio::io::AsyncReadExt::read_exact(&mut far, &mut vec![0; at_once]).await.unwrap();
            }
            // Open, and nobody reads.
            tokio::time::sleep(2 * PATIENCE).await;
        };
        let (written, ()) = tokio::join!(write_frames(near, &link, PATIENCE), reading);
        written
    }

    #[tokio::test(start_paused = true)]
    async fn however_slowly_somebody_reads_is_waited_for() {
        write_to_slow(10, 300).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_no_more_is_given_up() {
        let error = write_to_slow(10, 200).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
