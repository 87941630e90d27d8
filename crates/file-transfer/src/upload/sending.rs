//! One round of sending: by one way, to one node after the other.
//!
//! UDP is the way; TCP is the way round where nothing is heard over UDP, and is left again when UDP works
//! ([`way_back`]). Which bytes are missing is the node's to say, so neither way knows of the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use super::attempt::{Attempt, Stop};
use super::{Leave, UploadFailure, UploadTicket};
use crate::download::way_back::{self, Answer, Question};
use crate::download::{FreshTicket, NodeAddress, TicketWanted, Transport, TransportChoice};
use crate::proto::close_frame::CloseCode;
use crate::range_set::RangeSet;
use crate::tcp;
use crate::tcp::fetch::{FetchConfig, FetchError};
use crate::tcp::put::{self, PutError};
use crate::tcp::serve::Admitted;
use crate::udp::{self, SendConfig, SendError};

/// A ticket may start for 60 s. Older than this, another one is asked for before UDP is tried.
const TICKET_AGE_MAX: Duration = Duration::from_secs(45);

/// What one round of sending came to.
pub(super) enum Round {
    /// The node has everything.
    Complete,
    /// At once again, by the other way.
    OtherWay,
    /// The server's disk has no room.
    ServerDiskFull,
    /// Another time may do.
    Again(UploadFailure),
}

/// Which way is next.
pub(super) struct Ways {
    choice: TransportChoice,
    next: Transport,
    /// How long TCP runs before UDP is tried again.
    pause_before_udp: Duration,
}

impl Ways {
    pub(super) fn new(choice: TransportChoice) -> Self {
        let next = match choice {
            TransportChoice::Auto | TransportChoice::Udp => Transport::Udp,
            TransportChoice::Tcp => Transport::Tcp,
        };
        Self { choice, next, pause_before_udp: way_back::PAUSE_FIRST }
    }

    /// A way that failed gives its turn to the other one; says what the round came to.
    fn after(&mut self, failure: UploadFailure) -> Round {
        let is_open = self.choice == TransportChoice::Auto;
        match (self.next, &failure) {
            (Transport::Udp, UploadFailure::Unreachable { .. }) if is_open => {
                self.next = Transport::Tcp;
                Round::OtherWay
            }
            (Transport::Tcp, _) if is_open => {
                self.next = Transport::Udp;
                Round::Again(failure)
            }
            _ => Round::Again(failure),
        }
    }

    fn back_to_udp(&mut self, answer: &Answer) {
        tracing::info!("UDP works again: the upload goes on over it");
        self.next = Transport::Udp;
        self.pause_before_udp = answer.next_pause;
    }
}

