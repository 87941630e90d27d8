//! The state beside a part file, on disk. What its bytes mean is said in [`resume_state`].
//!
//! It is a hint. That it cannot be written costs bytes that are sent again one day, and nothing now;
//! so nobody is told.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::folder::{self, is_plain_file_of_ours};
use super::resume_state::{self, Header, SLOT_BYTES, Slot, slot_offset};
use crate::range_set::RangeSet;

/// Nobody else needs to know what is being downloaded.
const STATE_MODE: Mode = Mode::from_raw_mode(0o600);

/// An open state. Both threads of a download write to it, each to slots of its own or after the other.
#[derive(Debug)]
pub(super) struct StateFile(File);

impl StateFile {
    /// Makes one where nothing of that name is.
    pub(super) fn create(folder: &OwnedFd, name: &OsStr) -> Result<StateFile, Errno> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(folder, name, flags, STATE_MODE).map(|file| StateFile(File::from(file)))
    }

    /// Opens what is there; `None` if it is not ours, or nothing that a state could be in.
    pub(super) fn open(folder: &OwnedFd, name: &OsStr) -> Option<StateFile> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(folder, name, flags, Mode::empty()).ok()?);
        is_plain_file_of_ours(&file).then_some(StateFile(file))
    }

    /// Makes one beside a part file of ours, in place of whatever has its name: nothing but a folder
    /// stays, and nothing is followed.
    pub(super) fn replace(folder: &OwnedFd, name: &OsStr) -> Option<StateFile> {
        let _ = unlinkat(folder, name, AtFlags::empty());
        StateFile::create(folder, name).ok()
    }

    /// Whether this is what has that name.
    pub(super) fn is_named(&self, folder: &OwnedFd, name: &OsStr) -> bool {
        folder::is_named(folder, name, &self.0)
    }

    /// What it says: what it is of, and the pieces that are there. `None` if it is no state.
    pub(super) fn read(&self) -> Option<(Header, RangeSet)> {
        resume_state::read(BufReader::new(At { file: &self.0, offset: 0 })).ok().flatten()
    }

    /// Says that nothing of this is there.
    pub(super) fn begin(&self, header: &Header) {
        let header = header.encode();
        let _ = self.0.set_len(0).and_then(|()| self.0.write_all_at(&header, 0));
    }

    /// Says nothing any more about pieces from this one on.
    pub(super) fn cut(&self, pieces: u64) {
        let end = slot_offset(pieces);
        if self.0.metadata().is_ok_and(|state| state.len() > end) {
            let _ = self.0.set_len(end);
        }
    }

    /// Says something about a piece.
    pub(super) fn mark(&self, piece: u64, slot: Slot) {
        let _ = self.0.write_all_at(&slot.encode(), slot_offset(piece));
    }

    /// What it says about a piece.
    pub(super) fn slot(&self, piece: u64) -> Slot {
        let mut bytes = [0; SLOT_BYTES];
        match self.0.read_exact_at(&mut bytes, slot_offset(piece)) {
            Ok(()) => Slot::decode(bytes),
            Err(_) => Slot::Missing,
        }
    }
}

/// Reads a file from an offset on, whatever the file's own position is.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl std::io::Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.file.read_at(buffer, self.offset)?;
        self.offset += bytes as u64;
        Ok(bytes)
    }
}
