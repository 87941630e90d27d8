//! How much of a part is measured.

/// All of it, or a look at it, or some of its scenarios.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// Short and few.
    pub(crate) quick: bool,
    /// Only scenarios whose name has this in it.
    pub(crate) only: Option<&'a str>,
}

impl Scope<'_> {
    /// Whether a scenario is measured.
    pub(crate) fn has(&self, scenario: &str) -> bool {
        self.only.is_none_or(|text| scenario.contains(text))
    }

    /// `full` rounds, or few.
    pub(crate) fn rounds(&self, full: u64) -> std::ops::RangeInclusive<u64> {
        1..=if self.quick { full.div_ceil(5) } else { full }
    }

    /// `full` seconds, or few.
    pub(crate) fn seconds(&self, full: u64) -> u64 {
        if self.quick { full.min(10) } else { full }
    }
}
