//! Opens log and projection at the server's start, and tells what the state has to know of them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::log::event::{ConversationKey, Event, MessageSent};
use crate::log::projection::{self, Projection};
use crate::log::store::{self, SqliteLog};
use crate::log::{Log, LogError, LogReader, Numbered};

/// File name of the lock in the data folder.
const LOCK_FILE: &str = "server.lock";

/// How far back messages are recognised that are sent again after the server was restarted. Reading
/// them takes some 150 ms.
const RECENT_EVENTS: u64 = 128 * 1024;

/// Events that are read at once.
const READ_EVENTS: usize = 4096;

/// Why the server does not start with this data folder.
#[derive(Debug, thiserror::Error)]
pub enum LogStartError {
    /// One server has it already.
    #[error("another server uses this folder")]
    InUse,
    /// The folder takes no lock.
    #[error("{LOCK_FILE}: {0}")]
    Lock(std::io::Error),
    /// The system gives no thread.
    #[error("threads: {0}")]
    Thread(std::io::Error),
    /// One of the files.
    #[error("{file}: {error}")]
    File {
        /// Its name.
        file: &'static str,
        /// What is wrong with it.
        error: LogError,
    },
}

impl LogStartError {
    pub(crate) fn log(error: LogError) -> Self {
        Self::File { file: store::FILE_NAME, error }
    }

    fn history(error: LogError) -> Self {
        Self::File { file: projection::FILE_NAME, error }
    }
}

/// A data folder that no other server has, for as long as this lives.
#[derive(Debug)]
pub(crate) struct DataLock(#[expect(dead_code, reason = "held, and released when closed")] File);

impl DataLock {
    /// Takes it.
    ///
    /// # Errors
    /// [`LogStartError::InUse`], or the system's word.
    pub(crate) fn take(folder: &Path) -> Result<Self, LogStartError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(folder.join(LOCK_FILE)).map_err(LogStartError::Lock)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK) => Err(LogStartError::InUse),
            Err(error) => Err(LogStartError::Lock(error.into())),
        }
    }
}

/// Log and projection, opened and brought together.
pub(crate) struct OpenLog {
    pub(crate) log: Box<dyn Log>,
    pub(crate) projection: Projection,
    pub(crate) past: Past,
}

/// What the state has to know of earlier runs.
#[derive(Debug, Default)]
pub struct Past {
    /// The last number of each conversation.
    pub last_numbers: Vec<(ConversationKey, u64)>,
    /// The latest messages, oldest first, without their texts.
    pub recent: Vec<MessageSent>,
}

/// Opens both.
///
/// # Errors
/// Nothing is changed in the log then.
pub(crate) fn open(folder: &Path) -> Result<OpenLog, LogStartError> {
    let log = SqliteLog::open(folder).map_err(LogStartError::log)?;
    let mut reader = log.reader().map_err(LogStartError::log)?;
    let projection = caught_up(folder, reader.as_mut())?;
    let last_numbers = projection.last_numbers().map_err(LogStartError::history)?;
    let recent = recent(reader.as_mut()).map_err(LogStartError::log)?;
    Ok(OpenLog { log: Box::new(log), projection, past: Past { last_numbers, recent } })
}

/// The projection, with everything in it. One that cannot be used is made anew.
fn caught_up(folder: &Path, log: &mut dyn LogReader) -> Result<Projection, LogStartError> {
    let last = log.last().map_err(LogStartError::log)?;
    let usable = Projection::open(folder).and_then(|mut projection| {
        // A log that was put back is shorter than what was projected.
        if projection.applied() > last {
            return Err(LogError::Damaged { number: projection.applied() });
        }
        projection.catch_up(log)?;
        Ok(projection)
    });
    match usable {
        Ok(projection) => Ok(projection),
        Err(error @ LogError::Foreign) => Err(LogStartError::history(error)),
        Err(error @ LogError::Event { .. }) => Err(LogStartError::log(error)),
        Err(error) => {
            tracing::warn!(%error, "the history is made anew from the log");
            make_anew(folder, log)
        }
    }
}

fn make_anew(folder: &Path, log: &mut dyn LogReader) -> Result<Projection, LogStartError> {
    for name in ["", "-wal", "-shm"].map(|end| format!("{}{end}", projection::FILE_NAME)) {
        remove(&folder.join(name)).map_err(|error| LogStartError::history(error.into()))?;
    }
    let mut projection = Projection::open(folder).map_err(LogStartError::history)?;
    // What does not follow now is the log's fault.
    projection.catch_up(log).map_err(LogStartError::log)?;
    Ok(projection)
}

fn remove(path: &PathBuf) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn recent(log: &mut dyn LogReader) -> Result<Vec<MessageSent>, LogError> {
    let last = log.last()?;
    let mut next = last.saturating_sub(RECENT_EVENTS) + 1;
    let mut recent = Vec::new();
    while next <= last {
        let events = log.tail(next, READ_EVENTS)?;
        let Some(read_to) = events.last().map(|event| event.number) else { break };
        next = read_to + 1;
        recent.extend(events.into_iter().map(|Numbered { event, .. }| match event {
            Event::MessageSent(message) => {
                MessageSent { text: String::new(), ..Arc::unwrap_or_clone(message) }
            }
        }));
    }
    Ok(recent)
}

#[cfg(test)]
mod tests;
