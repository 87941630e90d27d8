//! Measures the UDP transfer over loopback: `loopback both|serve|fetch SIZE_MIB`.
//!
//! `both` runs node and receiver in one process. `serve` prints where it listens and serves until its
//! standard input ends, `fetch ADDRESS` downloads from there; so each end's processor time shows
//! alone. The file lies in `/dev/shm`, is written to a file there, and its BLAKE3 hash is checked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::range_set::RangeSet;
use file_transfer::sink::Sink;
use file_transfer::ticket::{Grant, TicketKey};
use file_transfer::udp::{
    OpenError, ReceiveConfig, SendOptions, SessionLimits, SessionReport, UdpServer,
    UdpServerConfig, bind_listener, receive,
};
use tokio_util::sync::CancellationToken;

/// Both processes know it; nothing here is secret.
const KEY: [u8; 32] = [1; 32];
const FOLDER: &str = "/dev/shm";
const NAME: &str = "simple-chat-loopback";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["both", size] => {
            make_file(size)?;
            let server = serve()?;
            let address = *server.addresses().first().context("an address")?;
            fetch(address)?;
        }
        ["serve", size] => {
            make_file(size)?;
            let (server, before) = (serve()?, processor_time());
            writeln!(io::stdout(), "{}", server.addresses().first().context("an address")?)?;
            io::stdin().read_to_end(&mut Vec::new())?;
            server.shut_down();
            let spent = processor_time() - before;
            writeln!(io::stdout(), "{:.2} processor-seconds here", spent.as_secs_f64())?;
        }
        ["fetch", address] => fetch(address.parse()?)?,
        _ => bail!("usage: loopback both SIZE_MIB | serve SIZE_MIB | fetch ADDRESS"),
    }
    Ok(())
}

/// A file of pseudo-random bytes, so that nothing on the way can be clever.
fn make_file(size_mib: &str) -> anyhow::Result<()> {
    let mib: u64 = size_mib.parse()?;
    let mut file = File::create(source())?;
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut block = vec![0; 1 << 20];
    for _ in 0..mib {
        noise.fill(&mut block);
        file.write_all(&block)?;
    }
    Ok(())
}

fn serve() -> anyhow::Result<UdpServer> {
    let config = UdpServerConfig {
        sending: SendOptions::default(),
        key: TicketKey::from_bytes(KEY)?,
        open_file: Box::new(|path: &FilePath| {
            File::open(Path::new(FOLDER).join(path.as_str())).map_err(|_| OpenError::Gone)
        }),
        limits: SessionLimits::default(),
        on_session_end: Some(Box::new(|ended: &SessionReport| {
            let _ = writeln!(io::stderr(), "{ended:?}");
        })),
        uploads: None,
    };
    Ok(UdpServer::start(vec![bind_listener("127.0.0.1:0".parse()?)?], config)?)
}

fn fetch(node: SocketAddr) -> anyhow::Result<()> {
    let version = FileVersion::of(&source().metadata()?);
    let mut sink = Target(File::create(target())?);
    let config = ticket_for(node, version)?;
    let (started, before) = (Instant::now(), processor_time());
    let received = receive(&config, &mut sink, &AtomicU64::new(0), &CancellationToken::new());
    received.end?;
    let (arrived, spent) = (started.elapsed(), processor_time() - before);
    let sum = hash(&target())?;
    let verified = started.elapsed();
    if sum != hash(&source())? {
        bail!("what arrived is not what was sent");
    }
    let gigabytes = Duration::from_nanos(version.size).as_secs_f64();
    let speed = |time: Duration| gigabytes / time.as_secs_f64();
    writeln!(
        io::stdout(),
        "{} bytes: {:.3} GB/s, {:.3} GB/s with the hash after it; {:.2} processor-seconds a GB here",
        version.size,
        speed(arrived),
        speed(verified),
        spent.as_secs_f64() / gigabytes,
    )?;
    writeln!(io::stderr(), "{:?}", received.stats)?;
    Ok(())
}

fn ticket_for(node: SocketAddr, version: FileVersion) -> anyhow::Result<ReceiveConfig> {
    let secret = [2; 32];
    let grant = Grant {
        secret,
        user: "loopback".into(),
        login: 1,
        file: FilePath::parse(NAME)?,
        version,
        bytes_max: Grant::bytes_max_for(version.size),
        expires_at: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 60,
    };
    let mut salt = [0; 32];
    aws_lc_rs::rand::fill(&mut salt)?;
    let ticket = TicketKey::from_bytes(KEY)?.mint(&grant, salt)?;
    let missing = RangeSet::of(0..version.size);
    Ok(ReceiveConfig { node, ticket: ticket.as_bytes().to_vec(), secret, version, missing })
}

/// Writes where the bytes belong, and nothing else.
struct Target(File);

impl Sink for Target {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}

fn source() -> PathBuf {
    Path::new(FOLDER).join(NAME)
}

fn target() -> PathBuf {
    source().with_extension("copy")
}

fn hash(path: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize())
}

/// Processor time of this process, both user's and system's.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
