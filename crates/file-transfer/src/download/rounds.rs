//! Which way and node is tried when: rounds over all of them, until everything is there or several
//! rounds in a row brought nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::attempt::{self, Failure};
use super::{
    DownloadError, DownloadRequest, FreshTicket, Meter, NodeAddress, TicketWanted, Transport,
    TransportChoice,
};
use crate::part_file::PartFile;

/// Rounds in a row without one new byte before giving up, when there has never been one: the person
/// waits for an answer.
const ROUNDS_AT_START_MAX: u32 = 3;
/// The same when there have been bytes: the network or the server may come back.
const ROUNDS_LATER_MAX: u32 = 7;
/// The pause after the first fruitless round; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// A ticket may start for 60 s. Older than this, another one is asked for first.
const TICKET_AGE_MAX: Duration = Duration::from_secs(45);

/// Fetches everything that is missing; says which way the last bytes came.
pub(super) async fn fetch_all(
    request: DownloadRequest,
    part: PartFile,
    meter: &Meter<'_>,
    cancel: &CancellationToken,
) -> Result<(PartFile, Transport), DownloadError> {
    if request.nodes.is_empty() {
        return Err(DownloadError::NoNode);
    }
    let ticket = FreshTicket {
        ticket: request.ticket.clone(),
        secret: request.secret,
        version: request.version,
    };
    let rounds = Rounds { request, ticket, ticket_since: Instant::now(), meter, cancel };
    rounds.run(part).await
}

struct Rounds<'a> {
    request: DownloadRequest,
    ticket: FreshTicket,
    ticket_since: Instant,
    meter: &'a Meter<'a>,
    cancel: &'a CancellationToken,
}

/// What a round over all ways and nodes came to.
enum Round {
    Complete(PartFile, Transport),
    Incomplete(PartFile, DownloadError),
}

impl Rounds<'_> {
    async fn run(mut self, mut part: PartFile) -> Result<(PartFile, Transport), DownloadError> {
        let mut fruitless = 0;
        loop {
            let before = self.received();
            let error = match self.round(part).await? {
                Round::Complete(part, transport) => return Ok((part, transport)),
                Round::Incomplete(back, error) => {
                    part = back;
                    error
                }
            };
            let received = self.received();
            fruitless = if received > before { 0 } else { fruitless + 1 };
            let rounds_max = if received > 0 { ROUNDS_LATER_MAX } else { ROUNDS_AT_START_MAX };
            if fruitless >= rounds_max {
                return Err(error);
            }
            tracing::debug!(%error, fruitless, "a download tries again");
            tokio::select! {
                () = self.cancel.cancelled() => return Err(DownloadError::Cancelled),
                () = sleep(PAUSE_FIRST * 2_u32.pow(fruitless.saturating_sub(1))) => {}
            }
        }
    }

    /// Tries each way, on each node, once.
    async fn round(&mut self, mut part: PartFile) -> Result<Round, DownloadError> {
        let mut last_error = DownloadError::NoNode;
        for transport in ways(self.request.transport) {
            for node in self.request.nodes.clone() {
                self.meter.tell(|progress| progress.transport = *transport);
                let (back, result) = self.attempt(*transport, &node, part).await?;
                part = back;
                match result {
                    Ok(()) => return Ok(Round::Complete(part, *transport)),
                    Err(error) => last_error = error,
                }
            }
        }
        Ok(Round::Incomplete(part, last_error))
    }

    /// One attempt, and a second one with another ticket if the first is too old. The outer error is
    /// final, the inner one is not.
    async fn attempt(
        &mut self,
        transport: Transport,
        node: &NodeAddress,
        part: PartFile,
    ) -> Result<(PartFile, Result<(), DownloadError>), DownloadError> {
        if self.ticket_since.elapsed() > TICKET_AGE_MAX && self.request.renewal.is_some() {
            self.renew_ticket().await?;
        }
        let (part, result) = self.attempt_once(transport, node, part).await;
        let (part, result) = match result {
            Err(Failure::NeedsTicket) => {
                self.renew_ticket().await?;
                self.attempt_once(transport, node, usable(part)?).await
            }
            result => (part, result),
        };
        match result {
            Ok(()) => Ok((usable(part)?, Ok(()))),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::NeedsTicket) => Ok((usable(part)?, Err(DownloadError::TicketExpired))),
            Err(Failure::Retry(error)) => Ok((usable(part)?, Err(error))),
        }
    }

    async fn attempt_once(
        &self,
        transport: Transport,
        node: &NodeAddress,
        part: PartFile,
    ) -> (Option<PartFile>, Result<(), Failure>) {
        match transport {
            Transport::Udp => attempt::over_udp(node, &self.ticket, part, self.cancel).await,
            Transport::Tcp => attempt::over_tcp(node, &self.ticket, part, self.cancel).await,
        }
    }

    async fn renew_ticket(&mut self) -> Result<(), DownloadError> {
        let renewal = self.request.renewal.as_ref().ok_or(DownloadError::TicketExpired)?;
        let (reply, answer) = oneshot::channel();
        let asking = async {
            renewal.send(TicketWanted { reply }).await.ok()?;
            answer.await.ok()
        };
        let fresh = tokio::select! {
            () = self.cancel.cancelled() => return Err(DownloadError::Cancelled),
            fresh = asking => fresh.ok_or(DownloadError::TicketExpired)?,
        };
        if fresh.version != self.request.version {
            return Err(DownloadError::FileChanged);
        }
        self.ticket = fresh;
        self.ticket_since = Instant::now();
        Ok(())
    }

    fn received(&self) -> u64 {
        self.meter.bytes.load(Ordering::Relaxed)
    }
}

/// The order in which ways are tried.
fn ways(choice: TransportChoice) -> &'static [Transport] {
    match choice {
        TransportChoice::Auto => &[Transport::Udp, Transport::Tcp],
        TransportChoice::Udp => &[Transport::Udp],
        TransportChoice::Tcp => &[Transport::Tcp],
    }
}

/// A part file is lost only when the thread that wrote it panicked.
fn usable(part: Option<PartFile>) -> Result<PartFile, DownloadError> {
    part.ok_or(DownloadError::Cancelled)
}
