//! The chat's sections of docs/BENCHMARKS.md. Pure.

use std::fmt::Write;

use super::fan_out::Shape;
use super::latency::{ALL_READ, EASY, SOME_STOPPED};
use super::sessions::{IDLE, LOGINS, RESTART, idle_scenario};
use super::{Part, goals, history, log};
use crate::document::{Section, figure, provenance};
use crate::record::{Metric, Record};

/// What holds for all of them, before the first.
const CHAT: &str = "\
All of the chat's parts: the server has one core for itself, the load generator the other one of the machine. TLS 1.3
with AES-256-GCM and a P-256 certificate for everybody, messages of 200 bytes. Simple Chat has its log on the disk, and
delivers a message when it is stored there for good (`fsync`); nobody else stores anything. Limits on speed and on
connections are off, or raised out of reach: of Simple Chat the rate of a user, of ngIRCd penalties and connections
(it reads three commands of a connection before it looks at the next: that has no setting), of Mumble `messagelimit`,
`messageburst`, `users` and `autobanAttempts`. The *bare fan-out* is tokio and rustls on one core without names, limits or
a log: it passes on what it gets, and shares and gathers frames as Simple Chat does.
";

const FAN_OUT: &str = "\
Deliveries a second while the one who writes is at most 129 messages ahead of the slowest reader; the server's
processor time for a million of them; how much of its core the server used, and how much of the other one the load
generator. Where the server used less than nearly all of its core, something else was the limit, and the processor time
is what can be compared: beside the bare fan-out, that is what counts.
";

const ROOM: &str = "\
A hundred people who take turns to write; everybody gets what the others write, and is at most 227 messages behind (more
would be over what ngIRCd lets wait for a connection). The columns are those of *one to many*. Simple Chat's index for
searching gives way to deliveries meanwhile, and takes up what it has left over when there is time.
";

const PAIRS: &str = "\
Two thousand people, of whom a thousand write to one other each, with at most 5 messages of each pair under way.
";

const LATENCY: &str = "\
One writes 20 messages a second to 1000 receivers. Milliseconds from when a message was due to when each receiver had
it, deciphered; Simple Chat's with the `fsync` of its log.
";

const STOPPED: &str = "\
One writes to 1000 receivers, of whom none or 100 have stopped reading: at full speed for 2 s, so that whatever waits for
those is full, then 50 messages a second, whose milliseconds to those who read are told here. *Grown* is by how
much the server's memory was larger behind that than before. ngIRCd closes a connection for which 64 KiB wait.
";

const LOGINS_TEXT: &str = "\
People come into the room, 32 at a time: TCP, TLS, name, and everybody there is told of them. A second:
";

const RESTART_TEXT: &str = "\
The server ends and is started again in the same place; seconds from then until 1000 people are back in the room. Everybody
dials as Simple Chat's client does: first between half a second and a second later, and twice as late after each attempt
that fails, up to 30 s. ngIRCd is measured once: its queue of connections that wait to be accepted is short, and the kernel's
attempts to connect come later and later.
";

const IDLE_TEXT: &str = "\
People who are logged in and do nothing; of ngIRCd's none is in a room. The server's resident memory, and what it is larger
by for each than before the first came.
";

const LOG: &str = "\
64 people write to themselves with 32 messages under way each: nothing is delivered but the acknowledgement that a message
is on the disk (`fsync`).
";

const HISTORY: &str = "\
A million messages of 200 bytes in one conversation, written through the server. *Start* is from the start of the program to
its first line, which says that it serves. Questions one after the other; a search shows the latest 50.
";

/// A section for each part that was measured.
pub(super) fn sections(records: &[(Part, Record)]) -> Vec<Section> {
    let mut introduction = format!("{CHAT}\n");
    let section = |(part, record): &(Part, Record)| Section {
        title: part.title(),
        goals: goals::of(*part, record),
        text: std::mem::take(&mut introduction) + &provenance(record) + "\n" + &body(*part, record),
    };
    records.iter().map(section).collect()
}

