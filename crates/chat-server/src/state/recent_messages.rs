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

/// How far a message has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// It waits for the log.
    Unsettled,
    /// It is stored and was answered.
    Accepted(Accepted),
}

/// The last messages of each user. When full, a user's oldest message that is settled and the user who
/// left longest ago are forgotten.
#[derive(Debug, Default)]
pub(crate) struct RecentMessages {
    by_user: HashMap<NameKey, VecDeque<(MessageId, Known)>>,
    departed: VecDeque<NameKey>,
}

impl RecentMessages {
    /// As earlier runs left them, oldest first: of users who are not here.
    pub(crate) fn remember(&mut self, past: impl Iterator<Item = (NameKey, MessageId, Accepted)>) {
        for (user, id, accepted) in past {
            let is_new = !self.by_user.contains_key(&user);
            self.insert(&user, id, Known::Accepted(accepted));
            if is_new {
                self.user_left(&user);
            }
        }
    }

    pub(crate) fn find(&self, user: &NameKey, id: MessageId) -> Option<Known> {
        let messages = self.by_user.get(user)?;
        // From the newest: a message sent again is one of the last.
        messages.iter().rev().find(|(known, _)| *known == id).map(|(_, known)| *known)
    }

    /// A message waits for the log.
    pub(crate) fn begin(&mut self, user: &NameKey, id: MessageId) {
        self.insert(user, id, Known::Unsettled);
    }

    /// It is stored.
    pub(crate) fn settle(&mut self, user: &NameKey, id: MessageId, accepted: Accepted) {
        let messages = self.by_user.get_mut(user).into_iter().flatten();
        if let Some((_, known)) = messages.rev().find(|(known, _)| *known == id) {
            *known = Known::Accepted(accepted);
        }
    }

    /// It will not be stored: sent again, it is a new one.
    pub(crate) fn cancel(&mut self, user: &NameKey, id: MessageId) {
        if let Some(messages) = self.by_user.get_mut(user) {
            messages.retain(|(known, _)| *known != id);
        }
    }

    fn insert(&mut self, user: &NameKey, id: MessageId, known: Known) {
        let messages = match self.by_user.get_mut(user) {
            Some(messages) => messages,
            None => self.by_user.entry(user.clone()).or_default(),
        };
        // Those that wait for the log are few, and must not be taken for new ones.
        let oldest_is_settled =
            messages.front().is_some_and(|(_, known)| *known != Known::Unsettled);
        if messages.len() >= PER_USER_MAX && oldest_is_settled {
            messages.pop_front();
        }
        messages.push_back((id, known));
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

    const FIRST: Known = Known::Accepted(Accepted { seq: 1, at_ms: 5 });

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

    #[test]
    fn what_waits_for_the_log_is_known_until_it_fails() {
        let mut recent = RecentMessages::default();
        let ann = NameKey::of("ann");
        (0..2 * PER_USER_MAX).for_each(|n| recent.begin(&ann, id(n)));
        assert_eq!(recent.find(&ann, id(0)), Some(Known::Unsettled));
        recent.settle(&ann, id(0), Accepted { seq: 1, at_ms: 5 });
        assert_eq!(recent.find(&ann, id(0)), Some(FIRST));
        recent.cancel(&ann, id(1));
        assert_eq!(recent.find(&ann, id(1)), None);
    }

    #[test]
    fn of_earlier_runs_the_latest_users_are_remembered() {
        let mut recent = RecentMessages::default();
        let key = |n: usize| NameKey::of(&format!("user {n}"));
        let accepted = Accepted { seq: 1, at_ms: 5 };
        recent.remember((0..=DEPARTED_MAX).map(|n| (key(n), id(n), accepted)));
        assert_eq!(recent.find(&key(0), id(0)), None);
        assert_eq!(recent.find(&key(1), id(1)), Some(FIRST));
    }
}
