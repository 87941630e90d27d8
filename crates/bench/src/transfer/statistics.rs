//! What is made of repeated measurements. Pure.

/// Several measurements of one thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    pub(crate) count: usize,
}

impl Summary {
    /// `None` where nothing was measured.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(Self { median: middle(&values)?, min, max, mean, count: values.len() })
    }
}

/// The mean of the two middle values where their number is even.
fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    let lower =
        if sorted.len().is_multiple_of(2) { *sorted.get(half.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_median(values: &[f64], median: f64) {
        assert_eq!(Summary::of(values.iter().copied()).unwrap().median, median);
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        check_median(&[3.0, 1.0, 2.0], 2.0);
        check_median(&[5.0], 5.0);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        check_median(&[4.0, 1.0, 2.0, 10.0], 3.0);
    }

    #[test]
    fn a_summary_tells_spread_and_mean() {
        let summary = Summary::of([4.0, 1.0, 1.0]).unwrap();
        assert_eq!((summary.min, summary.max, summary.mean, summary.count), (1.0, 4.0, 2.0, 3));
        assert_eq!(Summary::of([]), None);
    }
}
