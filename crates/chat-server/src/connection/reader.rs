//! The reading half of a connection: bytes → frames → requests → the hub, one batch at a time.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use common::framing::{FrameDecoder, FrameError};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::connection::link::Link;
use crate::connection::parse::parse;
use crate::file_desk::FileFinder;
use crate::hub::Input;
use crate::state::request::{Asked, ConnectionId, MemberRequest, Request, ResumeToken};

/// Bytes of one read. On the stack only: an idle connection has no read buffer.
const READ_BYTES: usize = 8 * 1024;

/// Requests that one connection may hand to the hub at once, so that no flood delays others.
const BATCH_REQUESTS_MAX: usize = 64;

/// Frames that are no messages, before it is given up to understand this client.
const MALFORMED_MAX: u32 = 16;

/// Why reading is over.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum ReadEnd {
    /// The client is gone.
    Closed,
    /// The hub ended the connection, or is gone itself.
    Ended,
    /// What the client sends cannot be followed any further.
    ProtocolError,
}

/// The state of reading one connection.
pub(crate) struct Reader<'a, R> {
    source: R,
    decoder: FrameDecoder,
    connection: ConnectionId,
    link: &'a Link,
    hub: &'a mpsc::Sender<Input>,
    files: &'a FileFinder,
    batches_sent: u64,
    malformed: u32,
}

impl<'a, R: AsyncRead + Unpin> Reader<'a, R> {
    pub(crate) fn new(
        source: R,
        connection: ConnectionId,
        link: &'a Link,
        hub: &'a mpsc::Sender<Input>,
        files: &'a FileFinder,
    ) -> Self {
        let decoder = FrameDecoder::default();
        Self { source, decoder, connection, link, hub, files, batches_sent: 0, malformed: 0 }
    }

    /// Reads until the client is logged in (`None`) or reading is over.
    pub(crate) async fn read_until_admitted(&mut self) -> Option<ReadEnd> {
        let link = self.link;
        while !link.is_admitted() {
            let read = tokio::select! {
                read = self.read_some() => read,
                // A login that had to wait is decided without another word of the client's.
                () = link.admitted() => return None,
            };
            if let Err(end) = read {
                return Some(end);
            }
            if let Err(end) = self.hand_over_frames().await {
                return Some(end);
            }
        }
        None
    }

    /// Reads until it is over.
    pub(crate) async fn read_on(&mut self) -> ReadEnd {
        loop {
            if let Err(end) = self.read_once().await {
                return end;
            }
        }
    }

    /// Takes what still comes and drops it, until the client closes too: closing before it has read
    /// everything could take our last words from it.
    pub(crate) async fn drain(&mut self) {
        loop {
            let read = poll_fn(|cx| poll_read(&mut self.source, cx, |_| ())).await;
            if !matches!(read, Ok(1..)) {
                return;
            }
        }
    }

    async fn read_once(&mut self) -> Result<(), ReadEnd> {
        self.read_some().await?;
        self.hand_over_frames().await
    }

    /// Reads once into the decoder. Loses nothing if it is not waited for to the end.
    async fn read_some(&mut self) -> Result<(), ReadEnd> {
        let (source, decoder) = (&mut self.source, &mut self.decoder);
        let read = poll_fn(|cx| poll_read(source, cx, |bytes| decoder.extend(bytes)));
        let read = tokio::select! {
            read = read => read,
            () = self.link.ended() => return Err(ReadEnd::Ended),
        };
        if matches!(read, Ok(1..)) { Ok(()) } else { Err(ReadEnd::Closed) }
    }

    /// Hands everything that was read to the hub, and waits for the answers.
    async fn hand_over_frames(&mut self) -> Result<(), ReadEnd> {
        loop {
            let (batch, broken) = self.take_batch();
            if !batch.is_empty() {
                self.hand_over(batch).await?;
            } else if broken.is_none() {
                break;
            }
            if broken.is_some() || self.malformed > MALFORMED_MAX {
                return Err(ReadEnd::ProtocolError);
            }
        }
        self.decoder.shrink();
        Ok(())
    }

    /// The next requests of what was read, up to one with a long answer.
    fn take_batch(&mut self) -> (Vec<Asked>, Option<FrameError>) {
        let mut batch = Vec::new();
        while batch.len() < BATCH_REQUESTS_MAX {
            let frame = match self.decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return (batch, Some(error)),
            };
            let asked = parse(frame, || ResumeToken(rand::random()));
            let is_malformed =
                matches!(asked.request, Err(crate::state::refusal::Refusal::Malformed));
            self.malformed += u32::from(is_malformed);
            let is_last = has_long_answer(&asked);
            batch.push(asked);
            if is_last {
                break;
            }
        }
        (batch, None)
    }

    async fn hand_over(&mut self, mut requests: Vec<Asked>) -> Result<(), ReadEnd> {
        // A stranger is refused anyway, and makes no work for the disk.
        if self.link.is_admitted() {
            self.find_files(&mut requests).await;
        }
        let input = Input::Asked { connection: self.connection, requests };
        self.hub.send(input).await.map_err(|_| ReadEnd::Ended)?;
        self.batches_sent += 1;
        let goes_on = self.link.ready_for_more(self.batches_sent).await;
        goes_on.then_some(()).ok_or(ReadEnd::Ended)
    }

    /// Completes requests for downloads with the files that they are about.
    async fn find_files(&self, requests: &mut [Asked]) {
        for asked in requests {
            if let Ok(Request::Member(Ok(MemberRequest::RequestDownload { path, file, .. }))) =
                &mut asked.request
            {
                *file = self.files.find(path).await;
            }
        }
    }
}

/// Pages are long: one at a time, so that a client that asks for many cannot overflow its own outbox.
fn has_long_answer(asked: &Asked) -> bool {
    matches!(
        asked.request,
        Ok(Request::Member(Ok(MemberRequest::ListOnline { .. } | MemberRequest::ListFiles { .. })))
    )
}

/// Reads once, through a buffer that lives no longer than this call.
fn poll_read(
    source: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    mut take: impl FnMut(&[u8]),
) -> Poll<io::Result<usize>> {
    let mut space = [MaybeUninit::uninit(); READ_BYTES];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
    take(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Waker;

    #[tokio::test]
    async fn a_login_that_is_decided_later_ends_the_wait_of_a_silent_client() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = file_transfer::catalogue::Catalogue::open(folder.path()).unwrap();
        let files = FileFinder::new(Arc::new(catalogue));
        let (hub, _inputs) = mpsc::channel(1);
        let (near, _far) = tokio::io::duplex(100);
        let link = Link::new(100);
        let mut reader = Reader::new(near, ConnectionId(1), &link, &hub, &files);
        let mut admitted = pin!(reader.read_until_admitted());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(admitted.as_mut().poll(&mut cx).is_pending());
        link.admit();
        assert_eq!(admitted.as_mut().poll(&mut cx), Poll::Ready(None));
    }
}
