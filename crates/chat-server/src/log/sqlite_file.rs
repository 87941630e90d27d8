//! What all of the server's SQLite files have in common: whose they are, of which format, who may read
//! them, and how they are opened.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::log::LogError;

/// How long one connection waits for another one's lock: only opening ever meets one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Which file it is to be.
pub(crate) struct Format {
    /// In the file's header: what tells it from any other SQLite file.
    pub(crate) application_id: i32,
    /// The latest format of it, from 1.
    pub(crate) version: i32,
    /// Makes it from nothing.
    pub(crate) schema: &'static str,
    /// `FULL` where a commit must outlive a power cut, `NORMAL` where the file can be made anew.
    pub(crate) synchronous: &'static str,
}

/// Opens a file, which is made if it is not there, for its owner alone.
///
/// # Errors
/// Where it is some other file, of another format, or cannot be opened.
pub(crate) fn open(path: &Path, format: &Format) -> Result<Connection, LogError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if let Some(folder) = path.parent() {
        // That the file is there has to outlive a power cut as well.
        File::open(folder)?.sync_all()?;
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    claim(&mut connection, format).map_err(|error| match error {
        LogError::Sqlite(error) if is_no_database(&error) => LogError::Foreign,
        error => error,
    })?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", format.synchronous)?;
    Ok(connection)
}

/// Opens a file that is there, and may be open elsewhere, to read it.
///
/// # Errors
/// SQLite's.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, LogError> {
    Ok(connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Looks whose file it is; an empty one becomes ours.
fn claim(connection: &mut Connection, format: &Format) -> Result<(), LogError> {
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (stamp(connection)?, tables) == ((0, 0), 0) {
        // So that room which is not needed any more can be given back. It counts for an empty file only.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(format.schema)?;
        transaction.pragma_update(None, "application_id", format.application_id)?;
        transaction.pragma_update(None, "user_version", format.version)?;
        return Ok(transaction.commit()?);
    }
    recognise(connection, format)
}

/// Application id and format of a file.
fn stamp(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    Ok((number("application_id")?, number("user_version")?))
}

/// Looks whether it is a file of ours that this version reads.
///
/// # Errors
/// [`LogError::Foreign`], [`LogError::Newer`], [`LogError::Older`], or SQLite's.
pub(crate) fn recognise(connection: &Connection, format: &Format) -> Result<(), LogError> {
    let (application_id, version) = match stamp(connection) {
        Err(error) if is_no_database(&error) => return Err(LogError::Foreign),
        stamp => stamp?,
    };
    if application_id != format.application_id || version < 1 {
        return Err(LogError::Foreign);
    }
    if version > format.version {
        return Err(LogError::Newer { found: version, known: format.version });
    }
    // There is nothing yet that an earlier format could be brought forward from.
    if version < format.version {
        return Err(LogError::Older { found: version, known: format.version });
    }
    Ok(())
}

fn is_no_database(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::NotADatabase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format =
        Format { application_id: 7, version: 2, schema: "CREATE TABLE t (x)", synchronous: "FULL" };

    #[test]
    fn a_file_of_another_format_is_told_from_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        open(&path, &FORMAT).unwrap();
        open(&path, &FORMAT).unwrap();
        let found = |version| open(&path, &Format { version, ..FORMAT }).unwrap_err();
        assert!(matches!(found(1), LogError::Newer { found: 2, known: 1 }));
        assert!(matches!(found(3), LogError::Older { found: 2, known: 3 }));
        let other = Format { application_id: 8, ..FORMAT };
        assert!(matches!(open(&path, &other), Err(LogError::Foreign)));
    }

    /// What is acknowledged outlives a power cut only so.
    #[test]
    fn commits_wait_for_the_disk_where_the_format_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for (synchronous, level) in [("FULL", 2), ("NORMAL", 1)] {
            let format = Format { synchronous, ..FORMAT };
            let file = open(&folder.path().join(synchronous), &format).unwrap();
            let set = |name: &str| file.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            assert_eq!(set("synchronous").unwrap(), level);
            let mode = file.pragma_query_value(None, "journal_mode", |row| row.get(0));
            assert_eq!(mode, Ok("wal".to_owned()));
        }
    }
}
