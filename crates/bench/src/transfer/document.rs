//! The transfer engine's sections of docs/BENCHMARKS.md, and what the README quotes of them. Pure.

use std::fmt::Write;

use super::Part;
use super::crowd::{SCENARIO, SERVER};
use super::fairness::CONTESTS;
use super::goals;
use super::incidents::Incident;
use super::links::{self, LOSSES, PATHS, TCP_CUBIC, lossy};
use super::loopback::{CEILING, WITH_GSO, WITHOUT_GSO};
use super::plots::{self, LOSS_PLOT};
use crate::document::{Section, figure, provenance};
use crate::goal::{self, Goal};
use crate::record::{Metric, Record};

/// Where each part says what it means.
const LOOPBACK: &str = "\
One file from memory disk to memory disk over loopback. Everybody runs in turn, so that a machine that grows busy
is busy for all; one round before the counted ones warms the caches. AES-128-GCM everywhere but for HTTP; 1452-byte
datagrams (s2n-quic 1472). Simple Chat is `chat-server` and `simple-chat-cli`, its time runs from the request to the
file under its final name, checked against its BLAKE3 hash; nobody else checks anything. *CPU* is the processor time
of both ends. The *ceiling* is sealed datagrams from file to file with no protocol around them.
";

const LINKS: &str = "\
One download at a time between two network namespaces whose packets go through an emulated link: a queue of one
bandwidth-delay product unless said otherwise, random loss both ways. Mbit/s of file bytes from the beginning of the
transfer, its handshake included; every seed is a run with other losses, the same ones for everybody. 0 is a transfer
that failed. TCP is the kernel's, not encrypted.
";

const LOSS: &str = "\
Mbit/s of file bytes through 100 Mbit/s and 40 ms, with more and more packets lost at random, both ways.
";

const FAIRNESS: &str = "\
Several flows at once through one link of 100 Mbit/s and 40 ms without random loss, for a minute from when the last
one has begun. *Share* is what the first got of everything, *keeps* what TCP CUBIC got over an equal share.
";

const INCIDENTS: &str = "\
Something happens to a path of 100 Mbit/s and 40 ms in the middle of a transfer. Seconds from when packets pass again
until half of the rate before has arrived for a tenth of a second, that tenth included; 15 is *not within 15 s*.
";

const CROWD: &str = "\
Thirty `simple-chat-cli` fetch one file from one `chat-server` over loopback, all on this machine; the file is not in
memory when they begin. Somebody writes a message every 50 ms meanwhile.
";

/// A section for each part that was measured.
pub(super) fn sections(records: &[(Part, Record)]) -> Vec<Section> {
    let section = |(part, record): &(Part, Record)| Section {
        title: part.title(),
        goals: goals_of(*part, record),
        text: format!("{}\n{}", provenance(record), body(*part, record)),
    };
    records.iter().map(section).collect()
}

fn goals_of(part: Part, record: &Record) -> Vec<Goal> {
    match part {
        Part::Loopback => goals::loopback(record),
        Part::Links => goals::links(record),
        Part::Loss => Vec::new(),
        Part::Fairness => goals::fairness(record),
        Part::Incidents => goals::incidents(record),
        Part::Crowd => goals::crowd(record),
    }
}

fn body(part: Part, record: &Record) -> String {
    match part {
        Part::Loopback => loopback(record),
        Part::Links => links(record),
        Part::Loss => loss(record),
        Part::Fairness => fairness(record),
        Part::Incidents => incidents(record),
        Part::Crowd => crowd(record),
    }
}

fn loopback(record: &Record) -> String {
    let mut text = LOOPBACK.to_owned();
    for (heading, scenario) in
        [("With segmentation offload", WITH_GSO), ("One datagram a system call", WITHOUT_GSO)]
    {
        let _ = write!(text, "\n### {heading}\n\n");
        text += "| | GB/s | CPU-s per GB | of the ceiling |\n|---|---|---|---|\n";
        for contender in record.contenders(scenario) {
            let speed = (scenario, Metric::GigabytesPerSecond);
            let ratio = goal::ratio(record, speed, contender, &CEILING.to_string());
            let _ = writeln!(
                text,
                "| {contender} | {} | {} | {:.2} |",
                figure(record.summary(scenario, contender, speed.1), 2),
                figure(record.summary(scenario, contender, Metric::CpuSecondsPerGigabyte), 2),
                ratio.unwrap_or(f64::NAN),
            );
        }
    }
    text
}

/// The README with its section *Measured* made anew; as it was where it has none.
pub(super) fn quote_in(readme: &str, records: &[(Part, Record)]) -> String {
    let Some((before, rest)) = readme.split_once(README_HEADING) else { return readme.to_owned() };
    let after = rest.find("\n## ").and_then(|at| rest.get(at..)).unwrap_or_default();
    format!("{before}{README_HEADING}{}{after}", quotation(records))
}

