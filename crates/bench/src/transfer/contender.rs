//! Who is measured: how each is started as a server, and how a client of it fetches the file.
//!
//! All clients say on their standard output how far they are, in one form: a line of JSON, the last one
//! with the event `finished`.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::nginx;
use crate::link_emulator::{LinkEmulator, SERVER_IP};
use crate::noise;
use crate::program::{self, Service};

/// What the file is called.
pub(super) const FILE_NAME: &str = "payload";

/// What decides how fast a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    Bbr,
    Cubic,
}

impl fmt::Display for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bbr => "BBR",
            Self::Cubic => "CUBIC",
        })
    }
}

impl Congestion {
    /// As command lines and configuration files spell it.
    fn key(self) -> &'static str {
        match self {
            Self::Bbr => "bbr",
            Self::Cubic => "cubic",
        }
    }
}

/// One program, one way of running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// `chat-server` and `simple-chat-cli`, verified by BLAKE3; as they come, unless a controller is
    /// named.
    SimpleChat { congestion: Option<Congestion>, gso: bool },
    /// The quinn of `crates/bench/peers`.
    Quinn { congestion: Congestion, gso: bool },
    /// The s2n-quic of `crates/bench/peers`.
    S2n { congestion: Congestion },
    /// nginx and curl.
    Nginx { tls: bool },
    /// The kernel's TCP, not encrypted; for links only.
    Tcp { congestion: Congestion },
    /// Sealed datagrams without a protocol; for loopback only.
    Ceiling { gso: bool },
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SimpleChat { congestion: None, .. } => f.write_str("Simple Chat"),
            Self::SimpleChat { congestion: Some(congestion), .. } => {
                write!(f, "Simple Chat {congestion}")
            }
            Self::Quinn { congestion, .. } => write!(f, "quinn {congestion}"),
            Self::S2n { congestion } => write!(f, "s2n-quic {congestion}"),
            Self::Nginx { tls: true } => f.write_str("nginx + curl, HTTPS"),
            Self::Nginx { tls: false } => f.write_str("nginx + curl, HTTP"),
            Self::Tcp { congestion } => write!(f, "TCP {congestion}"),
            Self::Ceiling { .. } => f.write_str("ceiling"),
        }
    }
}

/// The file that everybody moves.
pub(crate) struct Payload {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// As `b3sum` prints it.
    pub(crate) blake3: String,
}

impl Payload {
    /// A file of noise, so that nobody on the way can be clever.
    pub(crate) fn create(folder: &Path, bytes: u64) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        let blake3 = noise::write_file(&path, bytes)?;
        Ok(Self { path, bytes, blake3 })
    }
}

/// A contender's server with the file.
pub(crate) struct Serving<'a> {
    contender: Contender,
    payload: &'a Payload,
    folder: PathBuf,
    service: Service,
}

impl<'a> Serving<'a> {
    /// Starts it on this machine; `folder` is for what it leaves behind.
    pub(crate) fn start(
        contender: Contender,
        payload: &'a Payload,
        folder: PathBuf,
    ) -> Result<Self> {
        Self::start_in(contender, payload, folder, None)
    }

    /// Starts it at the server's end of a link.
    pub(crate) fn start_behind(
        link: &LinkEmulator,
        contender: Contender,
        payload: &'a Payload,
        folder: PathBuf,
    ) -> Result<Self> {
        Self::start_in(contender, payload, folder, Some(link))
    }

