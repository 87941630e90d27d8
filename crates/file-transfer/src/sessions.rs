//! The running sessions of a node, whichever way they send: who may start, and ending them.
//!
//! A session over UDP is a thread. It is ended by a flag and a wakeup, so it stops within one turn of
//! its loop; [`Sessions::shut_down`] waits for that. One over TCP is a future, ended by a token.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::file_path::FilePath;
use crate::rate_share::{RateLimits, RateShare};
use crate::ticket::{Direction, TicketId};
use crate::udp::mailboxes::Mailboxes;
use crate::udp::wakeup::Wakeup;

/// How long an ended login is remembered: longer than the 60 s for which its tickets can start.
const ENDED_LOGIN_MEMORY: Duration = Duration::from_secs(120);

/// Ended logins remembered at most. Full: those of the longest ago are forgotten first.
const ENDED_LOGINS_MAX: usize = 65_536;

/// How long it is remembered what was transferred by a ticket, from its last start on: longer than the 60 s
/// for which it can start.
const SPENT_MEMORY: Duration = Duration::from_secs(120);

/// Tickets for which that is remembered at most. Full: no other ticket starts for the moment.
const SPENT_TICKETS_MAX: usize = 65_536;

/// A session that has heard nothing for so long, while its peer should acknowledge or ask four times
/// in that time, is taken for one that crashed if its user starts the same file again.
const CRASHED_AFTER: Duration = Duration::from_secs(2);

/// How many transfers may run at once, of downloads and of uploads each: neither takes the other's
/// places. When full, a newcomer is told so and may try again; nobody
/// who is served already is pushed out. Only who comes back after a crash takes over their own place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Of all users. As many again may be saying goodbye: each is a thread or a connection still.
    pub sessions_max: usize,
    /// Of one user.
    pub sessions_per_user_max: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { sessions_max: 64, sessions_per_user_max: 4 }
    }
}

/// Who asks for a place, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applicant<'a> {
    pub(crate) direction: Direction,
    /// Of several starts with the same one the newest runs. All tickets of an upload share it.
    pub(crate) transfer: TicketId,
    /// The very ticket: its bytes are counted over all starts with it.
    pub(crate) ticket: TicketId,
    pub(crate) user: &'a str,
    pub(crate) login: u64,
    pub(crate) file: &'a FilePath,
}

/// Why a session must not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its login has ended, or the node is being shut down: no answer at all.
    Ended,
    /// All places, or all places of this user, are taken, or too many sessions are ending.
    Full,
}

/// Why a session is told to end from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EndReason {
    /// Logout, kick or ban.
    LoginEnded = 1,
    /// The node goes down.
    ShuttingDown = 2,
    /// The same ticket was used to start anew.
    Superseded = 3,
}

/// The line to one session's thread: says when and why it is to end.
#[derive(Debug)]
pub(crate) struct SessionControl {
    /// 0, or an [`EndReason`].
    end: AtomicU8,
    /// For a session that is a thread …
    wakeup: Arc<Wakeup>,
    /// … and for one that is a future.
    ended: CancellationToken,
    started: Instant,
    /// When the peer was heard last, in ms since the start; `u64::MAX` for a session that does not
    /// tell, because its connection ends with its peer.
    heard_ms: AtomicU64,
}

impl SessionControl {
    fn new(now: Instant) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            end: AtomicU8::new(0),
            wakeup: Wakeup::new()?,
            ended: CancellationToken::new(),
            started: now,
            heard_ms: AtomicU64::new(u64::MAX),
        }))
    }

    /// What ends the thread's wait when the session is to end.
    pub(crate) fn wakeup(&self) -> &Arc<Wakeup> {
        &self.wakeup
    }

    /// The peer said something.
    pub(crate) fn heard(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.started).as_millis();
        self.heard_ms.store(u64::try_from(since_start).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Whether the peer seems to be gone.
    fn is_silent(&self, now: Instant) -> bool {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(self.started) >= heard.saturating_add(CRASHED_AFTER)
    }

    /// Completes when the session is to end.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Why the session is to end, if it is.
    pub(crate) fn end(&self) -> Option<EndReason> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            1 => Some(EndReason::LoginEnded),
            2 => Some(EndReason::ShuttingDown),
            _ => Some(EndReason::Superseded),
        }
    }

    fn end_for(&self, reason: EndReason) {
        // The first reason stands.
        let _ = self.end.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Relaxed);
        self.wakeup.wake_up();
        self.ended.cancel();
    }
}

