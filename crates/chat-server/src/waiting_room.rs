//! The places for connections that have not logged in. [`Newcomers`] decides who has to go; here the
//! connections are told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::state::newcomers::{NewcomerId, Newcomers};

/// Connections that lost their place and are still closing. Strangers who come faster than their
/// predecessors' sockets close wait in the kernel's queue instead of in this process's memory.
const CLOSING_MAX: usize = 16;

/// All places. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct WaitingRoom {
    /// One permit for each place, and one for each connection that is closing for want of a place.
    doorway: Arc<Semaphore>,
    /// Taken when a connection comes, logs in or goes; held for one scan of some 64 entries, never
    /// over an await.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    newcomers: Newcomers,
    evictions: HashMap<NewcomerId, CancellationToken>,
    last_id: NewcomerId,
}

/// One connection's place. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    id: NewcomerId,
    room: WaitingRoom,
    eviction: CancellationToken,
    _doorway: OwnedSemaphorePermit,
}

/// The right to let one connection in.
#[derive(Debug)]
pub(crate) struct Admission(OwnedSemaphorePermit);

impl WaitingRoom {
    pub(crate) fn new(capacity: usize) -> Self {
        let newcomers = Newcomers::new(capacity);
        let inner = Inner { newcomers, evictions: HashMap::new(), last_id: 0 };
        let doorway = Arc::new(Semaphore::new(capacity.max(1) + CLOSING_MAX));
        Self { doorway, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Waits until most of the connections that lost their place have closed.
    pub(crate) async fn admission(&self) -> Result<Admission, AcquireError> {
        Arc::clone(&self.doorway).acquire_owned().await.map(Admission)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more; if there is none left, somebody else's.
    pub(crate) fn enter(&self, Admission(doorway): Admission, address: IpAddr) -> Place {
        let eviction = CancellationToken::new();
        let mut inner = self.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        if let Some(evicted) = inner.newcomers.admit(id, address)
            && let Some(eviction) = inner.evictions.remove(&evicted)
        {
            tracing::info!(%address, "too many connections without login: the oldest is closed");
            eviction.cancel();
        }
        inner.evictions.insert(id, eviction.clone());
        Place { id, room: self.clone(), eviction, _doorway: doorway }
    }
}

impl Place {
    /// Waits until the place is needed for somebody else.
    pub(crate) async fn evicted(&self) {
        self.eviction.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        inner.newcomers.leave(self.id);
        inner.evictions.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// An admission, if there is one without waiting.
    fn admission_now(room: &WaitingRoom) -> Option<Admission> {
        match pin!(room.admission()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(admission) => Some(admission.unwrap()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn strangers_beyond_the_places_wait_until_the_evicted_have_closed() {
        let room = WaitingRoom::new(4);
        let mut places = Vec::new();
        while let Some(admission) = admission_now(&room) {
            places.push(room.enter(admission, Ipv4Addr::LOCALHOST.into()));
        }
        assert_eq!(places.len(), 4 + CLOSING_MAX);
        places.remove(0);
        assert!(admission_now(&room).is_some());
    }
}
