//! The log on standard error: one record a line, whatever strangers put into names and texts.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging. `RUST_LOG` chooses what; by default everything from `info` on. A record that cannot be
/// written, because it goes to a file on a full disk or its reader is gone, is lost.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // Complained of on standard error, it would end the thread that logs.
    log.log_internal_errors(false).with_writer(Records).init();
}

struct Records;

impl<'a> MakeWriter<'a> for Records {
    type Writer = EscapedRecord;

    fn make_writer(&'a self) -> EscapedRecord {
        EscapedRecord
    }
}

/// Writes each record in one piece, with its control characters escaped.
struct EscapedRecord;

impl Write for EscapedRecord {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(escape(record).as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// The record as one line.
fn escape(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(record);
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.trim_end_matches('\n').chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_without_escape_sequences() {
        let record = "joined name=a\nERROR forged \u{1b}[31m\r\u{85}é\n";
        let line = escape(record.as_bytes());
        assert_eq!(line, "joined name=a\\nERROR forged \\u{1b}[31m\\r\\u{85}é\n");
    }
}
