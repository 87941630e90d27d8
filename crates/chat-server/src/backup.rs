//! Copies of a data folder: `chat-server backup` makes one while the server runs, `restore` makes a data
//! folder of it.
//!
//! A backup is a folder: the log as it was at one moment, the keys, and a [`manifest`] with the sums of them
//! all. It gets its name when it is complete. What can be made anew, the history, is not in it.

mod manifest;

mod restore;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use file_transfer::tls_identity;

use crate::join_password;
use crate::log::LogError;
use crate::log::store;
use crate::server::TICKET_KEY_FILE;
use crate::token_key;

use crate::backup::manifest::{Entry, Manifest};

pub use crate::backup::restore::restore;

/// What a backup holds beside the log. A server with a certificate of the operator's own has no `tls-*.pem`.
const KEY_FILES: [&str; 5] = [
    tls_identity::KEY_FILE,
    tls_identity::CERTIFICATE_FILE,
    TICKET_KEY_FILE,
    token_key::FILE_NAME,
    join_password::FILE_NAME,
];

/// Longest key or certificate file that is copied.
const KEY_FILE_BYTES_MAX: u64 = 1 << 20;

/// Why there is no backup, or no data folder of one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something where the copy would be.
    #[error("{}: there is something already, and it stays as it is", .0.display())]
    Occupied(PathBuf),
    /// There is nothing to copy.
    #[error("{}: no {} in it, so this is no data folder", .0.display(), store::FILE_NAME)]
    NoData(PathBuf),
    /// Not everything is there as it was written.
    #[error("{}: this backup cannot be used: {problem}", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The log.
    #[error("{}: {error}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: LogError,
    },
    /// The system's word.
    #[error("{}: {error}", path.display())]
    Io {
        /// About what.
        path: PathBuf,
        /// The word.
        error: io::Error,
    },
}

impl BackupError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { path: path.into(), error }
    }

    fn log(path: &Path) -> impl FnOnce(LogError) -> Self {
        move |error| Self::Log { path: path.into(), error }
    }
}

/// Copies the data folder `data` to `target`, which must be missing or an empty folder; a server may run on
/// `data` meanwhile. Whatever it had acknowledged before this began is in the copy. The number of events.
///
/// # Errors
/// [`BackupError`]; there is nothing at `target` then that was not there before.
pub fn back_up(data: &Path, target: &Path) -> Result<u64, BackupError> {
    if !data.join(store::FILE_NAME).is_file() {
        return Err(BackupError::NoData(data.into()));
    }
    let unfinished = Unfinished::beside(target)?;
    let mut entries = Vec::new();
    for name in KEY_FILES {
        if let Some(bytes) = read_if_there(&data.join(name))? {
            unfinished.write(name, &bytes)?;
            entries.push(name);
        }
    }
    let log = unfinished.folder.join(store::FILE_NAME);
    // SQLite writes into a file that is there and empty, and leaves its mode as it is.
    unfinished.write(store::FILE_NAME, &[])?;
    store::copy(data, &log).map_err(BackupError::log(&data.join(store::FILE_NAME)))?;
    File::open(&log).and_then(|file| file.sync_all()).map_err(BackupError::io(&log))?;
    let events = store::check(&unfinished.folder).map_err(BackupError::log(&log))?;
    entries.push(store::FILE_NAME);
    let entries = entries.into_iter().map(|name| Entry::of(&unfinished.folder, name));
    let files = entries.collect::<Result<_, _>>()?;
    unfinished.write(manifest::FILE_NAME, Manifest { events, files }.to_text().as_bytes())?;
    unfinished.finish(target)?;
    Ok(events)
}

/// A folder that gets its name when everything is in it, and goes if that does not happen.
struct Unfinished {
    folder: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    /// Makes it beside `target`, so that it can be renamed.
    fn beside(target: &Path) -> Result<Self, BackupError> {
        if !is_free(target).map_err(BackupError::io(target))? {
            return Err(BackupError::Occupied(target.into()));
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let folder = parent(target).join(format!(".{name}.{}.new", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).map_err(BackupError::io(&folder))?;
        Ok(Self { folder, is_finished: false })
    }

    /// Adds a file for its owner alone.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(BackupError::io(&path))
    }

    /// Gives it its name. That replaces an empty folder, and nothing else.
    fn finish(mut self, target: &Path) -> Result<(), BackupError> {
        let synced = |folder: &Path| {
            File::open(folder).and_then(|file| file.sync_all()).map_err(BackupError::io(folder))
        };
        synced(&self.folder)?;
        std::fs::rename(&self.folder, target).map_err(BackupError::io(target))?;
        self.is_finished = true;
        synced(parent(target))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // Nobody has been told of it.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Whether nothing would be lost there: it is missing, or an empty folder.
fn is_free(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(metadata) => Ok(metadata.is_dir() && std::fs::read_dir(path)?.next().is_none()),
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(BackupError::io(path))?,
    };
    let mut bytes = Vec::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(BackupError::io(path))?;
    Ok(Some(bytes))
}

/// The folder that a path is in; the current one for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
