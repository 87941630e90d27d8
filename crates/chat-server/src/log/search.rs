//! Finds stored messages by their words: an index that follows the log, in a file of its own. It holds no
//! text, only which word is in which event and who may read that; it can be made anew from the log, and is
//! where it cannot be used. Until it has everything that is in the log nobody is answered from it.
//!
//! Two tables, because neither finds everything. `words` knows whole words and their beginnings, without
//! regard to case and diacritics, and signs of scripts without spaces one by one ([`terms`]). `parts` knows
//! each three characters that follow one another, and so finds what is within a word.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::conversation::Conversation;
use rusqlite::{Connection, ErrorCode, Statement, Transaction};

use crate::log::event::{Destination, Event, Identity, MessageSent};
use crate::log::follower::{CaughtUp, Follow};
use crate::log::sqlite_file::{self, Format};
use crate::log::{LogError, LogId, LogReader, Numbered, expiry, history};
use crate::state::history::{HistoryFound, HistoryProblem, HistorySubject, Reader};
use crate::state::request::SearchWanted;

mod terms;

#[cfg(any(test, fuzzing))]
#[expect(clippy::panic, reason = "a broken promise is to be noticed")]
pub(crate) mod fuzzing;

use terms::Terms;

/// File name of the index in the data folder.
pub(crate) const FILE_NAME: &str = "search.db";

/// Events that are taken up in one transaction; a question waits for one of them at most.
const BATCH_EVENTS: usize = 2048;

/// How long one question may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// Steps of SQLite's machine between two looks at the clock. Few: only the reading of a page of the index
/// takes any, not what FTS5 does with it.
const STEPS_PER_LOOK: i32 = 100;

const FORMAT: Format = Format {
    // "scse"
    application_id: 0x7363_7365,
    version: 2,
    schema: "
        -- Of which log, and up to which event.
        -- Of which messages are gone up to which event.
        CREATE TABLE applied (event INTEGER NOT NULL, expired INTEGER NOT NULL, log BLOB) STRICT;
        INSERT INTO applied VALUES (0, 0, NULL);
        -- Rows are numbered as events. `who` may read: everybody, or these two people.
        CREATE VIRTUAL TABLE words USING fts5(
            who, text, content = '', contentless_delete = 1,
            tokenize = 'unicode61 remove_diacritics 2');
        CREATE VIRTUAL TABLE parts USING fts5(
            who, text, content = '', contentless_delete = 1,
            tokenize = 'trigram remove_diacritics 1');",
    synchronous: "NORMAL",
};

/// The index of a data folder.
pub(crate) struct SearchIndex {
    path: PathBuf,
    log: LogId,
    /// None until it is needed, and after it turned out to be of no use.
    open: Option<OpenIndex>,
}

struct OpenIndex {
    connection: Connection,
    applied: u64,
    /// Up to this event messages are gone.
    expired: u64,
    /// What is being looked for takes too long.
    is_late: Arc<AtomicBool>,
}

impl SearchIndex {
    /// The index of this log in that folder. It is opened when it is first needed.
    pub(crate) fn new(folder: &Path, log: LogId) -> Self {
        Self { path: folder.join(FILE_NAME), log, open: None }
    }

    /// The index as it is, or a new one where that one is none, is damaged or is of another log.
    fn open(&mut self, last: u64) -> Result<&mut OpenIndex, LogError> {
        let usable = match self.open.take() {
            Some(open) => Ok(open),
            None => OpenIndex::open(&self.path, self.log, last),
        };
        let open = match usable {
            Err(error) if !error.is_of_the_machine() => {
                tracing::warn!(%error, "the index for searching is made anew");
                self.remove()?;
                OpenIndex::open(&self.path, self.log, last)
            }
            usable => usable,
        };
        Ok(self.open.insert(open?))
    }

