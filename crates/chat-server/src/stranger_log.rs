//! One record for each stranger who speaks something else than the chat does: scanners, browsers, a client of
//! another kind that somebody wonders about. Of many only the first are told, so that nobody fills a disk by it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records in one span; of the rest it is told that there were more.
const RECORDS_MAX: u32 = 30;

/// How long a span is.
const SPAN: Duration = Duration::from_secs(60);

/// What was told in the present span.
#[derive(Debug, Default)]
pub(crate) struct StrangerLog {
    /// Held for one record, never over a wait.
    span: Mutex<Option<Span>>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    begun: Instant,
    records: u32,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Told,
    /// The last one of its span.
    ToldAsLast,
    Kept,
}

impl StrangerLog {
    /// Somebody from there did what `problem` says.
    pub(crate) fn note(&self, address: IpAddr, problem: &str) {
        match self.verdict(Instant::now()) {
            Verdict::Told => tracing::info!(%address, problem, "a stranger was sent away"),
            Verdict::ToldAsLast => tracing::info!(
                %address,
                problem,
                "a stranger was sent away; of further ones nothing is told for a minute"
            ),
            Verdict::Kept => {}
        }
    }

    fn verdict(&self, now: Instant) -> Verdict {
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        let present = span.filter(|span| now.duration_since(span.begun) < SPAN);
        let present = present.unwrap_or(Span { begun: now, records: 0 });
        let records = present.records.saturating_add(1);
        *span = Some(Span { records, ..present });
        match records {
            RECORDS_MAX => Verdict::ToldAsLast,
            0..RECORDS_MAX => Verdict::Told,
            _ => Verdict::Kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_first_are_told_and_the_next_ones_a_minute_later() {
        let (log, begun) = (StrangerLog::default(), Instant::now());
        let told = |at: Instant| {
            let verdicts = (0..1000).map(|_| log.verdict(at));
            verdicts.filter(|it| *it != Verdict::Kept).collect::<Vec<_>>()
        };
        let first = told(begun);
        assert_eq!(first.len(), RECORDS_MAX as usize);
        assert_eq!(first.last(), Some(&Verdict::ToldAsLast));
        assert_eq!(told(begun + SPAN - Duration::from_millis(1)), []);
        assert_eq!(told(begun + SPAN).len(), RECORDS_MAX as usize);
    }
}
