//! Where the part of an upload lies: in the deepest folder on the way to its later place that there is.
//!
//! The later place itself may be missing. Its folders are made when the file is whole and checked
//! ([`landing`](super::landing)), so that nobody fills the tree with folders by uploads that never end,
//! and what is made below a folder is on the same file system, so that a rename can reach it.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, OFlags, Stat, statat, unlinkat};
use rustix::io::Errno;

use super::part_id::PartId;
use super::{UploadError, UploadStore, folder_of};
use crate::file_path::FilePath;

/// Where a part is, or is to be made.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: OwnedFd,
    pub(super) part_path: FilePath,
}

/// Something that has a part's name.
#[derive(Debug)]
pub(super) struct FoundPart {
    folder: OwnedFd,
    path: FilePath,
    pub(super) stat: Stat,
}

impl UploadStore {
    /// Where the part of an upload that is to become `wanted` is; where to make it, if there is none.
    pub(super) fn home_of(&self, id: PartId, wanted: &FilePath) -> Result<Home, UploadError> {
        if let Some(FoundPart { folder, path: part_path, .. }) = self.find_part(id, wanted) {
            return Ok(Home { folder, part_path });
        }
        let (folder, path) = self.files.deepest_folder(folder_of(wanted))?;
        Ok(Home { folder, part_path: id.part_path(path)? })
    }

    /// Looks for a part on the way to its later place, from there upwards: folders may have been made
    /// since it was begun.
    pub(super) fn find_part(&self, id: PartId, wanted: &FilePath) -> Option<FoundPart> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let name = id.part_name();
        let mut way = wanted.as_str();
        while !way.is_empty() {
            way = way.rsplit_once('/').map_or("", |(upper, _)| upper);
            let Ok(folder) = self.files.open_at(if way.is_empty() { "." } else { way }, flags)
            else {
                continue;
            };
            if let Ok(stat) = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                return Some(FoundPart { folder, path: id.part_path(way).ok()?, stat });
            }
        }
        None
    }

    /// Removes a part that nobody holds, if the time of its last change says so. Gives whether there is
    /// none any more.
    pub(super) fn remove_part(
        &self,
        id: PartId,
        wanted: &FilePath,
        is_to_go: impl FnOnce(SystemTime) -> bool,
    ) -> bool {
        let Some(FoundPart { folder, stat, .. }) = self.find_part(id, wanted) else { return true };
        let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
        let touched = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let removed = || unlinkat(&folder, id.part_name(), AtFlags::empty());
        is_to_go(touched) && matches!(removed(), Ok(()) | Err(Errno::NOENT))
    }
}
