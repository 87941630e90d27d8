//! The numbers of messages: each conversation counts its own, densely from 1. A room and a private
//! pair are the same thing under different keys.

use std::collections::{BTreeSet, HashMap};

use common::user_name::NameKey;

/// What identifies a conversation for the server: unlike on the wire, not seen from one of its ends.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum ConversationKey {
    /// Everybody's room.
    Lobby,
    /// Two people, the lesser key first.
    Pair(NameKey, NameKey),
}

impl ConversationKey {
    /// The private conversation of two people, the same from both ends.
    pub(crate) fn pair(one: &NameKey, other: &NameKey) -> Self {
        Self::Pair(one.min(other).clone(), one.max(other).clone())
    }
}

/// The last number of each conversation. A pair is forgotten when neither of the two is online: what
/// was said is then in nobody's memory either.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    last_seq: HashMap<ConversationKey, u64>,
    /// Each pair from both ends, to find all of one user's.
    partners: BTreeSet<(NameKey, NameKey)>,
}

impl Conversations {
    /// The number of the next message.
    pub(crate) fn next_seq(&mut self, key: ConversationKey) -> u64 {
        if let Some(last) = self.last_seq.get_mut(&key) {
            *last += 1;
            return *last;
        }
        if let ConversationKey::Pair(one, other) = &key {
            self.partners.insert((one.clone(), other.clone()));
            self.partners.insert((other.clone(), one.clone()));
        }
        self.last_seq.insert(key, 1);
        1
    }

    /// `user` left; pairs with others for whom `is_online` is false are forgotten.
    pub(crate) fn user_left(&mut self, user: &NameKey, is_online: impl Fn(&NameKey) -> bool) {
        let from = (user.clone(), NameKey::of(""));
        let gone: Vec<NameKey> = self
            .partners
            .range(from..)
            .take_while(|(one, _)| one == user)
            .map(|(_, other)| other)
            .filter(|other| !is_online(other))
            .cloned()
            .collect();
        for other in gone {
            self.last_seq.remove(&ConversationKey::pair(user, &other));
            self.partners.remove(&(user.clone(), other.clone()));
            self.partners.remove(&(other, user.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_pair_is_forgotten_when_both_are_gone() {
        let mut conversations = Conversations::default();
        conversations.next_seq(pair("a", "b"));
        conversations.user_left(&NameKey::of("a"), |_| true);
        assert_eq!(conversations.next_seq(pair("a", "b")), 2);
        conversations.user_left(&NameKey::of("b"), |_| false);
        assert!(conversations.partners.is_empty());
        assert_eq!(conversations.next_seq(pair("a", "b")), 1);
    }
}
