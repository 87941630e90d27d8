//! Connections that have not logged in yet: few, so that strangers cannot use the server up, and
//! fair, so that one address cannot keep the others out.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// Names one newcomer.
pub type NewcomerId = u64;

/// Who has not logged in yet, oldest first. When it is full, the oldest of the address that holds
/// most has to go.
#[derive(Debug)]
pub struct Newcomers {
    capacity: usize,
    oldest_first: VecDeque<(NewcomerId, IpAddr)>,
}

impl Newcomers {
    /// Room for `capacity`, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), oldest_first: VecDeque::new() }
    }

    /// Lets one in. Returns who has to go for it: if all hold the same, the oldest of all.
    #[must_use]
    pub fn admit(&mut self, id: NewcomerId, address: IpAddr) -> Option<NewcomerId> {
        let evicted = (self.oldest_first.len() >= self.capacity).then(|| self.evict()).flatten();
        self.oldest_first.push_back((id, holder(address)));
        evicted
    }

    /// One logged in or closed.
    pub fn leave(&mut self, id: NewcomerId) {
        self.oldest_first.retain(|(newcomer, _)| *newcomer != id);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.oldest_first.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.oldest_first.is_empty()
    }

    fn evict(&mut self) -> Option<NewcomerId> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for (_, address) in &self.oldest_first {
            *held.entry(*address).or_default() += 1;
        }
        let most = held.values().copied().max()?;
        let index = self
            .oldest_first
            .iter()
            .position(|(_, address)| held.get(address).is_some_and(|count| *count == most))?;
        self.oldest_first.remove(index).map(|(id, _)| id)
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

    /// Lets newcomers 0, 1, 2 … in from `addresses` with room for three; who has to go, in order.
    #[track_caller]
    fn check(addresses: &[&str], evicted: &[NewcomerId]) {
        let mut newcomers = Newcomers::new(3);
        let gone: Vec<NewcomerId> = (0..)
            .zip(addresses)
            .filter_map(|(id, address)| newcomers.admit(id, address.parse().unwrap()))
            .collect();
        assert_eq!(gone, evicted);
    }

    #[test]
    fn nobody_goes_while_there_is_room() {
        check(&["10.0.0.1", "10.0.0.1", "10.0.0.1"], &[]);
    }

    #[test]
    fn the_oldest_of_the_address_that_holds_most_goes() {
        check(&["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3"], &[1]);
        check(&["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.2"], &[1, 2]);
    }

    #[test]
    fn among_equals_the_oldest_goes() {
        check(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"], &[0]);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        check(&["10.0.0.1", "fd00::1", "fd00::2", "10.0.0.2"], &[1]);
        check(&["10.0.0.1", "fd00::1", "fd00:0:0:1::2", "10.0.0.2"], &[0]);
        check(&["10.0.0.2", "10.0.0.1", "::ffff:10.0.0.1", "10.0.0.3"], &[1]);
    }

    #[test]
    fn who_leaves_makes_room() {
        let mut newcomers = Newcomers::new(1);
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(newcomers.admit(1, address), None);
        newcomers.leave(1);
        assert_eq!(newcomers.admit(2, address), None);
        assert_eq!(newcomers.len(), 1);
    }
}
