//! One connection to the server: frames in, frames out. Reading never waits for writing.

use bytes::{Buf, Bytes, BytesMut};
use common::framing::{self, FrameDecoder};
use common::wire;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::SessionError;

/// Bytes of one read: a TLS record (RFC 8446, section 5.1).
const READ_BYTES: usize = 16 * 1024;

/// What is queued for writing is bounded by what the machine has under way: a handful of messages and
/// requests.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: ReadHalf<TlsStream<TcpStream>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    decoder: FrameDecoder,
    read_buffer: Box<[u8]>,
    unsent: BytesMut,
    needs_flush: bool,
}

enum Moved {
    Read(usize),
    Wrote,
}

impl Connection {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            decoder: FrameDecoder::default(),
            read_buffer: vec![0; READ_BYTES].into_boxed_slice(),
            unsent: BytesMut::new(),
            needs_flush: false,
        }
    }

    /// Queues a frame; [`next_frame`](Self::next_frame) writes it.
    pub(crate) fn send(&mut self, frame: &wire::ClientFrame) {
        match framing::encode(frame) {
            Ok(bytes) => self.unsent.extend_from_slice(&bytes),
            // Prechecks keep requests short; a frame that cannot be sent must not break the stream.
            Err(error) => tracing::error!(%error, "a frame was not sent"),
        }
    }

    /// Writes what is queued and reads until there is a frame. May be dropped at any `.await` and
    /// called again.
    pub(crate) async fn next_frame(&mut self) -> Result<wire::ServerFrame, SessionError> {
        loop {
            let whole = self.decoder.next_frame();
            if let Some(body) = whole.map_err(|error| protocol(&error))? {
                return decode(body);
            }
            match self.move_bytes().await? {
                Moved::Read(0) => return Err(SessionError::Lost),
                Moved::Read(bytes) => {
                    self.decoder.extend(self.read_buffer.get(..bytes).unwrap_or(&[]))
                }
                Moved::Wrote => {}
            }
        }
    }

    async fn move_bytes(&mut self) -> Result<Moved, SessionError> {
        let has_to_write = self.unsent.has_remaining() || self.needs_flush;
        let lost = |error: std::io::Error| {
            tracing::debug!(%error, "the connection broke");
            SessionError::Lost
        };
        tokio::select! {
            read = self.reader.read(&mut self.read_buffer) => read.map(Moved::Read).map_err(lost),
            written = write_some(&mut self.writer, &mut self.unsent), if has_to_write => {
                self.needs_flush = written.map_err(lost)?;
                Ok(Moved::Wrote)
            }
        }
    }

    /// Writes what is queued and closes properly.
    pub(crate) async fn close(mut self) -> std::io::Result<()> {
        self.writer.write_all_buf(&mut self.unsent).await?;
        self.writer.shutdown().await
    }
}

/// One step of writing; whether a flush is still to follow.
async fn write_some(
    writer: &mut WriteHalf<TlsStream<TcpStream>>,
    unsent: &mut BytesMut,
) -> std::io::Result<bool> {
    if unsent.has_remaining() {
        writer.write_buf(unsent).await?;
        return Ok(true);
    }
    writer.flush().await?;
    Ok(false)
}

fn decode(body: Bytes) -> Result<wire::ServerFrame, SessionError> {
    wire::ServerFrame::decode(body).map_err(|error| protocol(&error))
}

fn protocol(error: &dyn std::error::Error) -> SessionError {
    SessionError::Protocol(error.to_string())
}
