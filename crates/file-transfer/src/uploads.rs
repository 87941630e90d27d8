//! Files that clients send: parts under way, how much each user has, and the moment when a file
//! appears.
//!
//! An upload is written to a part as near to its later place as there are folders, under a name that is
//! never listed nor sent ([`PartId`]). Folders are made for a file that is whole, not before. When its
//! client says what the hash of the whole is, and that is the hash of what is on disk, the part is brought
//! safely to disk and renamed, never over something that is there and never through a link. What the
//! server remembers of each ([`record`]) lies in its data folder and outlives it, so quota does too.
//! Everything here may wait for the disk: call it from a thread that may block.
//!
//! * [`ledger`]: who has how much; pure
//! * [`part`]: one part on disk, with [`piece_marks`] to go on after a restart
//! * [`home`]: where a part lies, and what is left of it; [`free_space`]: of the disk
//! * [`records`]: what is remembered; [`landing`]: from part to file

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use rustix::fs::{OFlags, fstat};
use tokio_util::sync::CancellationToken;

use crate::catalogue::beneath::Beneath;
use crate::catalogue::scan::is_offered;
use crate::file_path::FilePath;
use crate::file_version::FileVersion;
use crate::piece_hashes::PieceHash;
use crate::ticket::Grant;

mod error;
mod free_space;
mod home;
mod landing;
mod ledger;
mod part;
mod part_id;
mod piece_marks;
mod record;
mod records;

pub use error::UploadError;
pub use part_id::PartId;

use free_space::{FREE_BYTES_MIN, FreeSpace};
use ledger::{Ledger, Over};
use part::Part;
pub(crate) use part::PartWriter;
use record::{Record, Stored};
use records::Records;

/// How many folders deep an upload may go: more than anybody's tree has, and a bound on what a single
/// file of no bytes can make.
const FOLDERS_DEEP_MAX: usize = 32;

/// Name of the folder in the server's data folder.
const RECORDS_FOLDER: &str = "uploads";

/// What may be uploaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadRules {
    /// Where uploads go, below the offered folder. `None`: anywhere in it.
    pub folder: Option<FilePath>,
    /// Bytes that one user's uploads may have together, unfinished ones included. A file counts as long
    /// as it is where it was put.
    pub quota_bytes_per_user: u64,
    /// Largest file.
    pub file_bytes_max: u64,
    /// After so long without a byte an unfinished upload is removed.
    pub parts_kept: Duration,
}

/// What a client wants to upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UploadWish {
    /// Whose quota it counts in. One line.
    pub user: String,
    /// The client's name for this attempt, kept over every repetition of it.
    pub attempt: [u8; 16],
    /// What it is to be called, below [`UploadRules::folder`].
    pub path: FilePath,
    /// The client's file.
    pub version: FileVersion,
}

/// A file that was uploaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredUpload {
    /// Where it is: not always what was asked for.
    pub path: FilePath,
    /// BLAKE3 of it.
    pub root: [u8; 32],
}

/// What came of asking to upload.
#[derive(Debug)]
pub enum Begun {
    /// Bytes are to be sent.
    Part(UploadHandle),
    /// This very attempt was complete already; its client did not hear of it.
    Stored(StoredUpload),
}

/// What came of a client's word that everything is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settled {
    /// The file is there for everybody.
    Stored(StoredUpload),
    /// Bytes are missing.
    Incomplete {
        /// How many.
        missing: u64,
    },
    /// All bytes are there, and they are not what the client has.
    Differs,
}

/// All uploads to one folder.
#[derive(Debug)]
pub struct UploadStore {
    files: Beneath,
    records: Records,
    rules: UploadRules,
    free_space: FreeSpace,
    /// Nothing is checked any more.
    stopped: CancellationToken,
    /// Held while an upload begins, gets its name or is removed, after the part's own turn: two that go
    /// for the same room or the same folder do not both get it.
    changing: Mutex<()>,
    /// Held for look-ups only, never while the disk is asked.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    /// Parts that somebody holds.
    open: HashMap<PartId, Weak<Part>>,
}

/// An upload under way. What it is kept open by: when all are dropped its part is closed, and stays.
#[derive(Clone, Debug)]
pub struct UploadHandle {
    id: PartId,
    path: FilePath,
    part: Arc<Part>,
}

impl UploadHandle {
    /// The path of the part, which the ticket names.
    #[must_use]
    pub fn part_path(&self) -> &FilePath {
        &self.path
    }

    /// What its disk is to do wrong.
    #[cfg(test)]
    pub(crate) fn faults(&self) -> &part::DiskFaults {
        &self.part.faults
    }

    /// Bytes that need not be sent again.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.part.kept()
    }
}

