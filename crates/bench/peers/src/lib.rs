//! What the peers have in common: the command line, what they print, and how a file is read and written.
//!
//! `PROGRAM serve FILE` prints where it listens as its first line and serves until it is killed.
//! `PROGRAM fetch ADDRESS` prints a line of JSON ten times a second and a last one when it has
//! everything: `{"event":"progress"|"finished","bytes":…,"seconds":…}`, seconds since it began to
//! connect.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Parser, Subcommand, ValueEnum};

/// Receive and send buffer asked for: a batch must not be lost for want of it.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Flow control windows: above the largest bandwidth-delay product that is measured.
pub const WINDOW_BYTES: u32 = 64 << 20;
/// What is read from the file at once.
const READ_BYTES: u64 = 256 << 10;
/// How often a fetch tells how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes of the request: the file's length, in decimal.
pub const REQUEST_BYTES_MAX: usize = 20;

/// The command line of each peer.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Congestion controller of the sending side.
    #[arg(long, value_enum, default_value = "bbr", global = true)]
    pub congestion: Congestion,
    /// One datagram a system call.
    #[arg(long, global = true)]
    pub no_gso: bool,
    /// Where the server leaves its certificate for the client.
    #[arg(long, default_value = "peer.pem", global = true)]
    pub certificate: PathBuf,
    /// Which end.
    #[command(subcommand)]
    pub end: End,
}

/// Which end to be.
#[derive(Debug, Subcommand)]
pub enum End {
    /// Serve one file.
    Serve {
        /// The file.
        file: PathBuf,
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Fetch it.
    Fetch {
        /// Where the server listens.
        address: SocketAddr,
        /// How many bytes to ask for.
        #[arg(long)]
        bytes: u64,
        /// Where to write them.
        #[arg(long)]
        out: PathBuf,
    },
}

/// Congestion controllers that both libraries have.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Congestion {
    /// Bottleneck bandwidth and round-trip time.
    Bbr,
    /// RFC 9438.
    Cubic,
}

/// A self-signed certificate for `localhost`.
#[derive(Debug)]
pub struct Identity {
    /// The certificate as PEM.
    pub certificate: String,
    /// Its key as PEM.
    pub key: String,
}

impl Identity {
    /// A fresh one; the certificate is left where clients look for it.
    ///
    /// # Errors
    /// Where it cannot be made or written.
    pub fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let identity = Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() };
        std::fs::write(&arguments.certificate, &identity.certificate)?;
        Ok(identity)
    }
}

/// A bound UDP socket with large buffers.
///
/// # Errors
/// What the kernel says.
pub fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The first line of a server.
///
/// # Errors
/// Where nobody reads it.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "{address}")
}

/// The first `length` bytes of a file in pieces of their own, as both libraries want them.
#[derive(Debug)]
pub struct Source {
    file: File,
    offset: u64,
    length: u64,
}

impl Source {
    /// What a request for `length` bytes gets.
    ///
    /// # Errors
    /// Where the request is no number or there is no such file.
    pub fn open(path: &PathBuf, request: &[u8]) -> anyhow::Result<Self> {
        let length = std::str::from_utf8(request)?.parse()?;
        Ok(Self { file: File::open(path)?, offset: 0, length })
    }

    /// The next piece, none at the end.
    ///
    /// # Errors
    /// Where the file is shorter.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let count = READ_BYTES.min(self.length - self.offset);
        if count == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
        std::os::unix::fs::FileExt::read_exact_at(&self.file, &mut piece, self.offset)?;
        self.offset += count;
        Ok(Some(piece.into()))
    }
}

/// Where what arrives is written, and who is told.
#[derive(Debug)]
pub struct Target {
    file: File,
    bytes: u64,
    begun: Instant,
    told: Instant,
}

impl Target {
    /// Starts the clock.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(path: &PathBuf) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self { file: File::create(path)?, bytes: 0, begun: now, told: now })
    }

    /// Writes pieces that follow each other with one system call.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while left.iter().any(|slice| !slice.is_empty()) {
            let written = rustix::io::pwritev(&self.file, left, self.bytes)?;
            self.bytes += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
        if self.told.elapsed() >= PROGRESS_INTERVAL {
            self.told = Instant::now();
            self.tell("progress")?;
        }
        Ok(())
    }

    /// Everything is there.
    ///
    /// # Errors
    /// Where it is less than `expected`, or nobody reads it.
    pub fn finish(&self, expected: u64) -> anyhow::Result<()> {
        anyhow::ensure!(self.bytes == expected, "{} of {expected} bytes arrived", self.bytes);
        Ok(self.tell("finished")?)
    }

    fn tell(&self, event: &str) -> io::Result<()> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let bytes = self.bytes;
        writeln!(io::stdout(), r#"{{"event":"{event}","bytes":{bytes},"seconds":{seconds:.6}}}"#)
    }
}

/// Everything on one thread: for one connection two cost more than they bring.
///
/// # Errors
/// Where the runtime cannot be made, or what `work` says.
pub fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
