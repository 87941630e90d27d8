//! Which way and node is tried when: rounds over all of them, until everything is there or the
//! caller's patience ends. What may heal by itself is waited for here: a network or a server that is
//! away, a ticket that is too old, a full disk, a person who wants a pause.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::disk_space::FullDisk;
use super::attempt::{self, Failure};
use super::way_back::{self, Answer, Question};
use super::{
    DownloadError, DownloadRequest, FreshTicket, Meter, NodeAddress, TicketWanted, Transport,
    TransportChoice, Waiting,
};
use crate::part_file::PartFile;

mod disk_space;

/// The pause after the first fruitless round; it doubles each time …
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// … up to this: a server that comes back is met soon, and not by a storm.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// A ticket may start for 60 s. Older than this, another one is asked for first.
const TICKET_AGE_MAX: Duration = Duration::from_secs(45);

/// A download's way through nodes, tickets and interruptions.
pub(super) struct Rounds<'a> {
    pub(super) request: DownloadRequest,
    /// The way that was taken last.
    pub(super) transport: Transport,
    /// Taken while another thread works with it.
    part: Option<PartFile>,
    ticket: FreshTicket,
    /// By [`awake_or_asleep`].
    ticket_since: Duration,
    /// How long TCP runs before UDP is tried again.
    pause_before_udp: Duration,
    full_disk: Option<FullDisk>,
    meter: &'a Meter<'a>,
    cancel: &'a CancellationToken,
}

/// Why a round ended without everything.
enum Stop {
    /// For good.
    Final(DownloadError),
    /// The person wants a pause.
    Paused,
    /// UDP works again.
    UdpIsBack,
    /// It goes on later.
    Retry(DownloadError),
}

