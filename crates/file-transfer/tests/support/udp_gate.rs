//! A firewall in front of a node's UDP port that closes in mid-transfer, or opens: a relay that passes
//! so many datagrams of the node and then nothing, until it is opened.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should; in unit tests nothing is said of it"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the relay looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct UdpGate {
    relay: Arc<Relay>,
    threads: Vec<JoinHandle<()>>,
}

struct Relay {
    front: UdpSocket,
    back: UdpSocket,
    /// Who wrote last.
    client: Mutex<Option<SocketAddr>>,
    /// Datagrams of the node that may pass yet.
    left: AtomicUsize,
    ended: AtomicBool,
}

impl UdpGate {
    /// Relays between a client, which writes to `front`, and the node, until so many of the node's
    /// datagrams have passed.
    pub(crate) fn start(front: UdpSocket, node: SocketAddr, datagrams: usize) -> UdpGate {
        let back = UdpSocket::bind("127.0.0.1:0").unwrap();
        back.connect(node).unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        }
        let (client, left) = (Mutex::new(None), AtomicUsize::new(datagrams));
        let relay = Arc::new(Relay { front, back, client, left, ended: AtomicBool::new(false) });
        let (there, back_again) = (Arc::clone(&relay), Arc::clone(&relay));
        let threads = vec![
            std::thread::spawn(move || there.pass_to_node()),
            std::thread::spawn(move || back_again.pass_to_client()),
        ];
        UdpGate { relay, threads }
    }

    /// Lets nothing of the node through from now on.
    #[allow(dead_code, reason = "some tests close it, some open it")]
    pub(crate) fn close(&self) {
        self.relay.left.store(0, Ordering::Relaxed);
    }

    /// Lets everything through from now on.
    pub(crate) fn open(&self) {
        self.relay.left.store(usize::MAX, Ordering::Relaxed);
    }
}

impl Relay {
    fn pass_to_node(&self) {
        let mut buffer = [0; 65_536];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok((bytes, from)) = self.front.recv_from(&mut buffer) else { continue };
            *self.client.lock().unwrap() = Some(from);
            let _ = self.back.send(&buffer[..bytes]);
        }
    }

    fn pass_to_client(&self) {
        let mut buffer = [0; 65_536];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok(bytes) = self.back.recv(&mut buffer) else { continue };
            let client = *self.client.lock().unwrap();
            let may_pass = |left: usize| left.checked_sub(1);
            let passes = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, may_pass);
            if let (Some(client), Ok(_)) = (client, passes) {
                let _ = self.front.send_to(&buffer[..bytes], client);
            }
        }
    }
}

impl Drop for UdpGate {
    fn drop(&mut self) {
        self.relay.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