    fn start_in(
        contender: Contender,
        payload: &'a Payload,
        folder: PathBuf,
        link: Option<&LinkEmulator>,
    ) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let ip = link.map_or(Ipv4Addr::LOCALHOST, |_| SERVER_IP);
        let mut command = server(contender, payload, &folder, SocketAddr::from((ip, 0)))?;
        if let Some(link) = link {
            command = link.at_server(&command);
        }
        let service = Service::start(&mut command)?;
        if let Contender::Nginx { .. } = contender {
            nginx::wait(&service.first_line)?;
        }
        Ok(Self { contender, payload, folder, service })
    }

    /// CPU seconds of the server so far.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        self.service.cpu_seconds()
    }

    /// A client that fetches the whole file; each at the same time needs a name of its own.
    pub(crate) fn client(&self, name: &str, out: &Path) -> Result<Command> {
        let (address, bytes) = (&self.service.first_line, self.payload.bytes.to_string());
        let mut command = match self.contender {
            Contender::SimpleChat { .. } => {
                return simple_chat_client(address, name, &self.folder, out);
            }
            Contender::Nginx { tls } => return Ok(nginx::client(address, tls, FILE_NAME, out)),
            Contender::Ceiling { .. } => own("ceiling"),
            Contender::Tcp { .. } => own("tcp"),
            Contender::Quinn { .. } | Contender::S2n { .. } => peer(self.contender, &self.folder)?,
        };
        command.args(["fetch", address, "--bytes", &bytes, "--out"]).arg(out);
        Ok(command)
    }

    /// What the client's last line tells.
    ///
    /// # Errors
    /// Where something else than the file arrived.
    pub(crate) fn outcome(&self, stdout: &str) -> Result<Outcome> {
        let last = stdout.lines().last().context("the client printed nothing")?;
        let outcome: Outcome =
            serde_json::from_str(last).with_context(|| format!("not finished: {last}"))?;
        ensure!(outcome.bytes == self.payload.bytes, "not the whole file: {last}");
        if let Contender::SimpleChat { .. } = self.contender {
            ensure!(outcome.blake3.as_ref() == Some(&self.payload.blake3), "another file: {last}");
            ensure!(outcome.transport.as_deref() == Some("udp"), "came another way: {last}");
        }
        Ok(outcome)
    }
}

/// The event that ends a successful fetch.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    blake3: Option<String>,
    transport: Option<String>,
}

fn server(
    contender: Contender,
    payload: &Payload,
    folder: &Path,
    listen: SocketAddr,
) -> Result<Command> {
    match contender {
        Contender::SimpleChat { congestion, gso } => {
            simple_chat_server(congestion, gso, payload, folder, listen)
        }
        Contender::Nginx { tls } => nginx::server(payload, folder, tls),
        Contender::Tcp { congestion } => {
            let mut command = own("tcp");
            command.arg("serve").arg(&payload.path).args(["--congestion", congestion.key()]);
            command.arg("--listen").arg(listen.to_string());
            Ok(command)
        }
        Contender::Ceiling { gso } => {
            let mut command = own("ceiling");
            command.arg("serve").arg(&payload.path).args((!gso).then_some("--no-gso"));
            Ok(command)
        }
        Contender::Quinn { .. } | Contender::S2n { .. } => {
            let mut command = peer(contender, folder)?;
            command.arg("serve").arg(&payload.path).arg("--listen").arg(listen.to_string());
            Ok(command)
        }
    }
}

fn simple_chat_server(
    congestion: Option<Congestion>,
    gso: bool,
    payload: &Payload,
    folder: &Path,
    listen: SocketAddr,
) -> Result<Command> {
    let files = folder.join("files");
    fs::create_dir_all(&files)?;
    fs::hard_link(&payload.path, files.join(FILE_NAME))?;
    let choice = congestion.map(|it| format!("congestion = \"{}\"\n", it.key()));
    let config = format!("[transfer]\nsegmentation = {gso}\n{}", choice.unwrap_or_default());
    let mut command = Command::new(program::path("chat-server")?);
    command.arg("--allow-open-network").arg("--listen").arg(listen.to_string());
    program::arguments(&mut command, folder, &config)?;
    Ok(command)
}

pub(super) fn simple_chat_client(
    link: &str,
    name: &str,
    folder: &Path,
    out: &Path,
) -> Result<Command> {
    let mut command = Command::new(program::path("simple-chat-cli")?);
    command
        .args(["--server", link, "--name", name, "--json", "get", FILE_NAME])
        .args(["--transport", "udp", "-o"])
        .arg(out)
        .env("XDG_CONFIG_HOME", folder.join(name).join("config"))
        .env("XDG_STATE_HOME", folder.join(name).join("state"));
    Ok(command)
}

/// A contender that is part of this program.
fn own(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "bench".into()));
    command.arg(subcommand);
    command
}

/// Program and common options of a QUIC peer.
fn peer(contender: Contender, folder: &Path) -> Result<Command> {
    let (name, congestion, gso) = match contender {
        Contender::Quinn { congestion, gso } => ("quinn_peer", congestion, gso),
        Contender::S2n { congestion } => ("s2n_peer", congestion, true),
        _ => anyhow::bail!("{contender} is no QUIC peer"),
    };
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).context("this program lies in no target folder")?;
    let path = target.join("peers/release").join(name);
    ensure!(path.exists(), "{} is missing: scripts/bench-transfer.sh builds it", path.display());
    let mut command = Command::new(path);
    command.args(["--congestion", congestion.key()]).args((!gso).then_some("--no-gso"));
    command.arg("--certificate").arg(folder.join("peer.pem"));
    Ok(command)
}
