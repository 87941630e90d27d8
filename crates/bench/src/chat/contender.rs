//! Who is measured, and how its server is started: each with TLS, a certificate of the same kind, a folder of its
//! own and one core.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::invite_link::InviteLink;
use tempfile::TempDir;

use super::bare::Bare;
use super::cores::Cores;
use super::dialect::Dialect;
use super::simple_chat::SimpleChat;
use super::{mumble, ngircd};
use crate::program::{self, Service};

/// Our server's configuration: limits on one person's rate are not what is measured.
const CONFIG: &str = "[limits]\nmessages_burst = 100000000\nmessages_per_second = 100000000\n";
const START_MAX: Duration = Duration::from_secs(20);

/// A chat server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// With its log on a disk: a message is delivered when it is stored.
    SimpleChat,
    /// Debian's; stores nothing.
    Ngircd,
    /// Debian's; stores no messages.
    Mumble,
    /// The ceiling: see [`bare`](super::bare).
    Bare,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SimpleChat => "Simple Chat",
            Self::Ngircd => "ngIRCd",
            Self::Mumble => "Mumble",
            Self::Bare => "bare fan-out",
        })
    }
}

impl Contender {
    /// How to talk to it; with `room`, from within the room.
    pub(super) fn dialect(self, room: bool) -> &'static dyn Dialect {
        match self {
            Self::SimpleChat => &SimpleChat,
            Self::Ngircd if room => &ngircd::Irc { room: true },
            Self::Ngircd => &ngircd::Irc { room: false },
            Self::Mumble => &mumble::Control,
            Self::Bare => &Bare,
        }
    }
}

/// Ports that were free a moment ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) tls: u16,
    /// For a server that insists on one without TLS.
    pub(super) spare: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (tls, spare) = (listen()?, listen()?);
        Ok(Self { tls: tls.local_addr()?.port(), spare: spare.local_addr()?.port() })
    }
}

/// A running server, with what it needs to be started again in the same place.
pub(super) struct Server {
    pub(super) contender: Contender,
    pub(super) address: SocketAddr,
    service: Option<Service>,
    ports: Ports,
    cores: Cores,
    folder: TempDir,
}

impl Server {
    /// Starts it with an empty folder: on a disk, most often.
    pub(super) fn start(contender: Contender, cores: Cores) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("simple-chat-bench").tempdir()?;
        let mode = fs::Permissions::from_mode;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(folder.path().join("certificate.pem"), made.cert.pem())?;
        let key = folder.path().join("key.pem");
        fs::write(&key, made.signing_key.serialize_pem())?;
        fs::set_permissions(key, mode(if contender == Contender::Ngircd { 0o644 } else { 0o600 }))?;
        if contender == Contender::Ngircd {
            // Started by root it gives up its rights, and reads its files afterwards.
            fs::set_permissions(folder.path(), mode(0o755))?;
        }
        let ports = Ports::free()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.tls));
        let mut server = Self { contender, address, service: None, ports, cores, folder };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it where it was; [`stop`](Self::stop) before.
    pub(super) fn start_again(&mut self) -> Result<()> {
        let mut command = self.command()?;
        let service = self.service.insert(Service::start(&mut command)?);
        let line = service.first_line.clone();
        match self.contender {
            Contender::SimpleChat => {
                let port = self.link()?.server.port;
                ensure!(port == self.address.port(), "listens elsewhere: {line}");
            }
            Contender::Bare => self.address = line.parse()?,
            Contender::Ngircd => self.wait()?,
            Contender::Mumble => {
                self.wait()?;
                self.make_ordinary()?;
            }
        }
        Ok(())
    }

    /// Ends it, and waits until it has ended.
    pub(super) fn stop(&mut self) {
        self.service = None;
    }

    fn service(&self) -> Result<&Service> {
        self.service.as_ref().context("the server is stopped")
    }

    /// What our server printed.
    pub(super) fn link(&self) -> Result<InviteLink> {
        let line = &self.service()?.first_line;
        line.parse().with_context(|| format!("no invite link: {line}"))
    }

    /// CPU seconds of the server since its start.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.service()?.cpu_seconds()
    }

    /// Resident memory of the server.
    pub(super) fn memory_bytes(&self) -> Result<u64> {
        self.service()?.memory_bytes()
    }

    fn command(&self) -> Result<Command> {
        let folder = self.folder.path();
        match self.contender {
            Contender::SimpleChat => {
                let mut command = self.cores.server(program::path("chat-server")?);
                command.arg("--listen").arg(self.address.to_string());
                let config =
                    format!("certificate = \"certificate.pem\"\nkey = \"key.pem\"\n{CONFIG}");
                program::arguments(&mut command, folder, &config)?;
                Ok(command)
            }
            Contender::Ngircd => {
                ngircd::configure(folder, self.ports)?;
                let path = folder.join("ngircd.conf");
                self.foreign(ngircd::PROGRAM, &["--nodaemon".as_ref(), "--config".as_ref(), &path])
            }
            Contender::Mumble => {
                mumble::configure(folder, self.ports)?;
                let path = folder.join("murmur.ini");
                self.foreign(mumble::PROGRAM, &["-fg".as_ref(), "-ini".as_ref(), &path])
            }
            Contender::Bare => {
                let mut command = self.cores.server(std::env::current_exe()?);
                command.arg("bare-fan-out").arg(folder);
                Ok(command)
            }
        }
    }

    /// A program that does not print where it serves, and keeps a log on standard output.
    fn foreign(&self, path: &str, arguments: &[&Path]) -> Result<Command> {
        ensure!(Path::new(path).exists(), "{path} is missing: scripts/bench-chat.sh installs it");
        let mut command = self.cores.server("/bin/sh");
        command
            .args(["-c", r#"echo started; log=$0; exec "$@" >"$log" 2>&1"#])
            .arg(self.folder.path().join("log"))
            .arg(path)
            .args(arguments);
        Ok(command)
    }

    /// Mumble's server makes itself a real-time process where it may, and everybody else waits. Here all have
    /// the same chance.
    fn make_ordinary(&self) -> Result<()> {
        let process = self.service()?.process_id().to_string();
        let done = Command::new("chrt")
            .args(["--other", "--all-tasks", "--pid", "0", &process])
            .status()?;
        ensure!(done.success(), "chrt: {done}");
        Ok(())
    }

    /// Until it listens.
    fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            ensure!(begun.elapsed() < START_MAX, "{} does not listen:\n{}", self.contender, log());
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}
