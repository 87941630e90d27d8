//! The folder of a download: what is made there, taken over, renamed. Nothing is overwritten and no
//! link is followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, flock, linkat, openat, renameat_with,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::state_file::StateFile;
use super::{NAMES_MAX, mark, names};
use crate::file_version::FileVersion;
use crate::range_set::RangeSet;

/// Mode of a downloaded file, less umask: never executable.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
/// Among how many names a left-over of the wanted version is looked for: nobody runs more downloads of
/// one name at a time.
const LEFT_OVERS_MAX: u32 = 16;

/// A part file of ours, locked, with its state.
#[derive(Debug)]
pub(super) struct OpenPart {
    pub(super) name: OsString,
    pub(super) file: File,
    /// `None` where none can be kept; then nothing is resumed one day.
    pub(super) state: Option<StateFile>,
    pub(super) found: Found,
}

/// What an earlier download left.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Bytes of this version; these pieces are said to be there.
    Marked(FileVersion, RangeSet),
    /// Bytes, and nothing that says which.
    Unknown,
}

/// Opens the left-over of a download of this version, else the first of `NAME.part`, `NAME (1).part` …
/// that is free or left over by us. Other programs use such names too: their files stay as they are.
pub(super) fn open_part(
    folder: &OwnedFd,
    name: &OsStr,
    version: &FileVersion,
) -> Result<OpenPart, Errno> {
    let is_wanted = |part: &OpenPart| matches!(&part.found, Found::Marked(of, _) if of == version);
    let mut left_overs =
        (0..LEFT_OVERS_MAX).filter_map(|number| take_over(folder, names::part(name, number)));
    if let Some(part) = left_overs.find(is_wanted) {
        return Ok(part);
    }
    for number in 0..NAMES_MAX {
        let part_name = names::part(name, number);
        match create(folder, part_name.clone()) {
            Err(Errno::EXIST) => {}
            result => return result,
        }
        if let Some(part) = take_over(folder, part_name) {
            return Ok(part);
        }
    }
    Err(Errno::EXIST)
}

/// Makes a new file of ours and locks it for as long as it is open.
fn create(folder: &OwnedFd, name: OsString) -> Result<OpenPart, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(folder, &name, flags, FILE_MODE)?);
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        // Another download was quicker to take it over.
        return Err(Errno::EXIST);
    }
    // Without locks or marks (some network disks) a left-over part is not taken over; that is all.
    mark::set(&file, &name);
    let state = match new_state(folder, &names::state(&name)) {
        Err(Errno::EXIST) => {
            // Somebody else's. The next name has room for both.
            unlinkat(folder, &name, AtFlags::empty())?;
            return Err(Errno::EXIST);
        }
        state => state.ok(),
    };
    Ok(OpenPart { name, file, state, found: Found::Nothing })
}

/// Makes the state of a new part, or takes one whose part is gone.
fn new_state(folder: &OwnedFd, name: &OsStr) -> Result<StateFile, Errno> {
    match StateFile::create(folder, name) {
        Err(Errno::EXIST) => {
            let left_over = StateFile::open(folder, name).filter(|state| state.read().is_some());
            left_over.ok_or(Errno::EXIST)
        }
        result => result,
    }
}

/// Opens a part file that a download left; `None` if there is none, or it is in use or not ours.
fn take_over(folder: &OwnedFd, name: OsString) -> Option<OpenPart> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder, &name, flags, Mode::empty()).ok()?);
    if !is_plain_file_of_ours(&file) {
        return None;
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    // Between opening and locking it may have been finished or removed by its owner.
    if !is_named(folder, &name, &file) || !mark::is_set(&file, &name) {
        return None;
    }
    let state_name = names::state(&name);
    let opened = StateFile::open(folder, &state_name);
    let said = opened.as_ref().and_then(StateFile::read);
    let (state, found) = match said {
        Some((version, marked)) => (opened, Found::Marked(version, marked)),
        None => (StateFile::replace(folder, &state_name), Found::Unknown),
    };
    Some(OpenPart { name, file, state, found })
}

/// A regular file with one name that belongs to this user.
pub(super) fn is_plain_file_of_ours(file: &File) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    file.metadata().is_ok_and(|file| file.is_file() && file.nlink() == 1 && file.uid() == ours)
}

/// Whether the name in the folder is that of the open file.
pub(crate) fn is_named(folder: &OwnedFd, name: &OsStr, file: &File) -> bool {
    let named = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let open = file.metadata();
    matches!((named, open), (Ok(named), Ok(open)) if (named.st_dev, named.st_ino) == (open.dev(), open.ino()))
}

/// Renames to the first of `NAME`, `NAME (1)` … that is free, and gives it.
pub(super) fn rename_to_first_free(
    folder: &OwnedFd,
    from: &OsStr,
    wanted: &OsStr,
) -> Result<OsString, Errno> {
    for number in 0..NAMES_MAX {
        let name = names::numbered(wanted, number);
        match rename_to_new((folder, from), (folder, &name)) {
            Err(Errno::EXIST) => {}
            result => return result.map(|()| name),
        }
    }
    Err(Errno::EXIST)
}

/// Renames within a file system, and fails with `EXIST` if there is anything of the new name.
pub(crate) fn rename_to_new(
    (folder, from): (&OwnedFd, &OsStr),
    (new_folder, to): (&OwnedFd, &OsStr),
) -> Result<(), Errno> {
    match renameat_with(folder, from, new_folder, to, RenameFlags::NOREPLACE) {
        // File systems without such a rename can usually make a second name.
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(folder, from, new_folder, to, AtFlags::empty())?;
            unlinkat(folder, from, AtFlags::empty())
        }
        result => result,
    }
}
