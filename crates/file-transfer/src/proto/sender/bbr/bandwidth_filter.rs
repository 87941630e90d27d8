//! The most bandwidth seen in this cycle and the one before (draft-ietf-ccwg-bbr, section 5.5.3).

/// Bytes a second.
#[derive(Debug, Default)]
pub(super) struct BandwidthFilter {
    current: u64,
    previous: u64,
}

impl BandwidthFilter {
    /// A sample; one that the application limited counts only if it is the largest.
    pub(super) fn update(&mut self, rate: u64, is_app_limited: bool) {
        if rate >= self.maximum() || !is_app_limited {
            self.current = self.current.max(rate);
        }
    }

    /// A cycle is over: what was seen before it is forgotten.
    pub(super) fn advance(&mut self) {
        // A cycle without a sample says nothing against the one before.
        if self.current > 0 {
            self.previous = std::mem::take(&mut self.current);
        }
    }

    pub(super) fn maximum(&self) -> u64 {
        self.current.max(self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of one cycle after the other; the maximum at the end.
    #[track_caller]
    fn check(cycles: &[&[(u64, bool)]], expected: u64) {
        let mut filter = BandwidthFilter::default();
        for (n, cycle) in cycles.iter().enumerate() {
            if n > 0 {
                filter.advance();
            }
            for (rate, is_app_limited) in *cycle {
                filter.update(*rate, *is_app_limited);
            }
        }
        assert_eq!(filter.maximum(), expected);
    }

    #[test]
    fn the_cycle_before_counts() {
        check(&[&[(100, false), (300, false)], &[(200, false)]], 300);
    }

    #[test]
    fn older_cycles_do_not() {
        check(&[&[(300, false)], &[(200, false)], &[(100, false)]], 200);
    }

    #[test]
    fn an_application_limit_lowers_nothing() {
        check(&[&[(300, false)], &[(10, true)], &[(20, true)]], 300);
    }

    #[test]
    fn an_application_limited_sample_may_be_the_largest() {
        check(&[&[(300, false)], &[(400, true)]], 400);
    }
}