fn body(part: Part, record: &Record) -> String {
    use Metric::{
        AcknowledgedPerSecond, CpuSecondsPerMillion, KibibytesPerSession, LoginsPerSecond,
        Mebibytes, Megabytes, P50Milliseconds, P95Milliseconds, P99Milliseconds, Seconds,
        ServerBusy,
    };
    let p50 = ("p50, ms", P50Milliseconds, 1);
    let p99 = ("p99, ms", P99Milliseconds, 1);
    let cpu = ("CPU-s per million", CpuSecondsPerMillion, 2);
    match part {
        Part::FanOut => FAN_OUT.to_owned() + &deliveries(Shape::FAN_OUTS, record),
        Part::Room => ROOM.to_owned() + &deliveries(Shape::ROOMS, record),
        Part::Pairs => PAIRS.to_owned() + &deliveries(Shape::PAIRS, record),
        Part::Latency => LATENCY.to_owned() + &table(record, EASY, &[p50, p99]),
        Part::Stopped => {
            let columns = [p50, p99, ("grown, MB", Megabytes, 1)];
            let tables = [ALL_READ, SOME_STOPPED].map(|it| table(record, it, &columns));
            STOPPED.to_owned() + &tables.concat()
        }
        Part::Logins => {
            LOGINS_TEXT.to_owned()
                + &table(
                    record,
                    LOGINS,
                    &[("a second", LoginsPerSecond, 0), ("server busy", ServerBusy, 2)],
                )
        }
        Part::Restart => {
            RESTART_TEXT.to_owned() + &table(record, RESTART, &[("seconds", Seconds, 2)])
        }
        Part::Idle => {
            let columns = [("KiB each", KibibytesPerSession, 1), ("all, MiB", Mebibytes, 0)];
            let mut scenarios = IDLE.map(|(_, people)| idle_scenario(people)).to_vec();
            scenarios.dedup();
            let tables = scenarios.iter().map(|it| table(record, it, &columns));
            IDLE_TEXT.to_owned() + &tables.collect::<String>()
        }
        Part::Log => {
            let columns = [("acknowledged/s", AcknowledgedPerSecond, 0), cpu, p50, p99];
            LOG.to_owned() + &table(record, log::SCENARIO, &columns)
        }
        Part::History => {
            let columns = [p50, ("p95, ms", P95Milliseconds, 1)];
            let questions = [history::PAGE, history::RARE, history::COMMON, history::BOTH];
            let tables = questions.map(|it| table(record, it, &columns));
            let start = table(record, history::START, &[("seconds", Seconds, 2)]);
            HISTORY.to_owned() + &start + &tables.concat()
        }
    }
}

/// A row for everybody who was measured in a scenario.
fn table(record: &Record, scenario: &str, columns: &[(&str, Metric, usize)]) -> String {
    let headings: Vec<&str> = columns.iter().map(|(heading, ..)| *heading).collect();
    let rule = "---|".repeat(columns.len());
    let mut text = format!("\n| {scenario} | {} |\n|---|{rule}\n", headings.join(" | "));
    for contender in record.contenders(scenario) {
        let figures = columns.iter().map(|(_, metric, digits)| {
            figure(record.summary(scenario, contender, *metric), *digits)
        });
        let _ = writeln!(text, "| {contender} | {} |", figures.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// What moves messages as fast as it goes.
fn deliveries(shapes: &[Shape], record: &Record) -> String {
    let columns = [
        ("deliveries/s", Metric::DeliveriesPerSecond, 0),
        ("CPU-s per million", Metric::CpuSecondsPerMillion, 2),
        ("server busy", Metric::ServerBusy, 2),
        ("load busy", Metric::LoadBusy, 2),
    ];
    shapes.iter().map(|shape| table(record, &shape.scenario(), &columns)).collect()
}
