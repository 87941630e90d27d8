//! A NAT between one client and a node, whose mapping changes after so many datagrams of the node; and
//! on the same machine a victim, in whose name somebody writes to the node.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often the thread looks whether it is to end.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Packets of the client that are kept to be replayed.
const KEPT: usize = 50;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The client gets another port.
    OtherPort,
    /// Nothing from the client's socket passes any more, either way.
    ForgetsClient,
    /// From then on every tenth packet of the client comes from the victim's address instead.
    Diverts,
    /// Packets that passed long ago come again from the victim's address.
    Replays,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) changes: u32,
    /// Sockets the client wrote from.
    pub(crate) clients: u32,
    pub(crate) bytes_from_victim: usize,
    pub(crate) bytes_to_victim: usize,
}

pub(crate) struct Nat {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    counts: Arc<Mutex<Counts>>,
    thread: Option<JoinHandle<()>>,
}

impl Nat {
    pub(crate) fn start(node: SocketAddr, after: usize, change: Change) -> Self {
        let front = new_socket(None);
        let address = front.local_addr().unwrap();
        let (ended, counts) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mapping = Mapping {
            node,
            front,
            upstream: new_socket(Some(node)),
            victim: new_socket(Some(node)),
            client: None,
            forgotten: None,
            from_node: 0,
            from_client: 0,
            kept: Vec::new(),
            after,
            change,
            counts: Arc::clone(&counts),
        };
        let is_over = ended.clone();
        let thread = std::thread::spawn(move || mapping.run(&is_over));
        Self { address, ended, counts, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn stop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Mapping {
    node: SocketAddr,
    front: UdpSocket,
    upstream: UdpSocket,
    victim: UdpSocket,
    client: Option<SocketAddr>,
    forgotten: Option<SocketAddr>,
    from_node: usize,
    from_client: usize,
    kept: Vec<Vec<u8>>,
    after: usize,
    change: Change,
    counts: Arc<Mutex<Counts>>,
}

impl Mapping {
    fn run(mut self, is_over: &AtomicBool) {
        let mut buffer = [0; 65_536];
        while !is_over.load(Ordering::Relaxed) {
            let mut watched = [&self.front, &self.upstream, &self.victim]
                .map(|socket| PollFd::new(socket, PollFlags::IN));
            let _ = poll(&mut watched, Some(&LOOK_EVERY));
            while let Ok((bytes, from)) = self.front.recv_from(&mut buffer) {
                self.pass_up(from, &buffer[..bytes]);
            }
            while let Ok(bytes) = self.upstream.recv(&mut buffer) {
                self.pass_down(&buffer[..bytes]);
            }
            while let Ok(bytes) = self.victim.recv(&mut buffer) {
                self.counts.lock().unwrap().bytes_to_victim += bytes;
            }
        }
    }

    fn pass_up(&mut self, from: SocketAddr, datagram: &[u8]) {
        if self.forgotten == Some(from) {
            return;
        }
        if self.client != Some(from) {
            self.client = Some(from);
            self.counts.lock().unwrap().clients += 1;
        }
        self.from_client += 1;
        let has_changed = self.from_node >= self.after;
        if self.change == Change::Diverts && has_changed && self.from_client.is_multiple_of(10) {
            return self.write_as_victim(datagram);
        }
        let _ = self.upstream.send(datagram);
        if self.kept.len() < KEPT {
            self.kept.push(datagram.to_vec());
        }
    }

    fn write_as_victim(&self, datagram: &[u8]) {
        let _ = self.victim.send(datagram);
        self.counts.lock().unwrap().bytes_from_victim += datagram.len();
    }

    fn pass_down(&mut self, datagram: &[u8]) {
        if let Some(client) = self.client {
            let _ = self.front.send_to(datagram, client);
        }
        self.from_node += 1;
        if self.from_node == self.after {
            self.happen();
        }
    }

    fn happen(&mut self) {
        self.counts.lock().unwrap().changes += 1;
        match self.change {
            Change::OtherPort => self.upstream = new_socket(Some(self.node)),
            Change::ForgetsClient => {
                self.forgotten = self.client.take();
                self.upstream = new_socket(Some(self.node));
            }
            Change::Diverts => {}
            Change::Replays => self.kept.iter().for_each(|datagram| self.write_as_victim(datagram)),
        }
    }
}

/// A non-blocking socket on loopback that loses nothing by itself at a test's rates.
fn new_socket(peer: Option<SocketAddr>) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20).unwrap();
    socket.set_nonblocking(true).unwrap();
    if let Some(peer) = peer {
        socket.connect(peer).unwrap();
    }
    socket
}
