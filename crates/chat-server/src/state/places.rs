//! Places for transfers: who may have one now, and who stands where in the line for one. One rule for
//! downloads and for uploads, which are counted apart.

use crate::state::policy::Policy;
use crate::state::request::LoginId;
use crate::state::waiting_line::WaitingLine;

/// How many places there are, and how many may wait for one.
#[derive(Clone, Copy, Debug)]
struct PlaceLimits {
    per_login_max: usize,
    all_max: usize,
    waiting_per_login_max: usize,
    waiting_max: usize,
}

/// The places of one direction as they are at a moment.
#[derive(Debug)]
pub(crate) struct Places {
    limits: PlaceLimits,
    /// Whose they are: one entry for each that is taken.
    holders: Vec<LoginId>,
}

impl Policy {
    /// The places of one direction, of which `holders` have one each.
    pub(crate) fn places(&self, holders: Vec<LoginId>) -> Places {
        let limits = PlaceLimits {
            per_login_max: self.downloads_per_user_max,
            all_max: self.downloads_max,
            waiting_per_login_max: self.downloads_waiting_per_user_max,
            waiting_max: self.downloads_waiting_max,
        };
        Places { limits, holders }
    }
}

impl Places {
    /// Nobody who waits could have the place: those who wait have no place left to themselves.
    pub(crate) fn has_one_for(&self, login: LoginId) -> bool {
        let own = self.holders.iter().filter(|holder| **holder == login).count();
        !self.are_all_taken() && own < self.limits.per_login_max
    }

    fn are_all_taken(&self) -> bool {
        self.holders.len() >= self.limits.all_max
    }

    /// Whether `login` may have a place or wait for one.
    ///
    /// # Errors
    /// As many wait as may. Says how many that is; 0 where none may start at all.
    pub(crate) fn check_line(&self, line: &WaitingLine, login: LoginId) -> Result<(), usize> {
        if self.limits.all_max == 0 || self.limits.per_login_max == 0 {
            return Err(0);
        }
        if self.has_one_for(login) {
            return Ok(());
        }
        for (count, allowed) in [
            (line.len_of(login), self.limits.waiting_per_login_max),
            (line.len(), self.limits.waiting_max),
        ] {
            if count >= allowed {
                return Err(allowed);
            }
        }
        Ok(())
    }

    /// Takes out of the line what gets a place now, if there is one for anybody.
    pub(crate) fn next(&self, line: &mut WaitingLine) -> Option<u64> {
        line.next(|login| self.has_one_for(login))
    }

    /// Where each that waits stands, counted from 1.
    pub(crate) fn positions(&self, line: &WaitingLine) -> Vec<(u64, u32)> {
        match self.are_all_taken() {
            true => line.positions().collect(),
            false => line.own_positions().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: LoginId = LoginId(1);
    const BOB: LoginId = LoginId(2);

    /// Two places a login and three in all; one may wait of each login, and two in all.
    fn places(holders: &[LoginId]) -> Places {
        let limits =
            PlaceLimits { per_login_max: 2, all_max: 3, waiting_per_login_max: 1, waiting_max: 2 };
        Places { limits, holders: holders.to_vec() }
    }

    fn line(waiting: &[(LoginId, u64)]) -> WaitingLine {
        let mut line = WaitingLine::default();
        waiting.iter().for_each(|(login, transfer)| line.push(*login, *transfer));
        line
    }

    #[test]
    fn a_login_has_its_share_and_no_more() {
        assert!(places(&[ANN, BOB]).has_one_for(ANN));
        assert!(!places(&[ANN, ANN]).has_one_for(ANN));
        assert!(places(&[ANN, ANN]).has_one_for(BOB));
        assert!(!places(&[ANN, ANN, BOB]).has_one_for(BOB), "all are taken");
    }

    #[test]
    fn a_line_has_an_end() {
        let full = places(&[ANN, ANN, BOB]);
        let check = |waiting: &[(LoginId, u64)], login| full.check_line(&line(waiting), login);
        assert_eq!(check(&[], ANN), Ok(()));
        assert_eq!(check(&[(ANN, 1)], ANN), Err(1), "of one login");
        assert_eq!(check(&[(ANN, 1)], BOB), Ok(()));
        assert_eq!(check(&[(ANN, 1), (BOB, 2)], LoginId(3)), Err(2), "of all");
        let free = places(&[]);
        assert_eq!(free.check_line(&line(&[(ANN, 1), (BOB, 2)]), ANN), Ok(()), "it need not wait");
    }

    #[test]
    fn where_no_place_is_nobody_waits() {
        for (all_max, per_login_max) in [(0, 2), (3, 0)] {
            let mut none = places(&[]);
            none.limits = PlaceLimits { all_max, per_login_max, ..none.limits };
            assert_eq!(none.check_line(&line(&[]), ANN), Err(0));
        }
    }

    #[test]
    fn who_has_enough_lets_others_pass() {
        let mut waiting = line(&[(ANN, 1), (BOB, 2)]);
        assert_eq!(places(&[ANN, ANN]).next(&mut waiting), Some(2));
        assert_eq!(places(&[ANN, ANN, BOB]).next(&mut waiting), None);
        assert_eq!(places(&[ANN, BOB]).next(&mut waiting), Some(1));
    }

    #[test]
    fn a_position_counts_those_who_can_go_before() {
        let waiting = line(&[(ANN, 1), (BOB, 2)]);
        assert_eq!(places(&[ANN, ANN]).positions(&waiting), [(1, 1), (2, 1)]);
        assert_eq!(places(&[ANN, ANN, BOB]).positions(&waiting), [(1, 1), (2, 2)]);
    }
}
