//! The service over UDP, sending and, where uploads are taken, receiving: one front door for each
//! listen address, one thread for each
//! confirmed session, the sessions' limits and end common to all.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::datagram_io::{ReceiveFault, SendFault};
use super::front_door;
use super::receiver_thread::UploadService;
use super::send_options::SendOptions;
use super::sender_thread::SessionReport;
use super::wakeup::Wakeup;
use crate::file_path::FilePath;
use crate::sessions::{SessionLimits, Sessions};
use crate::ticket::TicketKey;

/// Opens a file for reading. Called on the session's own thread, so it may wait for the disk, but
/// it must not wait for a FIFO's other end.
pub type OpenFile = Box<dyn Fn(&FilePath) -> Result<File, OpenError> + Send + Sync>;

/// Why a file that a ticket names cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not there any more, or is no file now.
    #[error("the file is gone")]
    Gone,
    /// It may not or cannot be read.
    #[error("the file cannot be read")]
    Unreadable,
}

/// Is told of every session that ended, on the session's thread.
pub type OnSessionEnd = Box<dyn Fn(&SessionReport) + Send + Sync>;

/// What a [`UdpServer`] needs to serve.
pub struct UdpServerConfig {
    /// Opens the tickets that clients show.
    pub key: TicketKey,
    /// Finds the files that tickets name.
    pub open_file: OpenFile,
    /// How many sessions at once.
    pub limits: SessionLimits,
    /// How it sends.
    pub sending: SendOptions,
    /// Told of ended sessions.
    pub on_session_end: Option<OnSessionEnd>,
    /// Where uploads go. `None`: tickets for uploads get no answer.
    pub uploads: Option<UploadService>,
}

/// What all front doors and sessions of a server share.
pub(crate) struct Service {
    pub(crate) key: TicketKey,
    pub(crate) open_file: OpenFile,
    pub(crate) on_session_end: Option<OnSessionEnd>,
    pub(crate) uploads: Option<UploadService>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) sending: SendOptions,
    /// Makes the faults of each session's socket; tests only.
    pub(crate) send_fault: Option<Box<dyn Fn() -> SendFault + Send + Sync>>,
    /// Makes the faults of each front door's socket; tests only.
    pub(crate) receive_fault: Option<Box<dyn Fn() -> ReceiveFault + Send + Sync>>,
}

/// A running service. Dropping it shuts it down.
pub struct UdpServer {
    service: Arc<Service>,
    addresses: Vec<SocketAddr>,
    wakeups: Vec<Arc<Wakeup>>,
    /// Taken by the first shutdown; locked for the taking only.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl UdpServer {
    /// Serves on bound sockets (see [`bind_listener`](super::bind_listener)), one front door each.
    ///
    /// # Errors
    /// If a socket cannot be prepared or a thread not be started.
    pub fn start(sockets: Vec<UdpSocket>, config: UdpServerConfig) -> io::Result<Self> {
        let UdpServerConfig { key, open_file, limits, sending, on_session_end, uploads } = config;
        let sessions = Sessions::with_rates(limits, sending.rates);
        let service = Service {
            key,
            open_file,
            on_session_end,
            uploads,
            sessions,
            sending,
            send_fault: None,
            receive_fault: None,
        };
        Self::serve(sockets, service)
    }

    pub(crate) fn serve(sockets: Vec<UdpSocket>, service: Service) -> io::Result<Self> {
        let mut server = Self {
            service: Arc::new(service),
            addresses: Vec::new(),
            wakeups: Vec::new(),
            threads: Mutex::default(),
        };
        // Whatever fails half-way, dropping the server ends what runs already.
        sockets.into_iter().try_for_each(|socket| server.open_door(socket))?;
        Ok(server)
    }

    fn open_door(&mut self, socket: UdpSocket) -> io::Result<()> {
        self.addresses.push(socket.local_addr()?);
        let wakeup = Wakeup::new()?;
        let thread = front_door::spawn(socket, self.service.clone(), wakeup.clone())?;
        self.wakeups.push(wakeup);
        self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Where it listens, in the order of the sockets it was given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The table of running sessions, for what else shares it.
    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.service.sessions
    }

    /// How many sessions run.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.service.sessions.count()
    }

    /// Ends every session of a login at once, and keeps its tickets from starting more.
    pub fn end_login(&self, login: u64) {
        self.service.sessions.end_login(Instant::now(), login);
    }

    /// Tells every client, ends every session and waits for all threads.
    pub fn shut_down(&self) {
        self.service.sessions.close();
        self.wakeups.iter().for_each(|wakeup| wakeup.wake_up());
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in std::mem::take(&mut *threads) {
            if thread.join().is_err() {
                tracing::error!("a front door's thread has panicked");
            }
        }
        drop(threads);
        self.service.sessions.shut_down();
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for UdpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl fmt::Debug for UdpServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpServerConfig")
            .field("limits", &self.limits)
            .field("sending", &self.sending)
            .finish_non_exhaustive()
    }
}
