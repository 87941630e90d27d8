//! The door of who runs the server: a Unix socket in the data folder. What is spoken there is the chat's own
//! protocol, without TLS and without a name; who it is, the kernel says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Entrance, Opening};
use crate::file_desk::FileFinder;
use crate::hub::Input;
use crate::local_socket;
use crate::state::request::ConnectionId;

/// File name of the socket in the data folder.
pub(crate) const SOCKET_NAME: &str = "admin.sock";

/// Connections at once. Further ones are closed unheard.
const CONNECTIONS_MAX: usize = 8;

/// How long accepting pauses when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
pub(crate) struct OperatorDoor {
    pub(crate) hub: mpsc::Sender<Input>,
    pub(crate) files: FileFinder,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) stall: Duration,
    pub(crate) connections: TaskTracker,
    /// Shared with the other doors: a number names one connection.
    pub(crate) last_connection: Arc<AtomicU64>,
}

/// Opens the socket. Without it the server serves all the same, and says so. To be called within a runtime.
pub(crate) fn open(data: &Path) -> Option<UnixListener> {
    local_socket::listen_in(data, SOCKET_NAME)
        .inspect_err(
            |error| tracing::warn!(%error, file = SOCKET_NAME, "no socket to administer on"),
        )
        .ok()
}

impl OperatorDoor {
    /// Accepts until `stop`.
    pub(crate) async fn accept_on(self, listener: UnixListener, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if let Ok(place) = Arc::clone(&places).try_acquire_owned()
                && local_socket::is_of_the_operator(&stream).unwrap_or(false)
            {
                let serving = self.serve(stream);
                self.connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
        }
    }

    fn serve(&self, stream: UnixStream) -> impl Future<Output = ()> + use<> {
        let opening = Opening {
            connection: ConnectionId(1 + self.last_connection.fetch_add(1, Ordering::Relaxed)),
            entrance: Entrance::Operator,
            outbox_bytes_max: self.outbox_bytes_max,
            stall: self.stall,
            hub: self.hub.clone(),
            files: self.files.clone(),
        };
        connection::serve(stream, opening)
    }
}
