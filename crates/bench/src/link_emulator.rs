//! An emulated link between two network namespaces, for real programs with real sockets.
//!
//! Each namespace owns a TUN device; one thread moves packets between the two and applies, for each
//! direction, what [`direction`] describes: rate, queue, delay, loss, bursts, reordering, a policer, an
//! outage, a black hole, and an address translator that moves its client to another port. [`model`]
//! decides and is pure; [`namespace`] and [`forwarder`] need root, `/dev/net/tun` and `ip`.

mod codel;
pub(crate) mod direction;
pub(crate) mod forwarder;
mod model;
mod namespace;
mod port_change;
mod tun;

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};

use self::direction::Direction;
use self::forwarder::{Counts, Forwarder};
use self::namespace::Namespace;

/// The address of each end; the namespaces know nobody else.
pub(crate) const SERVER_IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT_IP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// What the link is like, both ways.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// From the server to the client: where the file goes.
    pub(crate) down: Direction,
    pub(crate) up: Direction,
    /// When the client's address translator forgets it: its UDP goes on from another port.
    pub(crate) port_change: Option<Duration>,
    /// The same packets meet the same fate under the same seed.
    pub(crate) seed: u64,
}

/// Two namespaces and the thread between them; removed when dropped, programs in them included.
pub(crate) struct LinkEmulator {
    server: Namespace,
    client: Namespace,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Counts>>,
}

impl LinkEmulator {
    /// # Errors
    /// Where there is no root, no TUN device or no `ip`.
    pub(crate) fn start(link: Link) -> Result<Self> {
        let server = Namespace::create("s", SERVER_IP)?;
        let client = Namespace::create("c", CLIENT_IP)?;
        let forwarder = Forwarder::new(server.device()?, client.device()?, link);
        let (stop, stopped) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("link-emulator".into())
            .spawn(move || forwarder.run(&stopped))?;
        Ok(Self { server, client, stop: Some(stop), thread: Some(thread) })
    }

    /// A program at the server's end.
    pub(crate) fn at_server(&self, command: &Command) -> Command {
        self.server.enter(command)
    }

    /// A program at the client's end.
    pub(crate) fn at_client(&self, command: &Command) -> Command {
        self.client.enter(command)
    }

    /// Takes the link down, and tells what went over it.
    pub(crate) fn stop(mut self) -> Result<Counts> {
        self.stop = None;
        let thread = self.thread.take().ok_or(anyhow!("stopped twice"))?;
        thread.join().map_err(|_| anyhow!("the link emulator panicked"))
    }
}

impl Drop for LinkEmulator {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
