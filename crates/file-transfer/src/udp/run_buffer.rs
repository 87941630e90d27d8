//! Collects received chunks into large writes.
//!
//! Chunks arrive mostly in order, but a lost one comes later, among new ones. So a few runs are
//! kept open at once: the one that new data continues, and those that fill holes. A run is written
//! when it is full, or when its place is needed for a run that starts elsewhere.

use std::io;

use crate::range_set::RangeSet;
use crate::sink::Sink;

/// Bytes of one write. Larger writes gain nothing and leave the processor's cache.
const RUN_BYTES_MAX: usize = 256 << 10;

/// Open runs: new data, and three holes being filled. 1 MiB in all.
const RUNS_MAX: usize = 4;

/// Bytes that wait to be written, in a fixed amount of memory.
#[derive(Debug)]
pub(crate) struct RunBuffer {
    /// Most recently continued first.
    runs: [Run; RUNS_MAX],
}

/// Consecutive bytes of the file; empty when it is free.
#[derive(Debug, Default)]
struct Run {
    offset: u64,
    bytes: Vec<u8>,
}

impl RunBuffer {
    /// An empty buffer. Memory is taken when the first chunks come.
    pub(crate) fn new() -> Self {
        Self { runs: Default::default() }
    }

    /// Takes a chunk; writes a run to `sink` when it is full or its place is needed.
    ///
    /// # Errors
    /// The sink's.
    pub(crate) fn add(
        &mut self,
        offset: u64,
        chunk: &[u8],
        sink: &mut impl Sink,
    ) -> io::Result<()> {
        let continued = self.runs.iter().position(|run| run.takes(offset, chunk.len()));
        // A buffer that was just written is still in the processor's cache.
        let free = || self.runs.iter().position(|run| run.bytes.is_empty());
        let place = continued.or_else(free).unwrap_or(RUNS_MAX - 1);
        if let Some(recent) = self.runs.get_mut(..=place) {
            recent.rotate_right(1);
        }
        let [run, ..] = &mut self.runs;
        if continued.is_none() {
            run.write(sink)?;
            run.offset = offset;
            // One allocation for the life of the transfer.
            run.bytes.reserve_exact(RUN_BYTES_MAX.max(chunk.len()));
        }
        run.bytes.extend_from_slice(chunk);
        if run.bytes.len() >= RUN_BYTES_MAX { run.write(sink) } else { Ok(()) }
    }

    /// What waits, or could not be written.
    pub(crate) fn unwritten(&self) -> RangeSet {
        self.runs.iter().map(|run| run.offset..run.offset + run.bytes.len() as u64).collect()
    }

    /// Writes everything that waits.
    ///
    /// # Errors
    /// The sink's.
    pub(crate) fn flush(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        self.runs.iter_mut().try_for_each(|run| run.write(sink))
    }
}

impl Run {
    /// Whether a chunk continues this run and finds room in it.
    fn takes(&self, offset: u64, length: usize) -> bool {
        let end = self.offset + self.bytes.len() as u64;
        !self.bytes.is_empty() && offset == end && self.bytes.len() + length <= RUN_BYTES_MAX
    }

    fn write(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        sink.write_run(self.offset, &mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers the writes.
    #[derive(Default)]
    struct Writes(Vec<(u64, Vec<u8>)>);

    impl Sink for Writes {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.0.push((offset, bytes.to_vec()));
            Ok(())
        }
    }

    /// Adds chunks of 4 bytes, each holding its number, in this order; checks the numbers that
    /// each write at the end holds.
    #[track_caller]
    fn check(chunks: &[u8], writes: &[&[u8]]) {
        let (mut buffer, mut sink) = (RunBuffer::new(), Writes::default());
        for chunk in chunks {
            buffer.add(u64::from(*chunk) * 4, &[*chunk; 4], &mut sink).unwrap();
        }
        buffer.flush(&mut sink).unwrap();
        sink.0.sort();
        let expected: Vec<(u64, Vec<u8>)> = writes
            .iter()
            .map(|run| (u64::from(run[0]) * 4, run.iter().flat_map(|n| [*n; 4]).collect()))
            .collect();
        assert_eq!(sink.0, expected);
    }

    #[test]
    fn chunks_in_order_are_one_write() {
        check(&[0, 1, 2, 3], &[&[0, 1, 2, 3]]);
    }

    #[test]
    fn a_hole_splits_the_write() {
        check(&[0, 2, 3], &[&[0], &[2, 3]]);
    }

    #[test]
    fn a_late_chunk_does_not_interrupt_the_run_of_new_ones() {
        check(&[0, 2, 3, 1, 4, 5], &[&[0, 1], &[2, 3, 4, 5]]);
    }

    #[test]
    fn a_repeated_chunk_is_written_again() {
        check(&[0, 1, 0], &[&[0], &[0, 1]]);
    }

    #[test]
    fn the_run_that_waited_longest_gives_way() {
        let (mut buffer, mut sink) = (RunBuffer::new(), Writes::default());
        for offset in [0, 100, 200, 300, 400] {
            buffer.add(offset, b"x", &mut sink).unwrap();
        }
        assert_eq!(sink.0, [(0, b"x".to_vec())]);
    }

    #[test]
    fn a_full_run_is_written_at_once() {
        let (mut buffer, mut sink) = (RunBuffer::new(), Writes::default());
        let chunk = [7; 1 << 10];
        for number in 0..257_u64 {
            buffer.add(number << 10, &chunk, &mut sink).unwrap();
        }
        let lengths: Vec<usize> = sink.0.iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(lengths, [RUN_BYTES_MAX]);
        buffer.flush(&mut sink).unwrap();
        assert_eq!(sink.0.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 257 << 10);
    }

    #[test]
    fn a_chunk_that_finds_no_room_opens_the_next_run() {
        let (mut buffer, mut sink) = (RunBuffer::new(), Vec::new());
        let bytes: Vec<u8> = (0..253).cycle().take(RUN_BYTES_MAX + 5000).collect();
        for (number, chunk) in bytes.chunks(1412).enumerate() {
            buffer.add(number as u64 * 1412, chunk, &mut sink).unwrap();
        }
        buffer.flush(&mut sink).unwrap();
        assert!(sink == bytes);
    }

    #[test]
    fn a_full_disk_is_told() {
        struct Full;
        impl Sink for Full {
            fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        let mut buffer = RunBuffer::new();
        buffer.add(0, b"x", &mut Full).unwrap();
        assert_eq!(buffer.flush(&mut Full).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
