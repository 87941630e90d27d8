//! How much may be queued at the receiver: a quarter of its socket's buffer, less while the kernel has
//! to drop what does not fit.

use std::time::{Duration, Instant};

/// How often the kernel is asked for drops.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// The window never falls below what one receive may bring.
const WINDOW_BYTES_MIN: u64 = 64 << 10;
/// Without drops, a look opens the window by this part of the whole: it is back after four seconds.
const GROWTH_DIVISOR: u64 = 16;

/// The window that the sender is told.
#[derive(Debug)]
pub(crate) struct ReceiveWindow {
    full: u64,
    current: u64,
    /// Drops that were counted so far.
    drops: u64,
    look_at: Instant,
}

impl ReceiveWindow {
    /// Wide open, for a socket on which nothing was dropped yet.
    pub(crate) fn new(now: Instant, full: u64) -> Self {
        Self { full, current: full, drops: 0, look_at: now + LOOK_INTERVAL }
    }

    /// Bytes that may be queued.
    pub(crate) fn bytes(&self) -> u64 {
        self.current
    }

    /// Whether it is time to ask the kernel.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.look_at
    }

    /// Takes the kernel's count of datagrams it dropped on this socket, `None` if it does not tell.
    /// Says whether the window has changed.
    pub(crate) fn look(&mut self, now: Instant, drops: Option<u64>) -> bool {
        self.look_at = now + LOOK_INTERVAL;
        let before = self.current;
        match drops {
            Some(drops) if drops > self.drops => {
                self.drops = drops;
                self.current = (self.current / 2).max(WINDOW_BYTES_MIN).min(self.full);
            }
            _ => {
                let wider = self.current.saturating_add((self.full / GROWTH_DIVISOR).max(1));
                self.current = wider.min(self.full);
            }
        }
        self.current != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 2 << 20;

    /// Windows after looks that found so many drops in all, as parts of `FULL`.
    #[track_caller]
    fn check(looks: &[Option<u64>], expected: &[u64]) {
        let now = Instant::now();
        let mut window = ReceiveWindow::new(now, FULL);
        let windows = looks.iter().map(|drops| {
            let before = window.bytes();
            let has_changed = window.look(now, *drops);
            assert_eq!(has_changed, window.bytes() != before);
            window.bytes()
        });
        assert_eq!(windows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn without_drops_it_stays_open() {
        check(&[Some(0), Some(0), None], &[FULL, FULL, FULL]);
    }

    #[test]
    fn drops_halve_it_and_it_grows_back() {
        let step = FULL / 16;
        check(
            &[Some(1), Some(9), Some(9), Some(9), None],
            &[FULL / 2, FULL / 4, FULL / 4 + step, FULL / 4 + 2 * step, FULL / 4 + 3 * step],
        );
    }

    #[test]
    fn it_never_closes() {
        let now = Instant::now();
        let mut window = ReceiveWindow::new(now, FULL);
        for drops in 1..100 {
            window.look(now, Some(drops));
        }
        assert_eq!(window.bytes(), WINDOW_BYTES_MIN);
        let mut tiny = ReceiveWindow::new(now, 1000);
        assert!(!tiny.look(now, Some(1)) && tiny.bytes() == 1000, "a small buffer stays as it is");
    }

    #[test]
    fn the_kernel_is_asked_now_and_then() {
        let now = Instant::now();
        let mut window = ReceiveWindow::new(now, FULL);
        assert!(!window.is_due(now) && window.is_due(now + LOOK_INTERVAL));
        window.look(now + LOOK_INTERVAL, Some(0));
        assert!(!window.is_due(now + LOOK_INTERVAL));
    }
}
