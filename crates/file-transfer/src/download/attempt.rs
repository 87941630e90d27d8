//! One attempt: one way, one node, for as long as it brings bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

use super::{DownloadError, FreshTicket, NodeAddress};
use crate::part_file::PartFile;
use crate::proto::close_frame as udp_close;
use crate::tcp::CloseCode;
use crate::tcp::fetch::{self, FetchConfig, FetchError};
use crate::udp::{self, ReceiveConfig, ReceiveError};

/// Why an attempt did not bring everything.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt makes no sense.
    Final(DownloadError),
    /// This ticket starts nothing, or nothing any more; another one may. If there is none, this is
    /// what to tell.
    NeedsTicket(DownloadError),
    /// Another node, another way or another time may do.
    Retry(DownloadError),
    /// It was stopped: the person wants a pause.
    Paused,
    /// It was stopped: it was only the way round, and UDP works again.
    UdpIsBack,
}

/// Fetches what is missing over TCP. The part file comes back unless the thread that wrote it panicked.
pub(super) async fn over_tcp(
    node: &NodeAddress,
    ticket: &FreshTicket,
    mut part: PartFile,
    cancel: &CancellationToken,
) -> (Option<PartFile>, Result<(), Failure>) {
    let config = FetchConfig {
        node: node.clone(),
        ticket: ticket.ticket.clone(),
        secret: ticket.secret,
        size: ticket.version.size,
        wanted: part.missing(),
    };
    match fetch::fetch(config, part, cancel).await {
        (Some(part), result) => {
            let result = result.map_err(|error| tcp_failure(node.addr, &part, error));
            (Some(part), result)
        }
        (None, _) => (None, Err(Failure::Final(DownloadError::Broken))),
    }
}

/// Fetches what is missing over UDP. The part file comes back unless the thread that wrote it panicked.
pub(super) async fn over_udp(
    node: &NodeAddress,
    ticket: &FreshTicket,
    mut part: PartFile,
    cancel: &CancellationToken,
) -> (Option<PartFile>, Result<(), Failure>) {
    let config = ReceiveConfig {
        node: node.addr,
        ticket: ticket.ticket.clone(),
        secret: ticket.secret,
        version: ticket.version,
        missing: part.missing(),
    };
    let cancel = cancel.clone();
    let receiving = tokio::task::spawn_blocking(move || {
        // The part file counts what is written by itself.
        let received = udp::receive(&config, &mut part, &AtomicU64::new(0), &cancel);
        (part, received)
    });
    match receiving.await {
        Ok((part, received)) => {
            tracing::debug!(node = %node.addr, stats = ?received.stats, "a reception over UDP ended");
            let result = received.end.map_err(|error| udp_failure(node.addr, &part, error));
            (Some(part), result)
        }
        Err(error) => (None, Err(Failure::Final(error.into()))),
    }
}

fn udp_failure(node: SocketAddr, part: &PartFile, error: ReceiveError) -> Failure {
    let protocol =
        |error: &ReceiveError| DownloadError::Protocol { node, problem: error.to_string() };
    match error {
        ReceiveError::Cancelled => Failure::Final(DownloadError::Cancelled),
        ReceiveError::Closed { code, reason } => udp_closed(node, code, &reason),
        ReceiveError::Disk(error) => disk_failure(part.write_error(error).into()),
        ReceiveError::FileChanged => Failure::Final(DownloadError::FileChanged),
        ReceiveError::Silent => {
            let error = io::Error::new(io::ErrorKind::TimedOut, "no answer over UDP");
            Failure::Retry(DownloadError::Unreachable { node, error })
        }
        ReceiveError::Socket(error) => Failure::Retry(DownloadError::Unreachable { node, error }),
        ReceiveError::Ticket(_) | ReceiveError::Forged | ReceiveError::GivenUp(_) => {
            Failure::Retry(protocol(&error))
        }
    }
}

fn udp_closed(node: SocketAddr, code: udp_close::CloseCode, reason: &str) -> Failure {
    let closed = || DownloadError::Protocol { node, problem: format!("{code:?}: {reason:?}") };
    match code {
        udp_close::CloseCode::FileChanged => Failure::Final(DownloadError::FileChanged),
        udp_close::CloseCode::FileUnreadable => Failure::Final(DownloadError::FileUnreadable),
        // The person may have logged in again meanwhile: then there is another ticket.
        udp_close::CloseCode::LoginEnded => Failure::NeedsTicket(DownloadError::Ended),
        udp_close::CloseCode::Replaced => Failure::Final(DownloadError::Ended),
        udp_close::CloseCode::LimitReached => Failure::NeedsTicket(DownloadError::TicketExpired),
        udp_close::CloseCode::ShuttingDown => Failure::Retry(DownloadError::Ended),
        udp_close::CloseCode::Busy => Failure::Retry(DownloadError::Busy),
        udp_close::CloseCode::Done
        | udp_close::CloseCode::Cancelled
        | udp_close::CloseCode::Violation
        | udp_close::CloseCode::Stalled
        | udp_close::CloseCode::DiskFailed
        | udp_close::CloseCode::DiskFull
        | udp_close::CloseCode::Unknown(_) => Failure::Retry(closed()),
    }
}

fn tcp_failure(node: SocketAddr, part: &PartFile, error: FetchError) -> Failure {
    let unreachable = |error| Failure::Retry(DownloadError::Unreachable { node, error });
    match error {
        FetchError::Cancelled => Failure::Final(DownloadError::Cancelled),
        FetchError::Closed(code) => closed(node, code),
        FetchError::Connection(error) => unreachable(error),
        FetchError::Protocol(problem) => Failure::Retry(DownloadError::Protocol { node, problem }),
        FetchError::Sink(error) => disk_failure(part.write_error(error).into()),
        FetchError::TimedOut => unreachable(io::ErrorKind::TimedOut.into()),
        FetchError::WrongKey => Failure::Final(DownloadError::Protocol {
            node,
            problem: "shows another key than the chat server announced".into(),
        }),
    }
}

/// A full disk may have room again later.
fn disk_failure(error: DownloadError) -> Failure {
    match error {
        DownloadError::DiskFull { .. } => Failure::Retry(error),
        error => Failure::Final(error),
    }
}

fn closed(node: SocketAddr, code: CloseCode) -> Failure {
    let protocol = |problem: &str| DownloadError::Protocol { node, problem: problem.to_owned() };
    match code {
        CloseCode::Version => Failure::Final(protocol("speaks another version")),
        CloseCode::Violation => Failure::Final(protocol("does not understand this program")),
        // The node may have another key by now.
        CloseCode::BadTicket => Failure::NeedsTicket(DownloadError::Rejected),
        CloseCode::Expired | CloseCode::LimitReached => {
            Failure::NeedsTicket(DownloadError::TicketExpired)
        }
        CloseCode::Busy => Failure::Retry(DownloadError::Busy),
        CloseCode::FileChanged => Failure::Final(DownloadError::FileChanged),
        CloseCode::FileUnreadable => Failure::Final(DownloadError::FileUnreadable),
        CloseCode::LoginEnded => Failure::NeedsTicket(DownloadError::Ended),
        CloseCode::Replaced => Failure::Final(DownloadError::Ended),
        CloseCode::ShuttingDown => Failure::Retry(DownloadError::Ended),
        // Of uploads.
        CloseCode::DiskFailed | CloseCode::DiskFull => {
            Failure::Retry(protocol("has to store nothing, and cannot"))
        }
        CloseCode::Unknown(code) => Failure::Retry(protocol(&format!("closed with code {code}"))),
    }
}
