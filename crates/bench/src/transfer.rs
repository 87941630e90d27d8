//! The transfer engine beside the programs that somebody could use instead, in the same run.
//!
//! `bench transfer PART` measures one part and keeps it in `docs/benchmarks/PART.json`; `document` makes
//! docs/BENCHMARKS.md of all of them. Start reading at [`contender`]: who is measured; then the parts,
//! [`loopback`], [`links`], [`fairness`], [`incidents`] and [`crowd`]; `goals` says what has to come out.

mod chart;
mod contender;
mod crowd;
mod document;
mod fairness;
mod flow;
mod goals;
mod incidents;
mod links;
mod loopback;
mod nginx;
mod path;
mod plots;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::document::{self as whole, Section};
use crate::record::Record;
use crate::scope::Scope;
use crate::{machine, versions};

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
    /// Where documents are.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// 1 GiB over loopback.
    Loopback,
    /// One download at a time over emulated links. Needs root.
    Links,
    /// Goodput against random loss. Needs root.
    Loss,
    /// Several flows on one emulated link. Needs root.
    Fairness,
    /// Thirty clients of one server over loopback, and somebody who chats.
    Crowd,
    /// Outage, MTU black hole and change of port in the middle of a transfer. Needs root.
    Incidents,
}

impl Part {
    /// In the order of the document.
    const ALL: &[Self] =
        &[Self::Loopback, Self::Links, Self::Loss, Self::Fairness, Self::Incidents, Self::Crowd];

    /// Its heading.
    fn title(self) -> &'static str {
        match self {
            Self::Loopback => "Loopback",
            Self::Links => "Links",
            Self::Loss => "Random loss",
            Self::Fairness => "Fairness",
            Self::Incidents => "Incidents",
            Self::Crowd => "A crowd",
        }
    }

    /// As its record is called.
    fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Links => "links",
            Self::Loss => "loss",
            Self::Fairness => "fairness",
            Self::Incidents => "incidents",
            Self::Crowd => "crowd",
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
    for part in parts {
        measure(*part, options, &folder)?;
        write_document(&options.docs, &folder)?;
    }
    write_document(&options.docs, &folder)
}

/// The document, and the README beside its folder that quotes it.
fn write_document(docs: &Path, folder: &Path) -> Result<()> {
    let records = records(folder)?;
    whole::write(docs)?;
    for (name, chart) in plots::all(&records) {
        fs::write(folder.join(name), chart.svg())?;
    }
    let readme = docs.join("../README.md");
    if let Ok(text) = fs::read_to_string(&readme) {
        fs::write(readme, document::quote_in(&text, &records))?;
    }
    Ok(())
}

/// What the document says of downloads.
pub(crate) fn sections(folder: &Path) -> Result<Vec<Section>> {
    Ok(document::sections(&records(folder)?))
}

/// What was measured, in the order of the document.
fn records(folder: &Path) -> Result<Vec<(Part, Record)>> {
    let read = |part: &Part| Record::read(folder, part.name()).map(|it| it.map(|it| (*part, it)));
    Part::ALL.iter().filter_map(|part| read(part).transpose()).collect()
}

fn measure(part: Part, options: &Options, folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let scope = Scope { quick: options.quick, only: options.only.as_deref() };
    let mut record = Record {
        machine: machine::description(),
        date: versions::today()?,
        quick: scope.quick,
        minutes: 0.0,
        versions: versions::of_downloads()?,
        samples: Vec::new(),
        series: Vec::new(),
    };
    if let (Some(_), Some(before)) = (scope.only, Record::read(folder, part.name())?) {
        record.keep(before, &scope);
    }
    match part {
        Part::Loopback => loopback::run(&scope, &mut record)?,
        Part::Links => links::run(&scope, &mut record)?,
        Part::Loss => links::sweep(&scope, &mut record)?,
        Part::Fairness => fairness::run(&scope, &mut record)?,
        Part::Crowd => crowd::run(&scope, &mut record)?,
        Part::Incidents => incidents::run(&scope, &mut record)?,
    }
    record.minutes += begun.elapsed().as_secs_f64() / 60.0;
    record.write(folder, part.name())
}
