//! What an earlier download left, and what of it is of use to this one.

use std::io;

use super::folder::{Found, OpenPart};
use super::resume_state::{Header, Slot};
use crate::piece_hashes::PIECE_BYTES;
use crate::range_set::RangeSet;

/// What can be used of what was found.
pub(super) struct LeftOver {
    /// Pieces.
    pub(super) kept: RangeSet,
    /// It belonged to another version of the same file.
    pub(super) is_of_another_version: bool,
}

impl LeftOver {
    pub(super) fn of(part: &OpenPart, wanted: &Header) -> LeftOver {
        let nothing =
            |is_of_another_version| LeftOver { kept: RangeSet::new(), is_of_another_version };
        let size = wanted.version.size;
        let there = part.file.metadata().map_or(0, |file| file.len().min(size));
        let whole = if there == size { there.div_ceil(PIECE_BYTES) } else { there / PIECE_BYTES };
        match &part.found {
            Found::Nothing => nothing(false),
            Found::Marked(..) if !part.found.is_continued_by(wanted) => nothing(true),
            Found::Marked(_, marked) => {
                let mut kept = marked.clone();
                kept.remove(whole..u64::MAX);
                LeftOver { kept, is_of_another_version: false }
            }
            // Whatever it is, it costs nothing to look at it once more before it is fetched again.
            Found::Unknown => {
                LeftOver { kept: RangeSet::of(0..whole), is_of_another_version: false }
            }
        }
    }

    /// Makes part and state agree on what is kept.
    pub(super) fn make_agree(&self, part: &OpenPart, wanted: &Header) -> io::Result<()> {
        let there = part.file.metadata()?.len().min(wanted.version.size);
        part.file.set_len(if self.kept.is_empty() { 0 } else { there })?;
        let Some(state) = &part.state else { return Ok(()) };
        match &part.found {
            // What is said about pieces behind the end is wrong, and must not be believed next time.
            Found::Marked(of, _) if of == wanted => {
                state.cut(self.kept.last().map_or(0, |range| range.end));
            }
            // It did not say which file it is of; its slots were elsewhere.
            found if found.is_continued_by(wanted) => {
                state.begin(wanted);
                self.kept.iter().flatten().for_each(|piece| state.mark(piece, Slot::Present));
            }
            _ => state.begin(wanted),
        }
        Ok(())
    }
}