/// The part of the README that figures stand in.
const README_HEADING: &str = "\n## Measured\n";

fn quotation(records: &[(Part, Record)]) -> String {
    let mut text = "\nBeside what else moves a file, in one run on one machine; all of it, and the goals that are \
                    missed, in [docs/BENCHMARKS.md](docs/BENCHMARKS.md).\n"
        .to_owned();
    if records.iter().any(|(_, record)| record.quick) {
        text += "\nThese are preliminary figures of a machine that was busy with other things.\n";
    }
    for (part, record) in records {
        match part {
            Part::Loopback => text += &loopback_quotation(record),
            Part::Links => text += &links_quotation(record),
            Part::Fairness | Part::Incidents | Part::Crowd => {}
            Part::Loss => text += "\n![Goodput against random loss](docs/benchmarks/loss.svg)\n",
        }
    }
    text
}

fn loopback_quotation(record: &Record) -> String {
    let mut text =
        "\n| one file over loopback | GB/s | CPU-s per GB, both ends |\n|---|---|---|\n".to_owned();
    for contender in record.contenders(WITH_GSO) {
        let median = |metric| {
            let summary = record.summary(WITH_GSO, contender, metric);
            summary.map_or_else(|| "–".into(), |it| format!("{:.2}", it.median))
        };
        let speed = median(Metric::GigabytesPerSecond);
        let cost = median(Metric::CpuSecondsPerGigabyte);
        let _ = writeln!(text, "| {contender} | {speed} | {cost} |");
    }
    text
}

fn links(record: &Record) -> String {
    let mut text = LINKS.to_owned() + "\n";
    for path in PATHS {
        let _ = writeln!(text, "- {path}");
    }
    text += "\n";
    let columns: Vec<(String, String)> =
        PATHS.iter().map(|path| (path.name.to_owned(), path.to_string())).collect();
    text += &matrix(record, &columns, Metric::MegabitsPerSecond);
    text += "\nFile bytes put on the link for each that arrived:\n\n";
    text += &matrix(record, &columns, Metric::SentOverReceived);
    let late = PATHS.iter().flat_map(|path| {
        let scenario = path.to_string();
        let late = |it: &&str| record.summary(&scenario, it, Metric::LinkLateMilliseconds);
        record.contenders(&scenario).iter().filter_map(late).map(|it| it.max).reduce(f64::max)
    });
    let latest = late.reduce(f64::max).unwrap_or(0.0);
    let _ = writeln!(text, "\nThe emulator was never later with a packet than {latest:.1} ms.");
    text
}

fn loss(record: &Record) -> String {
    let columns: Vec<(String, String)> =
        LOSSES.iter().map(|loss| (format!("{loss} %"), lossy(*loss).to_string())).collect();
    let table = matrix(record, &columns, Metric::MegabitsPerSecond);
    format!("{LOSS}\n![Goodput against random loss](benchmarks/{LOSS_PLOT})\n\n{table}")
}

fn fairness(record: &Record) -> String {
    let mut text = FAIRNESS.to_owned();
    for (name, chart) in plots::of_flows(record) {
        let _ = write!(text, "\n![{}](benchmarks/{name})\n", chart.title);
    }
    text += "\n| who, against whom, over what | share | TCP CUBIC keeps | Jain | all, Mbit/s |\n";
    text += "|---|---|---|---|---|\n";
    for contest in CONTESTS {
        let scenario = contest.scenario();
        let own = |metric, digits| {
            figure(record.summary(&scenario, &contest.challenger.to_string(), metric), digits)
        };
        let kept = record.summary(&scenario, &TCP_CUBIC.to_string(), Metric::OfFairShare);
        let _ = writeln!(
            text,
            "| {scenario} | {} | {} | {} | {} |",
            own(Metric::Share, 2),
            figure(kept, 2),
            own(Metric::Jain, 3),
            own(Metric::MegabitsPerSecond, 1),
        );
    }
    text
}

fn incidents(record: &Record) -> String {
    let mut text = INCIDENTS.to_owned();
    let columns = Incident::ALL.map(|it| (it.scenario().to_owned(), it.scenario().to_owned()));
    text += "\n";
    text += &matrix(record, &columns, Metric::RecoverySeconds);
    text
}

fn crowd(record: &Record) -> String {
    let mut text = CROWD.to_owned() + "\n| | |\n|---|---|\n";
    for (what, metric, digits) in [
        ("Jain's index of what the clients get", Metric::Jain, 3),
        ("all together, Mbit/s", Metric::MegabitsPerSecond, 0),
        ("the server's memory at its largest, MB", Metric::Megabytes, 0),
        ("bytes read from the disk over the file's size", Metric::DiskReadsOverSize, 2),
        ("99 of 100 chat messages accepted within, ms", Metric::ChatP99Milliseconds, 1),
    ] {
        let _ = writeln!(
            text,
            "| {what} | {} |",
            figure(record.summary(SCENARIO, SERVER, metric), digits)
        );
    }
    text
}

