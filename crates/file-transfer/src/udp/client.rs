//! The receiving end: one file, or what is missing of it, from one node.
//!
//! [`receive`] blocks, so it runs on a thread of its own. It opens a socket, shows the ticket until
//! the node answers, and then receives until everything is there or something ends it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::datagram_io::{DatagramIo, Outgoing, RECEIVE_BUFFER_BYTES, Sent};
use super::receive_loop::{Bounds, ReceiveLoop};
use super::socket::open_client_socket;
use super::supervisor::{Caller, Supervisor};
use super::wakeup::wait_readable;
use crate::file_version::FileVersion;
use crate::proto::close_frame::CloseCode;
use crate::proto::ecn::Ecn;
use crate::proto::handshake::{ClientHandshake, Established, HandshakeError};
use crate::proto::hello::WelcomeBody;
use crate::proto::keys::CipherSuites;
use crate::proto::receiver::ReceiverStats;
use crate::range_set::RangeSet;
use crate::sink::Sink;

/// Without one authenticated datagram for so long after the first HELLO, UDP does not get through.
pub const SILENCE_AT_START_MAX: Duration = Duration::from_secs(2);

/// Without one authenticated datagram for so long in mid-transfer, UDP no longer gets through.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What to receive, and from where.
#[derive(Clone)]
pub struct ReceiveConfig {
    /// The node's UDP address.
    pub node: SocketAddr,
    /// What the node is shown.
    pub ticket: Vec<u8>,
    /// Came with the ticket; never sent.
    pub secret: [u8; 32],
    /// The file the ticket is for. A node that offers another version is not received from.
    pub version: FileVersion,
    /// The bytes to fetch.
    pub missing: RangeSet,
}

/// What came of it. Whatever the end, `present` is in the sink.
#[derive(Debug)]
#[must_use]
pub struct Received {
    /// The ranges that were written to the sink, all of them asked for.
    pub present: RangeSet,
    /// Why it ended: `Ok` if everything is there.
    pub end: Result<(), ReceiveError>,
    /// Counts, for logs and measurements.
    pub stats: ReceiverStats,
}

/// Why a transfer ended before everything was there.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The caller cancelled it; the node was told.
    #[error("cancelled")]
    Cancelled,
    /// The node ended it and said why. The reason is foreign text.
    #[error("the node ended the transfer ({code:?}): {reason}")]
    Closed {
        /// For programs.
        code: CloseCode,
        /// For people.
        reason: String,
    },
    /// The sink does not take the bytes; the node was told.
    #[error("the received bytes cannot be stored: {0}")]
    Disk(io::Error),
    /// The node has another version of the file than was asked for.
    #[error("the file has changed on the node")]
    FileChanged,
    /// This end gave up by a rule of the protocol; the peer was told.
    #[error("given up: {0:?}")]
    GivenUp(CloseCode),
    /// Nothing gets through, or no longer: UDP is blocked, or the node is down. The rest may come
    /// another way.
    #[error("no answer over UDP")]
    Silent,
    /// UDP cannot be used on this machine at all.
    #[error("UDP cannot be used: {0}")]
    Socket(io::Error),
    /// The ticket is too long to be shown.
    #[error(transparent)]
    Ticket(#[from] HandshakeError),
    /// So many forged datagrams came that the session's keys must not be used any longer.
    #[error("too many forged datagrams")]
    Forged,
}

/// Receives the missing ranges into `sink`; `progress` counts the file bytes that arrived.
///
/// Cancelling ends it at once, from any thread.
pub fn receive(
    config: &ReceiveConfig,
    sink: &mut impl Sink,
    progress: &AtomicU64,
    cancel: &CancellationToken,
) -> Received {
    let nothing = |error| Received {
        present: RangeSet::new(),
        end: Err(error),
        stats: ReceiverStats::default(),
    };
    let introduction = config.introduction();
    Caller::supervise(cancel, |caller| match Link::establish(&introduction, caller) {
        Ok((link, session)) => {
            ReceiveLoop::new(link, session, &config.missing, progress, Bounds::OF_CLIENT).run(sink)
        }
        Err(error) => nothing(error),
    })
    .unwrap_or_else(|error| nothing(ReceiveError::Socket(error)))
}

/// Whether the node answers over UDP: shows it the ticket, and starts nothing. Blocks for
/// [`SILENCE_AT_START_MAX`] at most; cancelling ends it at once.
#[must_use]
pub fn answers(config: &ReceiveConfig, cancel: &CancellationToken) -> bool {
    let introduction = config.introduction();
    let answer =
        Caller::supervise(cancel, |caller| Link::establish(&introduction, caller).map(drop));
    // That it has another version of the file is an answer too.
    matches!(answer, Ok(Ok(()) | Err(ReceiveError::FileChanged)))
}

