//! What the transfer engine has to reach beside the others. Pure.
//!
//! Every goal is a ratio within one run, or a figure that no machine changes: the speed of a machine is
//! nobody's merit.

use super::contender::Contender;
use super::crowd::{SCENARIO, SERVER};
use super::fairness::{
    CODEL, Contest, DEEP, ORDINARY, POLICED, SHALLOW, TEN_TO_ONE, TINY, TWINS, duel,
};
use super::incidents::Incident;
use super::links::{A, B, C, D, S2N_BBR, TCP_BBR, TCP_CUBIC};
use super::loopback::{CEILING, SIMPLE_CHAT, WITH_GSO, WITHOUT_GSO};
use super::path::Path;
use crate::goal::{Bound, Goal, ratio_to_best};
use crate::record::{Metric, Record};

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

/// The goals of the part with one download at a time.
pub(super) fn links(record: &Record) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let ours = SIMPLE_CHAT.to_string();
    let [cubic, bbr, s2n] = [TCP_CUBIC, TCP_BBR, S2N_BBR].map(|it| it.to_string());
    let over = |path: Path, peers: &[&str]| {
        let what = (&*path.to_string(), Metric::MegabitsPerSecond);
        ratio_to_best(record, what, &ours, peers, f64::min)
    };
    let median = |path: Path, metric| {
        record.summary(&path.to_string(), &ours, metric).map(|summary| summary.median)
    };
    vec![
        Goal::new(
            "link A, over TCP CUBIC",
            &[AtLeast(0.97)],
            &[AtLeast(0.985)],
            over(A, &[&cubic]),
        ),
        Goal::new("link B, over TCP BBR", &[AtLeast(0.95)], &[AtLeast(1.0)], over(B, &[&bbr])),
        Goal::new("link C, over TCP BBR", &[AtLeast(0.9)], &[AtLeast(1.0)], over(C, &[&bbr])),
        Goal::new(
            "link D, over the better of TCP BBR and s2n-quic BBR",
            &[AtLeast(1.0)],
            &[],
            over(D, &[&bbr, &s2n]),
        ),
        Goal::new("link D, Mbit/s", &[], &[AtLeast(17.0)], median(D, Metric::MegabitsPerSecond)),
        Goal::new(
            "link B, file bytes sent for each that arrives",
            &[AtMost(1.05)],
            &[AtMost(1.02)],
            median(B, Metric::SentOverReceived),
        ),
    ]
}

/// The goals of the part with several flows.
pub(super) fn fairness(record: &Record) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let mean = |contest: &Contest, who: Contender, metric| {
        record.summary(&contest.scenario(), &who.to_string(), metric).map(|it| it.mean)
    };
    let share = |path| mean(&duel(SIMPLE_CHAT, path), SIMPLE_CHAT, Metric::Share);
    let kept = |contest: &Contest| mean(contest, TCP_CUBIC, Metric::OfFairShare);
    let against = |queue| format!("share against TCP CUBIC, queue {queue}, mean");
    let cubic_keeps = |what| format!("TCP CUBIC keeps of its fair share {what}, mean");
    vec![
        Goal::new(
            &against("1 BDP"),
            &[AtLeast(0.35), AtMost(0.6)],
            &[AtLeast(0.45), AtMost(0.55)],
            share(ORDINARY),
        ),
        Goal::new(&against("0.25 BDP"), &[AtMost(0.75)], &[], share(SHALLOW)),
        Goal::new(&against("4 BDP"), &[AtLeast(0.25)], &[], share(DEEP)),
        Goal::new(&cubic_keeps("beside ten"), &[AtLeast(0.5)], &[], kept(&TEN_TO_ONE)),
        Goal::new(
            &cubic_keeps("before a queue of 0.05 BDP"),
            &[AtLeast(0.5)],
            &[],
            kept(&duel(SIMPLE_CHAT, TINY)),
        ),
        Goal::new(
            &cubic_keeps("under CoDel"),
            &[AtLeast(0.5)],
            &[],
            kept(&duel(SIMPLE_CHAT, CODEL)),
        ),
        Goal::new(
            &cubic_keeps("behind a policer"),
            &[AtLeast(0.5)],
            &[],
            kept(&duel(SIMPLE_CHAT, POLICED)),
        ),
        Goal::new(
            "two side by side, Jain's index, mean",
            &[AtLeast(0.95)],
            &[],
            mean(&TWINS, SIMPLE_CHAT, Metric::Jain),
        ),
    ]
}

/// The goals of the part with incidents.
pub(super) fn incidents(record: &Record) -> Vec<Goal> {
    let ours = SIMPLE_CHAT.to_string();
    let slowest = |incident: Incident| {
        let summary = record.summary(incident.scenario(), &ours, Metric::RecoverySeconds);
        summary.map(|summary| summary.max)
    };
    let goal = |what, incident, seconds| {
        Goal::new(what, &[Bound::AtMost(seconds)], &[], slowest(incident))
    };
    vec![
        goal("back after an outage of 2 s, s", Incident::Outage, 1.0),
        goal("back after an MTU black hole, s", Incident::BlackHole, 3.0),
        goal("back after a change of port, s", Incident::PortChange, PORT_CHANGE_SECONDS),
    ]
}

/// The goals of the part with a crowd.
pub(super) fn crowd(record: &Record) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let median = |metric| record.summary(SCENARIO, SERVER, metric).map(|it| it.median);
    let jain = median(Metric::Jain);
    let reads = median(Metric::DiskReadsOverSize);
    let memory = median(Metric::Megabytes);
    let chat = median(Metric::ChatP99Milliseconds);
    vec![
        Goal::new("30 clients, Jain's index", &[AtLeast(0.9)], &[], jain),
        Goal::new("30 clients, disk reads over the file's size", &[AtMost(1.2)], &[], reads),
        Goal::new("30 clients, the server's memory, MB", &[AtMost(150.0)], &[], memory),
        Goal::new("30 clients, 99 of 100 chat messages within, ms", &[AtMost(200.0)], &[], chat),
    ]
}

/// Two round trips of 40 ms and a probe timeout of 85, and the window of 100 that it is measured with.
const PORT_CHANGE_SECONDS: f64 = 0.265;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

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
