//! The load's side of a chat connection: logs in and counts, decoding no more than it must, so that
//! the machine's time goes to the server that is measured.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use common::framing::{FrameDecoder, encode};
use common::invite_link::InviteLink;
use common::limits::PROTOCOL_VERSION;
use common::wire::{ClientFrame, Hello, LogIn, ServerFrame, client_frame, server_frame};
use prost::Message;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const READ_BYTES: usize = 32 * 1024;

/// A logged-in connection.
pub(crate) struct ChatPeer {
    pub(crate) reader: FrameReader,
    pub(crate) writer: FrameWriter,
}

/// The sending half.
pub(crate) struct FrameWriter {
    stream: WriteHalf<TlsStream<TcpStream>>,
}

/// The receiving half.
pub(crate) struct FrameReader {
    stream: ReadHalf<TlsStream<TcpStream>>,
    decoder: FrameDecoder,
    buffer: Vec<u8>,
}

impl FrameReader {
    /// The next frame's body, undecoded.
    pub(crate) async fn next(&mut self) -> Result<Bytes> {
        loop {
            if let Some(body) = self.decoder.next_frame()? {
                return Ok(body);
            }
            let read = self.stream.read(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            self.decoder.extend(self.buffer.get(..read).unwrap_or_default());
        }
    }
}

/// Connects and logs in.
pub(crate) async fn connect(
    tls: Arc<rustls::ClientConfig>,
    link: &InviteLink,
    name: &str,
) -> Result<ChatPeer> {
    let tcp = TcpStream::connect((link.server.host.as_str(), link.server.port)).await?;
    tcp.set_nodelay(true)?;
    let server = ServerName::try_from(link.server.host.clone())?;
    let stream = TlsConnector::from(tls).connect(server, tcp).await?;
    let (stream, write_half) = split(stream);
    let reader =
        FrameReader { stream, decoder: FrameDecoder::default(), buffer: vec![0; READ_BYTES] };
    let mut peer = ChatPeer { reader, writer: FrameWriter { stream: write_half } };
    peer.log_in(name).await.with_context(|| format!("logging {name} in"))?;
    Ok(peer)
}

impl ChatPeer {
    async fn log_in(&mut self, name: &str) -> Result<()> {
        let hello = Hello {
            version_min: PROTOCOL_VERSION,
            version_max: PROTOCOL_VERSION,
            agent: "bench".into(),
        };
        self.writer.send(1, client_frame::Body::Hello(hello)).await?;
        let log_in = LogIn { name: name.into(), ..LogIn::default() };
        self.writer.send(2, client_frame::Body::LogIn(log_in)).await?;
        loop {
            match ServerFrame::decode(self.reader.next().await?)?.body {
                Some(server_frame::Body::LoggedIn(_)) => return Ok(()),
                Some(server_frame::Body::Refused(refused)) => bail!("refused: {refused:?}"),
                _ => {}
            }
        }
    }
}

impl FrameWriter {
    /// Sends one request.
    pub(crate) async fn send(&mut self, request_id: u64, body: client_frame::Body) -> Result<()> {
        let frame = encode(&ClientFrame { request_id, body: Some(body) })?;
        self.stream.write_all(&frame).await?;
        Ok(self.stream.flush().await?)
    }
}
