//! The one moment that tests of the state start from: the state itself reads no clock.

use std::time::Instant;

/// Any moment does; tests only add to it.
pub(crate) fn start() -> Instant {
    Instant::now()
}
