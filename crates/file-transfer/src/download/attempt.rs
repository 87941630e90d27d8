//! One attempt: one way, one node, for as long as it brings bytes.

use std::io;
use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use super::{DownloadError, FreshTicket, NodeAddress};
use crate::part_file::PartFile;
use crate::tcp::CloseCode;
use crate::tcp::fetch::{self, FetchConfig, FetchError};

/// Why an attempt did not bring everything.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt makes no sense.
    Final(DownloadError),
    /// The ticket cannot start anything any more; another one may.
    NeedsTicket,
    /// Another node, another way or another time may do.
    Retry(DownloadError),
}

/// Fetches what is missing over TCP. The part file comes back unless it is of no more use.
pub(super) async fn over_tcp(
    node: &NodeAddress,
    ticket: &FreshTicket,
    part: PartFile,
    cancel: &CancellationToken,
) -> (Option<PartFile>, Result<(), Failure>) {
    let config = FetchConfig {
        node: node.clone(),
        ticket: ticket.ticket.clone(),
        secret: ticket.secret,
        size: ticket.version.size,
        wanted: part.missing(),
    };
    let (part, result) = fetch::fetch(config, part, cancel).await;
    let result = result.map_err(|error| tcp_failure(node.addr, part.as_ref(), error));
    (part, result)
}

/// Fetches what is missing over UDP. The part file comes back unless it is of no more use.
pub(super) async fn over_udp(
    node: &NodeAddress,
    _ticket: &FreshTicket,
    part: PartFile,
    _cancel: &CancellationToken,
) -> (Option<PartFile>, Result<(), Failure>) {
    let error = io::ErrorKind::Unsupported.into();
    (Some(part), Err(Failure::Retry(DownloadError::Unreachable { node: node.addr, error })))
}

fn tcp_failure(node: SocketAddr, part: Option<&PartFile>, error: FetchError) -> Failure {
    let unreachable = |error| Failure::Retry(DownloadError::Unreachable { node, error });
    match error {
        FetchError::Cancelled => Failure::Final(DownloadError::Cancelled),
        FetchError::Closed(code) => closed(node, code),
        FetchError::Connection(error) => unreachable(error),
        FetchError::Protocol(problem) => Failure::Retry(DownloadError::Protocol { node, problem }),
        FetchError::Sink(error) => Failure::Final(disk_error(part, error)),
        FetchError::TimedOut => unreachable(io::ErrorKind::TimedOut.into()),
        FetchError::WrongKey => Failure::Final(DownloadError::Protocol {
            node,
            problem: "shows another key than the chat server announced".into(),
        }),
    }
}

fn disk_error(part: Option<&PartFile>, error: io::Error) -> DownloadError {
    match part {
        Some(part) => part.write_error(error).into(),
        None => DownloadError::Disk { path: "".into(), error },
    }
}

fn closed(node: SocketAddr, code: CloseCode) -> Failure {
    let protocol = |problem: &str| DownloadError::Protocol { node, problem: problem.to_owned() };
    match code {
        CloseCode::Version => Failure::Final(protocol("speaks another version")),
        CloseCode::Violation => Failure::Final(protocol("does not understand this program")),
        CloseCode::BadTicket => Failure::Final(DownloadError::Rejected),
        CloseCode::Expired => Failure::NeedsTicket,
        CloseCode::Busy => Failure::Retry(DownloadError::Busy),
        CloseCode::FileChanged => Failure::Final(DownloadError::FileChanged),
        CloseCode::FileUnreadable => Failure::Final(DownloadError::FileUnreadable),
        CloseCode::LimitReached => Failure::NeedsTicket,
        CloseCode::LoginEnded | CloseCode::Replaced => Failure::Final(DownloadError::Ended),
        CloseCode::ShuttingDown => Failure::Retry(DownloadError::Ended),
        CloseCode::Unknown(code) => Failure::Retry(protocol(&format!("closed with code {code}"))),
    }
}
