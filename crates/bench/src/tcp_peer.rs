//! One file over plain TCP: the kernel's congestion control, to compare with. Command line and output are
//! those of the peers (`crates/bench/peers`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

/// What is read from the connection at once.
const READ_BYTES: usize = 256 << 10;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Which end.
#[derive(Subcommand)]
pub(crate) enum End {
    /// Send one file to everybody who connects, until killed.
    Serve {
        /// The file.
        file: PathBuf,
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// As the kernel calls it.
        #[arg(long)]
        congestion: String,
    },
    /// Fetch it.
    Fetch {
        /// Where the other end listens.
        address: SocketAddr,
        /// The file's length.
        #[arg(long)]
        bytes: u64,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
    },
}

pub(crate) fn run(end: &End) -> Result<()> {
    match end {
        End::Serve { file, listen, congestion } => serve(file, *listen, congestion),
        End::Fetch { address, bytes, out } => fetch(*address, *bytes, out),
    }
}

fn serve(file: &PathBuf, listen: SocketAddr, congestion: &str) -> Result<()> {
    let listener = TcpListener::bind(listen)?;
    // Connections inherit it.
    rustix::net::sockopt::set_tcp_congestion(&listener, congestion)
        .with_context(|| format!("this kernel has no {congestion}"))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    for connection in listener.incoming() {
        let (mut connection, mut file) = (connection?, File::open(file)?);
        // A client that leaves early is no failure.
        std::thread::spawn(move || io::copy(&mut file, &mut connection));
    }
    Ok(())
}

fn fetch(address: SocketAddr, bytes: u64, out: &PathBuf) -> Result<()> {
    let begun = Instant::now();
    let mut file = File::create(out)?;
    let mut connection = TcpStream::connect(address)?;
    let mut buffer = vec![0; READ_BYTES];
    let (mut arrived, mut told) = (0, begun);
    loop {
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        file.write_all(buffer.get(..read).unwrap_or_default())?;
        arrived += read as u64;
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            tell("progress", arrived, begun)?;
        }
    }
    ensure!(arrived == bytes, "{arrived} of {bytes} bytes arrived");
    tell("finished", arrived, begun)
}

fn tell(event: &str, bytes: u64, begun: Instant) -> Result<()> {
    let seconds = begun.elapsed().as_secs_f64();
    writeln!(io::stdout(), r#"{{"event":"{event}","bytes":{bytes},"seconds":{seconds:.6}}}"#)?;
    Ok(())
}