/// All running sessions of a node.
#[derive(Debug)]
pub(crate) struct Sessions {
    limits: SessionLimits,
    /// Where there is a limit to how fast sessions may send. Held for a few sums once a batch.
    rates: Option<Mutex<RateShare>>,
    /// Held for a few lookups only, never while a thread is waited for.
    state: Mutex<State>,
    mailboxes: Arc<Mailboxes>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    last_key: u64,
    running: HashMap<u64, Running>,
    ended_logins: HashMap<u64, Instant>,
    spent: HashMap<TicketId, Spent>,
}

/// What was transferred by one ticket, over all its starts.
#[derive(Debug)]
struct Spent {
    /// File bytes; counted up by the session.
    bytes: Arc<AtomicU64>,
    last_start: Instant,
}

#[derive(Debug)]
struct Running {
    direction: Direction,
    transfer: TicketId,
    user: Arc<str>,
    login: u64,
    file: FilePath,
    control: Arc<SessionControl>,
    /// Set right after the thread was started.
    thread: Option<JoinHandle<()>>,
    /// It only says goodbye any more, and takes nobody's place.
    is_over: bool,
}

/// A place among the running sessions; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Arc<Sessions>,
    key: u64,
    control: Arc<SessionControl>,
    user: Arc<str>,
    spent: Arc<AtomicU64>,
}

impl Sessions {
    /// None yet, which may send as fast as they can.
    #[cfg(test)]
    pub(crate) fn new(limits: SessionLimits) -> Arc<Self> {
        Self::with_rates(limits, RateLimits::default())
    }

    /// None yet.
    pub(crate) fn with_rates(limits: SessionLimits, rates: RateLimits) -> Arc<Self> {
        let rates = (!rates.is_none()).then(|| Mutex::new(RateShare::new(Instant::now(), rates)));
        Arc::new(Self { limits, rates, state: Mutex::default(), mailboxes: Arc::default() })
    }

    /// Where datagrams for running sessions go that come from other addresses than theirs.
    pub(crate) fn mailboxes(&self) -> &Arc<Mailboxes> {
        &self.mailboxes
    }

    /// Whether nothing of this login may start any more.
    pub(crate) fn has_ended(&self, login: u64) -> bool {
        let state = self.lock();
        state.closed || state.ended_logins.contains_key(&login)
    }

    /// Lets no session start from now on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Whether the node is being shut down.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes a place for a confirmed session. An older session of the same transfer ends.
    pub(crate) fn admit(
        self: &Arc<Self>,
        now: Instant,
        applicant: Applicant<'_>,
    ) -> Result<Place, Refusal> {
        let Applicant { direction, transfer, ticket, user, login, file } = applicant;
        let user: Arc<str> = user.into();
        let control = SessionControl::new(now).map_err(|_| Refusal::Full)?;
        let mut state = self.lock();
        if state.closed || state.ended_logins.contains_key(&login) {
            return Err(Refusal::Ended);
        }
        // Those that end still have their thread and their socket.
        let of_direction = || state.running.values().filter(|it| it.direction == direction);
        if of_direction().count() >= self.limits.sessions_max.saturating_mul(2) {
            return Err(Refusal::Full);
        }
        of_direction().filter(|it| it.transfer == transfer).for_each(Running::supersede);
        let of_others = || of_direction().filter(|it| it.transfer != transfer && !it.is_over);
        let of_user = || of_others().filter(|it| it.user == user);
        let is_user_full = of_user().count() >= self.limits.sessions_per_user_max;
        if is_user_full || of_others().count() >= self.limits.sessions_max {
            let crashed = state.running.values_mut().find(|it| {
                let is_same = it.direction == direction && it.user == user && it.file == *file;
                is_same && !it.is_over && it.transfer != transfer && it.control.is_silent(now)
            });
            crashed.ok_or(Refusal::Full)?.give_way();
        }
        let spent = state.spent_on(now, ticket).ok_or(Refusal::Full)?;
        state.last_key += 1;
        let key = state.last_key;
        let running = Running {
            direction,
            transfer,
            user: Arc::clone(&user),
            login,
            file: file.clone(),
            control: control.clone(),
            thread: None,
            is_over: false,
        };
        state.running.insert(key, running);
        Ok(Place { sessions: self.clone(), key, control, user, spent })
    }

