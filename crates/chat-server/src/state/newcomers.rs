//! Connections that have not logged in yet: few, so that strangers cannot use the server up; fair, so
//! that one address cannot keep the others out; and each with a turn, so that a crowd that comes at once
//! gets in one after the other instead of pushing one another out.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// Names one newcomer.
pub type NewcomerId = u64;

/// Who has not logged in yet: so many have a place, the others stand in line.
///
/// A place that is needed is that of the oldest of the address that holds most. It is taken away when its
/// turn is over, or for an address that would hold fewer than that one still does, or when the line is full.
#[derive(Debug)]
pub struct Newcomers {
    places_max: usize,
    line_max: usize,
    /// Oldest first.
    placed: VecDeque<Newcomer>,
    /// Who came first, first.
    line: VecDeque<Newcomer>,
}

#[derive(Clone, Copy, Debug)]
struct Newcomer {
    id: NewcomerId,
    holder: IpAddr,
    turn_is_over: bool,
}

/// Somebody of the line gets a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Move {
    /// Who.
    pub enters: NewcomerId,
    /// Who has to go for it.
    pub evicted: Option<NewcomerId>,
}

impl Newcomers {
    /// Places for `places_max`, at least one, and room for `line_max` who wait for one.
    #[must_use]
    pub fn new(places_max: usize, line_max: usize) -> Self {
        let (placed, line) = (VecDeque::new(), VecDeque::new());
        Self { places_max: places_max.max(1), line_max, placed, line }
    }

    /// One more stands in line. Ask for the [`next_move`](Self::next_move) then, until there is none: also
    /// after the other calls that change something.
    pub fn arrive(&mut self, id: NewcomerId, address: IpAddr) {
        self.line.push_back(Newcomer { id, holder: holder(address), turn_is_over: false });
    }

    /// One logged in or closed.
    pub fn leave(&mut self, id: NewcomerId) {
        for group in [&mut self.placed, &mut self.line] {
            group.retain(|newcomer| newcomer.id != id);
        }
    }

    /// One had a place for long enough to log in.
    pub fn turn_is_over(&mut self, id: NewcomerId) {
        for newcomer in self.placed.iter_mut().filter(|newcomer| newcomer.id == id) {
            newcomer.turn_is_over = true;
        }
    }

    /// Gives a place to who is to have the next one, if there is one for them.
    pub fn next_move(&mut self) -> Option<Move> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for newcomer in &self.placed {
            *held.entry(newcomer.holder).or_default() += 1;
        }
        let (index, newcomer_holds) = self.first_in_line(&held)?;
        let evicted = if self.placed.len() < self.places_max {
            None
        } else {
            let most = held.values().copied().max()?;
            let index = self.placed.iter().position(|n| held.get(&n.holder) == Some(&most))?;
            let is_over = self.placed.get(index).is_some_and(|newcomer| newcomer.turn_is_over);
            if !is_over && newcomer_holds + 1 >= most && self.line.len() <= self.line_max {
                return None;
            }
            self.placed.remove(index).map(|newcomer| newcomer.id)
        };
        let entering = self.line.remove(index)?;
        self.placed.push_back(entering);
        Some(Move { enters: entering.id, evicted })
    }

    /// Where in the line the one stands whose address holds fewest places, and how many these are.
    fn first_in_line(&self, held: &HashMap<IpAddr, usize>) -> Option<(usize, usize)> {
        let mut first: Option<(usize, &Newcomer, usize)> = None;
        for (index, newcomer) in self.line.iter().enumerate() {
            // A whole line from one address is the common case.
            if first.is_some_and(|(_, first, _)| first.holder == newcomer.holder) {
                continue;
            }
            let holds = held.get(&newcomer.holder).copied().unwrap_or(0);
            if first.is_none_or(|(_, _, fewest)| holds < fewest) {
                first = Some((index, newcomer, holds));
            }
        }
        first.map(|(index, _, holds)| (index, holds))
    }
}

/// Who counts as one: an IPv4 address, or an IPv6 network, which one machine has whole.
pub(crate) fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a story with three places and a line of four, and compares what is told of each step.
    /// `a`, `a2`, … come from one address, `b` from another, and so on; `-a` leaves, `~a` has had its turn.
    #[track_caller]
    fn check(story: &str, told: &str) {
        let mut newcomers = Newcomers::new(3, 4);
        let mut names: Vec<&str> = Vec::new();
        let mut lines = Vec::new();
        for step in story.split_whitespace() {
            let name = step.trim_start_matches(['-', '~']);
            let id = names.iter().position(|known| *known == name).unwrap_or(names.len());
            match step.as_bytes()[0] {
                b'-' => newcomers.leave(id as NewcomerId),
                b'~' => newcomers.turn_is_over(id as NewcomerId),
                letter => {
                    names.push(name);
                    newcomers.arrive(id as NewcomerId, IpAddr::from([10, 0, 0, letter]));
                }
            }
            while let Some(Move { enters, evicted }) = newcomers.next_move() {
                let name_of = |id: NewcomerId| names[usize::try_from(id).unwrap()];
                let instead = evicted.map(|id| format!("/{}", name_of(id))).unwrap_or_default();
                lines.push(format!("{}{instead}", name_of(enters)));
            }
        }
        assert_eq!(lines.join(" "), told);
    }

    #[test]
    fn nobody_goes_while_there_is_room() {
        check("a a2 a3", "a a2 a3");
    }

    #[test]
    fn a_crowd_from_one_address_enters_one_after_the_other() {
        check("a a2 a3 a4 a5 a6", "a a2 a3");
        check("a a2 a3 a4 a5 -a2 -a", "a a2 a3 a4 a5");
    }

    #[test]
    fn a_crowd_from_many_addresses_enters_one_after_the_other() {
        check("a b c d e -c -a", "a b c d e");
    }

    #[test]
    fn an_address_that_holds_more_makes_room_for_others_at_once() {
        check("a a2 a3 a4 b", "a a2 a3 b/a");
        check("a b b2 c", "a b b2 c/b");
    }

    #[test]
    fn whose_turn_is_over_goes_when_the_place_is_needed() {
        check("a a2 a3 ~a ~a2 a4 a5 a6", "a a2 a3 a4/a a5/a2");
        check("a a2 a3 a4 a5 ~a", "a a2 a3 a4/a");
    }

    #[test]
    fn of_the_line_comes_first_whose_address_holds_fewest() {
        check("a b c c2 d -a", "a b c d");
        check("a b c c2 c3 -c -b", "a b c c2 c3");
    }

    #[test]
    fn a_full_line_goes_on_at_the_cost_of_the_oldest() {
        check("a a2 a3 a4 a5 a6 a7 a8 a9", "a a2 a3 a4/a a5/a2");
    }

    #[test]
    fn who_leaves_the_line_gets_no_place() {
        check("a a2 a3 a4 a5 -a4 -a", "a a2 a3 a5");
    }

    #[test]
    fn a_turn_of_somebody_who_left_says_nothing() {
        check("a a2 a3 a4 a5 -a ~a ~a5", "a a2 a3 a4");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let holders = ["fd00::1", "fd00::ffff:2", "fd00:0:0:1::1", "::ffff:10.0.0.1", "10.0.0.1"]
            .map(|address| holder(address.parse().unwrap()));
        assert_eq!(holders[0], holders[1]);
        assert_ne!(holders[0], holders[2]);
        assert_eq!(holders[3], holders[4]);
    }
}
