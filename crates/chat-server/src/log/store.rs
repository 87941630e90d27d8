//! The log in an SQLite file: one row an event. A commit is on the disk when it returns (WAL,
//! `synchronous=FULL`).

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use crate::log::event::Event;
use crate::log::sqlite_file::{self, Format};
use crate::log::{AppendError, Expiry, Log, LogError, LogId, LogReader, Numbered, expiry};

/// File name of the log in the data folder.
pub const FILE_NAME: &str = "log.db";

/// Events that are read at once to be checked.
const CHECK_EVENTS: usize = 1024;

const FORMAT: Format = Format {
    // "sclg"
    application_id: 0x7363_6c67,
    version: 1,
    schema: "CREATE TABLE events (number INTEGER PRIMARY KEY, event BLOB NOT NULL) STRICT",
    synchronous: "FULL",
};

/// Beside the events, in files of earlier versions from their next start on.
const IDENTITY: &str = "
    CREATE TABLE IF NOT EXISTS identity (log BLOB NOT NULL) STRICT;
    INSERT INTO identity SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM identity);";

/// The log of a data folder. One process at a time has it: see [`crate::log::start`].
pub struct SqliteLog {
    path: PathBuf,
    connection: Connection,
    id: LogId,
    last: u64,
}

impl SqliteLog {
    /// Opens the log of the folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`LogError`]; nothing is changed then.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let path = folder.join(FILE_NAME);
        let mut connection = sqlite_file::open(&path, &FORMAT)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(IDENTITY)?;
        transaction.execute_batch(expiry::SCHEMA)?;
        transaction.commit()?;
        // What is removed is not to be found in the file any more.
        connection.pragma_update(None, "secure_delete", "ON")?;
        let id = id(&connection)?;
        let last = last(&connection)?;
        Ok(Self { path, connection, id, last })
    }

    /// Makes it another log than the one that it was: to be called when a backup is put back. Clients
    /// then forget what they know of its numbers, and the history is made anew.
    ///
    /// # Errors
    /// [`LogError`]; it is what it was then.
    pub fn renew_id(&mut self) -> Result<(), LogError> {
        self.connection.execute("UPDATE identity SET log = randomblob(16)", [])?;
        self.id = id(&self.connection)?;
        Ok(())
    }

    fn append_all(&mut self, batch: &[Event]) -> rusqlite::Result<u64> {
        let transaction = self.connection.transaction()?;
        let mut number = self.last;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2)")?;
            for event in batch {
                number += 1;
                insert.execute((number.cast_signed(), event.encode()))?;
            }
        }
        transaction.commit()?;
        Ok(number)
    }

    fn expire_next(&mut self, before_ms: i64) -> Result<Expiry, LogError> {
        let expired = expiry::expired(&self.connection)?;
        let next = tail(&self.connection, expired + 1, expiry::SLICE_EVENTS)?;
        expiry::expire(&mut self.connection, &next, before_ms)
    }

    /// Has the file grow no further than this, as if the disk were full.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        self.connection.pragma_update(None, "max_page_count", pages).unwrap();
    }
}

impl Log for SqliteLog {
    fn id(&self) -> LogId {
        self.id
    }

    fn append(&mut self, batch: &[Event]) -> Result<u64, AppendError> {
        // Dropped without commit, a transaction is rolled back: all or nothing.
        let number = self.append_all(batch).map_err(|error| refused(error.into()))?;
        self.last = number;
        Ok(number)
    }

    fn expire(&mut self, before_ms: i64) -> Result<Expiry, AppendError> {
        self.expire_next(before_ms).map_err(refused)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        let connection = sqlite_file::open_to_read(&self.path)?;
        Ok(Box::new(SqliteLogReader { connection }))
    }
}

fn refused(error: LogError) -> AppendError {
    match error {
        LogError::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            AppendError::Full
        }
        error => AppendError::Failed(error.to_string()),
    }
}

/// Reads the log beside its writer; neither waits for the other.
struct SqliteLogReader {
    connection: Connection,
}

impl LogReader for SqliteLogReader {
    fn last(&mut self) -> Result<u64, LogError> {
        Ok(last(&self.connection)?)
    }

    fn tail(&mut self, from: u64, limit: usize) -> Result<Vec<Numbered>, LogError> {
        tail(&self.connection, from, limit)
    }

    fn expired(&mut self) -> Result<u64, LogError> {
        Ok(expiry::expired(&self.connection)?)
    }
}

fn tail(connection: &Connection, from: u64, limit: usize) -> Result<Vec<Numbered>, LogError> {
    let mut select = connection.prepare_cached(
        "SELECT number, event FROM events WHERE number >= ?1 ORDER BY number LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query((from.cast_signed(), limit))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(0)?.cast_unsigned();
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let event = Event::decode(bytes).map_err(|error| LogError::Event { number, error })?;
        events.push(Numbered { number, event });
    }
    Ok(events)
}

/// Another way to the log of a folder that a server may be running on, for reading alone.
///
/// # Errors
/// [`LogError`], also where there is none.
pub(crate) fn open_to_read(folder: &Path) -> Result<impl LogReader, LogError> {
    let connection = sqlite_file::open_to_read(&folder.join(FILE_NAME))?;
    sqlite_file::recognise(&connection, &FORMAT)?;
    Ok(SqliteLogReader { connection })
}

/// Writes the log of a folder to a file that is empty or missing, as it is at one moment; neither a writer nor
/// a reader waits for it. It is not on the disk yet.
///
/// # Errors
/// [`LogError`].
pub(crate) fn copy(folder: &Path, to: &Path) -> Result<(), LogError> {
    let connection = sqlite_file::open_to_read(&folder.join(FILE_NAME))?;
    sqlite_file::recognise(&connection, &FORMAT)?;
    let to = to.to_str().ok_or(std::io::Error::from(std::io::ErrorKind::InvalidFilename))?;
    connection.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// Reads all of a folder's log; the number of its last event.
///
/// # Errors
/// The first thing that is not as it must be.
pub(crate) fn check(folder: &Path) -> Result<u64, LogError> {
    let path = folder.join(FILE_NAME);
    let connection = sqlite_file::open_to_read(&path)?;
    sqlite_file::recognise(&connection, &FORMAT)?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(LogError::Corrupt(found));
    }
    let mut log = SqliteLogReader { connection };
    let (last, expired) = (log.last()?, log.expired()?);
    let mut next = 1;
    loop {
        let events = log.tail(next, CHECK_EVENTS)?;
        for event in &events {
            // Up to there numbers may be missing.
            if event.number > next.max(expired + 1) {
                return Err(LogError::Damaged { number: next.max(expired + 1) });
            }
            next = event.number + 1;
        }
        if events.is_empty() {
            let is_whole = next.max(expired + 1) > last;
            return if is_whole { Ok(last) } else { Err(LogError::Damaged { number: next }) };
        }
    }
}

fn id(connection: &Connection) -> Result<LogId, LogError> {
    let id: Vec<u8> = connection.query_row("SELECT log FROM identity", [], |row| row.get(0))?;
    Ok(LogId(id.try_into().map_err(|_| LogError::Foreign)?))
}

fn last(connection: &Connection) -> rusqlite::Result<u64> {
    let last = "SELECT coalesce(max(number), 0) FROM events";
    let last = connection.query_row(last, [], |row| row.get::<_, i64>(0))?.cast_unsigned();
    // That one may be gone, and its number is not given again.
    Ok(last.max(expiry::expired(connection)?))
}