    /// Remembers the thread of a place, to wait for it at shutdown.
    pub(crate) fn attach(&self, key: u64, thread: JoinHandle<()>) {
        // A session that is over already has given its place back.
        if let Some(running) = self.lock().running.get_mut(&key) {
            running.thread = Some(thread);
        }
    }

    /// Ends all sessions of a login, and keeps its tickets from starting more. Does not wait.
    pub(crate) fn end_login(&self, now: Instant, login: u64) {
        let mut state = self.lock();
        state.remember_ended(now, login);
        let of_login = state.running.values().filter(|running| running.login == login);
        of_login.for_each(|running| running.control.end_for(EndReason::LoginEnded));
    }

    /// Ends all sessions and waits for their threads. None starts afterwards.
    pub(crate) fn shut_down(&self) {
        let threads: Vec<JoinHandle<()>> = {
            let mut state = self.lock();
            state.closed = true;
            let running = state.running.values_mut();
            running
                .filter_map(|running| {
                    running.control.end_for(EndReason::ShuttingDown);
                    running.thread.take()
                })
                .collect()
        };
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a transfer's thread has panicked");
            }
        }
    }

    /// Whether a session of this transfer runs, and has more to do than say goodbye.
    pub(crate) fn is_running(&self, transfer: &TicketId) -> bool {
        let state = self.lock();
        state.running.values().any(|running| running.transfer == *transfer && !running.is_over)
    }

    /// How many run.
    pub(crate) fn count(&self) -> usize {
        self.lock().running.values().filter(|running| !running.is_over).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where the bytes of a ticket are counted; `None` if there is no room.
    fn spent_on(&mut self, now: Instant, ticket: TicketId) -> Option<Arc<AtomicU64>> {
        let is_current =
            |spent: &Spent| now.saturating_duration_since(spent.last_start) < SPENT_MEMORY;
        // A session that runs for longer goes on counting; its ticket cannot start any more.
        self.spent.retain(|_, spent| is_current(spent));
        if self.spent.len() >= SPENT_TICKETS_MAX && !self.spent.contains_key(&ticket) {
            return None;
        }
        let new = || Spent { bytes: Arc::default(), last_start: now };
        let spent = self.spent.entry(ticket).or_insert_with(new);
        spent.last_start = now;
        Some(Arc::clone(&spent.bytes))
    }

    fn remember_ended(&mut self, now: Instant, login: u64) {
        self.ended_logins.retain(|_, ended| now.duration_since(*ended) < ENDED_LOGIN_MEMORY);
        if self.ended_logins.len() >= ENDED_LOGINS_MAX
            && let Some(oldest) = self.ended_logins.iter().min_by_key(|(_, ended)| **ended)
        {
            let oldest = *oldest.0;
            self.ended_logins.remove(&oldest);
        }
        self.ended_logins.insert(login, now);
    }
}

impl Running {
    fn supersede(&self) {
        self.control.end_for(EndReason::Superseded);
    }

    fn give_way(&mut self) {
        self.supersede();
        self.is_over = true;
    }
}

impl Place {
    /// How many of the file bytes that its ticket allows are left for this start.
    pub(crate) fn bytes_left(&self, allowed: u64) -> u64 {
        allowed.saturating_sub(self.spent.load(Ordering::Relaxed))
    }

    /// Accounts for `taken` file bytes of an upload, those that were there already included.
    pub(crate) fn took(&self, taken: u64) {
        self.spent.fetch_add(taken, Ordering::Relaxed);
    }

    /// Where what is taken is counted, for whoever takes it on a thread of its own.
    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.spent)
    }

    /// Accounts for `sent` file bytes, and says when the next may follow; `None`: at once. To be asked
    /// once a batch.
    pub(crate) fn next_batch(&self, now: Instant, sent: u64) -> Option<Instant> {
        self.spent.fetch_add(sent, Ordering::Relaxed);
        let rates = self.sessions.rates.as_ref()?;
        let mut rates = rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.next_batch(now, &self.user, self.key, sent)
    }

    /// Whether there is a limit of the rate.
    pub(crate) fn is_limited(&self) -> bool {
        self.sessions.rates.is_some()
    }

    /// The line on which the session is told to end.
    pub(crate) fn control(&self) -> &Arc<SessionControl> {
        &self.control
    }

    /// Makes room for another session already, while this one still says goodbye.
    pub(crate) fn vacate(&self) {
        if let Some(running) = self.sessions.lock().running.get_mut(&self.key) {
            running.is_over = true;
        }
    }

    /// What [`Sessions::attach`] knows it by.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.lock().running.remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
