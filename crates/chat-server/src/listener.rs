//! The door: accepts connections, sees them through the TLS handshake, and sends each where its
//! protocol name (ALPN) says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::alpn;
use file_transfer::node::TransferNode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Entrance, Opening};
use crate::file_desk::FileFinder;
use crate::hub::Input;
use crate::state::request::ConnectionId;
use crate::stranger_log::StrangerLog;
use crate::waiting_room::{Admission, InLine, Place, WaitingRoom};

/// Pause after the system refused to accept, for want of descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs. One for all listeners.
pub(crate) struct Door {
    pub(crate) tls: TlsAcceptor,
    pub(crate) waiting_room: WaitingRoom,
    pub(crate) handshake_time: Duration,
    pub(crate) login_time: Duration,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) stall: Duration,
    pub(crate) hub: mpsc::Sender<Input>,
    pub(crate) files: FileFinder,
    /// The transfer node in this process, where there is one.
    pub(crate) node: Option<Arc<TransferNode>>,
    /// Connections for file bytes, with or without a ticket yet.
    pub(crate) file_connections: Semaphore,
    pub(crate) connections: TaskTracker,
    pub(crate) strangers: StrangerLog,
    /// Shared with the other doors: a number names one connection.
    pub(crate) last_connection: Arc<AtomicU64>,
    /// Nobody is let in any more.
    pub(crate) stop: CancellationToken,
}

impl Door {
    /// Accepts until it is told to stop.
    pub(crate) async fn accept_on(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.accept_one(&listener) => accepted,
            };
            match accepted {
                Ok((stream, address, admission)) => {
                    let door = Arc::clone(&self);
                    let line = self.waiting_room.arrive(admission, address.ip());
                    self.connections.spawn(door.receive(stream, address.ip().to_canonical(), line));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes the next connection out of the kernel's queue once there is room for it.
    async fn accept_one(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr, Admission)> {
        let admission = self.waiting_room.admission().await.map_err(io::Error::other)?;
        let (stream, address) = listener.accept().await?;
        Ok((stream, address, admission))
    }

    async fn receive(self: Arc<Self>, stream: TcpStream, address: IpAddr, line: InLine) {
        let Some(place) = self.stop.run_until_cancelled(line.place()).await else { return };
        let login_deadline = Instant::now() + self.login_time;
        let Some(stream) = self.shake_hands(stream, address, &place).await else { return };
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        match protocol.as_deref() {
            Some(alpn::CHAT) => {
                let connection =
                    ConnectionId(1 + self.last_connection.fetch_add(1, Ordering::Relaxed));
                let opening = Opening {
                    connection,
                    entrance: Entrance::Stranger { address, place, login_deadline },
                    outbox_bytes_max: self.outbox_bytes_max,
                    stall: self.stall,
                    hub: self.hub.clone(),
                    files: self.files.clone(),
                };
                // A task of its own: what the handshake needed is not kept for the whole session.
                self.connections.spawn(connection::serve(stream, opening));
            }
            Some(alpn::FILE) => {
                drop(place);
                self.serve_file(stream, address).await;
            }
            _ => self.strangers.note(address, "TLS without a protocol name of ours"),
        }
    }

    /// File bytes go past the chat: the ticket that follows says all that the node needs.
    async fn serve_file(&self, stream: TlsStream<TcpStream>, address: IpAddr) {
        let Some(node) = &self.node else { return };
        let Ok(_permit) = self.file_connections.try_acquire() else {
            tracing::info!(%address, "too many connections for file bytes");
            return;
        };
        if let Err(error) = node.serve_tcp(stream).await {
            tracing::debug!(%address, %error, "file bytes over TCP");
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        address: IpAddr,
        place: &Place,
    ) -> Option<TlsStream<TcpStream>> {
        // Without it the last of several small frames waits for the other side's delayed ACK.
        stream.set_nodelay(true).ok()?;
        let deadline = Instant::now() + self.handshake_time;
        let handshake = tokio::select! {
            handshake = timeout_at(deadline, self.tls.accept(stream)) => handshake,
            () = place.evicted() => return None,
            () = self.stop.cancelled() => return None,
        };
        match handshake {
            Ok(Ok(stream)) => Some(stream),
            // Whoever only looks whether the port is open said nothing wrong.
            Ok(Err(error)) if is_gone(&error) => None,
            Ok(Err(error)) => {
                self.strangers.note(address, &error.to_string());
                None
            }
            Err(_) => {
                self.strangers.note(address, "TLS handshake not finished in time");
                None
            }
        }
    }
}

/// Whether the other side went away.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}
