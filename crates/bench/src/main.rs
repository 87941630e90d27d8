//! Measures Simple Chat on this machine: real release programs, real TLS, real sockets on loopback.
//!
//! `bench all` prints one table with the machine it was measured on; `bench transfer` compares the transfer
//! engine with others, `bench chat` the chat; both write docs/BENCHMARKS.md. Nothing is asserted about time: figures are for
//! people to compare. One file a measurement; [`program`] starts and watches the
//! programs, [`chat_peer`] is the load's side of a chat connection.

mod acknowledged;
mod ceiling;
mod chat;
mod chat_peer;
mod document;
mod download;
mod fan_out;
mod first_frame;
mod goal;
mod idle_sessions;
mod link_emulator;
mod machine;
mod noise;
mod program;
mod record;
mod report;
mod scope;
mod statistics;
mod tcp_peer;
mod transfer;
mod versions;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::report::Report;

/// Measures Simple Chat on this machine, on loopback.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// The next five, one after the other.
    All,
    /// Messages that are stored and acknowledged, from many senders at once.
    Acknowledged(acknowledged::Options),
    /// One file over loopback, verified, by UDP and by TCP.
    Download(download::Options),
    /// One sender, many TLS receivers.
    FanOut(fan_out::Options),
    /// Server memory per idle session.
    IdleSessions(idle_sessions::Options),
    /// From starting the window's program to its first frame.
    FirstFrame(first_frame::Options),
    /// The transfer engine beside other programs: for docs/BENCHMARKS.md.
    Transfer(transfer::Options),
    /// The chat beside other servers: for docs/BENCHMARKS.md.
    Chat(chat::Options),
    /// The kernel's TCP: what `transfer` compares with.
    #[command(hide = true)]
    Tcp {
        #[command(subcommand)]
        end: tcp_peer::End,
    },
    /// Sealed datagrams without a protocol: what `transfer` compares with.
    #[command(hide = true)]
    Ceiling {
        #[command(subcommand)]
        end: ceiling::End,
    },
    /// A chat of nothing but tokio and rustls: what `chat` compares with.
    #[command(hide = true)]
    BareFanOut {
        /// Where its certificate and key are.
        folder: std::path::PathBuf,
    },
}

fn main() -> Result<()> {
    let mut report = Report::new(machine::description());
    match Arguments::parse().what {
        Measurement::Transfer(options) => return transfer::run(&options),
        Measurement::Chat(options) => return chat::run(&options),
        Measurement::BareFanOut { folder } => return chat::serve_bare_fan_out(&folder),
        Measurement::Tcp { end } => return tcp_peer::run(&end),
        Measurement::Ceiling { end } => return ceiling::run(&end),
        Measurement::All => run_all(&mut report)?,
        Measurement::Acknowledged(options) => acknowledged::run(&options, &mut report)?,
        Measurement::Download(options) => download::run(&options, &mut report)?,
        Measurement::FanOut(options) => fan_out::run(&options, &mut report)?,
        Measurement::IdleSessions(options) => idle_sessions::run(&options, &mut report)?,
        Measurement::FirstFrame(options) => first_frame::run(&options, &mut report)?,
    }
    report.print();
    Ok(())
}

fn run_all(report: &mut Report) -> Result<()> {
    acknowledged::run(&acknowledged::Options::default(), report)?;
    download::run(&download::Options::default(), report)?;
    fan_out::run(&fan_out::Options::default(), report)?;
    idle_sessions::run(&idle_sessions::Options::default(), report)?;
    first_frame::run(&first_frame::Options::default(), report)
}
