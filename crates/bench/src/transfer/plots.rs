//! The pictures in docs/benchmarks, made of the records alone. Pure.

use super::Part;
use super::chart::{Chart, Line};
use super::fairness::{ORDINARY, TWINS, duel};
use super::links::{AGAINST_LOSS, LOSSES, lossy};
use super::loopback::SIMPLE_CHAT;
use crate::record::{Metric, Record};

/// Goodput against loss.
pub(super) const LOSS_PLOT: &str = "loss.svg";

/// File name and picture, as far as there is something to draw.
pub(super) fn all(records: &[(Part, Record)]) -> Vec<(String, Chart)> {
    let mut charts = Vec::new();
    for (part, record) in records {
        match part {
            Part::Loss => charts.push((LOSS_PLOT.to_owned(), against_loss(record))),
            Part::Fairness => charts.extend(of_flows(record)),
            Part::Loopback | Part::Links | Part::Incidents | Part::Crowd => {}
        }
    }
    charts
}

/// Two flows over time, one picture for each contest that is shown.
pub(super) fn of_flows(record: &Record) -> Vec<(String, Chart)> {
    let shown = [
        ("flows-against-cubic.svg", "Simple Chat and TCP CUBIC", duel(SIMPLE_CHAT, ORDINARY)),
        ("flows-side-by-side.svg", "Two of Simple Chat", TWINS),
    ];
    let drawn = shown.map(|(file, title, contest)| {
        let scenario = contest.scenario();
        let series = record.series.iter().filter(|series| series.scenario == scenario);
        let lines: Vec<Line> = series
            .map(|series| Line {
                name: series.flow.clone(),
                points: (1_u32..).map(f64::from).zip(series.megabits.iter().copied()).collect(),
            })
            .collect();
        let title = format!("{title} over 100 Mbit/s, 40 ms, queue 1 BDP");
        let chart = Chart { title, x: "seconds".into(), y: "Mbit/s".into(), lines };
        (file.to_owned(), chart)
    });
    drawn.into_iter().filter(|(_, chart)| !chart.lines.is_empty()).collect()
}

fn against_loss(record: &Record) -> Chart {
    let lines = AGAINST_LOSS.iter().map(|contender| {
        let name = contender.to_string();
        let median = |loss: &f64| {
            let scenario = lossy(*loss).to_string();
            Some((*loss, record.summary(&scenario, &name, Metric::MegabitsPerSecond)?.median))
        };
        Line { points: LOSSES.iter().filter_map(median).collect(), name }
    });
    Chart {
        title: "Goodput against random loss: 100 Mbit/s, 40 ms".into(),
        x: "packets lost, %".into(),
        y: "Mbit/s".into(),
        lines: lines.collect(),
    }
}
