//! The state beside a part file: whatever it holds, nothing is believed that it does not say, and no
//! more is read or kept than the file has pieces.

use std::io::{self, Read};

use super::input::Input;
use crate::file_version::{FILE_BYTES_MAX, FileVersion};
use crate::part_file::resume_state::{
    Header, MARKED_RANGES_MAX, SLOT_BYTES, SLOTS_PER_READ, Slot, read,
};
use crate::piece_hashes::piece_count;
use crate::range_set::RangeSet;
use crate::source_id::SourceId;

/// Reads the bytes as a state, and what follows a header that they choose as its slots, which would
/// hardly ever get behind the header's check otherwise.
pub fn resume_states(bytes: &[u8]) {
    check_state(bytes);
    let mut input = Input(bytes);
    let size = u64::from_be_bytes(input.array()) % (FILE_BYTES_MAX + 2);
    let version = FileVersion { size, modified_ns: i64::from_be_bytes(input.array()) };
    for source in [None, Some(SourceId([0xa5; 32]))] {
        let header = Header { version, source };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), (size <= FILE_BYTES_MAX).then_some(header));
        check_state(&[bytes.as_slice(), input.0].concat());
    }
    check_slots(input.0);
}

fn check_state(state: &[u8]) {
    let mut whole = Counted { rest: state, step: usize::MAX, taken: 0 };
    let Ok(found) = read(&mut whole) else { panic!("reading from memory does not fail") };
    // The same, however the disk hands it out.
    let step = usize::from(state.last().copied().unwrap_or_default()) + 1;
    let in_steps = read(Counted { rest: state, step, taken: 0 });
    assert!(in_steps.is_ok_and(|it| it == found), "another state in steps of {step}");
    let Some((header, marked)) = found else { return };
    let bytes = header.encode();
    let Some(slots) = state.strip_prefix(bytes.as_slice()) else { panic!("a header that is none") };
    let pieces = piece_count(header.version.size);
    let of_slots = pieces.saturating_mul(SLOT_BYTES as u64);
    let allowed = of_slots.saturating_add((bytes.len() + SLOTS_PER_READ * SLOT_BYTES) as u64);
    assert!(whole.taken as u64 <= allowed, "{} bytes read for {pieces} pieces", whole.taken);
    assert!(marked.last().is_none_or(|last| last.end <= pieces), "a piece behind the last one");
    assert!(marked.range_count() <= MARKED_RANGES_MAX);
    check_marked(slots, pieces, &marked);
}

/// Every marked piece has a slot that says so, and every other one has none, up to where reading
/// stopped.
fn check_marked(slots: &[u8], pieces: u64, marked: &RangeSet) {
    let slots = slots.as_chunks::<SLOT_BYTES>().0;
    assert!(marked.last().is_none_or(|last| last.end <= slots.len() as u64), "a slot from nowhere");
    let is_full = marked.range_count() == MARKED_RANGES_MAX;
    let end = if is_full { marked.last().map_or(0, |last| last.end) } else { pieces };
    for (piece, slot) in (0..end).zip(slots) {
        let says_so = Slot::decode(*slot) != Slot::Missing;
        assert_eq!(marked.contains(piece), says_so, "piece {piece}");
    }
}

fn check_slots(bytes: &[u8]) {
    for slot in bytes.as_chunks::<SLOT_BYTES>().0 {
        assert_eq!(Slot::decode(*slot).encode(), *slot);
    }
}

/// Hands out so many bytes at once, and counts them.
struct Counted<'a> {
    rest: &'a [u8],
    step: usize,
    taken: usize,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.step);
        let read = self.rest.read(buffer.get_mut(..length).unwrap_or_default())?;
        self.taken += read;
        Ok(read)
    }
}
