//! The numbers of messages: each conversation counts its own, densely from 1. A room and a private
//! pair are the same thing under different keys.

use std::collections::HashMap;

use crate::log::event::ConversationKey;

/// The last number of each conversation there ever was: some 100 bytes each, so that no message has to
/// wait for the disk to learn its number.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    last_seq: HashMap<ConversationKey, u64>,
}

impl Conversations {
    /// As earlier runs left them.
    pub(crate) fn remember(&mut self, last_numbers: Vec<(ConversationKey, u64)>) {
        self.last_seq.extend(last_numbers);
    }

    /// The number of the next message.
    pub(crate) fn next_seq(&mut self, key: ConversationKey) -> u64 {
        let last = self.last_seq.entry(key).or_default();
        *last += 1;
        *last
    }

    /// The number of the last message; 0 if there is none.
    pub(crate) fn last_seq(&self, key: &ConversationKey) -> u64 {
        self.last_seq.get(key).copied().unwrap_or(0)
    }

    /// The message with the last number will not be: the next one gets its number. To be told of the
    /// latest message first.
    pub(crate) fn give_back(&mut self, key: &ConversationKey, seq: u64) {
        let Some(last) = self.last_seq.get_mut(key) else { return };
        debug_assert_eq!(*last, seq, "numbers come back in the opposite order");
        *last = seq - 1;
        if *last == 0 {
            self.last_seq.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::user_name::NameKey;

    fn pair(one: &str, other: &str) -> ConversationKey {
        ConversationKey::pair(&NameKey::of(one), &NameKey::of(other))
    }

    #[test]
    fn each_conversation_counts_its_own_from_one() {
        let mut conversations = Conversations::default();
        let seqs = [ConversationKey::Lobby, pair("a", "b"), ConversationKey::Lobby, pair("b", "a")]
            .map(|key| conversations.next_seq(key));
        assert_eq!(seqs, [1, 1, 2, 2]);
    }

    #[test]
    fn numbers_that_come_back_are_given_again() {
        let mut conversations = Conversations::default();
        conversations.remember(vec![(ConversationKey::Lobby, 7)]);
        for key in [ConversationKey::Lobby, ConversationKey::Lobby, pair("a", "b")] {
            conversations.next_seq(key);
        }
        conversations.give_back(&pair("a", "b"), 1);
        conversations.give_back(&ConversationKey::Lobby, 9);
        conversations.give_back(&ConversationKey::Lobby, 8);
        assert_eq!(conversations.next_seq(ConversationKey::Lobby), 8);
        assert_eq!(conversations.next_seq(pair("a", "b")), 1);
    }
}
