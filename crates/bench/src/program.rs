//! Starts the programs to be measured, and reads what the kernel counted for them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use common::invite_link::InviteLink;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

/// Kernel ticks a second in /proc/PID/stat (USER_HZ: 100 on every Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// A program of this workspace, built beside this one.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let path = here.parent().context("this program lies in no folder")?.join(name);
    ensure!(path.exists(), "{} is missing: build the whole workspace first", path.display());
    Ok(path)
}

/// A folder in memory: the network path is what is measured, not the disk.
pub(crate) fn memory_folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("simple-chat-bench").tempdir_in("/dev/shm")?)
}

/// A program that serves until it is ended: when dropped.
pub(crate) struct Service {
    child: Child,
    /// What it printed first: where it serves.
    pub(crate) first_line: String,
}

impl Service {
    /// Starts it and waits for its first line.
    ///
    /// # Errors
    /// Where it cannot be started or ends without a word.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdout(Stdio::piped()).spawn();
        let child = child.with_context(|| format!("{command:?}"))?;
        let mut service = Self { child, first_line: String::new() };
        let stdout = service.child.stdout.take().context("the server's output was not kept")?;
        BufReader::new(stdout).read_line(&mut service.first_line)?;
        service.first_line.truncate(service.first_line.trim_end().len());
        ensure!(!service.first_line.is_empty(), "{command:?} did not start");
        Ok(service)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// CPU seconds used so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Resident memory in bytes.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        let status = format!("/proc/{}/status", self.child.id());
        let text = crate::machine::field(&status, "VmRSS").context("no VmRSS")?;
        let kib: u64 = text.split_whitespace().next().context("empty VmRSS")?.parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Asks a child to end, and waits until it has.
pub(crate) fn end(child: &mut Child) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let _ = child.wait();
}

/// A running chat server with folders of its own; ended when dropped.
pub(crate) struct Server {
    service: Service,
    /// What it printed first.
    pub(crate) link: InviteLink,
    folder: TempDir,
}

impl Server {
    /// Starts one on free loopback ports; `config` is added to its configuration file.
    pub(crate) fn start(config: &str) -> Result<Self> {
        Self::start_in(memory_folder()?, config)
    }

    /// The same with its data where the system keeps temporary files: on a disk, most often.
    pub(crate) fn start_on_disk(config: &str) -> Result<Self> {
        Self::start_in(tempfile::Builder::new().prefix("simple-chat-bench").tempdir()?, config)
    }

    fn start_in(folder: TempDir, config: &str) -> Result<Self> {
        let mut command = Command::new(path("chat-server")?);
        command.args(["--listen", "127.0.0.1:0"]);
        let service = Service::start(arguments(&mut command, folder.path(), config)?)?;
        let line = &service.first_line;
        let link = line.parse().with_context(|| format!("no invite link: {line:?}"))?;
        Ok(Self { service, link, folder })
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// CPU seconds used so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        self.service.cpu_seconds()
    }

    /// Resident memory in bytes.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        self.service.memory_bytes()
    }
}

/// Has a chat server keep everything in `folder`, and read `config` there.
pub(crate) fn arguments<'a>(
    command: &'a mut Command,
    folder: &Path,
    config: &str,
) -> Result<&'a mut Command> {
    let config_path = folder.join("chat-server.toml");
    fs::write(&config_path, config)?;
    Ok(command
        .arg("--config")
        .arg(config_path)
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--files")
        .arg(folder.join("files"))
        .env("RUST_LOG", "warn"))
}

/// What a finished program printed, and what it cost.
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) cpu_seconds: f64,
}

/// Runs a program to its end.
///
/// # Errors
/// Also where it does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<Finished> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("{command:?}"))?;
    let stdout = child.stdout.take().context("the program's output was not kept")?;
    let text = std::io::read_to_string(BufReader::new(stdout))?;
    let pid = Pid::from_raw(child.id().cast_signed()).context("no process id")?;
    // Ended but not reaped: the kernel still tells what it used.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let cpu_seconds = cpu_seconds(child.id())?;
    let status = child.wait()?;
    ensure!(status.success(), "{command:?} ended with {status}: {text}");
    Ok(Finished { stdout: text, cpu_seconds })
}

/// CPU seconds that a process has used so far.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold blanks; fields 14 and 15 (utime, stime) are counted behind it.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat without a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}
