//! The order in which transfers that wait get the places that become free: logins in turn, each with
//! its oldest one, so that somebody who wants a hundred files does not keep out who wants one. Downloads
//! have a line and uploads have one; how many places there are stands in [`super::places`].

use std::collections::VecDeque;

use crate::state::request::LoginId;

/// See the module. Bounded by those who put something in.
#[derive(Debug, Default)]
pub(crate) struct WaitingLine {
    /// The login whose turn is next stands first. None is without transfers.
    turns: VecDeque<Turn>,
}

#[derive(Debug)]
struct Turn {
    login: LoginId,
    transfers: VecDeque<u64>,
}

impl WaitingLine {
    /// A new transfer: behind those of its login.
    pub(crate) fn push(&mut self, login: LoginId, transfer: u64) {
        match self.turn_of(login) {
            Some(turn) => turn.transfers.push_back(transfer),
            None => self.push_turn(login, transfer),
        }
    }

    /// One that had a place before: it goes before those of its login that had none.
    pub(crate) fn push_first(&mut self, login: LoginId, transfer: u64) {
        match self.turn_of(login) {
            Some(turn) => turn.transfers.push_front(transfer),
            None => self.push_turn(login, transfer),
        }
    }

    fn turn_of(&mut self, login: LoginId) -> Option<&mut Turn> {
        self.turns.iter_mut().find(|turn| turn.login == login)
    }

    fn push_turn(&mut self, login: LoginId, transfer: u64) {
        self.turns.push_back(Turn { login, transfers: VecDeque::from([transfer]) });
    }

    /// It does not wait any more.
    pub(crate) fn remove(&mut self, transfer: u64) {
        for turn in &mut self.turns {
            turn.transfers.retain(|waiting| *waiting != transfer);
        }
        self.turns.retain(|turn| !turn.transfers.is_empty());
    }

    /// Takes out the transfer that gets a place now: of the first login in turn that may have one
    /// more. That login has its next turn after all others.
    pub(crate) fn next(&mut self, may_start: impl Fn(LoginId) -> bool) -> Option<u64> {
        let index = self.turns.iter().position(|turn| may_start(turn.login))?;
        let mut turn = self.turns.remove(index)?;
        let transfer = turn.transfers.pop_front();
        if !turn.transfers.is_empty() {
            self.turns.push_back(turn);
        }
        transfer
    }

    /// Each transfer that waits with its position, counted from 1, the next one first: how the places
    /// go round if they become free one by one.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (u64, u32)> {
        let longest = self.turns.iter().map(|turn| turn.transfers.len()).max().unwrap_or(0);
        let in_order = (0..longest)
            .flat_map(|round| self.turns.iter().filter_map(move |turn| turn.transfers.get(round)));
        in_order.copied().zip(1..)
    }

    /// As [`positions`](Self::positions), each counted among those of its own login: what holds while
    /// only the limit of that login is in the way.
    pub(crate) fn own_positions(&self) -> impl Iterator<Item = (u64, u32)> {
        self.turns.iter().flat_map(|turn| turn.transfers.iter().copied().zip(1..))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.turns.iter().map(|turn| turn.transfers.len()).sum()
    }

    /// How many of this login wait.
    pub(crate) fn len_of(&self, login: LoginId) -> usize {
        let turn = self.turns.iter().find(|turn| turn.login == login);
        turn.map_or(0, |turn| turn.transfers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ann (1) wants four files, then bob (2) two, then eve (3) one.
    fn line() -> WaitingLine {
        let mut line = WaitingLine::default();
        for (login, transfer) in [(1, 11), (1, 12), (1, 13), (1, 14), (2, 21), (2, 22), (3, 31)] {
            line.push(LoginId(login), transfer);
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
        let order: Vec<u64> = line.positions().map(|(transfer, _)| transfer).collect();
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
        [11, 31, 99].into_iter().for_each(|transfer| line.remove(transfer));
        assert_eq!((line.len(), line.len_of(LoginId(1)), line.len_of(LoginId(3))), (5, 3, 0));
        assert_eq!(all(&mut line, |_| true), [12, 21, 13, 22, 14]);
        assert_eq!(line.len(), 0);
    }
}