impl ReceiveConfig {
    fn introduction(&self) -> Introduction<'_> {
        let Self { node, ticket, secret, version, .. } = self;
        Introduction { node: *node, ticket, secret: *secret, version: *version }
    }
}

/// What a client shows a node, and what it expects to hear.
pub(crate) struct Introduction<'a> {
    pub(crate) node: SocketAddr,
    pub(crate) ticket: &'a [u8],
    pub(crate) secret: [u8; 32],
    pub(crate) version: FileVersion,
}

/// One end's socket, and who may interrupt a wait for it.
pub(crate) struct Link<S> {
    pub(crate) io: DatagramIo,
    pub(crate) peer: SocketAddr,
    pub(crate) supervisor: S,
}

impl<'a> Link<&'a Caller<'a>> {
    /// Opens a socket and shows the ticket until the node answers.
    pub(crate) fn establish(
        introduction: &Introduction<'_>,
        caller: &'a Caller<'a>,
    ) -> Result<(Self, Established), ReceiveError> {
        let io = open_client_socket(introduction.node).and_then(DatagramIo::new);
        let io = io.map_err(ReceiveError::Socket)?;
        let link = Self { io, peer: introduction.node, supervisor: caller };
        link.shake_hands(introduction)
    }

    fn shake_hands(
        mut self,
        introduction: &Introduction<'_>,
    ) -> Result<(Self, Established), ReceiveError> {
        let random = random_bytes().map_err(ReceiveError::Socket)?;
        let suites = CipherSuites::of_this_machine();
        let Introduction { ticket, secret, .. } = introduction;
        let mut handshake = ClientHandshake::new(ticket, *secret, random, suites)?;
        let give_up = Instant::now() + SILENCE_AT_START_MAX;
        let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
        loop {
            let now = Instant::now();
            if self.supervisor.end().is_some() {
                return Err(ReceiveError::Cancelled);
            }
            if now >= give_up {
                return Err(ReceiveError::Silent);
            }
            handshake.handle_timeout(now);
            while let Some(hello) = handshake.poll_transmit(now) {
                self.send(hello);
            }
            let until = handshake.poll_timeout().map_or(give_up, |due| due.min(give_up));
            self.wait(until).map_err(ReceiveError::Socket)?;
            let received = self.io.receive(&mut buffer).map_err(ReceiveError::Socket)?;
            let Some(received) = received else { continue };
            let arrived = buffer.get_mut(..received.bytes).unwrap_or_default();
            let now = Instant::now();
            let mut datagrams = arrived.chunks_mut(received.stride);
            let established = datagrams.find_map(|one| handshake.handle_datagram(now, one));
            if let Some(session) = established {
                return Ok((self, checked(session, introduction.version)?));
            }
        }
    }
}

impl<S: Supervisor> Link<S> {
    /// Sends one datagram; a failure is loss.
    pub(crate) fn send(&mut self, datagram: &[u8]) {
        self.send_to(self.peer, datagram);
    }

    /// The same to another address.
    pub(crate) fn send_to(&mut self, to: SocketAddr, datagram: &[u8]) {
        let outgoing = Outgoing {
            to,
            from_ip: None,
            contents: datagram,
            segment_bytes: datagram.len(),
            ecn: Ecn::NotEct,
        };
        if self.io.send(&outgoing) != Sent::All {
            tracing::trace!(%to, "a datagram was not sent");
        }
    }

    /// Waits for a datagram, for the end from outside, or until `until`.
    pub(crate) fn wait(&self, until: Instant) -> io::Result<()> {
        let timeout = until.saturating_duration_since(Instant::now());
        wait_readable(self.io.as_fd(), self.supervisor.wakeup(), Some(timeout)).map(drop)
    }
}

/// A session for the very file that was asked for.
fn checked(session: Established, version: FileVersion) -> Result<Established, ReceiveError> {
    let WelcomeBody { file_bytes: size, modified_ns } = session.file;
    if (FileVersion { size, modified_ns }) == version {
        Ok(session)
    } else {
        Err(ReceiveError::FileChanged)
    }
}

fn random_bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random bytes"))?;
    Ok(bytes)
}

/// The secret stays out of logs.
impl fmt::Debug for ReceiveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveConfig")
            .field("node", &self.node)
            .field("version", &self.version)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}
