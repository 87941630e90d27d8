//! What the program prints: text for people, or one JSON object a line.
//!
//! Results go to the standard output, everything about them (progress, failures) to the standard error.
//! Text of others is passed through [`common::terminal_text`] before it gets here.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::failure::Failure;
use common::terminal_text;

/// Where everything is printed.
#[derive(Debug)]
pub(crate) struct Output {
    is_json: bool,
    shows_progress: bool,
    progress_is_shown: bool,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        let shows_progress = !is_json && io::stderr().is_terminal();
        Self { is_json, shows_progress, progress_is_shown: false }
    }

    /// A result in both forms; the one that is not asked for is not made.
    pub(crate) fn result(
        &mut self,
        text: impl FnOnce() -> Option<String>,
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        self.clear_progress();
        let line =
            if self.is_json { Some(terminal_text::json(&json().to_string())) } else { text() };
        match line {
            Some(line) => print(&line),
            None => Ok(()),
        }
    }

    /// Something that only a script wants to know.
    pub(crate) fn json_only(&mut self, json: impl FnOnce() -> Value) -> Result<(), Failure> {
        self.result(|| None, json)
    }

    /// Replaces the line of progress on a terminal.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.shows_progress {
            self.progress_is_shown = true;
            // A terminal that has gone is noticed with the next result.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }

    /// Something that only a person wants to know.
    pub(crate) fn text_only(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_json {
            return Ok(());
        }
        self.clear_progress();
        print(text)
    }

    /// A remark on what is going on.
    pub(crate) fn remark(&mut self, text: &str) {
        if !self.is_json {
            self.clear_progress();
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// The program ends without having done what it should.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        let Some(sentence) = failure.sentence() else { return };
        self.clear_progress();
        let safe = sentence.lines().map(terminal_text::line).collect::<Vec<_>>().join("\n");
        let _ = writeln!(io::stderr(), "simple-chat-cli: {safe}");
        // Nobody is there to be told that telling failed.
        let _ = self.json_only(|| serde_json::json!({ "event": "failed", "reason": sentence }));
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.progress_is_shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn print(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    printed.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Disk(format!("The output cannot be written: {error}.")),
    })
}