    fn remove(&self) -> Result<(), LogError> {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn try_to_read(
        &mut self,
        log: &mut dyn LogReader,
        reader: &Reader,
        wanted: &SearchWanted,
    ) -> Result<HistoryFound, SearchError> {
        let terms = Terms::of(&wanted.text).ok_or(SearchError::NoWord)?;
        let last = log.last()?;
        let open = self.open(last)?;
        // One more than wanted shows whether there are more.
        let mut events = open.find(&terms, reader, wanted.before, wanted.limit + 1)?;
        let is_all = events.len() <= wanted.limit;
        events.truncate(wanted.limit);
        // Some of them may have gone since the index was caught up.
        let page = loop {
            let expired = log.expired()?;
            events.retain(|event| *event > expired);
            match history::page(log, events.clone()) {
                Err(LogError::Expired { .. }) => {}
                page => break page?,
            }
        };
        let count = events.len();
        let is_last = is_all && page.len() == count;
        let next = page.last().map(|(event, _)| *event).filter(|_| !is_last);
        let seen = |message: MessageSent| (seen_by(reader.identity, &message), message);
        let messages = page.into_iter().map(|(_, message)| seen(message)).collect();
        Ok(HistoryFound::Search { messages, next })
    }
}

impl Follow for SearchIndex {
    const GATHERING: Duration = Duration::from_secs(1);
    /// Taking words apart costs more than anything else that is done with a message, and can wait: where there is
    /// more to do than can be done, some tenth of a core is left for it, and it catches up afterwards.
    const NICENESS: i32 = 10;

    fn catch_up(&mut self, log: &mut dyn LogReader) -> Result<CaughtUp, LogError> {
        let last = log.last()?;
        let open = self.open(last)?;
        let caught_up = open.take_up(log, last).and_then(|()| open.forget(log.expired()?));
        let is_whole = open.applied >= last;
        if caught_up.as_ref().is_err_and(|error| !error.is_of_the_machine()) {
            // Made anew with the next task.
            self.open = None;
            self.remove()?;
        }
        Ok(if caught_up? == CaughtUp::All && is_whole { CaughtUp::All } else { CaughtUp::InPart })
    }

