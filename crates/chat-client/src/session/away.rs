//! Whether our person is away: what the server was told, and when it may be told again.

use std::time::{Duration, Instant};

/// The server lets one change a second pass in the long run; whoever flips faster is heard last.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Away {
    /// None: nothing was ever said, and somebody is there.
    wanted: Option<bool>,
    /// On this connection.
    said: Option<bool>,
    said_at: Option<Instant>,
}

impl Away {
    pub(crate) fn set(&mut self, is_away: bool) {
        self.wanted = Some(is_away);
    }

    /// What is to be said now, to whoever is logged in. From here on it counts as said.
    pub(crate) fn next(&mut self, now: Instant) -> Option<bool> {
        let is_early = self.said_at.is_some_and(|at| now < at + SAY_EVERY);
        if self.wanted == self.said || is_early {
            return None;
        }
        (self.said, self.said_at) = (self.wanted, Some(now));
        self.wanted
    }

    /// Whoever logs in again is there for the server, or what it was told last.
    pub(crate) fn connection_lost(&mut self) {
        self.said = None;
    }

    /// When something is to be said, while logged in.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let at = self.said_at.filter(|_| self.wanted != self.said)?;
        Some(at + SAY_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when the person goes (`a`), comes back (`b`), loses the connection (`x`), and when a second
    /// passes (`.`); a step each, `-` for nothing.
    #[track_caller]
    fn check(steps: &str, said: &str) {
        let (mut away, mut now) = (Away::default(), Instant::now());
        let mut found = String::new();
        for step in steps.chars() {
            match step {
                'a' => away.set(true),
                'b' => away.set(false),
                'x' => away.connection_lost(),
                _ => now += SAY_EVERY,
            }
            found.push(match away.next(now) {
                None => '-',
                Some(true) => 'a',
                Some(false) => 'b',
            });
        }
        assert_eq!(found, said, "{steps}");
    }

    #[test]
    fn what_is_new_is_said_once() {
        check(".a.a.b.b", "-a---b--");
    }

    #[test]
    fn who_flips_fast_is_heard_last() {
        check("abab.ba.", "a---b--a");
    }

    #[test]
    fn another_connection_hears_it_again() {
        check("a.x.x.b.", "a-a-a-b-");
    }
}
