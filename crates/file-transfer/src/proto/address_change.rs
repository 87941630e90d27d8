//! When a node's client writes from another address (RFC 9000, section 9): a NAT has forgotten it, or it
//! has moved to another network. The same for a client that receives and for one that sends. Only a
//! packet that is authentic and newer than all before it makes an
//! address a candidate, and nothing but a challenge goes there until it was answered from there:
//! whoever captures packets and sends them on from a victim's address moves nothing. Until then
//! everything else goes where it went, so a false alarm costs nothing either.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};

use super::limits::{HEADER_BYTES, TAG_BYTES};

/// Addresses that may be challenged at once. Full: the oldest is forgotten; a client that is there
/// makes itself a candidate again with its next packet.
const CANDIDATES_MAX: usize = 4;
/// Challenges to one address, one probe timeout apart and then twice as late each time, before it is
/// forgotten.
const CHALLENGES_MAX: u32 = 5;

/// What a PATH_CHALLENGE carries, and the PATH_RESPONSE to it.
pub(super) type Token = [u8; 8];

/// Either of them as a datagram.
pub(super) const CHALLENGE_BYTES: usize = HEADER_BYTES + size_of::<Token>() + TAG_BYTES;

/// The peer's address, and those that may become it.
#[derive(Debug)]
pub(super) struct AddressChange<A> {
    current: A,
    candidates: Vec<Candidate<A>>,
    /// Makes tokens that nobody can foresee.
    secret: u64,
    tokens_made: u64,
}

#[derive(Debug)]
struct Candidate<A> {
    address: A,
    token: Token,
    /// Bytes of authentic packets from there, and bytes sent there: never more out than in.
    bytes_in: u64,
    bytes_out: u64,
    challenges: u32,
    challenged_at: Option<Instant>,
    due: Instant,
}

impl<A> Candidate<A> {
    /// Enough has come from there.
    fn affords_challenge(&self) -> bool {
        self.bytes_out + CHALLENGE_BYTES as u64 <= self.bytes_in
    }
}

impl<A: Copy + Eq> AddressChange<A> {
    pub(super) fn new(current: A, secret: u64) -> Self {
        Self { current, candidates: Vec::new(), secret, tokens_made: 0 }
    }

    /// Where the peer is.
    pub(super) fn current(&self) -> A {
        self.current
    }

    /// An authentic packet of `bytes` came from `from`; `is_newest`: no later one has come before.
    pub(super) fn heard(&mut self, now: Instant, from: A, bytes: usize, is_newest: bool) {
        if from == self.current {
            if is_newest {
                // It writes from where it was: whatever came from elsewhere was a copy.
                self.candidates.clear();
            }
            return;
        }
        let known = self.candidates.iter_mut().find(|candidate| candidate.address == from);
        if let Some(candidate) = known {
            candidate.bytes_in += bytes as u64;
        } else if is_newest {
            self.add(now, from, bytes as u64);
        }
    }

    fn add(&mut self, now: Instant, address: A, bytes_in: u64) {
        if self.candidates.len() >= CANDIDATES_MAX {
            self.candidates.remove(0);
        }
        self.tokens_made += 1;
        self.candidates.push(Candidate {
            address,
            token: token(self.secret, self.tokens_made),
            bytes_in,
            bytes_out: 0,
            challenges: 0,
            challenged_at: None,
            due: now,
        });
    }

    /// The challenge to send now, if one is due, and where to; it counts as sent.
    pub(super) fn take_due(&mut self, now: Instant, probe_timeout: Duration) -> Option<(A, Token)> {
        let over = |one: &Candidate<A>| one.challenges >= CHALLENGES_MAX && now >= one.due;
        self.candidates.retain(|candidate| !over(candidate));
        let candidate = self
            .candidates
            .iter_mut()
            .find(|candidate| now >= candidate.due && candidate.affords_challenge())?;
        candidate.bytes_out += CHALLENGE_BYTES as u64;
        candidate.due = now + probe_timeout * (1 << candidate.challenges);
        candidate.challenges += 1;
        candidate.challenged_at = Some(now);
        Some((candidate.address, candidate.token))
    }

