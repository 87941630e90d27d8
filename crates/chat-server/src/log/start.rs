//! Opens log and projection at the server's start, and tells what the state has to know of them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::log::event::ruling::Ruling;
use crate::log::event::{ConversationKey, Event, MessageSent, Person};
use crate::log::follower::ruling;
use crate::log::projection::{self, Projection};
use crate::log::store::{self, SqliteLog};
use crate::log::{Log, LogError, LogId, LogReader, Numbered};
use crate::state::people::PEOPLE_MAX;

/// File name of the lock in the data folder.
const LOCK_FILE: &str = "server.lock";

/// Where a history is made that takes the place of one that cannot be used.
const NEW_HISTORY_FOLDER: &str = "history.new";

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
    /// Whose numbers these are.
    pub log: LogId,
    /// The last number of each conversation.
    pub last_numbers: Vec<(ConversationKey, u64)>,
    /// Who wrote or got a private message, as many as are remembered, whoever did so last at the end.
    pub people: Vec<Person>,
    /// Decisions that still hold, in the order in which they were made.
    pub rulings: Vec<Arc<Ruling>>,
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
    let (projection, last_numbers) = caught_up(folder, log.id(), reader.as_mut())?;
    let recent = recent(reader.as_mut()).map_err(LogStartError::log)?;
    let people = projection.people(PEOPLE_MAX).map_err(LogStartError::history)?;
    let rulings = standing(&projection, reader.as_mut())?;
    let past = Past { log: log.id(), last_numbers, people, rulings, recent };
    Ok(OpenLog { log: Box::new(log), projection, past })
}

/// The decisions that still hold.
fn standing(
    projection: &Projection,
    log: &mut dyn LogReader,
) -> Result<Vec<Arc<Ruling>>, LogStartError> {
    let events = projection.standing().map_err(LogStartError::history)?;
    let read = |number| ruling(log, number).map_err(LogStartError::log);
    events.into_iter().map(read).collect()
}

type LastNumbers = Vec<(ConversationKey, u64)>;

/// The projection, with everything in it, and what it says. One that cannot be used is made anew; one
/// that only cannot be used now, because the disk is full or somebody holds it, is left as it is.
fn caught_up(
    folder: &Path,
    id: LogId,
    log: &mut dyn LogReader,
) -> Result<(Projection, LastNumbers), LogStartError> {
    let last = log.last().map_err(LogStartError::log)?;
    let usable = Projection::open(folder).and_then(|mut projection| {
        projection.follow(id)?;
        // It was torn off: what is missing of the log was projected.
        if projection.applied() > last {
            return Err(LogError::Damaged { number: projection.applied() });
        }
        projection.catch_up(log)?;
        let last_numbers = projection.last_numbers()?;
        Ok((projection, last_numbers))
    });
    match usable {
        Ok(usable) => Ok(usable),
        Err(error @ LogError::Event { .. }) => Err(LogStartError::log(error)),
        Err(error) if error.is_of_the_machine() => Err(LogStartError::history(error)),
        Err(error) => {
            tracing::warn!(%error, "the history is made anew from the log");
            make_anew(folder, id, log, &error)
        }
    }
}

/// Made beside the one that is there, which goes only when the new one is complete. A file of others is
/// moved aside.
fn make_anew(
    folder: &Path,
    id: LogId,
    log: &mut dyn LogReader,
    why: &LogError,
) -> Result<(Projection, LastNumbers), LogStartError> {
    let history = |error: std::io::Error| LogStartError::history(error.into());
    let new = folder.join(NEW_HISTORY_FOLDER);
    // An earlier start may have been interrupted here.
    remove_folder(&new).map_err(history)?;
    DirBuilder::new().mode(0o700).create(&new).map_err(history)?;
    let mut projection = Projection::open(&new).map_err(LogStartError::history)?;
    projection.follow(id).map_err(LogStartError::history)?;
    projection.catch_up(log).map_err(|error| match error {
        // What does not follow now is the log's fault.
        LogError::Damaged { .. } | LogError::Event { .. } => LogStartError::log(error),
        error => LogStartError::history(error),
    })?;
    // Closed, it is one file.
    drop(projection);
    let path = folder.join(projection::FILE_NAME);
    if matches!(why, LogError::Foreign) {
        std::fs::rename(&path, path.with_extension("db.foreign")).map_err(history)?;
    }
    for end in ["-wal", "-shm"] {
        remove(&folder.join(format!("{}{end}", projection::FILE_NAME))).map_err(history)?;
    }
    std::fs::rename(new.join(projection::FILE_NAME), &path).map_err(history)?;
    remove_folder(&new).map_err(history)?;
    let projection = Projection::open(folder).map_err(LogStartError::history)?;
    let last_numbers = projection.last_numbers().map_err(LogStartError::history)?;
    Ok((projection, last_numbers))
}

fn remove(path: &Path) -> std::io::Result<()> {
    unless_missing(std::fs::remove_file(path))
}

fn remove_folder(path: &Path) -> std::io::Result<()> {
    unless_missing(std::fs::remove_dir_all(path))
}

fn unless_missing(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
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
        recent.extend(events.into_iter().filter_map(|Numbered { event, .. }| match event {
            Event::MessageSent(message) => {
                Some(MessageSent { text: String::new(), ..Arc::unwrap_or_clone(message) })
            }
            Event::Ruling(_) | Event::Expired(_) => None,
        }));
    }
    Ok(recent)
}

#[cfg(test)]
mod tests;
