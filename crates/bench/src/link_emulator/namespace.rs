//! A network namespace with a TUN device, and its removal.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::tun;

const FOLDER: &str = "/run/netns";
const DEVICE: &str = "emulated";
/// As on an Ethernet.
const MTU: &str = "1500";
/// Of the device: only the emulated bottleneck may drop.
const QUEUE_PACKETS: &str = "20000";

pub(super) struct Namespace {
    name: String,
    device: File,
}

impl Namespace {
    /// One for the end called `end`, with one address on a link of 24 bits.
    pub(super) fn create(end: &str, address: Ipv4Addr) -> Result<Self> {
        let name = format!("simple-chat-{}{end}", std::process::id());
        ip(&["netns", "add", &name])?;
        let device = open_device(&name).inspect_err(|_| remove(&name))?;
        let namespace = Self { name, device };
        let inside =
            |arguments: &[&str]| ip(&[&["-n", namespace.name.as_str()], arguments].concat());
        inside(&["link", "set", "lo", "up"])?;
        inside(&["addr", "add", &format!("{address}/24"), "dev", DEVICE])?;
        inside(&["link", "set", DEVICE, "mtu", MTU, "txqueuelen", QUEUE_PACKETS, "up"])?;
        Ok(namespace)
    }

    /// The device, to read from and to write to, for another thread.
    pub(super) fn device(&self) -> Result<[File; 2]> {
        Ok([self.device.try_clone()?, self.device.try_clone()?])
    }

    /// The same program with the same arguments and environment, in here.
    pub(super) fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new("ip");
        entered.args(["netns", "exec", &self.name]).arg(command.get_program());
        entered.args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => entered.env(key, value),
                None => entered.env_remove(key),
            };
        }
        entered
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// A device that lives in the namespace; the descriptor works anywhere.
fn open_device(name: &str) -> Result<File> {
    let namespace = File::open(path(name)).with_context(|| name.to_owned())?;
    // Moving acts on one thread: a short-lived one keeps the caller where it is.
    let opened = std::thread::spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .context("cannot enter a network namespace")?;
        tun::open(DEVICE)
    });
    opened.join().map_err(|_| anyhow!("the thread that opens the device panicked"))?
}

/// Ends what still runs in there, then removes it.
fn remove(name: &str) {
    for process in processes(name) {
        let _ = kill_process(process, Signal::KILL);
    }
    if let Err(error) = ip(&["netns", "del", name]) {
        eprintln!("{name} stays behind: {error}");
    }
}

/// Processes whose network namespace is the one called `name`.
fn processes(name: &str) -> Vec<Pid> {
    let Ok(wanted) = fs::metadata(path(name)) else { return Vec::new() };
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let is_inside = |entry: &fs::DirEntry| {
        fs::metadata(entry.path().join("ns/net"))
            .is_ok_and(|it| it.ino() == wanted.ino() && it.dev() == wanted.dev())
    };
    let inside = entries.flatten().filter(is_inside);
    inside.filter_map(|it| Pid::from_raw(it.file_name().to_str()?.parse().ok()?)).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
    let output = output.context("ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
