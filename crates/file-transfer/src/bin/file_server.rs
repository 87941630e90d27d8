//! `file-server`: a transfer node as a process of its own, on the chat server's machine or another one.
//!
//! It serves the files of one folder to whoever shows a ticket made with its key, over UDP and, on the
//! same port, over TLS. It knows no chat and no user. The chat server's configuration names it by
//! address, key file and the `spki` that this program prints on its first line.

use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{ArgAction, Args, Parser, ValueEnum, value_parser};
use file_transfer::catalogue::Catalogue;
use file_transfer::node::{NodeLimits, TransferNode};
use file_transfer::tcp::ALPN;
use file_transfer::ticket::TicketKey;
use file_transfer::tls_identity::TlsIdentity;
use file_transfer::udp::{CongestionChoice, RateLimits, SendOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing_subscriber::EnvFilter;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// TCP connections beyond those that transfer, i.e. that have shown no ticket yet. When full, a new
/// one is closed at once.
const STRANGERS_MAX: usize = 64;
/// How long to wait after an accept that failed, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a port is looked for that is free for TCP and UDP.
const PORT_ATTEMPTS: usize = 32;

/// A transfer node of Simple Chat: sends the files of a folder to holders of tickets.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address and port for UDP and TCP; may be given more than once. Port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", required = true)]
    listen: Vec<SocketAddr>,
    /// The folder whose files are served
    #[arg(long, value_name = "DIR")]
    files: PathBuf,
    /// The ticket key shared with the chat server: 64 hexadecimal digits. Made if missing
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Where the TLS key and certificate are kept, made if missing [default: beside the key file]
    #[arg(long, value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    #[command(flatten)]
    sending: Sending,
}

/// How files are sent: what the table [transfer] is in the chat server's configuration.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Sending")]
struct Sending {
    /// What decides how much may be in flight
    #[arg(long, value_enum, default_value_t = Congestion::Bbr)]
    congestion: Congestion,
    /// Several datagrams a system call; false for network drivers that spoil what they segment
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    segmentation: bool,
    /// File bytes a second of all downloads together, shared evenly between the users who download; at
    /// least 1048576 [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(RateLimits::TOTAL_MIN..))]
    bytes_per_second: Option<u64>,
    /// File bytes a second of all downloads of one user together; at least 65536 [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(RateLimits::PER_USER_MIN..))]
    bytes_per_second_per_user: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Congestion {
    /// A model of the path (BBRv3)
    Bbr,
    /// Reacts to loss (RFC 9438)
    Cubic,
}

impl From<Sending> for SendOptions {
    fn from(sending: Sending) -> Self {
        let congestion = match sending.congestion {
            Congestion::Bbr => CongestionChoice::Bbr,
            Congestion::Cubic => CongestionChoice::Cubic,
        };
        let rates = RateLimits {
            total: sending.bytes_per_second,
            per_user: sending.bytes_per_second_per_user,
        };
        SendOptions { congestion, segmentation: sending.segmentation, rates }
    }
}

/// A TCP listener and a UDP socket of the same address.
type Sockets = (TcpListener, UdpSocket);

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        // Complained of on standard error, a record that cannot be written would end the thread.
        .log_internal_errors(false)
        .init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "file-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(arguments.files.is_dir(), "{}: not a folder", arguments.files.display());
    let catalogue = Catalogue::open(&arguments.files)
        .with_context(|| format!("{}", arguments.files.display()))?;
    let key = TicketKey::load_or_create(&arguments.key_file)?;
    let identity = TlsIdentity::load_or_create(&tls_dir(arguments), "Simple Chat file server")?;
    let (tcp, udp) = bind_all(&arguments.listen).await?;
    let sending = SendOptions::from(arguments.sending);
    let node = TransferNode::start(udp, key, Arc::new(catalogue), NodeLimits::default(), sending)
        .context("cannot start the UDP side")?;
    tracing::info!(?sending, "serves the holders of tickets");
    let node = Arc::new(node);
    let acceptor = TlsAcceptor::from(identity.server_config(&[ALPN])?);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    announce(&tcp, &identity).context("cannot write to stdout")?;
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX + NodeLimits::default().sessions_max));
    for listener in tcp {
        let (acceptor, node) = (acceptor.clone(), Arc::clone(&node));
        tokio::spawn(accept(listener, acceptor, node, Arc::clone(&strangers)));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(transfers = node.transfer_count(), "ending");
    let ending = Arc::clone(&node);
    tokio::task::spawn_blocking(move || ending.shutdown()).await?;
    node.tcp_ended().await;
    Ok(())
}

fn tls_dir(arguments: &Arguments) -> PathBuf {
    let beside = || match arguments.key_file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => Path::new(".").to_owned(),
    };
    arguments.tls_dir.clone().unwrap_or_else(beside)
}

async fn bind_all(addresses: &[SocketAddr]) -> anyhow::Result<(Vec<TcpListener>, Vec<UdpSocket>)> {
    let mut bound = Vec::new();
    for address in addresses {
        let sockets = bind(*address).await;
        bound.push(sockets.with_context(|| format!("cannot listen on {address}"))?);
    }
    Ok(bound.into_iter().unzip())
}

/// TCP and UDP of one number; under port 0 one that is free for both.
async fn bind(address: SocketAddr) -> io::Result<Sockets> {
    let mut attempts = if address.port() == 0 { PORT_ATTEMPTS } else { 1 };
    loop {
        let tcp = TcpListener::bind(address).await?;
        attempts -= 1;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if attempts == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

/// One line per address, for whoever writes the chat server's configuration or started this program.
fn announce(listeners: &[TcpListener], identity: &TlsIdentity) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let spki = URL_SAFE_NO_PAD.encode(identity.spki_sha256());
    for listener in listeners {
        writeln!(stdout, "file-node {} spki={spki}", listener.local_addr()?)?;
    }
    stdout.flush()
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    node: Arc<TransferNode>,
    strangers: Arc<Semaphore>,
) {
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&strangers).try_acquire_owned() else {
            tracing::warn!(%peer, "too many connections");
            continue;
        };
        let (acceptor, node) = (acceptor.clone(), Arc::clone(&node));
        tokio::spawn(async move {
            serve(tcp, peer, acceptor, &node).await;
            drop(place);
        });
    }
}

async fn serve(tcp: TcpStream, peer: SocketAddr, acceptor: TlsAcceptor, node: &TransferNode) {
    // Small frames, HELLO's answer for one, must not wait for more.
    let _ = tcp.set_nodelay(true);
    let tls = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) if tls.get_ref().1.alpn_protocol() == Some(ALPN) => tls,
        Ok(Ok(_)) => return tracing::info!(%peer, "a connection without simplechat-file/1"),
        Ok(Err(error)) => return tracing::info!(%peer, %error, "no TLS handshake"),
        Err(_) => return tracing::info!(%peer, "no TLS handshake in time"),
    };
    match node.serve_tcp(tls).await {
        Ok(bytes) => tracing::info!(%peer, bytes, "sent over TCP"),
        Err(error) => tracing::info!(%peer, %error, "not sent over TCP"),
    }
}
