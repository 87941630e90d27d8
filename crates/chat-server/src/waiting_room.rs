//! The places for connections that have not logged in, and the line before them. [`Newcomers`] decides who
//! gets one and who has to go; here the connections are told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::state::newcomers::{NewcomerId, Newcomers};

/// Connections that lost their place and are still closing. Strangers who come faster than their
/// predecessors' sockets close wait in the kernel's queue instead of in this process's memory.
const CLOSING_MAX: usize = 16;

/// How long one may keep a place that others from the same address wait for: some round trips of a slow
/// network, not the time to type a password.
const TURN: Duration = Duration::from_secs(3);

/// What part of the files that the process may have open strangers in line may take: the others are for those
/// who logged in, and the log.
const FILES_SHARE: u64 = 4;

/// All places. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct WaitingRoom {
    /// One permit for each place, each in line, and each connection that is closing for want of a place.
    doorway: Arc<Semaphore>,
    /// Taken when a connection comes, logs in or goes; held for one look at all entries, never over an
    /// await.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    newcomers: Newcomers,
    present: HashMap<NewcomerId, (IpAddr, Signals)>,
    last_id: NewcomerId,
}

/// What one connection is told.
#[derive(Clone, Debug, Default)]
struct Signals {
    entry: CancellationToken,
    eviction: CancellationToken,
}

/// One connection that waits for a place. Dropping it gives the waiting up.
#[derive(Debug)]
pub(crate) struct InLine(Presence);

/// One connection's place. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    presence: Presence,
    turn_end: Instant,
}

#[derive(Debug)]
struct Presence {
    id: NewcomerId,
    room: WaitingRoom,
    signals: Signals,
    _doorway: OwnedSemaphorePermit,
}

/// The right to let one connection in.
#[derive(Debug)]
pub(crate) struct Admission(OwnedSemaphorePermit);

impl WaitingRoom {
    /// A line of `line_max`, or as many as there are files for.
    pub(crate) fn new(places_max: usize, line_max: usize) -> Self {
        let line_max = line_that_fits(line_max, getrlimit(Resource::Nofile).current);
        let newcomers = Newcomers::new(places_max, line_max);
        let inner = Inner { newcomers, present: HashMap::new(), last_id: 0 };
        let doorway = Arc::new(Semaphore::new(places_max.max(1) + line_max + CLOSING_MAX));
        Self { doorway, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Waits until most of the connections that lost their place have closed.
    pub(crate) async fn admission(&self) -> Result<Admission, AcquireError> {
        Arc::clone(&self.doorway).acquire_owned().await.map(Admission)
    }

    /// Puts one more in line.
    pub(crate) fn arrive(&self, Admission(doorway): Admission, address: IpAddr) -> InLine {
        let signals = Signals::default();
        let mut inner = self.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        inner.present.insert(id, (address, signals.clone()));
        inner.newcomers.arrive(id, address);
        inner.tell();
        InLine(Presence { id, room: self.clone(), signals, _doorway: doorway })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line_that_fits(wanted: usize, open_files_max: Option<u64>) -> usize {
    let share = open_files_max.and_then(|max| usize::try_from(max / FILES_SHARE).ok());
    share.map_or(wanted, |share| wanted.min(share))
}

impl Inner {
    /// Tells everybody who gets a place or loses one.
    fn tell(&mut self) {
        while let Some(next) = self.newcomers.next_move() {
            if let Some((address, signals)) = next.evicted.and_then(|id| self.present.remove(&id)) {
                tracing::info!(%address, "too many connections without login: the oldest is closed");
                signals.eviction.cancel();
            }
            if let Some((_, signals)) = self.present.get(&next.enters) {
                signals.entry.cancel();
            }
        }
    }
}

impl InLine {
    /// Waits for a place.
    pub(crate) async fn place(self) -> Place {
        self.0.signals.entry.cancelled().await;
        Place { presence: self.0, turn_end: Instant::now() + TURN }
    }
}

impl Place {
    /// Waits until the place is needed for somebody else.
    pub(crate) async fn evicted(&self) {
        let Presence { id, room, signals, .. } = &self.presence;
        tokio::select! {
            () = signals.eviction.cancelled() => return,
            () = sleep_until(self.turn_end) => {
                let mut inner = room.lock();
                inner.newcomers.turn_is_over(*id);
                inner.tell();
            }
        }
        signals.eviction.cancelled().await;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        inner.newcomers.leave(self.id);
        inner.present.remove(&self.id);
        inner.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What a future has to say without waiting.
    fn now<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn arrive(room: &WaitingRoom) -> InLine {
        let admission = now(room.admission()).expect("a free doorway").unwrap();
        room.arrive(admission, Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn strangers_beyond_places_and_line_wait_until_the_evicted_have_closed() {
        let room = WaitingRoom::new(4, 8);
        let mut present: Vec<InLine> = (0..4 + 8 + CLOSING_MAX).map(|_| arrive(&room)).collect();
        assert!(now(room.admission()).is_none());
        present.remove(0);
        assert!(now(room.admission()).is_some());
    }

    #[test]
    fn strangers_leave_files_for_others() {
        assert_eq!(line_that_fits(1024, Some(1024)), 256);
        assert_eq!(line_that_fits(1024, Some(65_536)), 1024);
        assert_eq!(line_that_fits(1024, None), 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_goes_to_the_next_in_line() {
        let room = WaitingRoom::new(1, 8);
        let first = arrive(&room).place().await;
        let mut second = pin!(arrive(&room).place());
        assert!(now(second.as_mut()).is_none());
        drop(first);
        second.await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_can_be_kept_past_its_turn_while_nobody_needs_it() {
        let room = WaitingRoom::new(1, 8);
        let first = arrive(&room).place().await;
        let kept = tokio::time::timeout(10 * TURN, first.evicted()).await;
        assert!(kept.is_err(), "evicted for nobody");
        let second = arrive(&room);
        first.evicted().await;
        second.place().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_turn_of_one_ends_for_who_waits() {
        let room = WaitingRoom::new(1, 8);
        let first = arrive(&room).place().await;
        let second = arrive(&room);
        assert!(now(first.evicted()).is_none());
        tokio::join!(first.evicted(), second.place());
    }
}
