//! How long commits took, for the metrics: counted by the log's writer, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the spans that are told apart, in microseconds: from a fast disk to one that hangs.
pub(crate) const BOUNDS_MICROS: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// Counts of commits by how long they took. Each number is right; taken together while a commit is noted they
/// may differ by it.
#[derive(Debug, Default)]
pub(crate) struct CommitTimes {
    /// One for each bound, and one for what took longer.
    spans: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

/// What was noted up to now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct CommitCounts {
    /// Commits that took no longer than each bound; those that took longer than all are in the last.
    pub(crate) up_to: [u64; BOUNDS_MICROS.len() + 1],
    /// All of them together.
    pub(crate) sum: Duration,
}

impl CommitTimes {
    /// One more commit, successful or not.
    pub(crate) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let span = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.spans.get(span) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> CommitCounts {
        let mut before = 0;
        let up_to = self.spans.each_ref().map(|count| {
            before += count.load(Ordering::Relaxed);
            before
        });
        CommitCounts { up_to, sum: Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_counts_in_each_span_that_holds_it() {
        let times = CommitTimes::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            times.note(Duration::from_micros(micros));
        }
        let CommitCounts { up_to, sum } = times.counts();
        assert_eq!(up_to, [2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5]);
        assert_eq!(sum, Duration::from_micros(20_001_002));
    }
}