    /// When the next challenge may be due. One that too few bytes have come for waits for more.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let affordable =
            |one: &&Candidate<A>| one.affords_challenge() || one.challenges >= CHALLENGES_MAX;
        self.candidates.iter().filter(affordable).map(|candidate| candidate.due).min()
    }

    /// A challenge was answered from `from`. If that is where it went, the peer is there from now
    /// on; gives the address it leaves, and the round trip if it is certain.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        from: A,
        token: &[u8],
    ) -> Option<(A, Option<Duration>)> {
        let proven = self
            .candidates
            .iter()
            .find(|candidate| candidate.address == from && candidate.token == token)?;
        let certain = proven.challenged_at.filter(|_| proven.challenges == 1);
        let round_trip = certain.map(|at| now.saturating_duration_since(at));
        self.candidates.clear();
        Some((std::mem::replace(&mut self.current, from), round_trip))
    }
}

fn token(secret: u64, count: u64) -> Token {
    let mut input = [0; 16];
    let (first, second) = input.split_at_mut(8);
    first.copy_from_slice(&secret.to_be_bytes());
    second.copy_from_slice(&count.to_be_bytes());
    digest(&SHA256, &input).as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTO: Duration = Duration::from_millis(50);
    const ACK: usize = 62;

    fn challenged(change: &mut AddressChange<u8>, now: Instant) -> Vec<(u8, Token)> {
        std::iter::from_fn(|| change.take_due(now, PTO)).collect()
    }

    #[test]
    fn an_answer_from_there_moves_it() {
        let now = Instant::now();
        let mut change = AddressChange::new(1, 7);
        change.heard(now, 2, ACK, true);
        let [(2, token)] = challenged(&mut change, now)[..] else { panic!("one challenge") };
        assert_eq!(change.current(), 1, "not yet");
        let later = now + PTO;
        assert_eq!(change.answered(later, 2, &token), Some((1, Some(PTO))));
        assert_eq!(change.current(), 2);
        assert_eq!(change.answered(later, 2, &token), None, "only once");
    }

    #[test]
    fn an_answer_from_elsewhere_or_with_another_token_moves_nothing() {
        let now = Instant::now();
        let mut change = AddressChange::new(1, 7);
        change.heard(now, 2, ACK, true);
        let (_, token) = challenged(&mut change, now)[0];
        assert_eq!(change.answered(now, 3, &token), None);
        assert_eq!(change.answered(now, 1, &token), None);
        assert_eq!(change.answered(now, 2, &[0; 8]), None);
        assert_eq!(change.answered(now, 2, &token[..7]), None);
        assert_eq!(change.current(), 1);
    }

    #[test]
    fn an_older_packet_from_elsewhere_is_only_late() {
        let now = Instant::now();
        let mut change = AddressChange::new(1, 7);
        change.heard(now, 2, ACK, false);
        assert_eq!(challenged(&mut change, now), []);
    }

    #[test]
    fn whoever_goes_on_writing_from_the_old_address_has_not_moved() {
        let now = Instant::now();
        let mut change = AddressChange::new(1, 7);
        change.heard(now, 2, ACK, true);
        let (_, token) = challenged(&mut change, now)[0];
        change.heard(now, 1, ACK, true);
        assert_eq!(change.answered(now, 2, &token), None);
    }

    #[test]
    fn never_more_goes_to_an_unproven_address_than_came_from_it() {
        let start = Instant::now();
        let mut change = AddressChange::new(1, 7);
        let (mut came, mut went, mut now) = (0, 0, start);
        for packet in 0..100 {
            change.heard(now, 2, 41, true);
            came += 41;
            went += challenged(&mut change, now).len() * CHALLENGE_BYTES;
            assert!(went <= came, "{went} bytes for {came}");
            now += PTO * (packet % 7);
        }
        assert!(went >= 5 * CHALLENGE_BYTES);
    }

    #[test]
    fn a_silent_candidate_is_forgotten() {
        let mut now = Instant::now();
        let mut change = AddressChange::new(1, 7);
        change.heard(now, 2, 1000, true);
        let mut challenges = 0;
        while let Some(at) = change.next_at() {
            now = now.max(at);
            challenges += challenged(&mut change, now).len();
        }
        assert_eq!(challenges, 5);
    }

    #[test]
    fn only_a_few_are_challenged_at_once_each_with_a_token_of_its_own() {
        let now = Instant::now();
        let mut change = AddressChange::new(0, 7);
        (1..=100).for_each(|address| change.heard(now, address, ACK, true));
        let mut sent = challenged(&mut change, now);
        assert_eq!(sent.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [97, 98, 99, 100]);
        sent.dedup_by_key(|(_, token)| *token);
        assert_eq!(sent.len(), 4);
    }
}
