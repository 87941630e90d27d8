//! What the chat has to reach beside the others. Pure.

use super::Part;
use super::contender::Contender::{self, Bare, Mumble, Ngircd, SimpleChat};
use super::fan_out::{FAN_OUT, ROOM, Shape};
use super::latency::{ALL_READ, EASY, SOME_STOPPED};
use super::sessions::{IDLE, RESTART, idle_scenario};
use super::{history, log};
use crate::goal::Bound::{AtLeast, AtMost};
use crate::goal::{Bound, Goal, ratio, ratio_to_best};
use crate::record::{Metric, Record};

/// The goals of one part.
pub(super) fn of(part: Part, record: &Record) -> Vec<Goal> {
    match part {
        Part::FanOut => fan_out(record),
        Part::Room => room(record),
        Part::Pairs | Part::Logins => Vec::new(),
        Part::Latency => latency(record),
        Part::Stopped => stopped(record),
        Part::Idle => idle(record),
        Part::Restart => restart(record),
        Part::Log => log(record),
        Part::History => history(record),
    }
}

fn fan_out(record: &Record) -> Vec<Goal> {
    let over = |peer: Contender| speed(record, FAN_OUT, &[&peer.to_string()]);
    // The load generator alone could be what limits the bare fan-out: see the document.
    let what = (&*FAN_OUT.scenario(), Metric::CpuSecondsPerMillion);
    let cost = ratio(record, what, &SimpleChat.to_string(), &Bare.to_string());
    let per_cpu = "one to 1000, deliveries in a second of processor time, over the bare fan-out's";
    vec![
        must("one to 1000, deliveries over ngIRCd's", AtLeast(5.0), over(Ngircd)),
        must("one to 1000, deliveries over Mumble's", AtLeast(3.0), over(Mumble)),
        Goal::new(per_cpu, &[], &[AtLeast(0.7)], cost.map(f64::recip)),
    ]
}

fn room(record: &Record) -> Vec<Goal> {
    let value = speed(record, ROOM, &[&Ngircd.to_string(), &Mumble.to_string()]);
    let what = "a room of 100 who all write, deliveries over the better peer's";
    vec![must(what, AtLeast(4.0), value)]
}

fn latency(record: &Record) -> Vec<Goal> {
    let p99 = ours(record, EASY, Metric::P99Milliseconds);
    vec![must("20 messages/s to 1000, 99 of 100 deliveries within, ms", AtMost(25.0), p99)]
}

fn stopped(record: &Record) -> Vec<Goal> {
    let p99 = |scenario| ours(record, scenario, Metric::P99Milliseconds);
    let over = p99(SOME_STOPPED).zip(p99(ALL_READ)).map(|(with, without)| with / without);
    let what =
        "100 of 1000 do not read, 99 of 100 deliveries to the others, over the same if all read";
    vec![must(what, AtMost(2.0), over)]
}

fn idle(record: &Record) -> Vec<Goal> {
    let people = IDLE.iter().find(|(who, _)| *who == SimpleChat).map(|(_, people)| *people);
    let scenario = idle_scenario(people.unwrap_or_default());
    let (each, all) = (
        ours(record, &scenario, Metric::KibibytesPerSession),
        ours(record, &scenario, Metric::Mebibytes),
    );
    vec![
        Goal::new("memory of an idle session, KiB", &[AtMost(32.0)], &[AtMost(20.0)], each),
        must("the server's memory with 10000 idle sessions, MiB", AtMost(400.0), all),
    ]
}

fn restart(record: &Record) -> Vec<Goal> {
    let seconds = ours(record, RESTART, Metric::Seconds);
    vec![must("1000 clients back after a restart, s", AtMost(5.0), seconds)]
}

fn log(record: &Record) -> Vec<Goal> {
    let rate = ours(record, log::SCENARIO, Metric::AcknowledgedPerSecond);
    vec![must("messages stored and acknowledged a second", AtLeast(20_000.0), rate)]
}

fn history(record: &Record) -> Vec<Goal> {
    let p95 = |scenario| ours(record, scenario, Metric::P95Milliseconds);
    let searches = [history::RARE, history::COMMON, history::BOTH];
    let slowest = searches.into_iter().filter_map(p95).reduce(f64::max);
    let start = ours(record, history::START, Metric::Seconds);
    vec![
        must(
            "a page among 1000000 messages, 95 of 100 within, ms",
            AtMost(50.0),
            p95(history::PAGE),
        ),
        must("a search among 1000000 messages, 95 of 100 within, ms", AtMost(100.0), slowest),
        must("start with 1000000 messages, s", AtMost(1.0), start),
    ]
}

fn must(what: &str, bound: Bound, value: Option<f64>) -> Goal {
    Goal::new(what, &[bound], &[], value)
}

/// The median of ours.
fn ours(record: &Record, scenario: &str, metric: Metric) -> Option<f64> {
    record.summary(scenario, &SimpleChat.to_string(), metric).map(|it| it.median)
}

/// Ours over the best of others.
fn speed(record: &Record, shape: Shape, others: &[&str]) -> Option<f64> {
    let what = (&*shape.scenario(), Metric::DeliveriesPerSecond);
    ratio_to_best(record, what, &SimpleChat.to_string(), others, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn the_better_peer_is_what_counts() {
        let per_second = Metric::DeliveriesPerSecond;
        let record = record(&[
            (&ROOM.scenario(), "Simple Chat", per_second, &[8.0]),
            (&ROOM.scenario(), "ngIRCd", per_second, &[1.0]),
            (&ROOM.scenario(), "Mumble", per_second, &[4.0]),
        ]);
        assert_eq!(room(&record)[0].value, Some(2.0));
    }

    #[test]
    fn the_slowest_kind_of_search_is_what_counts() {
        let p95 = Metric::P95Milliseconds;
        let record = record(&[
            (history::RARE, "Simple Chat", p95, &[1.0]),
            (history::COMMON, "Simple Chat", p95, &[200.0]),
        ]);
        assert_eq!(history(&record)[1].value, Some(200.0));
    }
}
