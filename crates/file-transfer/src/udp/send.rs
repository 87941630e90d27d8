//! A client that sends: one file, or what the node does not have of it, to one node.
//!
//! [`send`] blocks, so it runs on a thread of its own. It shows the ticket until the node answers,
//! and then sends what the node asks for until the node says that it has everything.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::client::{Introduction, Link, ReceiveError, SILENCE_AT_START_MAX, SILENCE_MAX};
use super::sender_thread::{Patience, Session};
use super::source_file::{SourceError, SourceFile};
use super::supervisor::Caller;
use crate::file_version::FileVersion;
use crate::proto::close_frame::{CloseCode, CloseFrame};
use crate::proto::handshake::{Established, HandshakeError};
use crate::proto::limits::{DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_MAX};
use crate::proto::sender::{
    CongestionChoice, Sender, SenderConfig, SenderOutcome, SenderStats, SessionSeed,
};
use crate::ticket::Grant;

/// Where to send to.
#[derive(Clone)]
pub struct SendConfig {
    /// The node's UDP address.
    pub node: SocketAddr,
    /// What the node is shown.
    pub ticket: Vec<u8>,
    /// Came with the ticket; never sent.
    pub secret: [u8; 32],
    /// The file the ticket is for. Not one byte of another version is sent.
    pub version: FileVersion,
}

/// What came of it.
#[derive(Debug)]
#[must_use]
pub struct SendResult {
    /// Why it ended: `Ok` if the node has everything.
    pub end: Result<(), SendError>,
    /// Counts, for logs and measurements.
    pub stats: SenderStats,
}

/// Why a transfer ended before the node had everything.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
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
    /// The file cannot be read; the node was told.
    #[error("the file cannot be read: {0}")]
    Disk(io::Error),
    /// The file is not what the ticket is for, or no longer; the node was told.
    #[error("the file has changed")]
    FileChanged,
    /// The node thinks of another file.
    #[error("the node expects another file")]
    OtherFile,
    /// This end gave up by a rule of the protocol; the peer was told.
    #[error("given up: {0:?}")]
    GivenUp(CloseCode),
    /// Nothing gets through, or no longer: UDP is blocked, or the node is down.
    #[error("no answer over UDP")]
    Silent,
    /// UDP cannot be used on this machine at all.
    #[error("UDP cannot be used: {0}")]
    Socket(io::Error),
    /// The ticket is too long to be shown.
    #[error(transparent)]
    Ticket(HandshakeError),
    /// So many forged datagrams came that the session's keys must not be used any longer.
    #[error("too many forged datagrams")]
    Forged,
}

/// Sends what the node asks for of `file`; `received` is told how many bytes the node says it got, each
/// time that it may have said so.
///
/// Cancelling ends it at once, from any thread.
pub fn send(
    config: &SendConfig,
    file: File,
    received: impl FnMut(u64),
    cancel: &CancellationToken,
) -> SendResult {
    let nothing = |error| SendResult { end: Err(error), stats: SenderStats::default() };
    let source = match SourceFile::new(file, config.version) {
        Ok(source) => source,
        Err(error) => return nothing(error.into()),
    };
    let introduction = Introduction {
        node: config.node,
        ticket: &config.ticket,
        secret: config.secret,
        version: config.version,
    };
    Caller::supervise(cancel, |caller| match Link::establish(&introduction, caller) {
        Ok((link, established)) => send_all(link, established, source, received),
        Err(error) => nothing(error.into()),
    })
    .unwrap_or_else(|error| nothing(SendError::Socket(error)))
}

fn send_all(
    link: Link<&Caller<'_>>,
    established: Established,
    source: SourceFile,
    received: impl FnMut(u64),
) -> SendResult {
    let now = Instant::now();
    let file_bytes = established.file.file_bytes;
    let seed = SessionSeed::new(rand::random());
    let config = SenderConfig {
        session_id: established.session_id,
        peer: link.peer,
        same_host: |one, other| one.ip() == other.ip(),
        keys: established.keys,
        file_bytes,
        bytes_max: Grant::bytes_max_for(file_bytes),
        datagram_bytes_max: DATAGRAM_BYTES_MAX,
        rtt: established.rtt,
        seed,
        controller: CongestionChoice::default()
            .controller(DATAGRAM_BYTES_BASE, seed.for_congestion()),
    };
    let mut sender = Sender::new(now, config);
    sender.speak_first();
    let patience = Patience { at_start: SILENCE_AT_START_MAX, later: SILENCE_MAX };
    let mut session = Session::new(now, link.io, link.peer, sender, Some(patience));
    let outcome = session.run(&link.supervisor, Ok(source), received);
    let stats = session.sender().stats();
    let end = match (outcome, session.into_problem()) {
        (_, Some(problem)) => Err(problem.into()),
        (SenderOutcome::Done, None) => Ok(()),
        (outcome, None) => Err(error_of(outcome)),
    };
    SendResult { end, stats }
}

fn error_of(outcome: SenderOutcome) -> SendError {
    match outcome {
        SenderOutcome::ClosedHere(CloseCode::Cancelled) => SendError::Cancelled,
        SenderOutcome::ClosedHere(code) => SendError::GivenUp(code),
        SenderOutcome::ClosedByPeer(CloseFrame { code, reason }) => {
            SendError::Closed { code, reason }
        }
        SenderOutcome::Silent | SenderOutcome::Done => SendError::Silent,
        SenderOutcome::Forged => SendError::Forged,
    }
}

impl From<SourceError> for SendError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Changed => Self::FileChanged,
            SourceError::Unreadable(error) => Self::Disk(error),
        }
    }
}

impl From<ReceiveError> for SendError {
    /// What a failed handshake means for who wanted to send.
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Cancelled => Self::Cancelled,
            ReceiveError::Closed { code, reason } => Self::Closed { code, reason },
            ReceiveError::Disk(error) => Self::Disk(error),
            ReceiveError::FileChanged => Self::OtherFile,
            ReceiveError::GivenUp(code) => Self::GivenUp(code),
            ReceiveError::Silent => Self::Silent,
            ReceiveError::Socket(error) => Self::Socket(error),
            ReceiveError::Ticket(error) => Self::Ticket(error),
            ReceiveError::Forged => Self::Forged,
        }
    }
}

/// The secret stays out of logs.
impl fmt::Debug for SendConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendConfig")
            .field("node", &self.node)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
