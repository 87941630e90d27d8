//! Bodies of ACK and WANT: what is read of any bytes, and that sets of ranges survive the way.

use std::ops::Range;
use std::time::Duration;

use super::input::Input;
use crate::proto::ack_frame::{AckFrame, AckHeader};
use crate::proto::limits::{ACK_RANGES_MAX, NUMBER_MAX, WANT_RANGES_MAX};
use crate::proto::want_frame::WantFrame;
use crate::range_set::RangeSet;

/// Room for the body of the largest ACK or WANT.
const BODY_BYTES_MAX: usize = 1168;

/// Reads the bytes as bodies, and makes bodies of the ranges that they describe.
pub fn acks(bytes: &[u8]) {
    if let Some(ack) = AckFrame::decode(bytes) {
        check_descending(ack.largest, ack.ranges());
    }
    if let Some(want) = WantFrame::decode(bytes) {
        assert!(want.ranges.range_count() <= WANT_RANGES_MAX);
        assert!(want.ranges.last().is_none_or(|last| last.end <= NUMBER_MAX + 1));
    }
    let numbers = ranges_of(Input(bytes));
    if !numbers.is_empty() {
        check_way_there_and_back(&numbers);
    }
}

fn check_descending(largest: u64, ranges: impl Iterator<Item = Range<u64>>) {
    let (mut above, mut count) = (largest + 1, 0);
    for range in ranges {
        assert!(range.start < range.end && range.end <= above);
        above = range.start;
        count += 1;
    }
    assert!(count > 0 && count <= ACK_RANGES_MAX);
}

/// Gaps and lengths, each of a byte that grows exponentially.
fn ranges_of(mut input: Input<'_>) -> RangeSet {
    let (mut numbers, mut at) = (RangeSet::new(), 0_u64);
    while !input.is_empty() {
        let mut step = || {
            let byte = input.u8();
            u64::from(byte & 7) << (byte >> 3)
        };
        let start = at + step();
        at = start + step();
        if at > NUMBER_MAX {
            break;
        }
        numbers.insert(start..at);
    }
    numbers
}

fn check_way_there_and_back(numbers: &RangeSet) {
    let header = AckHeader { delay: Duration::from_micros(7), ..AckHeader::default() };
    let mut body = [0; BODY_BYTES_MAX];
    let length = header.encode(numbers, &mut body);
    let frame = body.get(..length).and_then(AckFrame::decode);
    let Some(frame) = frame else { panic!("our own ACK of {numbers:?} is none") };
    assert_eq!(Some(frame.largest + 1), numbers.last().map(|last| last.end));
    // As many of the newest as fit; only the oldest told may have been cut.
    for range in frame.ranges() {
        assert!(numbers.contains_range(&range), "{range:?} is not in {numbers:?}");
    }
}
