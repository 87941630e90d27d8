//! How long messages are kept, as the operator says it: a number and a unit.

use std::time::Duration;

use crate::config::file::Complaint;

const KEY: &str = "history.retention";

const HOUR: u64 = 3600;

/// A hundred years: whoever means longer leaves it out.
const HOURS_MAX: u64 = 100 * 366 * 24;

/// From what stands in the file. `None`: for ever.
///
/// # Errors
/// What is no such time.
pub(crate) fn retention(found: Option<&str>) -> Result<Option<Duration>, Complaint> {
    let Some(found) = found else { return Ok(None) };
    let hours = hours(found).filter(|hours| (1..=HOURS_MAX).contains(hours));
    let wrong = || {
        let sentence = format!(
            "{KEY} is {found:?}: a number with h, d or w behind it (hours, days, weeks), like \"90d\", from 1h to 36600d"
        );
        Complaint::new(KEY, sentence)
    };
    hours.map(|hours| Some(Duration::from_secs(hours * HOUR))).ok_or_else(wrong)
}

fn hours(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let hours_of_unit = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 7 * 24,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(hours_of_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, hours: Option<u64>) {
        let found = retention(Some(text)).ok().flatten();
        assert_eq!(found, hours.map(|hours| Duration::from_secs(hours * HOUR)), "{text:?}");
    }

    #[test]
    fn a_number_and_a_unit_are_a_time() {
        check("1h", Some(1));
        check("90d", Some(2160));
        check("2w", Some(336));
        check("36600d", Some(HOURS_MAX));
        assert_eq!(retention(None), Ok(None));
    }

    #[test]
    fn anything_else_is_none() {
        let others =
            ["", "d", "90", "90 d", "+9d", "-9d", "0d", "1.5d", "9m", "36601d", "9d9d", "٩d"];
        for text in others.into_iter().chain(["99999999999999999999d", "9999999999999999999w"]) {
            check(text, None);
        }
    }
}
