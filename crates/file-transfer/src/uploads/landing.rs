//! From part to file: checked, safely on disk, and then there for everybody in one step.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, OFlags, fsync, statat};
use rustix::io::Errno;

use super::part::Part;
use super::record::{Record, Stored};
use super::{Settled, StoredUpload, UploadError, UploadHandle, UploadStore, folder_of};
use crate::file_path::FilePath;
use crate::part_file::folder::rename_to_new;
use crate::part_file::names;

/// How many names are tried, `NAME`, `NAME (1)` and so on.
const NAMES_MAX: u32 = 10_000;

impl UploadStore {
    /// The client has sent everything, and this is the hash of it: checks what is on disk, and gives it
    /// its name if it is the same. Blocks for the hashing and for the disk. Asked again, it says the
    /// same again.
    ///
    /// # Errors
    /// If the disk fails; what there is stays then, and it may be tried again. If the server goes down.
    pub fn settle(&self, upload: &UploadHandle, root: &[u8; 32]) -> Result<Settled, UploadError> {
        let part = &upload.part;
        let _turn = part.settling();
        if let Some(stored) = part.stored() {
            if stored.root != *root {
                return Err(UploadError::Gone);
            }
            return self.confirm(part, stored);
        }
        let missing = part.end_sessions();
        if missing > 0 {
            return Ok(Settled::Incomplete { missing });
        }
        if part.hash(&self.stopped).map_err(UploadError::disk)? != Some(*root) {
            return Ok(Settled::Differs);
        }
        part.sync().map_err(UploadError::disk)?;
        let stored = self.land(upload, root)?;
        self.records.remove_marks(upload.id);
        self.confirm(part, stored)
    }

    /// The file has its name. Only when that is safely on disk the client may forget it.
    fn confirm(&self, part: &Part, stored: Stored) -> Result<Settled, UploadError> {
        part.set_stored(stored.clone());
        let Stored { path, root } = stored;
        #[cfg(test)]
        part.faults.strike_name().map_err(UploadError::disk)?;
        self.sync_name(&path)?;
        Ok(Settled::Stored(StoredUpload { path, root }))
    }

    /// Brings a file's name safely to disk. Asked again after a failure, this is all that is repeated.
    pub(super) fn sync_name(&self, path: &FilePath) -> Result<(), UploadError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let folder = match folder_of(path) {
            "" => ".",
            folder => folder,
        };
        match self.files.open_at(folder, flags) {
            Ok(folder) => fsync(&folder).map_err(|errno| UploadError::disk(errno.into())),
            // Somebody has moved it since: it was there, and where it is now is their business.
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn land(&self, upload: &UploadHandle, root: &[u8; 32]) -> Result<Stored, UploadError> {
        // Of two that need the same new folder, one that fails does not take it from the other.
        let _turn = self.turn();
        let record = self.state().ledger.record(upload.id).cloned().ok_or(UploadError::Gone)?;
        if !upload.part.is_named() {
            // Somebody moved or replaced it: what has that name is not what was checked.
            return Err(UploadError::Gone);
        }
        let place = self.files.make_folder(folder_of(&record.path))?;
        let landed = self.land_in(place.folder(), upload, &record, root);
        if landed.is_err() {
            place.unmake();
        }
        landed
    }

    fn land_in(
        &self,
        folder: &OwnedFd,
        upload: &UploadHandle,
        record: &Record,
        root: &[u8; 32],
    ) -> Result<Stored, UploadError> {
        for number in 0..NAMES_MAX {
            let path = numbered_path(&record.path, number)?;
            let stored = Stored { path, root: *root };
            if self.try_name(folder, upload, record, &stored)? {
                return Ok(stored);
            }
        }
        Err(UploadError::Disk(Errno::EXIST.into()))
    }

    /// Gives the part this name, if nothing has it; says whether.
    fn try_name(
        &self,
        folder: &OwnedFd,
        upload: &UploadHandle,
        record: &Record,
        stored: &Stored,
    ) -> Result<bool, UploadError> {
        let name = stored.path.base_name();
        if statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(false);
        }
        // The record first: after a crash the file's inode tells whether the rename was reached.
        let landed = Record { stored: Some(stored.clone()), ..record.clone() };
        self.records.save(upload.id, &landed).map_err(UploadError::disk)?;
        let part_name: &OsStr = upload.part.name().as_ref();
        let renamed = rename_to_new((upload.part.folder(), part_name), (folder, name.as_ref()));
        if renamed.is_err() {
            self.records.save(upload.id, record).map_err(UploadError::disk)?;
        }
        match renamed {
            Ok(()) => {
                self.state().ledger.insert(upload.id, landed);
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// `folder/NAME.EXT`, `folder/NAME (1).EXT` …
fn numbered_path(path: &FilePath, number: u32) -> Result<FilePath, UploadError> {
    let name = names::numbered(path.base_name().as_ref(), number);
    // A path in Unicode is cut between characters only.
    let name = name.to_str().ok_or(UploadError::Hidden)?;
    Ok(match folder_of(path) {
        "" => FilePath::parse(name)?,
        folder => FilePath::parse(&format!("{folder}/{name}"))?,
    })
}
