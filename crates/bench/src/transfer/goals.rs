//! What the transfer engine has to reach beside the others, and whether it does. Pure.
//!
//! Every goal is a ratio within one run, or a figure that no machine changes: the speed of a machine is
//! nobody's merit.

use std::fmt;

use super::loopback::{CEILING, SIMPLE_CHAT, WITH_GSO, WITHOUT_GSO};
use super::record::{Metric, Record};

/// On which side of a number the good values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
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
pub(super) struct Goal {
    pub(super) what: String,
    /// All of these have to hold.
    pub(super) must: Vec<Bound>,
    /// Where it should get to.
    pub(super) aim: Vec<Bound>,
    /// `None` where it was not measured.
    pub(super) value: Option<f64>,
}

/// How a goal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
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
    pub(super) fn new(what: &str, must: &[Bound], aim: &[Bound], value: Option<f64>) -> Self {
        Self { what: what.to_owned(), must: must.to_vec(), aim: aim.to_vec(), value }
    }

    pub(super) fn standing(&self) -> Standing {
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
pub(super) fn ratio(
    record: &Record,
    (scenario, metric): (&str, Metric),
    ours: &str,
    theirs: &str,
) -> Option<f64> {
    let median = |who: &str| record.summary(scenario, who, metric).map(|it| it.median);
    Some(median(ours)? / median(theirs)?)
}

/// The same over the best of several: where `best_is` compares the medians.
pub(super) fn ratio_to_best(
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

/// The goals of the loopback part.
pub(super) fn loopback(record: &Record) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    use Metric::{CpuSecondsPerGigabyte, GigabytesPerSecond};
    let quinn = ["quinn CUBIC", "quinn BBR"];
    let s2n = ["s2n-quic CUBIC", "s2n-quic BBR"];
    let (ours, ceiling) = (SIMPLE_CHAT.to_string(), CEILING.to_string());
    let speed = |scenario, peers: &[&str]| {
        ratio_to_best(record, (scenario, GigabytesPerSecond), &ours, peers, f64::min)
    };
    let cost = |scenario, peers: &[&str]| {
        ratio_to_best(record, (scenario, CpuSecondsPerGigabyte), &ours, peers, f64::max)
    };
    vec![
        Goal::new("speed, over quinn's", &[AtLeast(1.6)], &[AtLeast(2.0)], speed(WITH_GSO, &quinn)),
        Goal::new("speed, over s2n-quic's", &[AtLeast(1.3)], &[], speed(WITH_GSO, &s2n)),
        Goal::new(
            "speed, over that of nginx and curl by HTTPS",
            &[AtLeast(1.25)],
            &[],
            speed(WITH_GSO, &["nginx + curl, HTTPS"]),
        ),
        Goal::new("speed, over the ceiling's", &[], &[AtLeast(0.85)], speed(WITH_GSO, &[&ceiling])),
        Goal::new("processor time, over quinn's", &[AtMost(0.6)], &[], cost(WITH_GSO, &quinn)),
        Goal::new(
            "processor time, over the ceiling's",
            &[],
            &[AtMost(1.25)],
            cost(WITH_GSO, &[&ceiling]),
        ),
        Goal::new(
            "speed without GSO, over quinn's without",
            &[AtLeast(1.1)],
            &[],
            speed(WITHOUT_GSO, &quinn),
        ),
        Goal::new(
            "speed without GSO, over the ceiling's without",
            &[],
            &[AtLeast(0.85)],
            speed(WITHOUT_GSO, &[&ceiling]),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
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

    #[test]
    fn the_fastest_and_the_cheapest_peer_is_what_counts() {
        let gb = Metric::GigabytesPerSecond;
        let cpu = Metric::CpuSecondsPerGigabyte;
        let record = record(&[
            (WITH_GSO, "Simple Chat", gb, &[1.0]),
            (WITH_GSO, "quinn CUBIC", gb, &[0.5]),
            (WITH_GSO, "quinn BBR", gb, &[0.8]),
            (WITH_GSO, "Simple Chat", cpu, &[1.0]),
            (WITH_GSO, "quinn CUBIC", cpu, &[2.0]),
            (WITH_GSO, "quinn BBR", cpu, &[4.0]),
        ]);
        let goals = loopback(&record);
        let value = |what: &str| goals.iter().find(|goal| goal.what == what).unwrap().value;
        assert_eq!(value("speed, over quinn's"), Some(1.25));
        assert_eq!(value("processor time, over quinn's"), Some(0.5));
        assert_eq!(value("speed, over s2n-quic's"), None);
    }
}
