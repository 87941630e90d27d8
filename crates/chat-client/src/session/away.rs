//! Whether our person is away: what the server was told, and when it may be told again.

use std::time::{Duration, Instant};

/// The server lets one change a second pass in the long run; whoever flips faster is heard last.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Away {
    wanted: bool,
    /// What the session on the server says, where that is known.
    said: Option<bool>,
    /// None: this program never said anything.
    said_at: Option<Instant>,
}

impl Away {
    pub(crate) fn set(&mut self, is_away: bool) {
        self.wanted = is_away;
    }

    /// A session begins with somebody there; one that goes on may be away since an earlier program.
    pub(crate) fn logged_in(&mut self, resumed: bool) {
        if !resumed {
            self.said = Some(false);
        }
    }

    /// What is to be said now, to whoever is logged in. From here on it counts as said.
    pub(crate) fn next(&mut self, now: Instant) -> Option<bool> {
        let is_early = self.said_at.is_some_and(|at| now < at + SAY_EVERY);
        if self.said == Some(self.wanted) || is_early {
            return None;
        }
        (self.said, self.said_at) = (Some(self.wanted), Some(now));
        self.said
    }

    /// What was said last may have been lost with it.
    pub(crate) fn connection_lost(&mut self) {
        if self.said_at.is_some() {
            self.said = None;
        }
    }

    /// When something is to be said, while logged in.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let at = self.said_at.filter(|_| self.said != Some(self.wanted))?;
        Some(at + SAY_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when the person goes (`a`) and comes back (`b`), when a session begins (`n`) or goes on (`r`) on
    /// another connection, and when a second passes (`.`); a step each, `-` for nothing.
    #[track_caller]
    fn check(steps: &str, said: &str) {
        let (mut away, mut now) = (Away::default(), Instant::now());
        let mut found = String::new();
        for step in steps.chars() {
            match step {
                'a' => away.set(true),
                'b' => away.set(false),
                'n' | 'r' => {
                    away.connection_lost();
                    away.logged_in(step == 'r');
                }
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
        check("n.a.a.b.b", "--a---b--");
    }

    #[test]
    fn who_flips_fast_is_heard_last() {
        check("nabab.ba.", "-a---b--a");
    }

    #[test]
    fn another_connection_hears_it_again() {
        check("na.r.n.b.r.n.", "-a-a-a-b-b---");
    }

    #[test]
    fn nothing_is_said_where_nothing_ever_was() {
        check("n.r.n.", "------");
    }

    #[test]
    fn who_goes_on_with_the_session_of_an_earlier_program_is_back() {
        check("r.r", "b-b");
    }
}
