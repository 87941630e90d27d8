//! The transfer engine beside the programs that somebody could use instead, in the same run.
//!
//! `bench transfer PART` measures one part and keeps it in `docs/benchmarks/PART.json`; `document` makes
//! docs/BENCHMARKS.md of all of them. Start reading at [`contender`]: who is measured; then the parts,
//! [`loopback`].

mod contender;
mod document;
mod goals;
mod loopback;
mod nginx;
mod record;
mod statistics;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::record::Record;
use crate::machine;

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
    /// Where documents are.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// 1 GiB over loopback.
    Loopback,
}

impl Part {
    /// In the order of the document.
    const ALL: &[Self] = &[Self::Loopback];

    /// Its heading.
    fn title(self) -> &'static str {
        match self {
            Self::Loopback => "Loopback",
        }
    }

    /// As its record is called.
    fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
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
        measure(*part, options.quick, &folder)?;
        write_document(&options.docs, &folder)?;
    }
    write_document(&options.docs, &folder)
}

/// The document, and the README beside its folder that quotes it.
fn write_document(docs: &Path, folder: &Path) -> Result<()> {
    let records = records(folder)?;
    fs::write(docs.join("BENCHMARKS.md"), document::render(&records))?;
    let readme = docs.join("../README.md");
    if let Ok(text) = fs::read_to_string(&readme) {
        fs::write(readme, document::quote_in(&text, &records))?;
    }
    Ok(())
}

/// What was measured, in the order of the document.
fn records(folder: &Path) -> Result<Vec<(Part, Record)>> {
    let read = |part: &Part| Record::read(folder, part.name()).map(|it| it.map(|it| (*part, it)));
    Part::ALL.iter().filter_map(|part| read(part).transpose()).collect()
}

fn measure(part: Part, quick: bool, records: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut record = Record {
        machine: machine::description(),
        date: versions::today()?,
        quick,
        minutes: 0.0,
        versions: versions::all()?,
        samples: Vec::new(),
    };
    match part {
        Part::Loopback => loopback::run(&loopback::Plan::new(quick), &mut record)?,
    }
    record.minutes = begun.elapsed().as_secs_f64() / 60.0;
    record.write(records, part.name())
}
