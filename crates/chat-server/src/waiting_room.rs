//! The places for connections that have not logged in. [`Newcomers`] decides who has to go; here the
//! connections are told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::state::newcomers::{NewcomerId, Newcomers};

/// All places. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct WaitingRoom {
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
}

impl WaitingRoom {
    pub(crate) fn new(capacity: usize) -> Self {
        let newcomers = Newcomers::new(capacity);
        let inner = Inner { newcomers, evictions: HashMap::new(), last_id: 0 };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more; if there is none left, somebody else's.
    pub(crate) fn enter(&self, address: IpAddr) -> Place {
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
        Place { id, room: self.clone(), eviction }
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
