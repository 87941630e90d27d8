//! How often each ticket was used for a handshake: what a start costs the server, an answer and two key
//! derivations, is bounded whether the start is ever confirmed or not.

use std::collections::HashMap;
use std::time::Instant;

use crate::proto::limits::{STARTS_PER_TICKET_MAX, TICKETS_COUNTED_MAX};

/// Counts for tickets that are good; each entry some 60 bytes.
#[derive(Debug, Default)]
pub(super) struct TicketUses(HashMap<[u8; 32], Uses>);

#[derive(Debug)]
struct Uses {
    starts: usize,
    expires: Instant,
}

impl TicketUses {
    /// Another start of the ticket with this hash; says whether it may have one.
    pub(super) fn start(&mut self, now: Instant, ticket_hash: [u8; 32], expires: Instant) -> bool {
        if !self.0.contains_key(&ticket_hash) {
            self.make_room(now);
        }
        let uses = self.0.entry(ticket_hash).or_insert(Uses { starts: 0, expires });
        if now >= uses.expires {
            *uses = Uses { starts: 0, expires };
        }
        let may_start = uses.starts < STARTS_PER_TICKET_MAX;
        uses.starts += usize::from(may_start);
        may_start
    }

    /// Where all are good, the one that expires first goes: it is the least to be forgotten.
    fn make_room(&mut self, now: Instant) {
        if self.0.len() < TICKETS_COUNTED_MAX {
            return;
        }
        self.0.retain(|_, uses| now < uses.expires);
        if self.0.len() >= TICKETS_COUNTED_MAX
            && let Some((first, _)) = self.0.iter().min_by_key(|(_, uses)| uses.expires)
        {
            let first = *first;
            self.0.remove(&first);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    fn ticket(number: usize) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn each_ticket_has_its_own_count_until_it_expires() {
        let (mut uses, now) = (TicketUses::default(), Instant::now());
        for of in [1, 2] {
            let starts = (0..100).filter(|_| uses.start(now, ticket(of), now + LIFE)).count();
            assert_eq!(starts, STARTS_PER_TICKET_MAX);
        }
        assert!(uses.start(now + LIFE, ticket(1), now + LIFE * 2));
    }

    #[test]
    fn so_many_tickets_are_counted_and_no_more() {
        let (mut uses, now) = (TicketUses::default(), Instant::now());
        for number in 0..TICKETS_COUNTED_MAX + 10 {
            let expires = now + LIFE + Duration::from_millis(number as u64);
            assert!(uses.start(now, ticket(number), expires));
        }
        assert_eq!(uses.len(), TICKETS_COUNTED_MAX);
        assert!(!uses.0.contains_key(&ticket(9)) && uses.0.contains_key(&ticket(10)));
        assert!(uses.start(now + LIFE * 2, ticket(0), now + LIFE * 3));
        assert_eq!(uses.len(), 1, "what has expired goes first");
    }
}
