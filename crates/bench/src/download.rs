//! One file over loopback by the command line client, verified, memory disk to memory disk.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::noise;
use crate::program::{self, Server};
use crate::report::{Report, median};

/// What is downloaded, how often.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Size of the file in MiB.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Downloads by each transport, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { mib: 1024, rounds: 5 }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let server = Server::start("")?;
    let expected = noise::write_file(&server.files().join("bench.bin"), options.mib << 20)?;
    let mut figures = [("udp", vec![], vec![]), ("tcp", vec![], vec![])];
    // One uncounted round: the server hashes the file, the page cache fills.
    download(&server, "udp", &expected)?;
    for _ in 0..options.rounds {
        for (transport, speeds, costs) in &mut figures {
            let one = download(&server, transport, &expected)?;
            speeds.push(one.bytes / one.seconds / 1e9);
            costs.push(one.cpu_seconds / (one.bytes / 1e9));
        }
    }
    for (transport, speeds, costs) in figures {
        let what = format!("{} MiB download over {transport}, verified", options.mib);
        report.add(&what, median(speeds, |speed| format!("{speed:.2} GB/s")));
        report
            .add(format!("{what}: both ends"), median(costs, |cost| format!("{cost:.2} CPU-s/GB")));
    }
    Ok(())
}

struct Download {
    bytes: f64,
    seconds: f64,
    cpu_seconds: f64,
}

fn download(server: &Server, transport: &str, expected: &str) -> Result<Download> {
    let target = server.folder().join("downloaded.bin");
    let server_before = server.cpu_seconds()?;
    let client = program::run(
        Command::new(program::path("simple-chat-cli")?)
            .args(["--server", &server.link.to_string(), "--name", "bench", "--json", "get"])
            .args(["bench.bin", "--transport", transport, "-o"])
            .arg(&target)
            .env("XDG_CONFIG_HOME", server.folder().join("config"))
            .env("XDG_STATE_HOME", server.folder().join("state")),
    )?;
    let last = client.stdout.lines().last().context("the client printed nothing")?;
    let finished: Finished =
        serde_json::from_str(last).with_context(|| format!("not finished: {last}"))?;
    ensure!(finished.transport == transport, "came another way: {last}");
    ensure!(finished.blake3 == expected, "another file arrived: {last}");
    fs::remove_file(&finished.path)?;
    Ok(Download {
        bytes: finished.bytes as f64,
        seconds: finished.seconds,
        cpu_seconds: client.cpu_seconds + server.cpu_seconds()? - server_before,
    })
}

/// The event that ends a successful `get --json`.
#[derive(Deserialize)]
struct Finished {
    path: PathBuf,
    bytes: u64,
    seconds: f64,
    transport: String,
    blake3: String,
}
