//! What goes with age, what stays, and that all that follows the log forgets the same. Time is a number here.

use std::path::Path;
use std::sync::Arc;

use common::conversation::Conversation;
use common::user_name::NameKey;
use tempfile::TempDir;

use super::*;
use crate::log::event::ruling::{Ban, BanSubject, Decision, End, Name, Ruling};
use crate::log::event::{Destination, Identity, MessageSent, Person};
use crate::log::follower::{CaughtUp, Follow};
use crate::log::projection::{self, Projection};
use crate::log::search::SearchIndex;
use crate::log::store::{self, SqliteLog};
use crate::log::{Log, LogReader, start};
use crate::state::history::{HistoryFound, HistorySubject, MessagesFound, Reader};
use crate::state::request::{HistoryRange, SearchWanted};

const ANN: &str = "ann";
const BOB: &str = "bob";

fn person(name: &str) -> Person {
    let identity = Identity(name.bytes().map(u64::from).sum());
    Person { key: NameKey::of(name), name: name.into(), identity }
}

/// From ann to everybody, or to one person.
fn message(to: Option<&str>, seq: u64, at_ms: i64) -> Event {
    Event::MessageSent(Arc::new(MessageSent {
        to: to.map_or(Destination::Lobby, |name| Destination::Person(person(name))),
        seq,
        id: [1; 16],
        from: person(ANN),
        text: format!("secret{seq} of {at_ms}"),
        at_ms,
    }))
}

fn ban(name: &str) -> Event {
    let (by, at_ms) = (String::new(), 1);
    let name = Name { key: NameKey::of(name), spelling: name.into() };
    let ban = Ban { subject: BanSubject::Name(name), end: End::Never, reason: String::new() };
    Event::Ruling(Arc::new(Ruling { by, at_ms, decision: Decision::Banned(ban) }))
}

fn pair() -> ConversationKey {
    ConversationKey::pair(&NameKey::of(ANN), &NameKey::of(BOB))
}

/// A data folder, and what follows its log.
struct Bench {
    folder: TempDir,
    log: SqliteLog,
    reader: Box<dyn LogReader>,
    projection: Projection,
    search: SearchIndex,
}

impl Bench {
    fn new(events: &[Event]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut log = SqliteLog::open(folder.path()).unwrap();
        log.append(events).unwrap();
        drop(log);
        let mut bench = Self::in_folder(folder);
        bench.catch_up();
        bench
    }

    fn in_folder(folder: TempDir) -> Self {
        let log = SqliteLog::open(folder.path()).unwrap();
        let reader = log.reader().unwrap();
        let mut projection = Projection::open(folder.path()).unwrap();
        projection.follow(log.id()).unwrap();
        let search = SearchIndex::new(folder.path(), log.id());
        Self { folder, log, reader, projection, search }
    }

    fn reopen(self) -> Self {
        let Self { folder, log, reader, projection, search } = self;
        // Whoever closes a file last puts it in order, if allowed to write.
        drop((reader, projection, search, log));
        Self::in_folder(folder)
    }

    fn catch_up(&mut self) {
        Projection::catch_up(&mut self.projection, self.reader.as_mut()).unwrap();
        while self.search.catch_up(self.reader.as_mut()).unwrap() == CaughtUp::InPart {}
    }

    /// Everything from before then; in how many slices.
    fn expire(&mut self, before_ms: i64) -> usize {
        (1..).find(|_| self.log.expire(before_ms).unwrap().is_all).unwrap()
    }

    fn numbers(&mut self) -> Vec<u64> {
        self.reader.tail(1, usize::MAX).unwrap().into_iter().map(|it| it.number).collect()
    }

    /// What somebody reads behind that number, and where the conversation begins.
    fn read(&mut self, key: &ConversationKey, name: &str, after: u64) -> (Vec<u64>, Option<u64>) {
        let reader = Reader::outside(person(name).identity);
        let range = HistoryRange { after, before: None, limit: 200 };
        let (conversation, key) = (Conversation::lobby(), key.clone());
        let subject = HistorySubject::Messages { conversation, key, range };
        match self.projection.read(self.reader.as_mut(), &reader, subject).unwrap() {
            HistoryFound::Messages {
                page: MessagesFound { messages, first_kept, more }, ..
            } => {
                assert!(!more);
                (messages.into_iter().map(|it| it.seq).collect(), first_kept)
            }
            other => panic!("{other:?}"),
        }
    }