/// How long nothing has come, and how long that is borne.
struct Drought {
    since: Instant,
    bytes: u64,
    rounds: u32,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        request: DownloadRequest,
        part: PartFile,
        meter: &'a Meter<'a>,
        cancel: &'a CancellationToken,
    ) -> Self {
        let ticket = FreshTicket {
            ticket: request.ticket.clone(),
            secret: request.secret,
            version: request.version,
        };
        let transport = *ways(request.transport).first().unwrap_or(&Transport::Udp);
        let ticket_since = awake_or_asleep();
        Self {
            request,
            transport,
            part: Some(part),
            ticket,
            ticket_since,
            pause_before_udp: way_back::PAUSE_FIRST,
            full_disk: None,
            meter,
            cancel,
        }
    }

    /// Fetches everything that is missing.
    pub(super) async fn fetch_missing(&mut self) -> Result<(), DownloadError> {
        if self.request.nodes.is_empty() {
            return Err(DownloadError::NoNode);
        }
        self.wait_if_disk_is_full(PAUSE_FIRST).await?;
        let mut drought = Drought { since: Instant::now(), bytes: self.received(), rounds: 0 };
        loop {
            if self.is_paused() {
                self.rest().await?;
                drought.since = Instant::now();
            }
            let give_up_at = self.give_up_at(&drought);
            let stop = match self.round(give_up_at).await {
                Ok(()) => return Ok(()),
                Err(stop) => stop,
            };
            drought.heard(self.received());
            match stop {
                Stop::Final(error) => return Err(error),
                Stop::Paused | Stop::UdpIsBack => {}
                Stop::Retry(error @ DownloadError::DiskFull { .. }) => {
                    self.wait_for_space(error, drought.pause()).await?;
                    drought.since = Instant::now();
                }
                Stop::Retry(error) => self.wait_a_moment(error, &drought).await?,
            }
        }
    }

    /// Runs something on the part file that waits for the disk.
    pub(super) async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut PartFile) -> T + Send + 'static,
    ) -> Result<T, DownloadError> {
        let mut part = self.part.take().ok_or(DownloadError::Broken)?;
        let working = tokio::task::spawn_blocking(move || {
            let result = work(&mut part);
            (part, result)
        });
        let (part, result) = working.await?;
        self.part = Some(part);
        Ok(result)
    }

    /// The part file, for what becomes of it after the end.
    pub(super) fn into_part(self) -> Option<PartFile> {
        self.part
    }

    pub(super) fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn meter(&self) -> &'a Meter<'a> {
        self.meter
    }

    /// Waits before the next round, and says that it does.
    async fn wait_a_moment(
        &mut self,
        error: DownloadError,
        drought: &Drought,
    ) -> Result<(), DownloadError> {
        let give_up_at = self.give_up_at(drought);
        let pause = drought.pause();
        if give_up_at.is_some_and(|at| at <= Instant::now() + pause) {
            return Err(error);
        }
        tracing::debug!(%error, ?pause, "a download tries again");
        if drought.rounds > 0 {
            self.meter.tell(|progress| progress.waiting = Some(Waiting::Network));
        }
        self.sleep(pause).await
    }

    /// Does nothing until the pause is over.
    async fn rest(&mut self) -> Result<(), DownloadError> {
        self.meter.tell(|progress| progress.waiting = Some(Waiting::Paused));
        let cancel = self.cancel;
        tokio::select! {
            () = cancel.cancelled() => return Err(DownloadError::Cancelled),
            () = told(&mut self.request.paused, false) => {}
        }
        self.meter.tell(|progress| progress.waiting = None);
        Ok(())
    }

    async fn sleep(&mut self, pause: Duration) -> Result<(), DownloadError> {
        let cancel = self.cancel;
        tokio::select! {
            () = cancel.cancelled() => Err(DownloadError::Cancelled),
            () = told(&mut self.request.paused, true) => Ok(()),
            () = sleep(pause) => Ok(()),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.request.paused.as_ref().is_some_and(|paused| *paused.borrow())
    }

    fn give_up_at(&self, drought: &Drought) -> Option<Instant> {
        let patience = &self.request.patience;
        let kept = self.meter.kept();
        let limit = if self.received() > kept { patience.next_byte } else { patience.first_byte };
        limit.map(|limit| drought.since + limit)
    }

    /// Tries each way, on each node, once.
    async fn round(&mut self, give_up_at: Option<Instant>) -> Result<(), Stop> {
        let mut last_error = DownloadError::NoNode;
        for transport in ways(self.request.transport) {
            for node in self.request.nodes.clone() {
                self.transport = *transport;
                self.meter.tell(|progress| progress.transport = *transport);
                match self.attempt(*transport, &node, give_up_at).await {
                    // Another node does not help.
                    Err(Stop::Retry(error @ DownloadError::DiskFull { .. })) => {
                        return Err(Stop::Retry(error));
                    }
                    Err(Stop::Retry(error)) => last_error = error,
                    result => return result,
                }
            }
        }
        Err(Stop::Retry(last_error))
    }

    /// One attempt, and a second one with another ticket if the first ticket does not do.
    async fn attempt(
        &mut self,
        transport: Transport,
        node: &NodeAddress,
        give_up_at: Option<Instant>,
    ) -> Result<(), Stop> {
        let age = awake_or_asleep().saturating_sub(self.ticket_since);
        if age > TICKET_AGE_MAX && self.request.renewal.is_some() {
            self.renew_ticket(DownloadError::TicketExpired, give_up_at).await?;
        }
        let before = self.received();
        let mut result = self.attempt_once(transport, node).await;
        if let Err(Failure::NeedsTicket(error)) = result {
            self.renew_ticket(error, give_up_at).await?;
            result = self.attempt_once(transport, node).await;
        }
        if transport == Transport::Udp && self.received() > before {
            self.pause_before_udp = way_back::PAUSE_FIRST;
        }
        result.map_err(|failure| match failure {
            Failure::Paused => Stop::Paused,
            Failure::UdpIsBack => Stop::UdpIsBack,
            Failure::Final(error) | Failure::NeedsTicket(error @ DownloadError::Rejected) => {
                Stop::Final(error)
            }
            Failure::NeedsTicket(error) | Failure::Retry(error) => Stop::Retry(error),
        })
    }

    /// A pause ends the attempt, and with it the session on the node; so does UDP that works again,
    /// if TCP was only the way round.
    async fn attempt_once(
        &mut self,
        transport: Transport,
        node: &NodeAddress,
    ) -> Result<(), Failure> {
        let broken = || Failure::Final(DownloadError::Broken);
        let part = self.part.take().ok_or_else(broken)?;
        let (cancel, ticket) = (self.cancel.child_token(), &self.ticket.clone());
        let way_back = self.way_back(transport, node);
        let attempt = async {
            match transport {
                Transport::Udp => attempt::over_udp(node, ticket, part, &cancel).await,
                Transport::Tcp => attempt::over_tcp(node, ticket, part, &cancel).await,
            }
        };
        let mut attempt = std::pin::pin!(attempt);
        let (ended, stopped) = tokio::select! {
            ended = &mut attempt => (ended, None),
            () = told(&mut self.request.paused, true) => {
                cancel.cancel();
                (attempt.await, Some(Failure::Paused))
            }
            answer = way_back => {
                self.take_way_back(answer);
                cancel.cancel();
                (attempt.await, Some(Failure::UdpIsBack))
            }
        };
        let (part, result) = ended;
        // A part that is lost is why it ended, whatever else happened at that moment.
        self.part = part;
        match (result, stopped) {
            (Err(Failure::Final(DownloadError::Cancelled)), Some(stopped))
                if !self.cancel.is_cancelled() =>
            {
                Err(stopped)
            }
            (result, _) => result,
        }
    }

    /// Completes when UDP works again while TCP is only the way round.
    fn way_back(
        &self,
        transport: Transport,
        node: &NodeAddress,
    ) -> impl Future<Output = Answer> + use<> {
        let is_detour =
            transport == Transport::Tcp && self.request.transport == TransportChoice::Auto;
        let question = is_detour.then(|| Question {
            node: node.clone(),
            ticket: self.ticket.clone(),
            age: awake_or_asleep().saturating_sub(self.ticket_since),
            age_max: TICKET_AGE_MAX,
            renewal: self.request.renewal.clone(),
            pause: self.pause_before_udp,
            cancel: self.cancel.clone(),
        });
        async {
            match question {
                Some(question) => question.ask().await,
                None => std::future::pending().await,
            }
        }
    }

    fn take_way_back(&mut self, answer: Answer) {
        tracing::info!("UDP works again: the download goes on over it");
        self.pause_before_udp = answer.next_pause;
        if let Some(fresh) = answer.fresh {
            self.ticket = fresh;
            self.ticket_since = awake_or_asleep();
        }
    }

    /// Gets another ticket; without one the download ends with `error`.
    async fn renew_ticket(
        &mut self,
        error: DownloadError,
        give_up_at: Option<Instant>,
    ) -> Result<(), Stop> {
        let Some(renewal) = self.request.renewal.clone() else { return Err(Stop::Final(error)) };
        let (reply, answer) = oneshot::channel();
        let asking = async {
            renewal.send(TicketWanted { reply }).await.ok()?;
            answer.await.ok()
        };
        let cancel = self.cancel;
        let fresh = tokio::select! {
            () = cancel.cancelled() => return Err(Stop::Final(DownloadError::Cancelled)),
            () = told(&mut self.request.paused, true) => return Err(Stop::Paused),
            () = until(give_up_at) => None,
            fresh = asking => fresh,
        };
        let Some(fresh) = fresh else { return Err(Stop::Final(error)) };
        if fresh.version != self.request.version {
            return Err(Stop::Final(DownloadError::FileChanged));
        }
        self.ticket = fresh;
        self.ticket_since = awake_or_asleep();
        Ok(())
    }

    fn received(&self) -> u64 {
        self.meter.bytes.load(Ordering::Relaxed)
    }
}

impl Drought {
    /// A round is over, and so many bytes are there.
    fn heard(&mut self, bytes: u64) {
        if bytes > self.bytes {
            *self = Self { since: Instant::now(), bytes, rounds: 0 };
        } else {
            self.bytes = bytes;
            self.rounds += 1;
        }
    }

    fn pause(&self) -> Duration {
        PAUSE_FIRST.saturating_mul(1 << self.rounds.saturating_sub(1).min(16)).min(PAUSE_MAX)
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

/// Waits until somebody says so: for ever if nobody can.
pub(super) async fn told(paused: &mut Option<watch::Receiver<bool>>, wanted: bool) {
    if let Some(paused) = paused
        && paused.wait_for(|paused| *paused == wanted).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A clock that goes on while the machine sleeps: tickets grow old then too.
fn awake_or_asleep() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}
