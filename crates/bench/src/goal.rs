//! What has to be reached, and whether it is: how the rows of the document's table of goals are judged. Pure.

use std::fmt;

use crate::record::{Metric, Record};

/// On which side of a number the good values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
        }
    }
}

/// One row of the table of goals.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) what: String,
    /// All of these have to hold.
    pub(crate) must: Vec<Bound>,
    /// Where it should get to.
    pub(crate) aim: Vec<Bound>,
    /// `None` where it was not measured.
    pub(crate) value: Option<f64>,
}

/// How a goal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    NotMeasured,
    Missed,
    /// What must be is, and no more.
    AimMissed,
    Reached,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMeasured => "not measured",
            Self::Missed => "**missed**",
            Self::AimMissed => "aim missed",
            Self::Reached => "reached",
        })
    }
}

impl Goal {
    pub(crate) fn new(what: &str, must: &[Bound], aim: &[Bound], value: Option<f64>) -> Self {
        Self { what: what.to_owned(), must: must.to_vec(), aim: aim.to_vec(), value }
    }

    pub(crate) fn standing(&self) -> Standing {
        let Some(value) = self.value else { return Standing::NotMeasured };
        let hold = |bounds: &[Bound]| bounds.iter().all(|bound| bound.holds(value));
        match (hold(&self.must), hold(&self.aim)) {
            (false, _) => Standing::Missed,
            (true, false) => Standing::AimMissed,
            (true, true) => Standing::Reached,
        }
    }
}

/// The median of one contender over that of another.
pub(crate) fn ratio(
    record: &Record,
    (scenario, metric): (&str, Metric),
    ours: &str,
    theirs: &str,
) -> Option<f64> {
    let median = |who: &str| record.summary(scenario, who, metric).map(|it| it.median);
    Some(median(ours)? / median(theirs)?)
}

/// The same over the best of several: where `best_is` compares the medians.
pub(crate) fn ratio_to_best(
    record: &Record,
    what: (&str, Metric),
    ours: &str,
    theirs: &[&str],
    best_is: fn(f64, f64) -> f64,
) -> Option<f64> {
    let ratios = theirs.iter().filter_map(|peer| ratio(record, what, ours, peer));
    // The best peer is the one beside which ours looks worst.
    ratios.reduce(best_is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(must: &[Bound], aim: &[Bound], value: Option<f64>, standing: Standing) {
        assert_eq!(Goal::new("", must, aim, value).standing(), standing);
    }

    #[test]
    fn a_goal_is_reached_at_its_bound() {
        check(&[Bound::AtLeast(1.5)], &[], Some(1.5), Standing::Reached);
        check(&[Bound::AtMost(1.5)], &[], Some(1.5), Standing::Reached);
        check(&[Bound::AtLeast(1.5)], &[], Some(1.49), Standing::Missed);
    }

    #[test]
    fn a_range_has_two_bounds() {
        let range = [Bound::AtLeast(0.35), Bound::AtMost(0.6)];
        check(&range, &[Bound::AtLeast(0.45), Bound::AtMost(0.55)], Some(0.5), Standing::Reached);
        check(&range, &[Bound::AtLeast(0.45), Bound::AtMost(0.55)], Some(0.4), Standing::AimMissed);
        check(&range, &[], Some(0.7), Standing::Missed);
    }

    #[test]
    fn nothing_measured_is_nothing_reached() {
        check(&[], &[], None, Standing::NotMeasured);
    }
}