    fn found(&mut self, text: &str) -> Vec<u64> {
        let reader = Reader::outside(person(ANN).identity);
        let wanted = SearchWanted { text: text.into(), before: None, limit: 100 };
        let subject = HistorySubject::Search(wanted);
        match self.search.read(self.reader.as_mut(), &reader, subject).unwrap() {
            HistoryFound::Search { messages, next: None } => {
                messages.into_iter().map(|(_, it)| it.seq).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What a projection says of conversations, by who reads; without the numbers that the file gives to them.
fn said(projection: &Projection) -> String {
    let mut numbers = projection.last_numbers().unwrap();
    numbers.sort_by_key(|it| format!("{it:?}"));
    let mut lists = Vec::new();
    for name in [ANN, BOB, "cy"] {
        let reader = Reader::outside(person(name).identity);
        let mut entries = projection.list(&reader, 0, 100).unwrap().entries;
        entries.sort_by_key(|it| format!("{it:?}"));
        let first = [ConversationKey::Lobby, pair()]
            .map(|key| projection.first_kept(&key, reader.identity).unwrap());
        lists.push((name, entries, first));
    }
    let people = projection.people(100).unwrap();
    format!("{numbers:#?} {lists:#?} {people:#?} {:?}", projection.standing().unwrap())
}

/// The projection that is kept up says what one says that is made anew.
#[track_caller]
fn check_as_made_anew(bench: &mut Bench) {
    bench.catch_up();
    let folder = tempfile::tempdir().unwrap();
    let mut anew = Projection::open(folder.path()).unwrap();
    anew.follow(bench.log.id()).unwrap();
    anew.catch_up(bench.reader.as_mut()).unwrap();
    assert_eq!(said(&bench.projection), said(&anew));
}

fn mixed() -> Vec<Event> {
    vec![
        message(None, 1, 10),
        message(Some(BOB), 1, 20),
        ban("mallory"),
        message(None, 2, 30),
        message(Some("cy"), 1, 40),
        message(Some(BOB), 2, 50),
        message(None, 3, 60),
    ]
}

#[test]
fn what_is_too_old_goes_and_the_rest_says_where_it_begins() {
    let mut bench = Bench::new(&mixed());
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 0), (vec![1, 2, 3], None));
    assert_eq!(bench.log.expire(45), Ok(Expiry { removed: 4, is_all: true }));
    bench.catch_up();
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 0), (vec![3], Some(3)));
    assert_eq!(bench.read(&pair(), BOB, 0), (vec![2], Some(2)));
    assert_eq!(bench.found("secret"), [3, 2]);
    // Of the lobby's, bob's and cy's one event is left each, and the ban.
    assert_eq!(bench.numbers(), [2, 3, 4, 5, 6, 7]);
    assert_eq!(bench.projection.standing().unwrap(), [3]);
    check_as_made_anew(&mut bench);
}

#[test]
fn where_everything_went_numbers_go_on() {
    let mut bench = Bench::new(&mixed());
    bench.expire(1000);
    bench.catch_up();
    assert_eq!(bench.read(&ConversationKey::Lobby, "dora", 1), (vec![], Some(4)));
    assert_eq!(bench.found("secret"), Vec::<u64>::new());
    check_as_made_anew(&mut bench);
    bench.log.append(&[message(None, 4, 70), message(Some(BOB), 3, 70)]).unwrap();
    bench.catch_up();
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 1), (vec![4], Some(4)));
    assert_eq!(bench.read(&pair(), BOB, 0), (vec![3], Some(3)));
    check_as_made_anew(&mut bench);
    // A second time, over what the first one left.
    bench.expire(1000);
    check_as_made_anew(&mut bench);
    assert_eq!(store::check(bench.folder.path()).unwrap(), 9);
    assert_eq!(bench.numbers().len(), 4, "one of each conversation, and the ban");
}

#[test]
fn nobody_learns_of_what_others_of_the_name_had() {
    let mut bench = Bench::new(&mixed());
    bench.expire(45);
    bench.catch_up();
    let stranger = Identity(999);
    assert_eq!(bench.projection.first_kept(&pair(), stranger).unwrap(), None);
    assert_eq!(bench.projection.first_kept(&pair(), person(BOB).identity).unwrap(), Some(2));
}