    fn read(
        &mut self,
        log: &mut dyn LogReader,
        reader: &Reader,
        subject: HistorySubject,
    ) -> Result<HistoryFound, HistoryProblem> {
        let HistorySubject::Search(wanted) = subject else {
            debug_assert!(false, "the history is asked for that");
            return Err(HistoryProblem::Failed);
        };
        self.try_to_read(log, reader, &wanted).map_err(|error| match error {
            SearchError::NoWord => HistoryProblem::NoWord,
            SearchError::TooBroad => HistoryProblem::TooBroad,
            SearchError::Log(error) => {
                tracing::error!(%error, "stored messages cannot be searched");
                HistoryProblem::Failed
            }
        })
    }
}

/// Why nothing was found, other than that there is nothing.
#[derive(Debug)]
enum SearchError {
    NoWord,
    TooBroad,
    Log(LogError),
}

impl<E: Into<LogError>> From<E> for SearchError {
    fn from(error: E) -> Self {
        match error.into() {
            LogError::Sqlite(error)
                if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
            {
                Self::TooBroad
            }
            error => Self::Log(error),
        }
    }
}

impl OpenIndex {
    /// # Errors
    /// Also where it follows another log, or is ahead of this one, whose last event is `last`: the log was
    /// torn off, or exchanged.
    fn open(path: &Path, log: LogId, last: u64) -> Result<Self, LogError> {
        let connection = sqlite_file::open(path, &FORMAT)?;
        let (applied, expired, of): (i64, i64, Option<Vec<u8>>) =
            connection.query_row("SELECT event, expired, log FROM applied", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let (applied, expired) = (applied.cast_unsigned(), expired.cast_unsigned());
        match of {
            None if applied == 0 => {
                connection.execute("UPDATE applied SET log = ?1", [log.0])?;
            }
            Some(of) if of == log.0 && applied <= last => {}
            None | Some(_) => return Err(LogError::OtherLog),
        }
        let is_late = Arc::new(AtomicBool::new(false));
        Ok(Self { connection, applied, expired, is_late })
    }

    /// Takes up the next events, if there are any. The last one is number `last`, or was.
    fn take_up(&mut self, log: &mut dyn LogReader, last: u64) -> Result<(), LogError> {
        let events = log.tail(self.applied + 1, BATCH_EVENTS)?;
        let last = events.last().map_or(last, |event| event.number);
        if last <= self.applied {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        {
            let mut statements = Statements::prepare(&transaction)?;
            for Numbered { number, event } in &events {
                statements.take_up(*number, event)?;
            }
            transaction.execute("UPDATE applied SET event = ?1", [last.cast_signed()])?;
        }
        transaction.commit()?;
        self.applied = last;
        Ok(())
    }

    /// Forgets the messages up to that event, or the next of them.
    fn forget(&mut self, expired: u64) -> Result<CaughtUp, LogError> {
        // What is not taken up yet is gone when it would be.
        let wanted = expired.min(self.applied);
        let until = wanted.min(self.expired + BATCH_EVENTS as u64);
        if until > self.expired {
            let range = [self.expired.cast_signed(), until.cast_signed()];
            let transaction = self.connection.transaction()?;
            for table in ["words", "parts"] {
                let delete = format!("DELETE FROM {table} WHERE rowid > ?1 AND rowid <= ?2");
                transaction.execute(&delete, range)?;
            }
            transaction.execute("UPDATE applied SET expired = ?1", [until.cast_signed()])?;
            transaction.commit()?;
            self.expired = until;
            expiry::give_pages_back(&self.connection)?;
        }
        Ok(if until < wanted { CaughtUp::InPart } else { CaughtUp::All })
    }

    /// The latest events before `before` that somebody may read and that hold all terms.
    fn find(
        &mut self,
        terms: &Terms,
        reader: &Reader,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, SearchError> {
        self.look_at_the_clock()?;
        let found = self.find_at_leisure(terms, reader, before, limit);
        // Taking up takes as long as it takes.
        self.connection.progress_handler(STEPS_PER_LOOK, None::<fn() -> bool>)?;
        found
    }

    fn find_at_leisure(
        &self,
        terms: &Terms,
        reader: &Reader,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, SearchError> {
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut events = Vec::new();
        for (table, expression) in [("words", terms.words(reader)), ("parts", terms.parts(reader))]
        {
            let Some(expression) = expression else { continue };
            let mut select = self.connection.prepare(&format!(
                "SELECT rowid FROM {table} WHERE {table} MATCH ?1 AND rowid < ?2
                 ORDER BY rowid DESC LIMIT ?3"
            ))?;
            let rows = select.query_map((expression, before, limit), |row| row.get::<_, i64>(0))?;
            for row in rows {
                events.push(row?.cast_unsigned());
            }
        }
        events.sort_unstable_by_key(|event| std::cmp::Reverse(*event));
        events.dedup();
        events.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(events)
    }

    /// From now on a statement that takes longer than anybody's patience is broken off.
    fn look_at_the_clock(&mut self) -> Result<(), LogError> {
        let until = Instant::now() + PATIENCE;
        let is_late = Arc::clone(&self.is_late);
        let look = move || is_late.load(Ordering::Relaxed) || Instant::now() > until;
        Ok(self.connection.progress_handler(STEPS_PER_LOOK, Some(look))?)
    }
}

/// What taking up takes, prepared once for a transaction.
struct Statements<'t> {
    words: Statement<'t>,
    parts: Statement<'t>,
}

impl<'t> Statements<'t> {
    fn prepare(transaction: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        let insert = |table| {
            transaction
                .prepare(&format!("INSERT INTO {table} (rowid, who, text) VALUES (?1, ?2, ?3)"))
        };
        Ok(Self { words: insert("words")?, parts: insert("parts")? })
    }

    fn take_up(&mut self, number: u64, event: &Event) -> rusqlite::Result<()> {
        let Event::MessageSent(message) = event else { return Ok(()) };
        let readers = match &message.to {
            Destination::Lobby => terms::EVERYBODY.to_owned(),
            Destination::Person(receiver) => {
                terms::people(message.from.identity, receiver.identity)
            }
            Destination::Room(room) => terms::room(room.id),
        };
        let number = number.cast_signed();
        self.words.execute((number, &readers, terms::apart(&message.text)))?;
        self.parts.execute((number, &readers, &message.text))?;
        Ok(())
    }
}

/// What the reader of a message calls its conversation.
fn seen_by(reader: Identity, message: &MessageSent) -> Conversation {
    match &message.to {
        Destination::Lobby => Conversation::lobby(),
        Destination::Room(room) => Conversation::Room(room.name.spelling.clone()),
        Destination::Person(to) if message.from.identity == reader => {
            Conversation::User(to.name.clone())
        }
        Destination::Person(_) => Conversation::User(message.from.name.clone()),
    }
}

#[cfg(test)]
mod tests;
