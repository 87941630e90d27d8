//! A firewall in front of a node's UDP port that closes in mid-transfer: a relay that passes so many
//! datagrams of the node and then nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the relay looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct UdpGate {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl UdpGate {
    /// Relays between one client, which writes to `front`, and the node, until so many of the node's
    /// datagrams have passed.
    pub(crate) fn start(front: UdpSocket, node: SocketAddr, datagrams: usize) -> UdpGate {
        let back = UdpSocket::bind("127.0.0.1:0").unwrap();
        back.connect(node).unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        }
        let ended = Arc::new(AtomicBool::new(false));
        let (client_tells, client) = std::sync::mpsc::channel();
        let there = {
            let (front, back, ended) =
                (front.try_clone().unwrap(), back.try_clone().unwrap(), Arc::clone(&ended));
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while !ended.load(Ordering::Relaxed) {
                    let Ok((bytes, from)) = front.recv_from(&mut buffer) else { continue };
                    let _ = client_tells.send(from);
                    let _ = back.send(&buffer[..bytes]);
                }
            })
        };
        let back_again = {
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                let Ok(client) = client.recv() else { return };
                let mut left = datagrams;
                while !ended.load(Ordering::Relaxed) && left > 0 {
                    let Ok(bytes) = back.recv(&mut buffer) else { continue };
                    let _ = front.send_to(&buffer[..bytes], client);
                    left -= 1;
                }
            })
        };
        UdpGate { ended, threads: vec![there, back_again] }
    }
}

impl Drop for UdpGate {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
