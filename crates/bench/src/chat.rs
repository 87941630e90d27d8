//! The chat beside the chat servers that somebody could use instead, in the same run, with the same load.
//!
//! `bench chat PART` measures one part and keeps it in `docs/benchmarks/chat-PART.json`; docs/BENCHMARKS.md is made
//! of all of them. Start reading at [`dialect`]: what the load must know of a chat; then [`contender`]: who is
//! measured; then the parts, [`fan_out`] first; `goals` says what has to come out.

mod bare;
mod contender;
mod cores;
mod dialect;
mod document;
mod fan_out;
mod goals;
mod history;
mod latency;
mod load;
mod log;
mod mumble;
mod ngircd;
mod session;
mod sessions;
mod simple_chat;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::cores::Cores;
use self::fan_out::Shape;
use crate::document::{self as whole, Section};
use crate::record::Record;
use crate::scope::Scope;
use crate::{machine, versions};

pub(crate) use self::bare::serve as serve_bare_fan_out;

/// What to measure, how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// The parts to measure, in turn; all of them if none is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Only write the document again, from what was measured before.
    #[arg(long, conflicts_with = "parts")]
    no_measuring: bool,
    /// Short and few: shows that the instrument works. Its figures are marked and not to be quoted.
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose name has this in it; the others keep what was measured before.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// What else ran on the machine meanwhile: it is told with the figures.
    #[arg(long, value_name = "TEXT")]
    beside: Option<String>,
    /// Where documents are.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One who writes to 100, and to 1,000.
    FanOut,
    /// A hundred who all write to all.
    Room,
    /// A thousand who write to one other each.
    Pairs,
    /// How long a message takes to 1,000.
    Latency,
    /// The same with some who do not read.
    Stopped,
    /// How fast people come in.
    Logins,
    /// Memory of people who do nothing: up to 10,000.
    Idle,
    /// How fast people are back after a restart.
    Restart,
    /// Messages that are stored and acknowledged.
    Log,
    /// A million stored messages.
    History,
}

impl Part {
    /// In the order of the document.
    const ALL: &[Self] = &[
        Self::FanOut,
        Self::Room,
        Self::Pairs,
        Self::Latency,
        Self::Stopped,
        Self::Logins,
        Self::Restart,
        Self::Idle,
        Self::Log,
        Self::History,
    ];

    /// Its heading.
    fn title(self) -> &'static str {
        match self {
            Self::FanOut => "Chat: one to many",
            Self::Room => "Chat: a room",
            Self::Pairs => "Chat: private pairs",
            Self::Latency => "Chat: latency",
            Self::Stopped => "Chat: some stop reading",
            Self::Logins => "Chat: logging in",
            Self::Idle => "Chat: idle sessions",
            Self::Restart => "Chat: a restart",
            Self::Log => "Chat: storing",
            Self::History => "Chat: a million stored messages",
        }
    }

    /// As its record is called.
    fn name(self) -> &'static str {
        match self {
            Self::FanOut => "chat-fan-out",
            Self::Room => "chat-room",
            Self::Pairs => "chat-pairs",
            Self::Latency => "chat-latency",
            Self::Stopped => "chat-stopped",
            Self::Logins => "chat-logins",
            Self::Idle => "chat-idle",
            Self::Restart => "chat-restart",
            Self::Log => "chat-log",
            Self::History => "chat-history",
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = options.docs.join("benchmarks");
    let parts = match options.parts.as_slice() {
        _ if options.no_measuring => &[],
        [] => Part::ALL,
        parts => parts,
    };
    // What describes the machine is asked before this process has one core only.
    let machine = options
        .beside
        .iter()
        .fold(machine::description(), |machine, beside| format!("{machine}; beside it {beside}"));
    let cores = if parts.is_empty() { None } else { Some(Cores::split()?) };
    for (part, cores) in parts.iter().zip(cores.iter().cycle()) {
        measure(*part, *cores, options, machine.clone(), &folder)?;
        whole::write(&options.docs)?;
    }
    whole::write(&options.docs)
}

/// What the document says of the chat.
pub(crate) fn sections(folder: &Path) -> Result<Vec<Section>> {
    let read = |part: &Part| Record::read(folder, part.name()).map(|it| it.map(|it| (*part, it)));
    let records = Part::ALL.iter().filter_map(|part| read(part).transpose());
    Ok(document::sections(&records.collect::<Result<Vec<_>>>()?))
}

fn measure(
    part: Part,
    cores: Cores,
    options: &Options,
    machine: String,
    folder: &Path,
) -> Result<()> {
    let begun = Instant::now();
    let scope = Scope { quick: options.quick, only: options.only.as_deref() };
    let mut record = Record {
        machine,
        date: versions::today()?,
        quick: scope.quick,
        minutes: 0.0,
        versions: versions::of_chats()?,
        samples: Vec::new(),
        series: Vec::new(),
    };
    if let (Some(_), Some(before)) = (scope.only, Record::read(folder, part.name())?) {
        record.keep(before, &scope);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure_part(part, cores, &scope, &mut record))?;
    record.minutes += begun.elapsed().as_secs_f64() / 60.0;
    record.write(folder, part.name())
}

async fn measure_part(
    part: Part,
    cores: Cores,
    scope: &Scope<'_>,
    record: &mut Record,
) -> Result<()> {
    match part {
        Part::FanOut => fan_out::run(Shape::FAN_OUTS, cores, scope, record).await,
        Part::Room => fan_out::run(Shape::ROOMS, cores, scope, record).await,
        Part::Pairs => fan_out::run(Shape::PAIRS, cores, scope, record).await,
        Part::Latency => latency::run(cores, scope, record).await,
        Part::Stopped => latency::run_stopped(cores, scope, record).await,
        Part::Logins => sessions::run_logins(cores, scope, record).await,
        Part::Idle => sessions::run_idle(cores, scope, record).await,
        Part::Restart => sessions::run_restart(cores, scope, record).await,
        Part::Log => log::run(cores, scope, record).await,
        Part::History => history::run(cores, scope, record).await,
    }
}
