//! What is read for whom, and in which pages.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use common::conversation::Conversation;
use common::user_name::NameKey;

use super::*;
use crate::log::Log;
use crate::log::event::{Destination, Event, Person};
use crate::log::follower::Follower;
use crate::log::memory::MemoryLog;
use crate::state::history::{HistoryAsker, HistoryQuestion};
use crate::state::request::{ConnectionId, LoginId};

fn person(name: &str, identity: u64) -> Person {
    Person { key: NameKey::of(name), name: name.into(), identity: Identity(identity) }
}

fn message(from: Person, to: Option<Person>, seq: u64, text: &str) -> Event {
    Event::MessageSent(Arc::new(MessageSent {
        to: to.map_or(Destination::Lobby, Destination::Person),
        seq,
        id: [1; 16],
        from,
        text: text.into(),
        at_ms: 5,
    }))
}

struct Bench {
    history: Follower,
    log: MemoryLog,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let (folder, log) = (tempfile::tempdir().unwrap(), MemoryLog::default());
        let projection = Projection::open(folder.path()).unwrap();
        let history = Follower::start("history", log.reader().unwrap(), projection).unwrap();
        Self { history, log, _folder: folder }
    }

    fn store(&mut self, events: &[Event]) {
        self.log.append(events).unwrap();
        self.history.committed();
    }

    /// The numbers that are read, and whether there are more.
    fn read(&self, key: ConversationKey, reader: u64, range: HistoryRange) -> (Vec<u64>, bool) {
        let asker = HistoryAsker { connection: ConnectionId(1), request_id: 1, login: LoginId(1) };
        let subject = HistorySubject::Messages { conversation: Conversation::lobby(), key, range };
        let question =
            HistoryQuestion { asker, reader: Reader::outside(Identity(reader)), subject };
        let (told, answer) = sync_channel(1);
        let asked = self.history.ask(Box::new(question), move |answer| told.send(answer).unwrap());
        assert!(asked.is_ok());
        let found = answer.recv().unwrap().1.unwrap();
        let HistoryFound::Messages { page, .. } = found else { panic!("{found:?}") };
        let MessagesFound { messages, more, .. } = page;
        (messages.iter().map(|message| message.seq).collect(), more)
    }
}

fn behind(after: u64, limit: usize) -> HistoryRange {
    HistoryRange { after, before: None, limit }
}

fn before(before: u64, limit: usize) -> HistoryRange {
    HistoryRange { after: 0, before: Some(before), limit }
}

#[test]
fn pages_go_forwards_and_backwards_and_what_is_stored_now_is_read_now() {
    let mut bench = Bench::new();
    let ann = || person("ann", 1);
    bench.store(&(1..=5).map(|seq| message(ann(), None, seq, "hi")).collect::<Vec<_>>());
    let read = |bench: &Bench, range| bench.read(ConversationKey::Lobby, 9, range);
    assert_eq!(read(&bench, behind(0, 2)), (vec![1, 2], true));
    assert_eq!(read(&bench, behind(2, 9)), (vec![3, 4, 5], false));
    assert_eq!(read(&bench, before(u64::MAX, 2)), (vec![4, 5], true));
    assert_eq!(read(&bench, before(3, 2)), (vec![1, 2], false));
    assert_eq!(read(&bench, HistoryRange { after: 3, ..before(5, 9) }), (vec![4], false));
    assert_eq!(read(&bench, behind(5, 9)), (vec![], false));
    bench.store(&[message(ann(), None, 6, "hi")]);
    assert_eq!(read(&bench, behind(5, 9)), (vec![6], false));
}

#[test]
fn a_private_message_is_read_by_its_two_people_and_not_by_others_of_their_names() {
    let mut bench = Bench::new();
    let (ann, bob, other_bob) = (|| person("ann", 1), || person("bob", 2), || person("bob", 3));
    bench.store(&[
        message(ann(), Some(bob()), 1, "psst"),
        message(bob(), Some(ann()), 2, "what?"),
        message(ann(), Some(other_bob()), 3, "who are you?"),
    ]);
    let pair = || ConversationKey::pair(&NameKey::of("ann"), &NameKey::of("bob"));
    assert_eq!(bench.read(pair(), 1, behind(0, 9)), (vec![1, 2, 3], false));
    assert_eq!(bench.read(pair(), 2, behind(0, 9)), (vec![1, 2], false));
    assert_eq!(bench.read(pair(), 3, behind(0, 9)), (vec![3], false));
    assert_eq!(bench.read(pair(), 4, before(u64::MAX, 9)), (vec![], false));
    let nobody = ConversationKey::pair(&NameKey::of("ann"), &NameKey::of("zoe"));
    assert_eq!(bench.read(nobody, 1, behind(0, 9)), (vec![], false));
}

#[test]
fn a_page_is_bounded_in_bytes_from_the_side_that_was_asked_for() {
    let mut bench = Bench::new();
    let text = "x".repeat(common::limits::TEXT_BYTES_MAX);
    let events = (1..=20).map(|seq| message(person("ann", 1), None, seq, &text));
    bench.store(&events.collect::<Vec<_>>());
    let fits = HISTORY_PAGE_BYTES_MAX / (text.len() + 64);
    let (first, more) = bench.read(ConversationKey::Lobby, 1, behind(0, 200));
    assert_eq!((first, more), ((1..=fits as u64).collect(), true));
    let (last, more) = bench.read(ConversationKey::Lobby, 1, before(u64::MAX, 200));
    assert_eq!((last, more), ((21 - fits as u64..=20).collect(), true));
}
