//! The server that is measured has one core for itself, the load another one.

use std::process::Command;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who runs where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    server: usize,
}

impl Cores {
    /// Keeps this process, and the threads that it starts from now on, on the last of its cores; the
    /// first one is for servers.
    ///
    /// # Errors
    /// Where there is one core alone.
    pub(super) fn split() -> Result<Self> {
        let ours = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| ours.is_set(*core));
        let server = cores.next().context("no core at all")?;
        let load = cores.next_back().context("the load and the server need a core each")?;
        let mut only = CpuSet::new();
        only.set(load);
        sched_setaffinity(None, &only)?;
        Ok(Self { server })
    }

    /// A program on the server's core. Its process id is the program's: `taskset` becomes it.
    pub(super) fn server(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.server.to_string()]).arg(program);
        command
    }
}
