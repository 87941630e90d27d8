//! A transfer node: everything that sends the files of one catalogue to holders of tickets, and takes
//! theirs where it takes uploads, over UDP and over TCP.
//!
//! Both ways share one table of running transfers, so its limits, the end of a login, and the rule
//! that a newer start of a ticket ends the older one hold across them.

use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::catalogue::Catalogue;
use crate::sessions::{Applicant, EndReason, Place, Refusal};
use crate::sink::Sink;
use crate::tcp::proof::Exporter;
use crate::tcp::serve::{self, Admitted, ProvenHello};
use crate::tcp::take;
use crate::tcp::{CloseCode, TcpServeError};
use crate::ticket::{Direction, Grant, TicketError, TicketId, TicketKey};
use crate::udp::{
    OpenError, SendOptions, SessionReport, UdpServer, UdpServerConfig, UploadReport, UploadService,
};
use crate::uploads::{PartWriter, UploadStore};

pub use crate::sessions::SessionLimits as NodeLimits;

/// How long clients over TCP are waited for at the end: what a CLOSE may take to be read.
const TCP_FAREWELL: Duration = Duration::from_secs(5);

/// A running node. [`shutdown`](Self::shutdown) ends it, and so does dropping it.
pub struct TransferNode {
    key: TicketKey,
    catalogue: Arc<Catalogue>,
    /// `None`: it takes none.
    uploads: Option<Arc<UploadStore>>,
    udp: UdpServer,
    /// Holds a token of every transfer over TCP.
    tcp: TaskTracker,
}

impl TransferNode {
    /// Serves tickets of `key` for files of `catalogue`: over UDP at once, on each of the bound sockets,
    /// and over TCP on what is given to [`serve_tcp`](Self::serve_tcp).
    ///
    /// # Errors
    /// If a socket cannot be prepared or a thread not be started.
    pub fn start(
        udp: Vec<UdpSocket>,
        key: TicketKey,
        catalogue: Arc<Catalogue>,
        limits: NodeLimits,
        sending: SendOptions,
    ) -> io::Result<TransferNode> {
        Self::start_with_uploads(udp, key, catalogue, limits, sending, None)
    }

    /// The same, and takes uploads to `uploads`.
    ///
    /// # Errors
    /// If a socket cannot be prepared or a thread not be started.
    pub fn start_with_uploads(
        udp: Vec<UdpSocket>,
        key: TicketKey,
        catalogue: Arc<Catalogue>,
        limits: NodeLimits,
        sending: SendOptions,
        uploads: Option<Arc<UploadStore>>,
    ) -> io::Result<TransferNode> {
        let files = Arc::clone(&catalogue);
        let config = UdpServerConfig {
            key: key.clone(),
            open_file: Box::new(move |path| match files.open_file(path) {
                Ok(open) => Ok(open.file),
                Err(error) => {
                    Err(if error.is_gone() { OpenError::Gone } else { OpenError::Unreadable })
                }
            }),
            limits,
            sending,
            on_session_end: Some(Box::new(log_session)),
            uploads: uploads
                .clone()
                .map(|store| UploadService { store, on_session_end: Some(Box::new(log_upload)) }),
        };
        let udp = UdpServer::start(udp, config)?;
        Ok(TransferNode { key, catalogue, uploads, udp, tcp: TaskTracker::new() })
    }

