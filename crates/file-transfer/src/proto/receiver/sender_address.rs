//! Where the sender is. A node's client may write from another address at any time; it is challenged
//! there, and ACKs follow it when it has answered. A client's node stays where it is.

use std::time::Instant;

use super::Receiver;
use crate::proto::packet::PacketKind;

impl<A: Copy + Eq> Receiver<A> {
    /// Where the sender is.
    #[must_use]
    pub fn peer(&self) -> A {
        self.address.current()
    }

    /// Writes the next PATH_CHALLENGE that is due into `out` and gives its length, and the address to
    /// send it to, which is not proven yet. Call until it gives `None`.
    #[must_use]
    pub fn poll_challenge(&mut self, now: Instant, out: &mut [u8]) -> Option<(A, usize)> {
        if self.outcome.is_some() || self.closing.is_some() {
            return None;
        }
        let (to, token) = self.address.take_due(now, self.probe_timeout)?;
        let number = self.take_number();
        let length = self.channel.seal_token(PacketKind::PathChallenge, number, &token, out)?;
        Some((to, length))
    }

    /// The sender that has proven another address waits for what went to the old one.
    pub(super) fn handle_path_response(&mut self, now: Instant, from: A, body: &[u8]) {
        if self.address.answered(now, from, body).is_some() {
            self.stats.address_changes += 1;
            self.acks.send_now(now);
        }
    }
}
