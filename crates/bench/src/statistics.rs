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

/// Jain's index of fairness (R. Jain et al., DEC-TR-301): 1 where all get the same, 1/n where one gets
/// everything. `None` where nobody got anything.
pub(crate) fn jain(shares: &[f64]) -> Option<f64> {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

/// What `share` of the sorted values lie at or below (nearest rank).
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0);
    sorted.into_iter().zip(1_u32..).find(|(_, at)| f64::from(*at) >= rank).map(|(value, _)| value)
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

    #[test]
    fn jain_tells_equal_from_one_sided() {
        assert_eq!(jain(&[5.0, 5.0, 5.0]), Some(1.0));
        assert_eq!(jain(&[7.0, 0.0]), Some(0.5));
        assert_eq!(jain(&[0.0, 0.0]), None);
        assert_eq!(jain(&[]), None);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&hundred, 0.0), Some(1.0));
        assert_eq!(percentile(&[2.0, 1.0], 1.0), Some(2.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
