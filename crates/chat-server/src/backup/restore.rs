//! Makes a data folder of a backup that is as it was written.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::backup::manifest::{self, Entry, Manifest};
use crate::backup::{BackupError, Unfinished, parent};
use crate::log::store::{self, SqliteLog};

/// Makes the data folder `data`, which must be missing or empty, of the backup `source`. The number of
/// events in it.
///
/// # Errors
/// [`BackupError`]; there is nothing at `data` then that was not there before.
pub fn restore(source: &Path, data: &Path) -> Result<u64, BackupError> {
    let manifest = read_manifest(source)?;
    let damaged = |problem: String| BackupError::Damaged { path: source.into(), problem };
    std::fs::create_dir_all(parent(data)).map_err(BackupError::io(parent(data)))?;
    let unfinished = Unfinished::beside(data)?;
    let mut seen = BTreeSet::new();
    for entry in &manifest.files {
        if !seen.insert(&entry.name) {
            return Err(damaged(format!("{} is in it twice", entry.name)));
        }
        copy(source, &unfinished, entry)?;
        // The copy, not what it was made of: that may change meanwhile.
        let found = Entry::of(&unfinished.folder, &entry.name)?;
        if found != *entry {
            return Err(damaged(format!("{} is not as it was written", entry.name)));
        }
    }
    let log = unfinished.folder.join(store::FILE_NAME);
    let events = store::check(&unfinished.folder).map_err(BackupError::log(&log))?;
    if events != manifest.events {
        return Err(damaged(format!("{events} events instead of {}", manifest.events)));
    }
    // Closed, it is one file again, and on the disk.
    SqliteLog::open(&unfinished.folder)
        .and_then(|mut log| log.renew_id())
        .map_err(BackupError::log(&log))?;
    unfinished.finish(data)?;
    Ok(events)
}

fn read_manifest(source: &Path) -> Result<Manifest, BackupError> {
    let path = source.join(manifest::FILE_NAME);
    let damaged = |problem: String| BackupError::Damaged { path: source.into(), problem };
    let mut text = Vec::new();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(damaged(format!("there is no {}", manifest::FILE_NAME)));
        }
        file => file.map_err(BackupError::io(&path))?,
    };
    file.take(manifest::BYTES_MAX).read_to_end(&mut text).map_err(BackupError::io(&path))?;
    Manifest::parse(&text).map_err(damaged)
}

/// Copies one file, no further than it is said to go.
fn copy(source: &Path, unfinished: &Unfinished, entry: &Entry) -> Result<(), BackupError> {
    let (from, to) = (source.join(&entry.name), unfinished.folder.join(&entry.name));
    let file = File::open(&from).map_err(BackupError::io(&from))?;
    let mut options = OpenOptions::new();
    let copied = options.write(true).create_new(true).mode(0o600).open(&to).and_then(|mut copy| {
        io::copy(&mut file.take(entry.bytes.saturating_add(1)), &mut copy)?;
        copy.sync_all()
    });
    copied.map_err(BackupError::io(&to))
}
