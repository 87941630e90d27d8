//! Packet-timed round trips (draft-ietf-ccwg-bbr, section 5.5.1): one ends when a packet is
//! acknowledged that was sent after it began.

#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Total delivered when the round began.
    began_at: u64,
    count: u64,
    just_began: bool,
}

impl Rounds {
    /// An ACK: the newest packet it acknowledged was sent when `prior_delivered` bytes were
    /// delivered, now `delivered` are.
    pub(super) fn update(&mut self, prior_delivered: u64, delivered: u64) {
        self.just_began = prior_delivered >= self.began_at;
        if self.just_began {
            self.restart(delivered);
            self.count += 1;
        }
    }

    /// A round begins here, whatever became of the one before.
    pub(super) fn restart(&mut self, delivered: u64) {
        self.began_at = delivered;
    }

    /// Whether the ACK in hand began a round.
    pub(super) fn just_began(&self) -> bool {
        self.just_began
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_lasts_until_a_packet_sent_in_it_is_acknowledged() {
        let mut rounds = Rounds::default();
        let began: Vec<bool> = [(0, 10), (0, 20), (5, 30), (10, 40), (20, 50), (40, 60)]
            .into_iter()
            .map(|(prior, delivered)| {
                rounds.update(prior, delivered);
                rounds.just_began()
            })
            .collect();
        assert_eq!(began, [true, false, false, true, false, true]);
        assert_eq!(rounds.count(), 3);
    }
}
