//! The order in which downloads that wait get the places that become free: logins in turn, each with
//! its oldest download, so that somebody who wants a hundred files does not keep out who wants one.

use std::collections::VecDeque;

use crate::state::request::LoginId;

/// See the module. Bounded by those who put something in.
#[derive(Debug, Default)]
pub(super) struct WaitingLine {
    /// The login whose turn is next stands first. None is without downloads.
    turns: VecDeque<Turn>,
}

#[derive(Debug)]
struct Turn {
    login: LoginId,
    downloads: VecDeque<u64>,
}

impl WaitingLine {
    /// A new download: behind those of its login.
    pub(super) fn push(&mut self, login: LoginId, download: u64) {
        match self.turn_of(login) {
            Some(turn) => turn.downloads.push_back(download),
            None => self.push_turn(login, download),
        }
    }

    /// One that had a place before: it goes before those of its login that had none.
    pub(super) fn push_first(&mut self, login: LoginId, download: u64) {
        match self.turn_of(login) {
            Some(turn) => turn.downloads.push_front(download),
            None => self.push_turn(login, download),
        }
    }

    fn turn_of(&mut self, login: LoginId) -> Option<&mut Turn> {
        self.turns.iter_mut().find(|turn| turn.login == login)
    }

    fn push_turn(&mut self, login: LoginId, download: u64) {
        self.turns.push_back(Turn { login, downloads: VecDeque::from([download]) });
    }

    /// It does not wait any more.
    pub(super) fn remove(&mut self, download: u64) {
        for turn in &mut self.turns {
            turn.downloads.retain(|waiting| *waiting != download);
        }
        self.turns.retain(|turn| !turn.downloads.is_empty());
    }

    /// Takes out the download that gets a place now: of the first login in turn that may have one
    /// more. That login has its next turn after all others.
    pub(super) fn next(&mut self, may_start: impl Fn(LoginId) -> bool) -> Option<u64> {
        let index = self.turns.iter().position(|turn| may_start(turn.login))?;
        let mut turn = self.turns.remove(index)?;
        let download = turn.downloads.pop_front();
        if !turn.downloads.is_empty() {
            self.turns.push_back(turn);
        }
        download
    }

    /// Each download that waits with its position, counted from 1, the next one first: how the places
    /// go round if they become free one by one.
    pub(super) fn positions(&self) -> impl Iterator<Item = (u64, u32)> {
        let longest = self.turns.iter().map(|turn| turn.downloads.len()).max().unwrap_or(0);
        let in_order = (0..longest)
            .flat_map(|round| self.turns.iter().filter_map(move |turn| turn.downloads.get(round)));
        in_order.copied().zip(1..)
    }

    /// As [`positions`](Self::positions), each counted among those of its own login: what holds while
    /// only the limit of that login is in the way.
    pub(super) fn own_positions(&self) -> impl Iterator<Item = (u64, u32)> {
        self.turns.iter().flat_map(|turn| turn.downloads.iter().copied().zip(1..))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.turns.iter().map(|turn| turn.downloads.len()).sum()
    }

    /// How many of this login wait.
    pub(super) fn len_of(&self, login: LoginId) -> usize {
        let turn = self.turns.iter().find(|turn| turn.login == login);
        turn.map_or(0, |turn| turn.downloads.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ann (1) wants four files, then bob (2) two, then eve (3) one.
    fn line() -> WaitingLine {
        let mut line = WaitingLine::default();
        for (login, download) in [(1, 11), (1, 12), (1, 13), (1, 14), (2, 21), (2, 22), (3, 31)] {
            line.push(LoginId(login), download);
        }
        line
    }

    fn all(line: &mut WaitingLine, may_start: impl Fn(LoginId) -> bool) -> Vec<u64> {
        std::iter::from_fn(|| line.next(&may_start)).collect()
    }

    #[test]
    fn logins_take_turns() {
        assert_eq!(all(&mut line(), |_| true), [11, 21, 31, 12, 22, 13, 14]);
    }

    #[test]
    fn positions_are_the_order_of_the_turns() {
        let line = line();
        let order: Vec<u64> = line.positions().map(|(download, _)| download).collect();
        assert_eq!(order, [11, 21, 31, 12, 22, 13, 14]);
        let numbers: Vec<u32> = line.positions().map(|(_, position)| position).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
        let own: Vec<(u64, u32)> = line.own_positions().collect();
        assert_eq!(own, [(11, 1), (12, 2), (13, 3), (14, 4), (21, 1), (22, 2), (31, 1)]);
    }

    #[test]
    fn who_may_not_start_now_keeps_the_turn() {
        let mut line = line();
        assert_eq!(line.next(|login| login != LoginId(1)), Some(21));
        assert_eq!(all(&mut line, |_| true), [11, 31, 22, 12, 13, 14]);
    }

    #[test]
    fn who_comes_back_goes_before_its_own_others_only() {
        let mut line = line();
        line.push_first(LoginId(2), 29);
        assert_eq!(all(&mut line, |_| true), [11, 29, 31, 12, 21, 13, 22, 14]);
    }

    #[test]
    fn what_is_removed_does_not_come() {
        let mut line = line();
        [11, 31, 99].into_iter().for_each(|download| line.remove(download));
        assert_eq!((line.len(), line.len_of(LoginId(1)), line.len_of(LoginId(3))), (5, 3, 0));
        assert_eq!(all(&mut line, |_| true), [12, 21, 13, 22, 14]);
        assert_eq!(line.len(), 0);
    }
}