#[test]
fn what_was_killed_between_two_slices_goes_on_where_it_was() {
    let events: Vec<Event> = (1..=1000).map(|seq| message(None, seq, seq.cast_signed())).collect();
    let mut bench = Bench::new(&events);
    let slice = Expiry { removed: SLICE_EVENTS, is_all: false };
    assert_eq!(bench.log.expire(901), Ok(slice));
    // Nobody has heard of it when everything ends.
    let mut bench = bench.reopen();
    assert_eq!(bench.log.expire(901), Ok(slice));
    bench.catch_up();
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 990).1, Some(2 * SLICE_EVENTS as u64 + 1));
    let mut bench = bench.reopen();
    assert_eq!(bench.expire(901), 2);
    let past = start::open(bench.folder.path()).unwrap().past;
    assert_eq!(past.last_numbers, [(ConversationKey::Lobby, 1000)]);
    assert_eq!(past.recent.first().unwrap().seq, 901);
    check_as_made_anew(&mut bench);
    assert_eq!(bench.found("secret").len(), 100);
}

#[test]
fn a_page_is_of_what_is_left_however_far_behind_the_projection_is() {
    let mut bench = Bench::new(&mixed());
    bench.expire(45);
    // It was not told yet.
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 0), (vec![3], Some(3)));
    let mut bench = Bench::new(&mixed());
    bench.expire(1000);
    assert_eq!(bench.found("secret"), Vec::<u64>::new());
}

#[test]
fn a_projection_that_was_behind_takes_up_what_is_left() {
    let mut bench = Bench::new(&mixed()[..3]);
    bench.log.append(&mixed()[3..]).unwrap();
    bench.expire(45);
    check_as_made_anew(&mut bench);
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 0), (vec![3], Some(3)));
    assert_eq!(bench.found("secret"), [3, 2]);
}

#[test]
fn nothing_goes_that_is_young_or_behind_something_young() {
    let mut bench = Bench::new(&mixed());
    assert_eq!(bench.log.expire(10), Ok(Expiry { removed: 0, is_all: true }));
    bench.log.append(&[message(None, 4, 15)]).unwrap();
    assert_eq!(bench.log.expire(20), Ok(Expiry { removed: 1, is_all: true }));
    // The clock was ahead at number 7: what was written behind it waits with it.
    assert_eq!(bench.log.expire(60), Ok(Expiry { removed: 4, is_all: true }));
    assert_eq!(bench.read(&ConversationKey::Lobby, ANN, 0), (vec![3, 4], Some(3)));
}

#[test]
fn a_log_with_a_hole_that_age_does_not_explain_is_damaged() {
    let mut bench = Bench::new(&mixed());
    bench.expire(25);
    let path = bench.folder.path().join(store::FILE_NAME);
    let file = Connection::open(path).unwrap();
    file.execute("DELETE FROM events WHERE number = 5", []).unwrap();
    let found = store::check(bench.folder.path());
    assert!(matches!(found, Err(LogError::Damaged { number: 5 })), "{found:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut anew = Projection::open(folder.path()).unwrap();
    let found = anew.catch_up(bench.reader.as_mut());
    assert!(matches!(found, Err(LogError::Damaged { number: 6 })), "{found:?}");
}

fn holds(folder: &Path, file: &str, text: &[u8]) -> bool {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn what_went_is_in_no_file_any_more_and_its_room_is_given_back() {
    let events: Vec<Event> = (1..=5000).map(|seq| message(None, seq, 100)).collect();
    let bench = Bench::new(&events);
    let bench = bench.reopen();
    let folder = bench.folder.path().to_owned();
    let sizes = || {
        [store::FILE_NAME, projection::FILE_NAME]
            .map(|file| std::fs::metadata(folder.join(file)).unwrap().len())
    };
    let before = sizes();
    assert!(holds(&folder, store::FILE_NAME, b"secret77 of 100"));
    let mut bench = bench.reopen();
    bench.expire(1000);
    bench.catch_up();
    // Closed, each is one file.
    let _bench = bench.reopen();
    let after = sizes();
    assert!(after[0] < before[0] / 10 && after[1] < before[1] / 3, "{before:?} {after:?}");
    assert!(!holds(&folder, store::FILE_NAME, b"secret77 of 100"));
}
