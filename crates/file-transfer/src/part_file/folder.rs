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

use super::resume_state::Header;
use super::state_file::StateFile;
use super::{NAMES_MAX, mark, names};
use crate::range_set::RangeSet;
use crate::source_id::SourceId;

/// Mode of a downloaded file, less umask: never executable.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
/// Among how many names left-overs are looked for: nobody runs more downloads of one name at a time.
const LEFT_OVERS_MAX: u32 = 16;

/// A part file of ours, locked, with its state.
#[derive(Debug)]
pub(super) struct OpenPart {
    pub(super) name: OsString,
    pub(super) file: File,
    /// `None` where none can be kept; then nothing is resumed one day. Not made anew yet where nothing
    /// says what the part is.
    pub(super) state: Option<StateFile>,
    pub(super) found: Found,
}

/// What an earlier download left.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Bytes of this; these pieces are said to be there.
    Marked(Header, RangeSet),
    /// Bytes, and nothing that says which.
    Unknown,
}

impl Found {
    /// Whether its pieces are of use to a download of this. A state that does not say which file it is
    /// of is believed for its size and time: what it marks is checked in any case.
    pub(super) fn is_continued_by(&self, wanted: &Header) -> bool {
        let is_wanted = |source: Option<SourceId>| source.is_none() || source == wanted.source;
        matches!(self, Found::Marked(of, _) if of.version == wanted.version && is_wanted(of.source))
    }

    /// Whether a download of this may begin there and give up whatever is not of use: an earlier version
    /// of the same file, or bytes that nobody could go on with. What is left of another file of the
    /// same name was promised to be kept.
    fn may_be_given_up_for(&self, wanted: &Header) -> bool {
        match self {
            Found::Nothing | Found::Unknown => true,
            Found::Marked(of, _) => of.source == wanted.source,
        }
    }
}

/// Opens the left-over of a download of this version of this file, else the first of `NAME.part`,
/// `NAME (1).part` … that is free or left over by us from an earlier version of this file. Other
/// programs use such names too: their files stay as they are, as do parts of other files.
pub(super) fn open_part(
    folder: &OwnedFd,
    name: &OsStr,
    wanted: &Header,
) -> Result<OpenPart, Errno> {
    if let Some(part) = left_overs(folder, name).find(|part| part.found.is_continued_by(wanted)) {
        return Ok(part);
    }
    for number in 0..NAMES_MAX {
        let part_name = names::part(name, number);
        match create(folder, part_name.clone()) {
            Err(Errno::EXIST) => {}
            result => return result,
        }
        let left_over = take_over(folder, part_name);
        if let Some(mut part) = left_over.filter(|part| part.found.may_be_given_up_for(wanted)) {
            if matches!(part.found, Found::Unknown) {
                part.state = StateFile::replace(folder, &names::state(&part.name));
            }
            return Ok(part);
        }
    }
    Err(Errno::EXIST)
}

/// Removes what downloads of this file, in whichever version, left under this name. What is in use stays.
pub(super) fn remove_left_overs(folder: &OwnedFd, name: &OsStr, source: &SourceId) {
    for part in left_overs(folder, name) {
        if matches!(&part.found, Found::Marked(of, _) if of.source.as_ref() == Some(source)) {
            remove_state(folder, &part.name, part.state.as_ref());
            let _ = unlinkat(folder, &part.name, AtFlags::empty());
        }
    }
}

/// Removes the state of a part, if it is what has that name.
pub(super) fn remove_state(folder: &OwnedFd, part_name: &OsStr, state: Option<&StateFile>) {
    let name = names::state(part_name);
    if state.is_some_and(|state| state.is_named(folder, &name)) {
        let _ = unlinkat(folder, &name, AtFlags::empty());
    }
}

/// What downloads to this name left and nobody runs any more, each locked while it is looked at.
fn left_overs(folder: &OwnedFd, name: &OsStr) -> impl Iterator<Item = OpenPart> {
    (0..LEFT_OVERS_MAX).filter_map(|number| take_over(folder, names::part(name, number)))
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
    let state = StateFile::open(folder, &names::state(&name));
    let (state, found) = match state.as_ref().and_then(StateFile::read) {
        Some((of, marked)) => (state, Found::Marked(of, marked)),
        None => (None, Found::Unknown),
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
