//! What was measured, as it is kept in `docs/benchmarks`: one file a part, so that a part can be measured
//! again alone. docs/BENCHMARKS.md is made of nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::scope::Scope;
use crate::statistics::Summary;

/// What a sample's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Metric {
    /// File bytes, 10⁹ a second.
    GigabytesPerSecond,
    /// Processor time of both ends for 10⁹ file bytes.
    CpuSecondsPerGigabyte,
    /// File bytes, 10⁶ bits a second.
    MegabitsPerSecond,
    /// File bytes put on the link for each that arrived.
    SentOverReceived,
    /// The latest that the link emulator was with a packet: much means that the machine was too busy.
    LinkLateMilliseconds,
    /// The part of what all flows got together.
    Share,
    /// What a flow got over an equal share.
    OfFairShare,
    /// Jain's index of fairness.
    Jain,
    /// Until goodput was back.
    RecoverySeconds,
    /// Bytes read from the disk for each of the file.
    DiskReadsOverSize,
    /// Resident memory of the server.
    Megabytes,
    /// Until 99 of 100 chat messages were accepted.
    ChatP99Milliseconds,
    /// Chat messages that arrived at somebody.
    DeliveriesPerSecond,
    /// Processor time of a chat server for a million deliveries.
    CpuSecondsPerMillion,
    /// The part of its core that a server used.
    ServerBusy,
    /// The same of the load generator.
    LoadBusy,
    /// What half of them took at most, …
    P50Milliseconds,
    /// … 95 of 100, …
    P95Milliseconds,
    /// … and 99 of 100.
    P99Milliseconds,
    /// How long something took.
    Seconds,
    /// People who came in.
    LoginsPerSecond,
    /// Resident memory of a server for each who is in.
    KibibytesPerSession,
    /// Resident memory of a server.
    Mebibytes,
    /// Messages that are stored, and said to be.
    AcknowledgedPerSecond,
}

/// How fast a flow was over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    /// Under which conditions.
    pub(crate) scenario: String,
    /// Which flow.
    pub(crate) flow: String,
    /// Mbit/s of file bytes in each second.
    pub(crate) megabits: Vec<f64>,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Under which conditions.
    pub(crate) scenario: String,
    /// Who.
    pub(crate) contender: String,
    pub(crate) metric: Metric,
    /// The how-manieth, or the seed of the link.
    pub(crate) round: u64,
    pub(crate) value: f64,
}

/// One part: what one run of it measured, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) machine: String,
    /// The day it was measured, YYYY-MM-DD.
    pub(crate) date: String,
    /// Shortened: to try the instrument, not to quote.
    pub(crate) quick: bool,
    /// How long the run took.
    pub(crate) minutes: f64,
    /// Program → version.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) samples: Vec<Sample>,
    /// Only of what is drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) series: Vec<Series>,
}

impl Record {
    /// Keeps one figure, and shows it: a run takes long.
    pub(crate) fn add(&mut self, scenario: &str, contender: &str, round: u64, what: (Metric, f64)) {
        let (metric, value) = what;
        eprintln!("{scenario}: {contender} ({round}): {value:.3} {metric:?}");
        let (scenario, contender) = (scenario.to_owned(), contender.to_owned());
        self.samples.push(Sample { scenario, contender, metric, round, value });
    }

    /// Takes over what is outside of `scope` from what was measured before.
    pub(crate) fn keep(&mut self, before: Self, scope: &Scope<'_>) {
        let Self { samples, series, minutes, quick, .. } = before;
        self.minutes = minutes;
        self.quick |= quick;
        self.samples = samples;
        self.samples.retain(|it| !scope.has(&it.scenario));
        self.series = series;
        self.series.retain(|it| !scope.has(&it.scenario));
    }

    /// All measurements of one thing together.
    pub(crate) fn summary(
        &self,
        scenario: &str,
        contender: &str,
        metric: Metric,
    ) -> Option<Summary> {
        let wanted = self.samples.iter().filter(|sample| {
            sample.scenario == scenario && sample.contender == contender && sample.metric == metric
        });
        Summary::of(wanted.map(|sample| sample.value))
    }

    /// Who was measured in a scenario, in the order of measuring.
    pub(crate) fn contenders(&self, scenario: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for sample in self.samples.iter().filter(|sample| sample.scenario == scenario) {
            if !names.contains(&sample.contender.as_str()) {
                names.push(&sample.contender);
            }
        }
        names
    }

    /// The record of a part, none where it was never measured.
    pub(crate) fn read(folder: &Path, part: &str) -> Result<Option<Self>> {
        let path = file(folder, part);
        match fs::read_to_string(&path) {
            Ok(text) => {
                Ok(Some(serde_json::from_str(&text).with_context(|| path.display().to_string())?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    pub(crate) fn write(&self, folder: &Path, part: &str) -> Result<()> {
        fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        Ok(fs::write(file(folder, part), text)?)
    }
}

fn file(folder: &Path, part: &str) -> std::path::PathBuf {
    folder.join(part).with_extension("json")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record with the given samples of round 1, 2, ….
    pub(crate) fn record(samples: &[(&str, &str, Metric, &[f64])]) -> Record {
        let mut record = Record {
            machine: "a box".into(),
            date: "2026-01-02".into(),
            quick: false,
            minutes: 1.0,
            versions: BTreeMap::from([("quinn".into(), "0.11".into())]),
            samples: Vec::new(),
            series: Vec::new(),
        };
        for (scenario, contender, metric, values) in samples {
            for (round, value) in (1..).zip(*values) {
                record.add(scenario, contender, round, (*metric, *value));
            }
        }
        record
    }

    #[test]
    fn only_one_thing_is_summed_up_at_a_time() {
        use Metric::{CpuSecondsPerGigabyte, GigabytesPerSecond};
        let record = record(&[
            ("a", "x", GigabytesPerSecond, &[1.0, 2.0, 3.0]),
            ("a", "y", GigabytesPerSecond, &[10.0]),
            ("b", "x", GigabytesPerSecond, &[20.0]),
            ("a", "x", CpuSecondsPerGigabyte, &[30.0]),
        ]);
        assert_eq!(record.summary("a", "x", GigabytesPerSecond).unwrap().max, 3.0);
        assert_eq!(record.contenders("a"), ["x", "y"]);
        assert_eq!(record.summary("b", "y", GigabytesPerSecond), None);
    }

    #[test]
    fn what_is_not_measured_again_is_kept() {
        let before =
            record(&[("a", "x", Metric::Share, &[0.1]), ("b", "x", Metric::Share, &[0.2])]);
        let mut again = record(&[]);
        again.keep(before, &Scope { quick: false, only: Some("a") });
        assert_eq!(again.summary("a", "x", Metric::Share), None);
        assert_eq!(again.summary("b", "x", Metric::Share).unwrap().median, 0.2);
    }

    #[test]
    fn a_part_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("deeper");
        let record = record(&[("a", "x", Metric::GigabytesPerSecond, &[0.1])]);
        record.write(&folder, "part").unwrap();
        assert_eq!(Record::read(&folder, "part").unwrap(), Some(record));
        assert_eq!(Record::read(&folder, "other").unwrap(), None);
    }

    #[test]
    fn a_broken_record_is_an_error_and_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("part.json"), "{").unwrap();
        assert!(Record::read(folder.path(), "part").is_err());
    }
}