impl UploadStore {
    /// Uploads to the folder `files`, remembered in the folder `data`.
    ///
    /// # Errors
    /// If a folder cannot be used.
    pub fn open(files: &Path, data: &Path, rules: UploadRules) -> io::Result<Self> {
        let files = Beneath::open(files)?;
        let records = Records::open(data.join(RECORDS_FOLDER))?;
        let store = Self {
            files,
            records,
            rules,
            free_space: FreeSpace::default(),
            stopped: CancellationToken::new(),
            changing: Mutex::default(),
            state: Mutex::default(),
        };
        for (id, record) in store.records.load()? {
            let (path, is_new) = (record.path.clone(), record.inode == 0);
            match store.as_found(id, record) {
                Some(record) => store.state().ledger.insert(id, record),
                None => {
                    if is_new {
                        // The server ended right after it had made the part.
                        store.remove_part(id, &path, |_| true);
                    }
                    store.records.remove(id);
                }
            }
        }
        Ok(store)
    }

    /// What may be uploaded.
    #[must_use]
    pub fn rules(&self) -> &UploadRules {
        &self.rules
    }

    /// Ends what takes long, the checking of large parts: the server goes down. They stay as they are.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// Makes or finds the part of an upload.
    ///
    /// # Errors
    /// Which rule or which disk is against it; nothing has changed then.
    pub fn begin(&self, wish: &UploadWish) -> Result<Begun, UploadError> {
        let size = wish.version.size;
        if size > self.rules.file_bytes_max {
            return Err(UploadError::TooLarge { allowed: self.rules.file_bytes_max });
        }
        let path = self.place_of(&wish.path)?;
        let _turn = self.turn();
        self.forget_vanished(&wish.user);
        let stored = self.state().ledger.stored_by(&wish.user, &wish.attempt).cloned();
        if let Some(Stored { path, root }) = stored {
            self.sync_name(&path)?;
            return Ok(Begun::Stored(StoredUpload { path, root }));
        }
        let known = self.state().ledger.part_of(&wish.user, &path, wish.version);
        match known {
            Some(id) => self.go_on(id, wish.attempt),
            None => self.begin_anew(wish, path),
        }
        .map(Begun::Part)
    }

    /// Where a file of this name goes.
    fn place_of(&self, path: &FilePath) -> Result<FilePath, UploadError> {
        let path = match &self.rules.folder {
            Some(folder) => folder.join(path.as_str())?,
            None => path.clone(),
        };
        match &path {
            path if !is_offered(path) => Err(UploadError::Hidden),
            path if ledger::folders_of(path).count() > FOLDERS_DEEP_MAX => Err(UploadError::Folder),
            _ => Ok(path),
        }
    }

    fn begin_anew(&self, wish: &UploadWish, path: FilePath) -> Result<UploadHandle, UploadError> {
        let size = wish.version.size;
        let quota = self.rules.quota_bytes_per_user;
        self.state().ledger.room_for(&wish.user, &path, size, quota).map_err(
            |over| match over {
                Over::Bytes { left } => UploadError::Quota { left },
                Over::Files { allowed } => UploadError::TooManyFiles { allowed },
                Over::Folders => UploadError::TooManyFolders,
            },
        )?;
        let id = PartId::random();
        // Before anything is made, so that a path that is too long leaves nothing behind.
        id.part_path(folder_of(&path))?;
        let record = Record {
            user: wish.user.clone(),
            attempt: wish.attempt,
            path,
            version: wish.version,
            inode: 0,
            stored: None,
        };
        // The record first: a part without one would never be removed.
        self.records.save(id, &record).map_err(UploadError::Disk)?;
        self.state().ledger.insert(id, record.clone());
        let opened = self.open_part(id, record);
        if opened.is_err() {
            self.forget(id);
        }
        opened
    }

    fn go_on(&self, id: PartId, attempt: [u8; 16]) -> Result<UploadHandle, UploadError> {
        let record = self.state().ledger.record(id).cloned().ok_or(UploadError::Gone)?;
        self.open_part(id, Record { attempt, ..record })
    }

    /// Opens the part of a record, or takes the one that is open, and remembers the record with it.
    fn open_part(&self, id: PartId, mut record: Record) -> Result<UploadHandle, UploadError> {
        let home = self.home_of(id, &record.path)?;
        let path = home.part_path;
        let open = self.state().open.get(&id).and_then(Weak::upgrade);
        let part = match open.filter(|part| part.is_named()) {
            Some(part) => part,
            None => {
                let size = record.version.size;
                let marks = self.records.marks(id);
                let free = self.free_space.clone();
                let part =
                    Part::open(home.folder, id.part_name(), record.inode, size, &marks, free);
                Arc::new(part.map_err(UploadError::disk)?)
            }
        };
        let is_new = record.inode == 0;
        record.inode = part.inode();
        let ready = self
            .check_space(&part, record.version.size)
            .and_then(|()| self.records.save(id, &record).map_err(UploadError::disk));
        if ready.is_err() && is_new {
            part.remove();
        }
        ready?;
        let mut state = self.state();
        state.ledger.insert(id, record);
        state.open.retain(|_, part| part.strong_count() > 0);
        state.open.insert(id, Arc::downgrade(&part));
        Ok(UploadHandle { id, path, part })
    }

