//! The file that is sent: read straight into packets, and watched for changes meanwhile.
//!
//! It is read with `preadv`, never mapped: another program may truncate it at any moment, and then a
//! read comes out short where a mapping would kill the process.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;

use rustix::io::Errno;

use super::datagram_io::SEGMENTS_MAX;
use crate::file_version::FileVersion;

/// An open file of which one version is being sent.
#[derive(Debug)]
pub(crate) struct SourceFile {
    file: File,
    version: FileVersion,
}

/// Why a file cannot be sent any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// It has another size or time of change than the ticket was made for.
    #[error("the file has changed")]
    Changed,
    /// The disk does not give it.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

impl SourceFile {
    /// Sends `file` as long as it is in the state `version`.
    ///
    /// # Errors
    /// If it is in another state already.
    pub(crate) fn new(file: File, version: FileVersion) -> Result<Self, SourceError> {
        let source = Self { file, version };
        source.check()?;
        Ok(source)
    }

    /// Looks whether the file is still in the state it was in.
    ///
    /// # Errors
    /// [`SourceError::Changed`] if not.
    fn check(&self) -> Result<(), SourceError> {
        let found = FileVersion::of(&self.file.metadata()?);
        if found == self.version { Ok(()) } else { Err(SourceError::Changed) }
    }

