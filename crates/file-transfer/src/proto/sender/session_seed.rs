//! The secret randomness of a session, one seed for each use of it.

use aws_lc_rs::digest::{SHA256, digest};

/// What a session's random choices come from, so that a run can be repeated.
///
/// Some of them show on the wire: when more is probed for, for one. Each use gets a seed of its own by
/// a one-way function, so that whoever computes one from what he sees knows nothing of the others: which
/// packet numbers are left out, and what a challenge will say, must not be foreseen.
#[derive(Clone, Copy, Debug)]
pub struct SessionSeed(u64);

impl SessionSeed {
    /// From a number that the peer must not know, and no other session may have.
    #[must_use]
    pub const fn new(secret: u64) -> Self {
        Self(secret)
    }

    /// For the congestion controller, which the caller makes.
    #[must_use]
    pub fn for_congestion(self) -> u64 {
        self.derive(b"congestion")
    }

    /// For the packet numbers that are left out.
    pub(super) fn for_skips(self) -> u64 {
        self.derive(b"skips")
    }

    /// For what challenges say.
    pub(in crate::proto) fn for_challenges(self) -> u64 {
        self.derive(b"challenges")
    }

    fn derive(self, purpose: &[u8]) -> u64 {
        let hash = digest(&SHA256, &[self.0.to_be_bytes().as_slice(), purpose].concat());
        hash.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_use_of_each_session_has_a_seed_of_its_own() {
        let uses = |seed: SessionSeed| {
            [seed.0, seed.for_congestion(), seed.for_skips(), seed.for_challenges()]
        };
        let all: BTreeSet<u64> = (0..100).map(SessionSeed::new).flat_map(uses).collect();
        assert_eq!(all.len(), 400);
        assert_eq!(uses(SessionSeed::new(7)), uses(SessionSeed::new(7)), "a run can be repeated");
    }
}