    /// Serves one client over TCP, on a connection whose handshake is done and agreed on
    /// [`ALPN`](crate::tcp::ALPN). Returns when the client has everything, or the node all of an upload,
    /// with the bytes that went over the connection.
    pub async fn serve_tcp<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: TlsStream<S>,
    ) -> Result<u64, TcpServeError> {
        let exporter = Exporter::of_node(stream.get_ref().1)
            .map_err(|error| TcpServeError::Protocol(error.to_string()))?;
        let mut proven =
            serve::read_hello(&mut stream, exporter, |ticket| self.open_ticket(ticket)).await?;
        let _waited_for = self.tcp.token();
        let place = match self.admit(&proven) {
            Ok(place) => place,
            Err(code) => return Err(serve::close(&mut stream, code).await),
        };
        if proven.direction == Direction::Upload {
            proven.grant.bytes_max = place.bytes_left(proven.grant.bytes_max);
            return self.take_upload(&mut stream, &proven, &place).await;
        }
        let admitted = match self.open_file(&proven.grant).await {
            Ok(admitted) => admitted,
            Err(code) => return Err(serve::close(&mut stream, code).await),
        };
        proven.grant.bytes_max = place.bytes_left(proven.grant.bytes_max);
        serve::send_file(&mut stream, proven, admitted, &place, ended(&place)).await
    }

    async fn take_upload<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut TlsStream<S>,
        proven: &ProvenHello,
        place: &Place,
    ) -> Result<u64, TcpServeError> {
        let (store, grant) = (self.uploads.clone(), proven.grant.clone());
        // Waits for a write of the session that had the part before.
        let opened = tokio::task::spawn_blocking(move || {
            let part = store?.writer(&grant)?;
            let missing = part.missing();
            Some((part, missing))
        });
        let Some((part, missing)) = opened.await.ok().flatten() else {
            // There is no such upload any more.
            return Err(serve::close(stream, CloseCode::FileChanged).await);
        };
        let took = place.counter();
        let part = Counted { part, took };
        take::take_file(stream, proven, part, &missing, ended(place), || place.vacate()).await
    }

    /// Ends every transfer of a login (logout, kick, ban) at once, and keeps its tickets from starting
    /// more.
    pub fn end_login(&self, login: u64) {
        self.udp.end_login(login);
    }

    /// Whether a transfer of this ticket runs.
    pub fn serves(&self, ticket: &TicketId) -> bool {
        self.udp.sessions().is_running(ticket)
    }

    /// How many transfers run.
    pub fn transfer_count(&self) -> usize {
        self.udp.session_count()
    }

    /// Ends every transfer, tells each client, and lets none start any more. Waits for the threads of
    /// the UDP side; [`tcp_ended`](Self::tcp_ended) waits for the other.
    pub fn shutdown(&self) {
        self.udp.shut_down();
    }

    /// After [`shutdown`](Self::shutdown): completes when every client over TCP has been told, or has
    /// not listened for 5 s.
    pub async fn tcp_ended(&self) {
        self.tcp.close();
        if timeout(TCP_FAREWELL, self.tcp.wait()).await.is_err() {
            tracing::info!(
                transfers = self.tcp.len(),
                "not waiting for clients over TCP any longer"
            );
        }
    }

    fn open_ticket(&self, ticket: &[u8]) -> Result<(Direction, Grant), CloseCode> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let opened = self.key.open_either(ticket, now.as_secs()).map_err(|error| match error {
            TicketError::Expired { .. } => CloseCode::Expired,
            _ => CloseCode::BadTicket,
        })?;
        if opened.0 == Direction::Upload && self.uploads.is_none() {
            return Err(CloseCode::BadTicket);
        }
        if self.udp.sessions().has_ended(opened.1.login) {
            return Err(CloseCode::LoginEnded);
        }
        Ok(opened)
    }

    fn admit(&self, proven: &ProvenHello) -> Result<Place, CloseCode> {
        let ticket = TicketId::of(&proven.hello.ticket).ok_or(CloseCode::BadTicket)?;
        let transfer = ticket.of_transfer(proven.direction, &proven.grant);
        let Grant { user, login, file, .. } = &proven.grant;
        let (direction, login) = (proven.direction, *login);
        let applicant = Applicant { direction, transfer, ticket, user, login, file };
        let admitted = self.udp.sessions().admit(Instant::now(), applicant);
        admitted.map_err(|refusal| match refusal {
            Refusal::Ended => CloseCode::LoginEnded,
            Refusal::Full => CloseCode::Busy,
        })
    }

    /// The file, if it is still what the ticket was made for.
    async fn open_file(&self, grant: &Grant) -> Result<Admitted, CloseCode> {
        let (catalogue, path) = (Arc::clone(&self.catalogue), grant.file.clone());
        let open = tokio::task::spawn_blocking(move || catalogue.open_file(&path))
            .await
            .map_err(|_| CloseCode::ShuttingDown)?;
        let open = open.map_err(|error| match error.is_gone() {
            true => CloseCode::FileChanged,
            false => CloseCode::FileUnreadable,
        })?;
        if open.version != grant.version {
            return Err(CloseCode::FileChanged);
        }
        Ok(Admitted { file: Arc::new(open.file), version: open.version })
    }
}

impl Drop for TransferNode {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl fmt::Debug for TransferNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferNode")
            .field("transfers", &self.transfer_count())
            .finish_non_exhaustive()
    }
}

/// A part whose ticket pays for what is written to it.
struct Counted {
    part: PartWriter,
    took: Arc<AtomicU64>,
}

impl Sink for Counted {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.took.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.part.write_at(offset, bytes)
    }
}

fn log_session(report: &SessionReport) {
    let SessionReport { user, file, peer, end, duration, stats, .. } = report;
    let (file, duration_ms) = (file.as_str(), duration.as_millis());
    tracing::info!(?user, ?file, %peer, ?end, duration_ms, ?stats, "a transfer over UDP ended");
}

fn log_upload(report: &UploadReport) {
    let UploadReport { user, file, peer, end, duration, stats, .. } = report;
    let (file, duration_ms) = (file.as_str(), duration.as_millis());
    tracing::info!(?user, ?file, %peer, ?end, duration_ms, ?stats, "an upload over UDP ended");
}

/// Waits until a transfer is to end.
async fn ended(place: &Place) -> CloseCode {
    let control = place.control();
    control.ended().await;
    match control.end() {
        Some(EndReason::LoginEnded) => CloseCode::LoginEnded,
        Some(EndReason::Superseded) => CloseCode::Replaced,
        Some(EndReason::ShuttingDown) | None => CloseCode::ShuttingDown,
    }
}
