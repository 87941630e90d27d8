//! A client of a chat over TLS: what it hears, what it says.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use common::alpn;
use file_transfer::pinned_tls::PinnedTls;
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::contender::{Contender, Server};
use super::dialect::{Dialect, Heard, To, Welcome, Who};

/// What is read at once: two TLS records.
const READ_BYTES: usize = 32 * 1024;
/// What every chat is measured with, so that nobody is faster for a weaker cipher.
const CIPHER: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;

/// Where and how to connect.
#[derive(Clone)]
pub(super) struct Door {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    dialect: &'static dyn Dialect,
    /// Of the socket, where it is to be small.
    receive_bytes: Option<u32>,
}

impl Door {
    /// To a server; with `room`, into the room.
    pub(super) fn to(server: &Server, room: bool) -> Result<Self> {
        // Trust is nothing that is measured: any certificate will do.
        let mut tls = PinnedTls::new(None, alpn::CHAT)?.config;
        if server.contender != Contender::SimpleChat {
            Arc::make_mut(&mut tls).alpn_protocols.clear();
        }
        let dialect = server.contender.dialect(room);
        Ok(Self { address: server.address, tls, dialect, receive_bytes: None })
    }

    /// The same with a receive buffer of so many bytes.
    pub(super) fn with_receive_bytes(&self, bytes: u32) -> Self {
        Self { receive_bytes: Some(bytes), ..self.clone() }
    }

    /// Connects, and comes in.
    pub(super) async fn come_in(&self, who: &Who) -> Result<Session> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name_of_server = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name_of_server, tcp).await?;
        let cipher = stream.get_ref().1.negotiated_cipher_suite().context("no cipher")?.suite();
        ensure!(cipher == CIPHER, "another cipher: {cipher:?}");
        let (reader, writer) = split(stream);
        let mouth = Mouth { writer: Arc::new(Mutex::new(writer)), dialect: self.dialect };
        let mut ears = Ears {
            reader,
            mouth: mouth.clone(),
            input: vec![0; READ_BYTES],
            unheard: 0..0,
            reply: Vec::new(),
        };
        let mut hello = Vec::new();
        self.dialect.come_in(who, &mut hello)?;
        mouth.write(&hello).await?;
        let welcome = ears.until_ready().await;
        let welcome = welcome.with_context(|| format!("{} came not in", who.name))?;
        Ok(Session { ears, mouth, welcome })
    }
}

/// Somebody who is in.
pub(super) struct Session {
    pub(super) ears: Ears,
    pub(super) mouth: Mouth,
    pub(super) welcome: Welcome,
}

/// The half that hears, and answers what the server asks of every client.
pub(super) struct Ears {
    reader: ReadHalf<TlsStream<TcpStream>>,
    mouth: Mouth,
    input: Vec<u8>,
    /// Of the input.
    unheard: Range<usize>,
    reply: Vec<u8>,
}

impl Ears {
    /// The next thing that the server says; [`text`](Self::text) tells a message's bytes.
    pub(super) async fn next(&mut self) -> Result<Heard> {
        loop {
            let input = self.input.get(self.unheard.clone()).unwrap_or_default();
            let heard = self.mouth.dialect.hear(input, &mut self.reply)?;
            if !self.reply.is_empty() {
                self.mouth.write(&self.reply).await?;
                self.reply.clear();
            }
            let Some((taken, heard)) = heard else {
                self.read().await?;
                continue;
            };
            let at = self.unheard.start;
            self.unheard.start += taken;
            return Ok(match heard {
                Heard::Message(range) => Heard::Message(at + range.start..at + range.end),
                heard => heard,
            });
        }
    }

    /// The bytes of the message that was heard just now.
    pub(super) fn text(&self, range: Range<usize>) -> &[u8] {
        self.input.get(range).unwrap_or_default()
    }

    async fn read(&mut self) -> Result<()> {
        self.input.copy_within(self.unheard.clone(), 0);
        self.unheard = 0..self.unheard.len();
        let room = self.input.get_mut(self.unheard.end..).unwrap_or_default();
        ensure!(!room.is_empty(), "a message of more than {READ_BYTES} bytes");
        let read = self.reader.read(room).await?;
        ensure!(read > 0, "the server closed the connection");
        self.unheard.end += read;
        Ok(())
    }

    async fn until_ready(&mut self) -> Result<Welcome> {
        loop {
            if let Heard::Ready(welcome) = self.next().await? {
                return Ok(welcome);
            }
        }
    }
}

/// The half that speaks.
#[derive(Clone)]
pub(super) struct Mouth {
    writer: Arc<Mutex<WriteHalf<TlsStream<TcpStream>>>>,
    dialect: &'static dyn Dialect,
}

impl Mouth {
    /// Says something; `number` is another one each time.
    pub(super) async fn say(&self, number: u64, to: &To, text: &str) -> Result<()> {
        let mut bytes = Vec::with_capacity(2 * text.len());
        self.dialect.say(number, to, text, &mut bytes)?;
        self.write(&bytes).await
    }

    /// Bytes as they are.
    pub(super) async fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut writer = self.writer.lock().await;
        writer.write_all(bytes).await?;
        Ok(writer.flush().await?)
    }
}

/// Has many come in, at most `at_once` of them at a time; their names are `prefix` and a number.
pub(super) async fn come_in_many(
    door: &Door,
    prefix: char,
    count: usize,
    at_once: usize,
) -> Result<Vec<Session>> {
    let mut numbers = 0..count;
    let mut coming = tokio::task::JoinSet::new();
    let mut sessions = Vec::with_capacity(count);
    loop {
        while coming.len() < at_once
            && let Some(number) = numbers.next()
        {
            let door = door.clone();
            coming.spawn(async move { door.come_in(&Who::new(format!("{prefix}{number}"))).await });
        }
        match coming.join_next().await {
            Some(session) => sessions.push(session??),
            None => return Ok(sessions),
        }
    }
}