    /// Fills places in `buffer` with file bytes: each place is the offset in the file and a range of
    /// `buffer`, in ascending order of the latter. Places that follow one another in the file take
    /// one system call, and afterwards the file is still in the state it was in.
    ///
    /// # Errors
    /// [`SourceError::Changed`] if it is not, or ends before.
    pub(crate) fn fill(
        &self,
        mut buffer: &mut [u8],
        places: impl Iterator<Item = (u64, Range<usize>)>,
    ) -> Result<(), SourceError> {
        let mut run: [IoSliceMut<'_>; SEGMENTS_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let (mut run_start, mut run_end, mut in_run) = (0, 0, 0);
        let mut passed = 0;
        for (offset, range) in places {
            let is_full = in_run == run.len();
            if offset != run_end || is_full {
                self.read(run.get_mut(..in_run).unwrap_or_default(), run_start)?;
                (run_start, in_run) = (offset, 0);
            }
            run_end = offset + range.len() as u64;
            let (place, rest) = cut(buffer, range.start - passed, range.len());
            (buffer, passed) = (rest, range.end);
            if let Some(slot) = run.get_mut(in_run) {
                *slot = IoSliceMut::new(place);
                in_run += 1;
            }
        }
        self.read(run.get_mut(..in_run).unwrap_or_default(), run_start)?;
        self.check()
    }

    /// Fills all of `slots`, one after the other, with the bytes from `offset` on.
    fn read(&self, slots: &mut [IoSliceMut<'_>], offset: u64) -> Result<(), SourceError> {
        fill_all(slots, offset, |slots, offset| rustix::io::preadv(&self.file, slots, offset))
    }
}

/// Reads until all of `slots` is full, however little comes at a time. A file that ends before was
/// longer once.
fn fill_all(
    mut slots: &mut [IoSliceMut<'_>],
    mut offset: u64,
    mut read: impl FnMut(&mut [IoSliceMut<'_>], u64) -> Result<usize, Errno>,
) -> Result<(), SourceError> {
    while slots.iter().any(|slot| !slot.is_empty()) {
        match read(slots, offset) {
            Ok(0) => return Err(SourceError::Changed),
            Ok(bytes) => {
                IoSliceMut::advance_slices(&mut slots, bytes);
                offset += bytes as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(SourceError::Unreadable(error.into())),
        }
    }
    Ok(())
}

/// The `length` bytes behind the first `skipped`, and the rest behind them.
fn cut(buffer: &mut [u8], skipped: usize, length: usize) -> (&mut [u8], &mut [u8]) {
    let behind = buffer.get_mut(skipped..).unwrap_or_default();
    debug_assert!(length <= behind.len(), "places lie in the buffer");
    behind.split_at_mut(length.min(behind.len()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file of 10 bytes.
    fn source() -> (SourceFile, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let version = FileVersion::of(&file.metadata().unwrap());
        let other = file.try_clone().unwrap();
        (SourceFile::new(file, version).unwrap(), other)
    }

    /// Fills the given places of a buffer of 12 dots.
    fn fill(source: &SourceFile, places: &[(u64, Range<usize>)]) -> Result<String, SourceError> {
        let mut buffer = *b"............";
        source.fill(&mut buffer, places.iter().cloned())?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    #[track_caller]
    fn check(places: &[(u64, Range<usize>)], expected: &str) {
        assert_eq!(fill(&source().0, places).unwrap(), expected);
    }

    #[test]
    fn consecutive_bytes_go_into_places_apart() {
        check(&[(4, 1..4), (7, 6..8)], ".456..78....");
    }

    #[test]
    fn bytes_from_all_over_the_file_keep_their_places() {
        check(&[(8, 0..2), (0, 2..3), (1, 4..6), (9, 11..12)], "890.12.....9");
    }

    #[test]
    fn no_place_is_fine() {
        check(&[], "............");
    }

    #[test]
    fn more_places_than_one_read_takes_are_filled() {
        let (source, _) = source();
        let mut buffer = [0; 2 * SEGMENTS_MAX];
        // The same ten bytes over and over, one byte a place.
        let places = (0..buffer.len()).map(|at| (at as u64 % 10, at..at + 1));
        source.fill(&mut buffer, places).unwrap();
        assert!(buffer.iter().zip(0_u8..).all(|(byte, at)| *byte == b'0' + at % 10));
    }

    /// A disk that gives so many bytes of `0123456789` at a time, or an error; what came of reading
    /// five from the third on, and where it was asked for them.
    fn read_from_disk(
        disk: &[Result<usize, Errno>],
    ) -> (Result<String, SourceError>, Vec<(usize, u64)>) {
        let (mut first, mut second) = ([b'.'; 2], [b'.'; 3]);
        let mut slots = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let (mut script, mut asked) = (disk.iter(), Vec::new());
        let result = fill_all(&mut slots, 2, |slots, offset| {
            asked.push((slots.iter().map(|slot| slot.len()).sum(), offset));
            let mut left = (*script.next().expect("no more is read than there is"))?;
            let (came, mut from) = (left, offset);
            for slot in slots {
                let part = left.min(slot.len());
                let bytes = (from..).map(|at| b'0' + u8::try_from(at).unwrap());
                slot.iter_mut().take(part).zip(bytes).for_each(|(place, byte)| *place = byte);
                (left, from) = (left - part, from + part as u64);
            }
            Ok(came)
        });
        let text = [first.as_slice(), &second].concat();
        (result.map(|()| String::from_utf8(text).unwrap()), asked)
    }

    #[test]
    fn a_disk_that_gives_little_at_a_time_is_asked_for_the_rest() {
        let (read, asked) = read_from_disk(&[Ok(1), Err(Errno::INTR), Ok(3), Ok(1)]);
        assert_eq!(read.unwrap(), "23456");
        assert_eq!(asked, [(5, 2), (4, 3), (4, 3), (1, 6)]);
    }

    #[test]
    fn a_disk_that_fails_in_the_middle_is_no_change_of_the_file() {
        let (read, _) = read_from_disk(&[Ok(3), Err(Errno::IO)]);
        assert!(matches!(read, Err(SourceError::Unreadable(_))));
    }

    #[test]
    fn a_file_that_ends_in_the_middle_has_changed() {
        let (read, _) = read_from_disk(&[Ok(3), Ok(0)]);
        assert!(matches!(read, Err(SourceError::Changed)));
    }

    #[test]
    fn a_file_cut_short_gives_an_error_instead_of_zeros() {
        let (source, file) = source();
        file.set_len(7).unwrap();
        assert!(matches!(fill(&source, &[(4, 0..6)]), Err(SourceError::Changed)));
    }

    #[test]
    fn a_file_that_changed_under_the_read_is_noticed() {
        let (source, mut file) = source();
        file.write_all(b"more").unwrap();
        assert!(matches!(fill(&source, &[(4, 0..6)]), Err(SourceError::Changed)));
    }

    #[test]
    fn a_file_that_grew_has_changed() {
        let (source, mut file) = source();
        assert!(source.check().is_ok());
        file.write_all(b"more").unwrap();
        assert!(matches!(source.check(), Err(SourceError::Changed)));
    }

    #[test]
    fn a_file_written_over_has_changed() {
        let (source, file) = source();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(matches!(source.check(), Err(SourceError::Changed)));
    }

    #[test]
    fn another_version_than_the_tickets_is_not_sent_at_all() {
        let (source, file) = source();
        let version = FileVersion { size: source.version.size + 1, ..source.version };
        assert!(matches!(SourceFile::new(file, version), Err(SourceError::Changed)));
    }
}
