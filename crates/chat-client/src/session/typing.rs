//! Who is writing: when to say it of ourselves, and for how long to believe it of others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::conversation::Conversation;

/// How often it is said while a person goes on writing: the server lets one a second pass.
const SAY_EVERY: Duration = Duration::from_secs(3);

/// For how long it is believed: two that were said, and a little for the way.
const BELIEVED_FOR: Duration = Duration::from_secs(7);

/// People who are believed to be writing, over all conversations: the server tells of no more in one, and a hostile
/// one fills no memory. Further ones are not shown.
const TYPISTS_MAX: usize = 64;

/// Who is writing in a conversation now.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Typists {
    pub(crate) conversation: Conversation,
    /// In the order of their bytes; empty: nobody any more.
    pub(crate) names: Vec<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    /// Where we said it last, and when.
    said: Option<(Conversation, Instant)>,
    /// Until when it is believed of whom.
    heard: BTreeMap<(Conversation, String), Instant>,
}

impl Typing {
    /// Whether it is time to say that we are writing there. From here on it counts as said.
    pub(crate) fn is_worth_saying(&mut self, now: Instant, to: &Conversation) -> bool {
        let is_known =
            self.said.as_ref().is_some_and(|(said, at)| said == to && now < *at + SAY_EVERY);
        if !is_known {
            self.said = Some((to.clone(), now));
        }
        !is_known
    }

    /// What we wrote is on its way: the next word is news.
    pub(crate) fn sent(&mut self) {
        self.said = None;
    }

    /// Somebody is writing.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        conversation: Conversation,
        name: String,
    ) -> Vec<Typists> {
        let who = (conversation, name);
        if self.heard.len() >= TYPISTS_MAX && !self.heard.contains_key(&who) {
            return Vec::new();
        }
        let conversation = who.0.clone();
        match self.heard.insert(who, now + BELIEVED_FOR) {
            Some(_) => Vec::new(),
            None => vec![self.typists(conversation)],
        }
    }

    /// What somebody was writing there is written.
    pub(crate) fn stopped(&mut self, conversation: &Conversation, name: &str) -> Vec<Typists> {
        self.forget(|(in_it, who), _| in_it == conversation && who == name)
    }

    /// Somebody is not there any more.
    pub(crate) fn left(&mut self, name: &str) -> Vec<Typists> {
        self.forget(|(_, who), _| who == name)
    }

    /// Nothing is heard any more.
    pub(crate) fn connection_lost(&mut self) -> Vec<Typists> {
        self.said = None;
        self.forget(|_, _| true)
    }

    /// Those who have not said it again.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Typists> {
        self.forget(|_, until| until <= now)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.heard.values().min().copied()
    }

    fn forget(&mut self, which: impl Fn(&(Conversation, String), Instant) -> bool) -> Vec<Typists> {
        let gone = self.heard.extract_if(.., |who, until| which(who, *until));
        let mut conversations: Vec<Conversation> = gone.map(|((it, _), _)| it).collect();
        conversations.dedup();
        conversations.into_iter().map(|conversation| self.typists(conversation)).collect()
    }

    fn typists(&self, conversation: Conversation) -> Typists {
        let there = self.heard.keys().filter(|(in_it, _)| *in_it == conversation);
        let names = there.map(|(_, name)| name.clone()).collect();
        Typists { conversation, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// As `#lobby: ann bob`, one after the other.
    fn spell(typists: &[Typists]) -> String {
        let spelt = typists.iter().map(|it| format!("{}: {}", it.conversation, it.names.join(" ")));
        spelt.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn it_is_said_every_few_seconds_in_each_conversation_and_after_each_message() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        let (lobby, bob) = (Conversation::lobby(), Conversation::User("bob".into()));
        assert!(typing.is_worth_saying(now, &lobby));
        assert!(!typing.is_worth_saying(now + seconds(2), &lobby));
        assert!(typing.is_worth_saying(now + seconds(3), &lobby));
        assert!(typing.is_worth_saying(now + seconds(3), &bob));
        typing.sent();
        assert!(typing.is_worth_saying(now + seconds(3), &bob));
    }

    #[test]
    fn it_is_believed_until_it_is_written_or_not_said_again() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        let lobby = Conversation::lobby();
        let heard = |typing: &mut Typing, at, name: &str| {
            spell(&typing.heard(now + seconds(at), Conversation::lobby(), name.into()))
        };
        assert_eq!(heard(&mut typing, 0, "bob"), "#lobby: bob");
        assert_eq!(heard(&mut typing, 1, "ann"), "#lobby: ann bob");
        assert_eq!(heard(&mut typing, 3, "bob"), "");
        assert_eq!(typing.poll_timeout(), Some(now + seconds(8)));
        assert_eq!(spell(&typing.handle_timeout(now + seconds(8))), "#lobby: bob");
        assert_eq!(spell(&typing.stopped(&lobby, "bob")), "#lobby: ");
        assert_eq!(typing.poll_timeout(), None);
    }

    #[test]
    fn who_leaves_writes_nowhere() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        typing.heard(now, Conversation::lobby(), "bob".into());
        typing.heard(now, Conversation::User("bob".into()), "bob".into());
        assert_eq!(spell(&typing.left("bob")), "#lobby: , @bob: ");
    }

    #[test]
    fn a_hostile_server_fills_no_memory() {
        let (mut typing, now) = (Typing::default(), Instant::now());
        for n in 0..2 * TYPISTS_MAX {
            typing.heard(now, Conversation::lobby(), n.to_string());
        }
        assert_eq!(typing.heard.len(), TYPISTS_MAX);
        assert_eq!(typing.connection_lost().len(), 1);
    }
}
