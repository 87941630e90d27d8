//! The ceiling: tokio and rustls with nothing around them. Whatever one connection sends goes to all others, in
//! frames of a length and that many bytes; nothing is stored, nobody has a name, nobody is refused.
//!
//! What the server could reach if the log, the state, the limits and the protocol cost nothing. It does what
//! makes a fan-out cheap: a frame is shared by all its receivers, and a connection writes at once whatever
//! has gathered for it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::dialect::{Dialect, Heard, To, Welcome, Who};
use super::simple_chat::frame;

/// Frames that may wait for one connection: more than the load has under way.
const WAITING_MAX: usize = 4096;
/// What is written at once, and read.
const BATCH_BYTES: usize = 64 * 1024;

/// Frames without a protocol.
pub(super) struct Bare;

impl Dialect for Bare {
    /// The first frame says that one is there; the server answers with the same.
    fn come_in(&self, _who: &Who, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&HERE);
        Ok(())
    }

    fn say(&self, _number: u64, _to: &To, text: &str, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&u32::try_from(text.len())?.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn hear(&self, input: &[u8], _reply: &mut Vec<u8>) -> Result<Option<(usize, Heard)>> {
        let heard = frame(input).map(|body| match body.len() {
            0 => (body.end, Heard::Ready(Welcome::default())),
            _ => (body.end, Heard::Message(body)),
        });
        Ok(heard)
    }
}

/// A frame of no bytes.
const HERE: [u8; 4] = [0; 4];

/// Serves until it is ended; certificate and key lie in `folder`. Prints where.
#[expect(clippy::print_stdout, reason = "who starts it reads the address there")]
pub(crate) fn serve(folder: &Path) -> Result<()> {
    let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])?
    .with_no_client_auth()
    .with_single_cert(vec![certificate], key)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        accept(listener, TlsAcceptor::from(Arc::new(config))).await
    })
}

async fn accept(listener: TcpListener, tls: TlsAcceptor) -> Result<()> {
    let (everybody, hub) = mpsc::channel(WAITING_MAX);
    tokio::spawn(fan_out(hub));
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (tls, everybody) = (tls.clone(), everybody.clone());
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(tcp).await {
                // A connection that breaks is of no interest to the others.
                let _ = serve_one(stream, everybody).await;
            }
        });
    }
}

enum Input {
    Came(u64, mpsc::Sender<Arc<[u8]>>),
    Said(u64, Arc<[u8]>),
    Left(u64),
}

/// The one owner of the list of connections.
async fn fan_out(mut hub: mpsc::Receiver<Input>) {
    let mut connections: Vec<(u64, mpsc::Sender<Arc<[u8]>>)> = Vec::new();
    while let Some(input) = hub.recv().await {
        match input {
            Input::Came(id, connection) => connections.push((id, connection)),
            Input::Left(id) => connections.retain(|(it, _)| *it != id),
            Input::Said(from, bytes) => {
                for (_, connection) in connections.iter().filter(|(id, _)| *id != from) {
                    // Who is that far behind misses it: the load never is.
                    let _ = connection.try_send(Arc::clone(&bytes));
                }
            }
        }
    }
}

async fn serve_one(stream: TlsStream<TcpStream>, hub: mpsc::Sender<Input>) -> Result<()> {
    let id = rand::random();
    let (reader, writer) = tokio::io::split(stream);
    let (outbox, waiting) = mpsc::channel(WAITING_MAX);
    outbox.try_send(Arc::from(HERE))?;
    hub.send(Input::Came(id, outbox)).await?;
    let writing = tokio::spawn(write(writer, waiting));
    let read = read(reader, id, &hub).await;
    hub.send(Input::Left(id)).await?;
    writing.abort();
    read
}

async fn write(
    mut writer: WriteHalf<TlsStream<TcpStream>>,
    mut waiting: mpsc::Receiver<Arc<[u8]>>,
) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    while let Some(first) = waiting.recv().await {
        batch.extend_from_slice(&first);
        while batch.len() < BATCH_BYTES
            && let Ok(next) = waiting.try_recv()
        {
            batch.extend_from_slice(&next);
        }
        writer.write_all(&batch).await?;
        writer.flush().await?;
        batch.clear();
    }
    Ok(())
}

async fn read(
    mut reader: ReadHalf<TlsStream<TcpStream>>,
    id: u64,
    hub: &mpsc::Sender<Input>,
) -> Result<()> {
    let mut input = Vec::with_capacity(BATCH_BYTES);
    while reader.read_buf(&mut input).await? > 0 {
        let mut taken = 0;
        while let Some(body) = input.get(taken..).and_then(frame) {
            let end = taken + body.end;
            if !body.is_empty() {
                let bytes = input.get(taken..end).context("a frame beyond its end")?;
                hub.send(Input::Said(id, Arc::from(bytes))).await?;
            }
            taken = end;
        }
        input.drain(..taken);
    }
    Ok(())
}
