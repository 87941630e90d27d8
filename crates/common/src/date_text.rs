//! Moments as people read them, and spans of time as they type them.

use std::time::Duration;

/// `2026-11-22 20:10 UTC` for milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn date(at_ms: i64) -> String {
    let minutes = at_ms.div_euclid(60_000);
    let (year, month, day) = civil(minutes.div_euclid(1440));
    let minute_of_day = minutes.rem_euclid(1440);
    let (hour, minute) = (minute_of_day / 60, minute_of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// The date that lies `days` after 1970-01-01 in the Gregorian calendar. Years are counted from March
/// on here, so that the leap day is the last one; 400 of them have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0 = days + 719_468;
    let era = since_march_0.div_euclid(146_097);
    let day_of_era = since_march_0.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Why a text is no span of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a number and one of s, m, h, d, w, like 30m or 7d")]
pub struct NoSpan;

/// `90s`, `30m`, `12h`, `7d`, `2w`.
///
/// # Errors
/// [`NoSpan`]; nothing, and more than a century, are none.
pub fn parse_span(text: &str) -> Result<Duration, NoSpan> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = number.parse().map_err(|_| NoSpan)?;
    let unit = match text.get(number.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 24 * 3600,
        Some("w") => 7 * 24 * 3600,
        _ => return Err(NoSpan),
    };
    let seconds = count.checked_mul(unit).filter(|seconds| (1..=CENTURY_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(NoSpan)
}

/// How long something counts; `None`: for ever.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetime(pub Option<Duration>);

/// A span as of [`parse_span`], or `never` for what never ends.
///
/// # Errors
/// [`NoSpan`].
pub fn parse_lifetime(text: &str) -> Result<Lifetime, NoSpan> {
    match text {
        "never" => Ok(Lifetime(None)),
        span => parse_span(span).map(|span| Lifetime(Some(span))),
    }
}

const CENTURY_SECONDS: u64 = 100 * 366 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_709_251_199_999, "2024-02-29 23:59 UTC"),
            (4_102_444_800_000, "2100-01-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ];
        for (at_ms, text) in table {
            assert_eq!(date(at_ms), text);
        }
    }

    #[track_caller]
    fn check(text: &str, seconds: Option<u64>) {
        assert_eq!(parse_span(text).ok().map(|span| span.as_secs()), seconds, "{text:?}");
    }

    #[test]
    fn spans_are_a_number_and_a_unit() {
        check("90s", Some(90));
        check("30m", Some(1800));
        check("12h", Some(43_200));
        check("7d", Some(604_800));
        check("2w", Some(1_209_600));
        assert_eq!(parse_lifetime("never"), Ok(Lifetime(None)));
        assert_eq!(parse_lifetime("1m"), Ok(Lifetime(Some(Duration::from_secs(60)))));
        for wrong in ["", "7", "d", "-1d", "1.5h", "0s", "7 d", "7dd", "99999999999999999999w"] {
            check(wrong, None);
        }
    }
}