/// A row for each contender, a column for each (heading, scenario).
fn matrix(record: &Record, columns: &[(String, String)], metric: Metric) -> String {
    let headings: Vec<&str> = columns.iter().map(|(heading, _)| heading.as_str()).collect();
    let mut text =
        format!("| | {} |\n|---|{}\n", headings.join(" | "), "---|".repeat(columns.len()));
    let digits = if metric == Metric::MegabitsPerSecond { 1 } else { 2 };
    for contender in columns.first().map(|it| record.contenders(&it.1)).unwrap_or_default() {
        let figures: Vec<String> = columns
            .iter()
            .map(|(_, scenario)| figure(record.summary(scenario, contender, metric), digits))
            .collect();
        let _ = writeln!(text, "| {contender} | {} |", figures.join(" | "));
    }
    text
}

fn links_quotation(record: &Record) -> String {
    let mut text = "\n| Mbit/s through a lossy link |".to_owned();
    let shown = [links::B, links::C, links::D];
    for path in shown {
        let _ = write!(text, " {path} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(shown.len()));
    for contender in record.contenders(&links::B.to_string()) {
        let _ = write!(text, "| {contender} |");
        for path in shown {
            let summary = record.summary(&path.to_string(), contender, Metric::MegabitsPerSecond);
            let _ = write!(
                text,
                " {} |",
                summary.map_or_else(|| "–".into(), |it| format!("{:.1}", it.median))
            );
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::document::render;
    use crate::record::tests::record;

    fn project() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn a_table_holds_median_spread_and_standing() {
        let record = record(&[
            (WITH_GSO, "ceiling", Metric::GigabytesPerSecond, &[2.0]),
            (WITH_GSO, "Simple Chat", Metric::GigabytesPerSecond, &[1.0, 1.7, 1.8]),
            (WITH_GSO, "Simple Chat", Metric::CpuSecondsPerGigabyte, &[1.5]),
            (WITH_GSO, "quinn BBR", Metric::GigabytesPerSecond, &[0.85]),
        ]);
        let text = render(&sections(&[(Part::Loopback, record)]));
        assert!(
            text.contains("| Simple Chat | 1.70 (1.00–1.80) | 1.50 (1.50–1.50) | 0.85 |"),
            "{text}"
        );
        assert!(text.contains("| speed, over quinn's | ≥ 1.6 | ≥ 2 | 2.00 | reached |"), "{text}");
        assert!(
            text.contains("| speed, over s2n-quic's | ≥ 1.3 |  | – | not measured |"),
            "{text}"
        );
        assert!(!text.contains("Preliminary"));
    }

    #[test]
    fn a_short_run_says_so() {
        let short = Record { quick: true, ..record(&[]) };
        assert!(render(&sections(&[(Part::Loopback, short)])).contains("Preliminary"));
    }

    /// Every number of the README's section on measurements stands in the document: no claim outlives
    /// its measurement.
    #[test]
    fn the_readme_quotes_the_document() {
        let readme = fs::read_to_string(project().join("README.md")).unwrap();
        let document = fs::read_to_string(project().join("docs/BENCHMARKS.md")).unwrap();
        let section = readme.split("\n## ").find_map(|it| it.strip_prefix("Measured\n")).unwrap();
        let quoted = figures(section);
        assert!(quoted.len() >= 3, "the README quotes nothing");
        for figure in quoted {
            assert!(figures(&document).contains(&figure), "{figure} is not in docs/BENCHMARKS.md");
        }
    }

    /// All decimal fractions in a text.
    fn figures(text: &str) -> Vec<&str> {
        let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        words.map(|word| word.trim_matches('.')).filter(|word| word.contains('.')).collect()
    }

    #[test]
    fn only_the_measured_section_of_a_readme_is_made_anew() {
        let record = record(&[(WITH_GSO, "ceiling", Metric::GigabytesPerSecond, &[2.5])]);
        let readme = "# A\n\n## Measured\n\nold 9.99\n\n## Next\n\nkept\n";
        let quoted = quote_in(readme, &[(Part::Loopback, record)]);
        assert!(quoted.starts_with("# A\n\n## Measured\n\nBeside"), "{quoted}");
        assert!(quoted.contains("| ceiling | 2.50 | – |\n\n## Next\n\nkept\n"), "{quoted}");
        assert!(!quoted.contains("9.99"));
        assert_eq!(quote_in("# B\n", &[]), "# B\n");
    }
}
