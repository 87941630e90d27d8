//! A dimensionless number in millionths: gains, loss rates, bounds. Integers, so that a run can be
//! repeated to the bit anywhere.

const ONE: u64 = 1_000_000;

/// Millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ratio(u64);

impl Ratio {
    pub(super) const ZERO: Self = Self(0);
    pub(super) const ONE: Self = Self(ONE);

    pub(super) const fn percent(percent: u64) -> Self {
        Self(percent * (ONE / 100))
    }

    pub(super) const fn thousandths(thousandths: u64) -> Self {
        Self(thousandths * (ONE / 1000))
    }

    /// How much of `whole` is `part`; zero of nothing.
    pub(super) fn between(part: u64, whole: u64) -> Self {
        let millionths = u128::from(part) * u128::from(ONE) / u128::from(whole.max(1));
        Self(u64::try_from(millionths).unwrap_or(u64::MAX))
    }

    /// So much of `value`; what has no bound stays without one.
    pub(super) fn of(self, value: u64) -> u64 {
        if value == u64::MAX {
            return value;
        }
        let product = u128::from(value) * u128::from(self.0) / u128::from(ONE);
        u64::try_from(product).unwrap_or(u64::MAX)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(super) fn divided_by(self, divisor: u64) -> Self {
        Self(self.0 / divisor.max(1))
    }

    pub(super) fn is_zero(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_values_neither_wrap_nor_lose_their_lack_of_a_bound() {
        assert_eq!(Ratio::thousandths(2770).of(1_000_000_000_000), 2_770_000_000_000);
        assert_eq!(Ratio::percent(85).of(u64::MAX), u64::MAX);
        assert_eq!(Ratio::percent(200).of(u64::MAX - 1), u64::MAX);
    }

    #[test]
    fn a_share_of_nothing_is_zero() {
        assert_eq!(Ratio::between(0, 0), Ratio::ZERO);
        assert_eq!(Ratio::between(3, 100), Ratio::percent(3));
    }
}
