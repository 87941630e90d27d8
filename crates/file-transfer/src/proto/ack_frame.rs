//! Body of ACK: which numbers arrived, and what else the sender needs to know.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | number of ranges, 1 to 180 |
//! | 7 | largest number received |
//! | 4 | µs between its arrival and this ACK |
//! | 8 | window: bytes that may be queued at the receiver |
//! | 8 | file bytes received in this session, each counted once |
//! | 4 + 4 + 4 | packets that came with ECT(0), ECT(1), CE |
//! | 6 each | gap u24: numbers missing above this range (0 in the first); length u24 ≥ 1 |
//!
//! Ranges come newest first. What does not fit is left out, which says nothing about it: where there
//! are more ranges than fit, half of the places go to the newest and the others to all older ones in
//! turn; of a range longer than 2²⁴ − 1 the older part. ACK means received, not stored.

use std::ops::Range;
use std::time::Duration;

use super::ecn::EcnCounts;
use super::limits::ACK_RANGES_MAX;
use super::wire_bytes::{FieldReader, FieldWriter};
use crate::range_set::RangeSet;

const U24_MAX: u64 = (1 << 24) - 1;

/// What stands before the ranges of an ACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckHeader {
    /// How long the largest number waited at the receiver.
    pub delay: Duration,
    /// Bytes that may be queued at the receiver.
    pub window: u64,
    /// Distinct file bytes received in this session.
    pub file_bytes: u64,
    /// ECN marks seen.
    pub ecn: EcnCounts,
}

/// An acknowledgement as it was received: header, and ranges that were checked when it was decoded.
#[derive(Clone, Copy, Debug)]
pub struct AckFrame<'a> {
    /// What stands before the ranges.
    pub header: AckHeader,
    /// The largest number received.
    pub largest: u64,
    ranges: &'a [u8],
}

impl AckHeader {
    /// Writes the body of an ACK of `numbers` (which must not be empty); gives its length.
    #[must_use]
    pub fn encode(&self, numbers: &RangeSet, body: &mut [u8]) -> usize {
        self.encode_ranges(numbers.iter().rev(), body)
    }

    /// The same of ranges that come newest first and do not touch. Ranges may be missing among them:
    /// to be left out of one ACK means nothing.
    #[must_use]
    pub fn encode_ranges(
        &self,
        ranges: impl Iterator<Item = Range<u64>>,
        body: &mut [u8],
    ) -> usize {
        let mut writer = FieldWriter::new(body);
        let (mut count, mut largest) = (0, 0);
        writer.put(&[0; 40]);
        let mut lower: Option<u64> = None;
        for range in ranges.take(ACK_RANGES_MAX) {
            let gap = lower.map_or(0, |lower| lower - range.end);
            if gap > U24_MAX {
                break;
            }
            let length = (range.end - range.start).min(U24_MAX);
            writer.u24(u32::try_from(gap).unwrap_or_default());
            writer.u24(u32::try_from(length).unwrap_or_default());
            largest = largest.max(range.end - 1);
            lower = Some(range.end - length);
            count += 1;
            if length < range.end - range.start {
                break;
            }
        }
        debug_assert!(count > 0, "an ACK acknowledges something");
        let written = writer.written();
        let mut head = FieldWriter::new(body);
        head.u8(count);
        head.u56(largest);
        head.u32(u32::try_from(self.delay.as_micros()).unwrap_or(u32::MAX));
        head.u64(self.window);
        head.u64(self.file_bytes);
        head.u32(self.ecn.ect0);
        head.u32(self.ecn.ect1);
        head.u32(self.ecn.ce);
        written
    }
}

