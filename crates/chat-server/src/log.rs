//! Everything durable, as a log of events: global sequence number → event.
//!
//! [`event`] says what an event is and what its bytes are; [`Log`] is the seam that the rest of the
//! server knows: append a batch, read from a number on. [`store`] fills it with SQLite, [`memory`] with
//! nothing that lasts, for tests. [`writer`] is the one thread that appends. What is read often is kept
//! in a form of its own that follows the log and can be made anew from it: the [`projection`], out of which
//! [`history`] reads, and the index for [`search`]. Each has a thread, the [`follower`]. [`start`] opens all
//! of it. What is to be kept for a time only goes by [`expiry`].

pub mod event;

pub mod store;

mod sqlite_file;

pub mod memory;

pub(crate) mod writer;

pub(crate) mod commit_times;

pub mod projection;

pub(crate) mod follower;

pub(crate) mod history;

pub(crate) mod search;

pub(crate) mod expiry;

pub(crate) mod start;

use rusqlite::ErrorCode;

use crate::log::event::{Event, EventError};

/// Bytes of a [`LogId`].
pub const LOG_ID_BYTES: usize = 16;

/// Names a log: random, made with it, and made anew when a backup is put back. Numbers of events and of
/// messages mean something in one log only.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogId(pub [u8; LOG_ID_BYTES]);

/// Where events go. Numbers are global, dense, from 1.
pub trait Log: Send {
    /// Which log this is.
    fn id(&self) -> LogId;

    /// Appends a batch durably, as a whole or not at all; the number of its last event.
    ///
    /// # Errors
    /// Nothing of the batch is stored. It may work later.
    fn append(&mut self, batch: &[Event]) -> Result<u64, AppendError>;

    /// Removes the next of the oldest messages that were written before then.
    ///
    /// # Errors
    /// Nothing is removed. It may work later.
    fn expire(&mut self, before_ms: i64) -> Result<Expiry, AppendError> {
        let _ = before_ms;
        Ok(Expiry { removed: 0, is_all: true })
    }

    /// Another way to the same log, for reading on another thread.
    ///
    /// # Errors
    /// Where the log cannot be opened once more.
    fn reader(&self) -> Result<Box<dyn LogReader>, LogError>;
}

/// Reads what was appended.
pub trait LogReader: Send {
    /// The number of the last event; 0 for an empty log.
    ///
    /// # Errors
    /// Where the log cannot be read.
    fn last(&mut self) -> Result<u64, LogError>;

    /// The events from number `from` on, at most `limit`.
    ///
    /// # Errors
    /// Where the log cannot be read, or holds what this version does not understand.
    fn tail(&mut self, from: u64, limit: usize) -> Result<Vec<Numbered>, LogError>;

    /// Up to which event messages were removed because of their age; numbers up to there may be missing.
    ///
    /// # Errors
    /// Where the log cannot be read.
    fn expired(&mut self) -> Result<u64, LogError> {
        Ok(0)
    }
}

/// An event and its global number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Numbered {
    /// Dense, from 1.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// What was removed at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Expiry {
    /// So many messages.
    pub removed: usize,
    /// There are no more that are old enough.
    pub is_all: bool,
}

/// Why a batch was not stored.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AppendError {
    /// No room.
    #[error("the disk is full")]
    Full,
    /// Something else is wrong with the disk.
    #[error("{0}")]
    Failed(String),
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Written by a later version.
    #[error(
        "it was written by a later version of the server (format {found}; this one reads {known}): use that version"
    )]
    Newer {
        /// The format that it has.
        found: i32,
        /// The latest that this version knows.
        known: i32,
    },
    /// Written by an earlier version, and not to be brought forward.
    #[error(
        "it was written by an earlier version of the server (format {found}; this one reads {known}): use that version"
    )]
    Older {
        /// The format that it has.
        found: i32,
        /// The one that this version knows.
        known: i32,
    },
    /// Some other file.
    #[error("it is no file of this server: move it away")]
    Foreign,
    /// One event cannot be understood.
    #[error("event {number}: {error}")]
    Event {
        /// Which.
        number: u64,
        /// Why.
        error: EventError,
    },
    /// A message was removed because of its age.
    #[error("event {number} was removed because of its age")]
    Expired {
        /// Which event.
        number: u64,
    },
    /// It follows another log than the one beside it.
    #[error("it follows another log")]
    OtherLog,
    /// An event does not follow from those before it.
    #[error("event {number} does not follow from those before it: restore a backup")]
    Damaged {
        /// Which.
        number: u64,
    },
    /// SQLite finds that its file is damaged.
    #[error("the file is damaged: {0}")]
    Corrupt(String),
    /// The system's word.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// SQLite's word.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl LogError {
    /// Whether the file may be as good as ever, and only what is around it is not: no room, no permission,
    /// somebody else who holds it.
    fn is_of_the_machine(&self) -> bool {
        let Self::Sqlite(error) = self else { return matches!(self, Self::Io(_)) };
        error.sqlite_error_code().is_some_and(|code| {
            matches!(
                code,
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::ReadOnly
                    | ErrorCode::OutOfMemory
            )
        })
    }
}
