//! From starting the window's program to its first frame, on a virtual display.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::program;
use crate::report::{Report, median};

/// How often.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Starts of the program.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 5 }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        times.push(one_start()?);
    }
    report.add("window: start to first frame", median(times, |ms| format!("{ms:.0} ms")));
    Ok(())
}

/// Milliseconds that the program itself tells, from the kernel's start time of its process.
fn one_start() -> Result<f64> {
    let finished = program::run(
        Command::new("scripts/headless-session.sh")
            .arg(program::path("simple-chat")?)
            .arg("--time-first-frame"),
    )?;
    let line = finished.stdout.lines().last().context("the window's program printed nothing")?;
    let ms = line.strip_prefix("first frame after ").and_then(|rest| rest.strip_suffix(" ms"));
    ensure!(ms.is_some(), "unexpected: {line:?}");
    Ok(ms.unwrap_or_default().parse()?)
}
