//! What the server measures of itself, as OpenMetrics text
//! (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>). Numbers only: no
//! name of a user, no address, no text. [`door`] answers those who ask.

pub(crate) mod door;

use std::fmt::Write;

use crate::log::commit_times::{BOUNDS_MICROS, CommitCounts};
use crate::state::tally::Tally;

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Logins, held ones included.
    pub(crate) sessions: usize,
    /// Connections that are open, logged in or not.
    pub(crate) connections: usize,
    /// Bytes that wait for clients.
    pub(crate) outbox_bytes: usize,
    /// Downloads under way.
    pub(crate) downloads: usize,
    /// What happened since the start.
    pub(crate) tally: Tally,
    /// Commits of the log.
    pub(crate) commits: CommitCounts,
}

impl Measured {
    /// As text, with the end mark.
    pub(crate) fn to_text(&self) -> String {
        let mut text = Text(String::new());
        text.gauge("sessions", "People logged in.", self.sessions);
        text.gauge("connections", "Connections, logged in or not.", self.connections);
        text.gauge("outbox_bytes", "Bytes that wait for clients.", self.outbox_bytes);
        text.gauge("downloads", "Downloads under way.", self.downloads);
        let tally = &self.tally;
        text.counter("logins", "Logins.", tally.logins);
        text.counter("messages", "Messages accepted.", tally.messages);
        text.counter(
            "downloads_verified",
            "Downloads that arrived whole.",
            tally.downloads_verified,
        );
        text.counter("downloads_failed", "Downloads that did not.", tally.downloads_failed);
        text.counter("downloaded_bytes", "Bytes that arrived whole.", tally.downloaded_bytes);
        text.counter("lagging", "Times that a client read too slowly.", tally.lagging);
        text.head("refusals", "counter", "Requests refused, limits that were hit among them.");
        for (code, count) in &tally.refused {
            text.sample("refusals_total", &format!("{{code=\"{}\"}}", code.as_str_name()), *count);
        }
        text.head("connections_ended", "counter", "Connections that the server had to end.");
        for (reason, count) in &tally.ended {
            let labels = format!("{{reason=\"{}\"}}", reason.as_str_name());
            text.sample("connections_ended_total", &labels, *count);
        }
        text.commits(&self.commits);
        text.0 + "# EOF\n"
    }
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Into a string nothing fails.
        let _ = writeln!(self.0, "# TYPE simple_chat_{name} {kind}");
        if let Some(unit) = ["bytes", "seconds"].into_iter().find(|unit| name.ends_with(unit)) {
            let _ = writeln!(self.0, "# UNIT simple_chat_{name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP simple_chat_{name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "simple_chat_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.head(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.sample(&format!("{name}_total"), "", value);
    }

    fn commits(&mut self, commits: &CommitCounts) {
        let name = "commit_duration_seconds";
        self.head(name, "histogram", "Commits of the log, by how long they took.");
        let bounds = BOUNDS_MICROS
            .iter()
            .map(|micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(commits.up_to) {
            self.sample(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), count);
        }
        self.sample(&format!("{name}_count"), "", commits.up_to.last().copied().unwrap_or(0));
        self.sample(&format!("{name}_sum"), "", commits.sum.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use common::wire::RefusalCode;

    use super::*;

    #[test]
    fn each_family_has_its_type_and_the_text_its_end() {
        let mut measured = Measured { sessions: 3, ..Measured::default() };
        measured.tally.refused(RefusalCode::SlowDown);
        measured.commits.up_to = [1; 11];
        measured.commits.sum = std::time::Duration::from_millis(1500);
        let text = measured.to_text();
        assert!(text.ends_with("simple_chat_commit_duration_seconds_sum 1.5\n# EOF\n"), "{text}");
        for expected in [
            "# TYPE simple_chat_sessions gauge\n",
            "\nsimple_chat_sessions 3\n",
            "\nsimple_chat_messages_total 0\n",
            "\n# UNIT simple_chat_outbox_bytes bytes\n",
            "\nsimple_chat_commit_duration_seconds_bucket{le=\"0.000500\"} 1\n",
            "\nsimple_chat_commit_duration_seconds_bucket{le=\"+Inf\"} 1\n",
            "\nsimple_chat_commit_duration_seconds_count 1\n",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let refused = "\nsimple_chat_refusals_total{code=\"REFUSAL_CODE_SLOW_DOWN\"} 1\n";
        assert!(
            text.contains(refused) || text.contains(&refused.replace("REFUSAL_CODE_", "")),
            "{text}"
        );
        let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let mut once = types.clone();
        once.dedup();
        assert_eq!(types, once);
    }
}
