//! A log that lasts as long as the process: for tests of what lies above the seam.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::event::Event;
use crate::log::{AppendError, Log, LogError, LogId, LogReader, Numbered};

/// A log in memory; its copies are the same log.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    /// Held for one call.
    events: Arc<Mutex<Vec<Event>>>,
}

impl MemoryLog {
    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn id(&self) -> LogId {
        LogId::default()
    }

    fn append(&mut self, batch: &[Event]) -> Result<u64, AppendError> {
        let mut events = self.lock();
        events.extend_from_slice(batch);
        Ok(events.len() as u64)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(self.clone()))
    }
}

impl LogReader for MemoryLog {
    fn last(&mut self) -> Result<u64, LogError> {
        Ok(self.lock().len() as u64)
    }

    fn tail(&mut self, from: u64, limit: usize) -> Result<Vec<Numbered>, LogError> {
        let numbered = (1..).zip(self.lock().clone());
        let numbered = numbered.map(|(number, event)| Numbered { number, event });
        Ok(numbered.skip_while(|it| it.number < from).take(limit).collect())
    }
}
