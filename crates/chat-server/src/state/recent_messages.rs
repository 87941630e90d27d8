//! Which messages were accepted lately, so that one sent again after a lost connection is answered
//! and not delivered a second time.

use std::collections::{HashMap, VecDeque};

use common::user_name::NameKey;

use crate::state::request::MessageId;

/// Messages remembered of one user: more than a client has unanswered at once.
const PER_USER_MAX: usize = 64;

/// Users who left and are remembered: they may come back after their hold.
const DEPARTED_MAX: usize = 4096;

/// How a message was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Accepted {
    pub(crate) seq: u64,
    pub(crate) at_ms: i64,
}

/// The last messages of each user. When full, a user's oldest message and the user who left longest
/// ago are forgotten.
#[derive(Debug, Default)]
pub(crate) struct RecentMessages {
    by_user: HashMap<NameKey, VecDeque<(MessageId, Accepted)>>,
    departed: VecDeque<NameKey>,
}

impl RecentMessages {
    pub(crate) fn find(&self, user: &NameKey, id: MessageId) -> Option<Accepted> {
        let messages = self.by_user.get(user)?;
        // From the newest: a message sent again is one of the last.
        messages.iter().rev().find(|(known, _)| *known == id).map(|(_, accepted)| *accepted)
    }

    pub(crate) fn insert(&mut self, user: &NameKey, id: MessageId, accepted: Accepted) {
        let messages = match self.by_user.get_mut(user) {
            Some(messages) => messages,
            None => self.by_user.entry(user.clone()).or_default(),
        };
        if messages.len() == PER_USER_MAX {
            messages.pop_front();
        }
        messages.push_back((id, accepted));
    }

    /// The user came (back): remembered for as long as the session lasts.
    pub(crate) fn user_came(&mut self, user: &NameKey) {
        self.departed.retain(|departed| departed != user);
    }

    /// The user left: remembered until [`DEPARTED_MAX`] others have left after.
    pub(crate) fn user_left(&mut self, user: &NameKey) {
        if !self.by_user.contains_key(user) {
            return;
        }
        self.departed.push_back(user.clone());
        if self.departed.len() > DEPARTED_MAX
            && let Some(oldest) = self.departed.pop_front()
        {
            self.by_user.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> MessageId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        MessageId(bytes)
    }

    const FIRST: Accepted = Accepted { seq: 1, at_ms: 5 };

    #[test]
    fn ids_are_each_users_own() {
        let mut recent = RecentMessages::default();
        recent.insert(&NameKey::of("ann"), id(7), FIRST);
        assert_eq!(recent.find(&NameKey::of("ann"), id(7)), Some(FIRST));
        assert_eq!(recent.find(&NameKey::of("bob"), id(7)), None);
        assert_eq!(recent.find(&NameKey::of("ann"), id(8)), None);
    }

    #[test]
    fn a_users_oldest_message_is_forgotten_first() {
        let mut recent = RecentMessages::default();
        let ann = NameKey::of("ann");
        (0..=PER_USER_MAX).for_each(|n| recent.insert(&ann, id(n), FIRST));
        assert_eq!(recent.find(&ann, id(0)), None);
        assert_eq!(recent.find(&ann, id(1)), Some(FIRST));
    }

    #[test]
    fn who_left_is_remembered_for_a_while_and_who_is_here_always() {
        let mut recent = RecentMessages::default();
        let key = |n: usize| NameKey::of(&format!("user {n}"));
        for n in 0..=DEPARTED_MAX {
            recent.insert(&key(n), id(n), FIRST);
            recent.user_left(&key(n));
        }
        assert_eq!(recent.find(&key(0), id(0)), None);
        assert_eq!(recent.find(&key(1), id(1)), Some(FIRST));
        recent.user_came(&key(1));
        recent.insert(&key(0), id(0), FIRST);
        recent.user_left(&key(0));
        recent.insert(&key(DEPARTED_MAX + 1), id(0), FIRST);
        recent.user_left(&key(DEPARTED_MAX + 1));
        assert_eq!(recent.find(&key(1), id(1)), Some(FIRST));
    }
}
