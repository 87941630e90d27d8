//! What is in the log, as `chat-server export` tells it, and what has to follow from it.

use std::collections::{BTreeMap, HashMap};

use common::conversation::Conversation;
use common::wire::RefusalCode;
use serde_json::Value;

use super::talker::Diary;
use crate::support::Server;

/// A message in the log.
struct Stored {
    number: u64,
    /// `#room`, or `@name` of the receiver.
    to: String,
    seq: u64,
    id: [u8; 16],
    from: String,
    text: String,
}

/// All messages in the log, in its order.
pub(super) struct Ledger(Vec<Stored>);

impl Ledger {
    pub(super) fn read(server: &Server) -> Self {
        Self(server.export().lines().map(Stored::parse).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many messages of others somebody has to hear.
    pub(super) fn told_to(&self, name: &str) -> usize {
        let is_told = |it: &&Stored| it.from != name && it.seen_by(name).is_some();
        self.0.iter().filter(is_told).count()
    }

    /// No message twice; the numbers of each conversation are dense and in the order of the log.
    pub(super) fn check_itself(&self) {
        let (mut ids, mut last_seqs, mut last_number) = (HashMap::new(), BTreeMap::new(), 0);
        for stored in &self.0 {
            assert!(stored.number > last_number, "event {} again", stored.number);
            last_number = stored.number;
            let before = ids.insert(stored.id, stored.number);
            assert_eq!(before, None, "event {} is stored again", stored.number);
            let last: &mut u64 = last_seqs.entry(stored.pair()).or_default();
            assert_eq!(stored.seq, *last + 1, "event {}: {:?}", stored.number, stored.pair());
            *last = stored.seq;
        }
    }

    /// Stored is what was acknowledged, under the number that was told, and nothing else. Refused may be
    /// what is for somebody who was never there, or what the disk did not take.
    pub(super) fn check_written(&self, name: &str, diary: &Diary, of_disk: Option<RefusalCode>) {
        assert!(diary.is_settled(), "{name}: {diary}");
        let stored = self.0.iter().filter(|stored| stored.from == name);
        let stored: HashMap<[u8; 16], (Conversation, u64)> = stored
            .map(|stored| (stored.id, (Conversation::from_text(&stored.to), stored.seq)))
            .collect();
        for (id, accepted) in &diary.accepted {
            assert_eq!(stored.get(id), Some(accepted), "{name}: acknowledged {id:?}");
        }
        for (id, code) in &diary.refused {
            let is_expected = *code == RefusalCode::UnknownUser || Some(*code) == of_disk;
            assert!(is_expected, "{name}: {code:?}");
            assert_eq!(stored.get(id), None, "{name}: refused {id:?}");
        }
        assert_eq!(stored.len(), diary.accepted.len(), "{name}: stored and never acknowledged");
    }

    /// Told is what others wrote, in each conversation all of it, once and in order.
    pub(super) fn check_heard(&self, name: &str, diary: &Diary) {
        let mut expected: BTreeMap<Conversation, Vec<(u64, String, String)>> = BTreeMap::new();
        for stored in self.0.iter().filter(|stored| stored.from != name) {
            let Some(conversation) = stored.seen_by(name) else { continue };
            let message = (stored.seq, stored.from.clone(), stored.text.clone());
            expected.entry(conversation).or_default().push(message);
        }
        for (conversation, messages) in &expected {
            let heard = diary.heard.get(conversation).map_or(&[][..], Vec::as_slice);
            let differs = messages.iter().zip(heard).find(|(stored, heard)| stored != heard);
            assert_eq!(differs, None, "{name} in {conversation}: stored and heard");
            assert_eq!(heard.len(), messages.len(), "{name} in {conversation}");
        }
        assert_eq!(diary.heard.len(), expected.len(), "{name}: {diary}");
    }
}

impl Stored {
    fn parse(line: &str) -> Self {
        let line: Value = serde_json::from_str(line).unwrap();
        let (text, number) = (|name: &str| line[name].as_str(), |name: &str| line[name].as_u64());
        let owned = |name| text(name).unwrap().to_owned();
        Self {
            number: number("number").unwrap(),
            to: owned("conversation"),
            seq: number("seq").unwrap(),
            id: u128::from_str_radix(text("id").unwrap(), 16).unwrap().to_be_bytes(),
            from: owned("from"),
            text: owned("text"),
        }
    }

    /// The room, or both names of a private pair.
    fn pair(&self) -> [&str; 2] {
        let mut pair = [self.to.as_str(), self.from.as_str()];
        match self.to.strip_prefix('@') {
            Some(receiver) => pair[0] = receiver,
            None => pair[1] = "",
        }
        pair.sort_unstable();
        pair
    }

    /// The conversation as this person sees it, if they may.
    fn seen_by(&self, name: &str) -> Option<Conversation> {
        match self.to.strip_prefix('@') {
            None => Some(Conversation::from_text(&self.to)),
            Some(receiver) if receiver == name => Some(Conversation::User(self.from.clone())),
            Some(receiver) if self.from == name => Some(Conversation::User(receiver.to_owned())),
            Some(_) => None,
        }
    }
}
