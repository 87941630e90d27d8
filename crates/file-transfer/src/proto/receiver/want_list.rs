//! Which file ranges were asked for. One WANT is on its way at a time; it is repeated until the
//! sender's sync block shows its version, and then the next one follows.

#[cfg(test)]
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::proto::limits::{PING_INTERVAL_MAX, WANT_RANGES_MAX};
use crate::proto::want_frame::WantFrame;
use crate::range_set::RangeSet;

/// After so long without a new byte, what is missing is asked for once more. The sender takes from
/// it only what it thinks delivered, so this costs nothing when the path is merely slow.
const STUCK_AFTER_MIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct WantList {
    /// To be asked for in the next versions.
    waiting: RangeSet,
    /// What is repeated until echoed.
    outstanding: Option<RangeSet>,
    version: u32,
    next_at: Option<Instant>,
    sent_at: Option<Instant>,
    repeated: u32,
    last_progress: Instant,
}

impl WantList {
    /// The first WANT is due at once, even if it asks for nothing: it proves the client's address.
    pub(super) fn new(now: Instant, missing: RangeSet) -> Self {
        let mut list = Self {
            waiting: missing,
            outstanding: None,
            version: 0,
            next_at: None,
            sent_at: None,
            repeated: 0,
            last_progress: now,
        };
        list.begin_version(now);
        list
    }

    /// Puts a range on the list.
    #[cfg(test)]
    pub(super) fn ask(&mut self, now: Instant, range: Range<u64>) {
        self.waiting.insert(range);
        self.last_progress = now;
        self.begin_version_if_free(now);
    }

    /// The sender has shown that it knows `version`. An older one a round trip after the newest WANT
    /// went out means that it was lost.
    pub(super) fn echoed(&mut self, now: Instant, version: u32, round_trip: Duration) {
        if self.outstanding.is_none() {
            return;
        }
        if version >= self.version {
            self.outstanding = None;
            self.next_at = None;
            self.begin_version_if_free(now);
        } else if self.sent_at.is_some_and(|sent| now >= sent + round_trip) {
            self.next_at = Some(now);
        }
    }

    /// Whether the server has shown no sign yet that it knows the session.
    pub(super) fn is_unheard(&self) -> bool {
        self.version == 1 && self.outstanding.is_some()
    }

    /// New bytes came.
    pub(super) fn progress(&mut self, now: Instant) {
        self.last_progress = now;
    }

    /// The safety net under all bookkeeping of the sender.
    pub(super) fn ask_again_if_stuck(
        &mut self,
        now: Instant,
        missing: &RangeSet,
        probe_timeout: Duration,
    ) {
        let patience = STUCK_AFTER_MIN.max(probe_timeout * 4);
        let is_stuck = now >= self.last_progress + patience;
        if is_stuck && self.outstanding.is_none() && !missing.is_empty() {
            self.last_progress = now;
            self.waiting = missing.clone();
            self.begin_version(now);
        }
    }

    /// The WANT to send now, if one is due.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        missing: &RangeSet,
        window: u64,
        probe_timeout: Duration,
    ) -> Option<WantFrame> {
        self.next_at.filter(|due| *due <= now)?;
        let ranges = self.still_missing(missing)?;
        self.outstanding = Some(ranges.clone());
        let backed_off = probe_timeout.saturating_mul(1 << self.repeated.min(16));
        self.next_at = Some(now + backed_off.min(PING_INTERVAL_MAX.max(probe_timeout)));
        self.repeated += 1;
        self.sent_at = Some(now);
        Some(WantFrame { version: self.version, window, ranges })
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// What of the outstanding ranges has not come meanwhile: a repetition must not ask for more, or
    /// the sender would take what it knows delivered for damaged. Ranges that no longer fit one WANT
    /// wait for the next.
    fn still_missing(&mut self, missing: &RangeSet) -> Option<RangeSet> {
        let mut parts = RangeSet::new();
        for mut rest in self.outstanding.as_ref()?.iter() {
            while let Some(part) = missing.first_in(&rest) {
                rest.start = part.end;
                if parts.range_count() < WANT_RANGES_MAX {
                    parts.insert(part);
                } else {
                    self.waiting.insert(part);
                }
            }
        }
        Some(parts)
    }

    fn begin_version_if_free(&mut self, now: Instant) {
        if self.outstanding.is_none() && !self.waiting.is_empty() {
            self.begin_version(now);
        }
    }

    fn begin_version(&mut self, now: Instant) {
        let ranges: RangeSet = self.waiting.iter().take(WANT_RANGES_MAX).collect();
        match ranges.last() {
            Some(last) => self.waiting.remove_below(last.end),
            None => self.waiting = RangeSet::new(),
        }
        self.outstanding = Some(ranges);
        self.version += 1;
        self.repeated = 0;
        self.sent_at = None;
        self.next_at = Some(now);
    }
}