impl<'a> AckFrame<'a> {
    /// Reads a body of ACK; `None` if it has no range or one that reaches below zero.
    #[must_use]
    pub fn decode(body: &'a [u8]) -> Option<Self> {
        let mut reader = FieldReader::new(body);
        let count = usize::from(reader.u8()?);
        let largest = reader.u56()?;
        let delay = Duration::from_micros(u64::from(reader.u32()?));
        let (window, file_bytes) = (reader.u64()?, reader.u64()?);
        let ecn = EcnCounts { ect0: reader.u32()?, ect1: reader.u32()?, ce: reader.u32()? };
        if count == 0 || count > ACK_RANGES_MAX {
            return None;
        }
        let ranges = reader.slice(count * 6)?;
        let header = AckHeader { delay, window, file_bytes, ecn };
        let frame = Self { header, largest, ranges };
        (frame.ranges().count() == count).then_some(frame)
    }

    /// The acknowledged numbers, newest range first.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + 'a {
        AckRanges { reader: FieldReader::new(self.ranges), upper: self.largest + 1, first: true }
    }
}

/// Walks down the ranges of an ACK; ends early at one that cannot be.
struct AckRanges<'a> {
    reader: FieldReader<'a>,
    /// End (exclusive) of the next range if its gap were zero.
    upper: u64,
    first: bool,
}

impl Iterator for AckRanges<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let gap = u64::from(self.reader.u24()?);
        let length = u64::from(self.reader.u24()?);
        let gap_fits_its_place = self.first == (gap == 0);
        if length == 0 || !gap_fits_its_place {
            return None;
        }
        self.first = false;
        let end = self.upper.checked_sub(gap)?;
        let start = end.checked_sub(length)?;
        self.upper = start;
        Some(start..end)
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
mod tests {
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{RngCore, SeedableRng};

    use super::*;

    fn encoded(numbers: &RangeSet) -> Vec<u8> {
        let header = AckHeader {
            delay: Duration::from_micros(1234),
            window: 1 << 21,
            file_bytes: 99,
            ecn: EcnCounts { ect0: 1, ect1: 2, ce: 3 },
        };
        let mut body = vec![0; 1168];
        let length = header.encode(numbers, &mut body);
        body.truncate(length);
        assert_eq!(AckFrame::decode(&body).expect("a frame").header, header);
        body
    }

    #[track_caller]
    fn check(numbers: &[Range<u64>], expected: &[Range<u64>]) {
        let body = encoded(&numbers.iter().cloned().collect());
        let frame = AckFrame::decode(&body).expect("a frame");
        assert_eq!(frame.ranges().collect::<Vec<_>>(), expected);
        for length in 0..body.len() {
            assert!(AckFrame::decode(&body[..length]).is_none(), "cut to {length}");
        }
    }

    #[test]
    fn ranges_come_newest_first() {
        check(&[0..3, 5..6, 9..20], &[9..20, 5..6, 0..3]);
    }

    #[test]
    fn a_range_of_billions_loses_its_older_part() {
        check(&[0..1, 3..1 << 40], &[(1 << 40) - U24_MAX..1 << 40]);
    }

    #[test]
    fn a_gap_of_billions_ends_the_list() {
        check(&[0..1, 1 << 40..(1 << 40) + 2], &[1 << 40..(1 << 40) + 2]);
    }

    #[test]
    fn the_newest_180_ranges_fit() {
        let many: Vec<_> = (0..300).map(|n| n * 4..n * 4 + 2).collect();
        let newest: Vec<_> = many.iter().rev().take(180).cloned().collect();
        check(&many, &newest);
    }

    #[test]
    fn junk_is_refused_or_read_but_never_panics() {
        let mut random = Pcg64::seed_from_u64(5);
        for _ in 0..20_000 {
            let mut body = vec![0; (random.next_u32() % 200) as usize];
            random.fill_bytes(&mut body);
            if let Some(first) = body.first_mut() {
                *first %= 8;
            }
            if let Some(frame) = AckFrame::decode(&body) {
                let mut above = frame.largest + 1;
                for range in frame.ranges() {
                    assert!(range.start < range.end && range.end <= above);
                    above = range.start;
                }
            }
        }
    }
}