impl Attempt<'_> {
    /// Sends what is missing to one node after the other, until one has everything.
    pub(super) async fn send(&self, ticket: UploadTicket, ways: &mut Ways) -> Result<Round, Stop> {
        let transport = ways.next;
        self.progress.send_modify(|progress| {
            progress.transport = transport;
            progress.server_disk_full &= ticket.nodes.is_empty();
        });
        let mut last = UploadFailure::NoNode;
        for node in &ticket.nodes {
            let round = match transport {
                Transport::Udp => self.send_over_udp(node, &ticket, ways).await?,
                Transport::Tcp => self.send_over_tcp(node, &ticket, ways).await?,
            };
            match round {
                Round::Again(failure) => last = failure,
                round => return Ok(round),
            }
        }
        Ok(ways.after(last))
    }

    async fn send_over_udp(
        &self,
        node: &NodeAddress,
        ticket: &UploadTicket,
        ways: &mut Ways,
    ) -> Result<Round, Stop> {
        let node = node.addr;
        let config = SendConfig {
            node,
            ticket: ticket.ticket.clone(),
            secret: ticket.secret,
            version: self.file.version,
        };
        let (kept, sent) = (ticket.kept, Arc::clone(self.sent));
        let (file, cancel) = (Arc::clone(&self.file.file), self.cancel.clone());
        let sending = tokio::task::spawn_blocking(move || {
            let file = file.try_clone().map_err(SendError::Disk)?;
            let told = |received| sent.store(kept.saturating_add(received), Ordering::Relaxed);
            let result = udp::send(&config, file, told, &cancel);
            tracing::debug!(%node, stats = ?result.stats, "an upload over UDP ended");
            result.end
        });
        let ended = sending.await;
        if self.sent.load(Ordering::Relaxed) > kept {
            ways.pause_before_udp = way_back::PAUSE_FIRST;
        }
        match ended {
            Ok(Ok(())) => Ok(Round::Complete),
            Ok(Err(error)) => self.judge_udp(node, error),
            Err(_) => Err(UploadFailure::Cancelled.into()),
        }
    }

    /// Over TCP, until the node has everything or UDP works again.
    async fn send_over_tcp(
        &self,
        node: &NodeAddress,
        ticket: &UploadTicket,
        ways: &mut Ways,
    ) -> Result<Round, Stop> {
        let config = FetchConfig {
            node: node.clone(),
            ticket: ticket.ticket.clone(),
            secret: ticket.secret,
            size: self.file.version.size,
            wanted: RangeSet::new(),
        };
        let file = Admitted { file: Arc::clone(&self.file.file), version: self.file.version };
        let told = |bytes| {
            self.sent.fetch_add(bytes, Ordering::Relaxed);
        };
        let (renewal, wanted) = mpsc::channel(1);
        let question = self.way_back(node, ticket, ways, renewal);
        let sending = async {
            // The question, and with it the way to another ticket, ends with this block.
            let question = question;
            tokio::select! {
                put = put::put(&config, &file, told, self.cancel) => Ok(put),
                answer = ask(question) => Err(answer),
            }
        };
        // An answer of the server that is on its way is waited for: one question at a time.
        match tokio::join!(sending, self.renew_tickets(wanted)).0 {
            Ok(Ok(())) => Ok(Round::Complete),
            Ok(Err(error)) => self.judge_tcp(node.addr, error),
            Err(answer) => {
                ways.back_to_udp(&answer);
                Ok(Round::OtherWay)
            }
        }
    }

    /// What asks whether UDP works again, if TCP is only the way round.
    fn way_back(
        &self,
        node: &NodeAddress,
        ticket: &UploadTicket,
        ways: &Ways,
        renewal: mpsc::Sender<TicketWanted>,
    ) -> Option<Question> {
        (ways.choice == TransportChoice::Auto).then(|| Question {
            node: node.clone(),
            ticket: self.fresh(ticket),
            age: Duration::ZERO,
            age_max: TICKET_AGE_MAX,
            renewal: Some(renewal),
            pause: ways.pause_before_udp,
            cancel: self.cancel.clone(),
        })
    }

    /// Answers until nobody can ask any more.
    async fn renew_tickets(&self, mut wanted: mpsc::Receiver<TicketWanted>) {
        while let Some(TicketWanted { reply }) = wanted.recv().await {
            // Whoever gets no ticket asks for no other one.
            if let Ok(Leave::Ticket(ticket)) = self.ask_for_leave().await {
                let _ = reply.send(self.fresh(&ticket));
            }
        }
    }

    fn fresh(&self, ticket: &UploadTicket) -> FreshTicket {
        let UploadTicket { ticket, secret, .. } = ticket;
        FreshTicket { ticket: ticket.clone(), secret: *secret, version: self.file.version }
    }

    fn judge_udp(&self, node: SocketAddr, error: SendError) -> Result<Round, Stop> {
        let protocol =
            |error: &SendError| UploadFailure::Protocol { node, problem: error.to_string() };
        let failure = match error {
            SendError::Cancelled => return Err(UploadFailure::Cancelled.into()),
            SendError::FileChanged => return Err(Stop::FileChanged),
            SendError::Disk(error) => return Err(self.local(error)),
            SendError::Closed { code, .. } => match code {
                CloseCode::LoginEnded | CloseCode::Replaced => {
                    return Err(UploadFailure::Ended.into());
                }
                CloseCode::DiskFailed => return Err(UploadFailure::ServerDisk.into()),
                CloseCode::DiskFull => return Ok(Round::ServerDiskFull),
                CloseCode::Busy => UploadFailure::Busy,
                CloseCode::ShuttingDown => UploadFailure::Ended,
                _ => protocol(&error),
            },
            SendError::Silent => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "no answer over UDP");
                UploadFailure::Unreachable { node, error }
            }
            SendError::Socket(error) => UploadFailure::Unreachable { node, error },
            SendError::OtherFile
            | SendError::GivenUp(_)
            | SendError::Ticket(_)
            | SendError::Forged => protocol(&error),
        };
        Ok(Round::Again(failure))
    }

    fn judge_tcp(&self, node: SocketAddr, error: PutError) -> Result<Round, Stop> {
        let unreachable = |error| UploadFailure::Unreachable { node, error };
        let failure = match error {
            PutError::FileChanged => return Err(Stop::FileChanged),
            PutError::FileUnreadable => {
                return Err(self.local(io::Error::other("it cannot be read any more")));
            }
            PutError::Node(FetchError::Cancelled) => return Err(UploadFailure::Cancelled.into()),
            PutError::Node(FetchError::Closed(code)) => return judge_close(node, code),
            PutError::Node(FetchError::Connection(error)) => unreachable(error),
            PutError::Node(FetchError::TimedOut) => unreachable(io::ErrorKind::TimedOut.into()),
            PutError::Node(error) => UploadFailure::Protocol { node, problem: error.to_string() },
        };
        Ok(Round::Again(failure))
    }

    fn local(&self, error: io::Error) -> Stop {
        UploadFailure::Local { path: self.request.file.clone(), error }.into()
    }
}

/// Completes when UDP works again; never if nobody asks.
async fn ask(question: Option<Question>) -> Answer {
    match question {
        Some(question) => question.ask().await,
        None => std::future::pending().await,
    }
}

fn judge_close(node: SocketAddr, code: tcp::CloseCode) -> Result<Round, Stop> {
    let failure = match code {
        tcp::CloseCode::LoginEnded | tcp::CloseCode::Replaced => {
            return Err(UploadFailure::Ended.into());
        }
        tcp::CloseCode::DiskFailed => return Err(UploadFailure::ServerDisk.into()),
        tcp::CloseCode::DiskFull => return Ok(Round::ServerDiskFull),
        tcp::CloseCode::Busy => UploadFailure::Busy,
        tcp::CloseCode::ShuttingDown => UploadFailure::Ended,
        code => UploadFailure::Protocol { node, problem: format!("closed: {code:?}") },
    };
    Ok(Round::Again(failure))
}