    /// Says "full" now rather than after an hour. What the other uploads under way are still to get is
    /// spoken for. A file system that cannot tell is given a chance, and what lacks nothing needs no room.
    fn check_space(&self, part: &Part, size: u64) -> Result<(), UploadError> {
        if size > 0 && part.kept() >= size {
            return Ok(());
        }
        let others: Vec<Arc<Part>> = {
            let state = self.state();
            state.open.values().filter_map(Weak::upgrade).collect()
        };
        let others = others.iter().filter(|other| other.shares_disk_with(part));
        let needed = others
            .fold(size.saturating_sub(part.kept()), |sum, other| sum.saturating_add(other.lacks()))
            .saturating_add(FREE_BYTES_MIN);
        match self.free_space.bytes(part.folder()) {
            Some(free) if free < needed => Err(UploadError::DiskFull),
            _ => Ok(()),
        }
    }

    /// The right to write what a ticket is for. The session that had it loses it.
    pub(crate) fn writer(&self, grant: &Grant) -> Option<PartWriter> {
        let id = PartId::of_part(&grant.file)?;
        let state = self.state();
        // A part is written only in the state that its ticket was made for.
        state.ledger.record(id).filter(|record| record.version == grant.version)?;
        state.open.get(&id).and_then(Weak::upgrade).map(|part| part.writer())
    }

    /// Compares pieces, from `first` on, with what they should be; those that differ are missing from
    /// now on. Gives how many do.
    ///
    /// # Errors
    /// If the disk fails, the upload is over or the server goes down.
    pub fn compare(
        &self,
        upload: &UploadHandle,
        first: u64,
        expected: &[PieceHash],
    ) -> Result<u64, UploadError> {
        let _turn = upload.part.settling();
        if upload.part.stored().is_some() {
            return Err(UploadError::Gone);
        }
        upload.part.end_sessions();
        upload.part.compare(first, expected, &self.stopped).map_err(UploadError::disk)
    }

    /// The client gives an upload up: nothing of it stays.
    pub fn remove(&self, upload: &UploadHandle) {
        let _settling = upload.part.settling();
        // Who begins the same upload again meanwhile finds all of it or nothing.
        let _turn = self.turn();
        if upload.part.stored().is_none() {
            upload.part.remove();
            self.forget(upload.id);
        }
    }

    /// Removes what was not gone on with for too long; gives how many.
    pub fn sweep(&self, now: SystemTime) -> usize {
        let _turn = self.turn();
        let unfinished: Vec<(PartId, FilePath)> = {
            let State { ledger, open } = &*self.state();
            let is_open = |id| open.get(&id).is_some_and(|part| part.strong_count() > 0);
            ledger
                .iter()
                .filter(|(id, record)| record.stored.is_none() && !is_open(*id))
                .map(|(id, record)| (id, record.path.clone()))
                .collect()
        };
        let mut removed = 0;
        for (id, path) in unfinished {
            // A clock that was set back makes nothing old.
            let is_old =
                |touched| now.duration_since(touched).unwrap_or_default() >= self.rules.parts_kept;
            if self.remove_part(id, &path, is_old) {
                self.forget(id);
                removed += 1;
            }
        }
        removed
    }

    /// A record as it is after a restart; `None` if there is nothing of it any more.
    fn as_found(&self, id: PartId, mut record: Record) -> Option<Record> {
        if let Some(stored) = &record.stored
            && self.has_inode(&stored.path, record.inode)
        {
            return Some(record);
        }
        // The server ended before the rename, or the file is gone since.
        record.stored = None;
        let part = self.find_part(id, &record.path)?;
        (part.stat.st_ino == record.inode).then_some(record)
    }

    /// Files that were removed, moved or replaced count no more.
    fn forget_vanished(&self, user: &str) {
        let stored: Vec<(PartId, FilePath, u64)> = {
            let state = self.state();
            let own = state.ledger.iter().filter(|(_, record)| record.user == user);
            own.filter_map(|(id, record)| {
                Some((id, record.stored.as_ref()?.path.clone(), record.inode))
            })
            .collect()
        };
        for (id, path, inode) in stored {
            if !self.has_inode(&path, inode) {
                self.forget(id);
            }
        }
    }

    fn has_inode(&self, path: &FilePath, inode: u64) -> bool {
        let found = self.files.open_at(path.as_str(), OFlags::PATH | OFlags::NOFOLLOW);
        found.is_ok_and(|fd| fstat(&fd).is_ok_and(|stat| stat.st_ino == inode))
    }

    fn forget(&self, id: PartId) {
        let mut state = self.state();
        state.ledger.remove(id);
        state.open.remove(&id);
        drop(state);
        self.records.remove(id);
    }

    /// Waits for its turn to change what there is.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder that a path is in; empty for the uppermost.
fn folder_of(path: &FilePath) -> &str {
    path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests;
