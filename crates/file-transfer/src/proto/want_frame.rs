//! Body of WANT: which file ranges the receiver asks for.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | version, from 1, one higher for each new WANT |
//! | 1 | number of ranges, at most 80 |
//! | 3 | zero |
//! | 8 | window in bytes |
//! | 14 each | start u56, length u56 (≥ 1), ascending and apart |
//!
//! A WANT *adds* its ranges to what is to be sent, once per version. It is repeated until the
//! sender's sync block shows its version; only then may the next version follow.

use std::ops::Range;

use super::limits::{NUMBER_MAX, WANT_RANGES_MAX};
use super::wire_bytes::{FieldReader, FieldWriter};
use crate::range_set::RangeSet;

/// A request for file ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantFrame {
    /// Which request of this session it is, from 1.
    pub version: u32,
    /// How many bytes may be queued at the receiver.
    pub window: u64,
    /// What is asked for; the first 80 ranges are encoded.
    pub ranges: RangeSet,
}

impl WantFrame {
    /// Writes the body; gives its length.
    #[must_use]
    pub fn encode(&self, body: &mut [u8]) -> usize {
        let ranges = self.ranges.iter().take(WANT_RANGES_MAX);
        let mut writer = FieldWriter::new(body);
        writer.u32(self.version);
        writer.u8(u8::try_from(ranges.len()).unwrap_or(u8::MAX));
        writer.u24(0);
        writer.u64(self.window);
        for range in ranges {
            writer.u56(range.start);
            writer.u56(range.end - range.start);
        }
        writer.written()
    }

    /// Reads a body of WANT; `None` unless its ranges ascend, are apart and end below 2⁵⁶.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = FieldReader::new(body);
        let version = reader.u32()?;
        let count = usize::from(reader.u8()?);
        let _reserved = reader.u24()?;
        let window = reader.u64()?;
        if version == 0 || count > WANT_RANGES_MAX {
            return None;
        }
        let mut ranges = RangeSet::new();
        let mut past = None;
        for _ in 0..count {
            let range = read_range(&mut reader)?;
            if past.is_some_and(|past| range.start <= past) {
                return None;
            }
            past = Some(range.end);
            ranges.insert(range);
        }
        Some(Self { version, window, ranges })
    }
}

fn read_range(reader: &mut FieldReader<'_>) -> Option<Range<u64>> {
    let (start, length) = (reader.u56()?, reader.u56()?);
    let end = start + length;
    (length > 0 && end <= NUMBER_MAX).then_some(start..end)
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
mod tests {
    use super::*;

    fn frame(ranges: &[Range<u64>]) -> WantFrame {
        WantFrame { version: 2, window: 1 << 21, ranges: ranges.iter().cloned().collect() }
    }

    fn encoded(frame: &WantFrame) -> Vec<u8> {
        let mut body = vec![0; 1200];
        let length = frame.encode(&mut body);
        body.truncate(length);
        body
    }

    #[test]
    fn round_trip_and_every_truncation() {
        for ranges in [&[][..], &[0..1], &[5..9, 10..NUMBER_MAX]] {
            let frame = frame(ranges);
            let body = encoded(&frame);
            assert_eq!(WantFrame::decode(&body), Some(frame));
            for length in 0..body.len() {
                assert_eq!(WantFrame::decode(&body[..length]), None, "cut to {length}");
            }
        }
    }

    #[test]
    fn only_the_first_ranges_go_into_one_want() {
        let many: Vec<_> = (0..100).map(|n| n * 10..n * 10 + 1).collect();
        let read = WantFrame::decode(&encoded(&frame(&many))).expect("a frame");
        assert_eq!(read.ranges.iter().collect::<Vec<_>>(), many[..80]);
    }

    #[test]
    fn overlapping_descending_empty_and_endless_ranges_are_refused() {
        let good = encoded(&frame(&[5..9, 10..NUMBER_MAX]));
        let check = |at: usize, value: u8| {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(WantFrame::decode(&bad), None, "byte {at} = {value}");
        };
        check(16 + 14 + 6, 9); // second range starts where the first ends
        check(16 + 14 + 6, 3); // … before the first
        check(16 + 13, 0); // empty range
        check(16 + 14 + 6, 12); // ends beyond 2⁵⁶ − 1
        check(3, 0); // version 0
        check(4, 81); // more ranges than may be
    }
}
