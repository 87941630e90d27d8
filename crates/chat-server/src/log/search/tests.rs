//! What is found, by whom, and what becomes of an index that is of no use.

use common::conversation::Conversation;
use common::user_name::NameKey;

use super::*;
use crate::log::Log;
use crate::log::event::Person;
use crate::log::event::room::{RoomId, RoomName};
use crate::log::event::ruling::Name;
use crate::log::memory::MemoryLog;

fn person(name: &str, identity: u64) -> Person {
    Person { key: NameKey::of(name), name: name.into(), identity: Identity(identity) }
}

type Page = (Vec<(Conversation, MessageSent)>, Option<u64>);

struct Bench {
    index: SearchIndex,
    log: MemoryLog,
    folder: tempfile::TempDir,
    stored: u64,
}

impl Bench {
    fn new() -> Self {
        let (folder, log) = (tempfile::tempdir().unwrap(), MemoryLog::default());
        let index = SearchIndex::new(folder.path(), log.id());
        Self { index, log, folder, stored: 0 }
    }

    fn write(&mut self, from: Person, to: Option<Person>, text: &str) {
        self.stored += 1;
        self.log
            .append(&[Event::MessageSent(Arc::new(MessageSent {
                to: to.map_or(Destination::Lobby, Destination::Person),
                seq: self.stored,
                id: [1; 16],
                from,
                text: text.into(),
                at_ms: 5,
            }))])
            .unwrap();
    }

    /// With these messages to everybody.
    fn with(texts: &[&str]) -> Self {
        let mut bench = Self::new();
        texts.iter().for_each(|text| bench.write(person("ann", 1), None, text));
        bench
    }

    fn catch_up(&mut self) -> Result<(), LogError> {
        let mut log = self.log.reader().unwrap();
        while self.index.catch_up(log.as_mut())? == CaughtUp::InPart {}
        Ok(())
    }

    fn search(&mut self, reader: u64, wanted: SearchWanted) -> Result<Page, HistoryProblem> {
        self.catch_up().unwrap();
        let mut log = self.log.reader().unwrap();
        let subject = HistorySubject::Search(wanted);
        match self.index.read(log.as_mut(), &Reader::outside(Identity(reader)), subject)? {
            HistoryFound::Search { messages, next } => Ok((messages, next)),
            other => panic!("{other:?}"),
        }
    }

    /// The numbers of the messages that `reader` finds.
    fn found_by(&mut self, reader: u64, text: &str) -> Vec<u64> {
        let wanted = SearchWanted { text: text.into(), before: None, limit: 200 };
        let (messages, next) = self.search(reader, wanted).unwrap();
        assert_eq!(next, None);
        messages.iter().map(|(_, message)| message.seq).collect()
    }

    #[track_caller]
    fn check(&mut self, text: &str, expected: &[u64]) {
        assert_eq!(self.found_by(9, text), expected, "{text:?}");
    }
}

#[test]
fn all_words_are_looked_for_whatever_their_case_and_diacritics() {
    let mut bench = Bench::with(&[
        "The printer on the second floor is broken",
        "Crème brûlée is in the fridge",
        "broken again: the PRINTER",
        "ÅNGSTRÖM and Straße",
    ]);
    bench.check("printer broken", &[3, 1]);
    bench.check("PRINTER floor", &[1]);
    bench.check("creme BRULEE", &[2]);
    bench.check("crème brulée", &[2]);
    bench.check("angstrom", &[4]);
    bench.check("printer fridge", &[]);
}

#[test]
fn words_are_found_by_beginnings_and_parts_and_short_ones_whole() {
    let mut bench = Bench::with(&["Donaudampfschifffahrt", "tea is ready", "team", "c++ or c"]);
    bench.check("donau", &[1]);
    bench.check("dampfschiff", &[1]);
    bench.check("tea", &[3, 2]);
    bench.check("te", &[]);
    bench.check("is", &[2]);
    bench.check("c++", &[4]);
}

#[test]
fn scripts_without_spaces_are_found_by_any_of_their_signs() {
    let mut bench = Bench::with(&["今日は東京で会議があります", "京都に行く", "서울에서 만나요"]);
    bench.check("東京", &[1]);
    bench.check("京", &[2, 1]);
    bench.check("京東", &[]);
    bench.check("会議 今日", &[1]);
    bench.check("서울", &[3]);
}

#[test]
fn private_messages_are_found_by_their_two_people_alone() {
    let mut bench = Bench::new();
    let (ann, bob) = (|| person("ann", 7), || person("bob", 17));
    bench.write(ann(), Some(bob()), "the secret word");
    bench.write(ann(), None, "the secret is out");
    assert_eq!(bench.found_by(7, "secret"), [2, 1]);
    assert_eq!(bench.found_by(17, "secret"), [2, 1]);
    // Also not by who knows how the index is made, or whose number is part of another one.
    for stranger in [1, 77, 177, 8] {
        for text in ["secret", "ecre", "|7|", "|7|17|", "lobby", "who", "\"secret\" OR who:7"] {
            let found = bench.found_by(stranger, text);
            assert!(found.iter().all(|seq| *seq == 2), "{stranger} finds {found:?} by {text:?}");
        }
    }
    let wanted = || SearchWanted { text: "word".into(), before: None, limit: 9 };
    let seen = |found: Page| found.0[0].0.clone();
    assert_eq!(seen(bench.search(7, wanted()).unwrap()), Conversation::User("bob".into()));
    assert_eq!(seen(bench.search(17, wanted()).unwrap()), Conversation::User("ann".into()));
}

#[test]
fn pages_go_back_in_time_and_do_not_overlap() {
    let mut bench = Bench::with(&["one tea", "two", "three tea", "four tea", "five tea"]);
    let mut page = |before, limit| {
        let wanted = SearchWanted { text: "tea".into(), before, limit };
        let (messages, next) = bench.search(9, wanted).unwrap();
        (messages.iter().map(|(_, it)| it.seq).collect::<Vec<_>>(), next)
    };
    assert_eq!(page(None, 2), (vec![5, 4], Some(4)));
    assert_eq!(page(Some(4), 2), (vec![3, 1], None));
    assert_eq!(page(None, 4), (vec![5, 4, 3, 1], None));
}

#[test]
fn a_page_is_bounded_in_bytes() {
    let text = format!("needle {}", "x".repeat(common::limits::TEXT_BYTES_MAX - 7));
    let mut bench = Bench::with(&[text.as_str(); 20]);
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let wanted = SearchWanted { text: "needle".into(), before, limit: 200 };
        let (messages, next) = bench.search(9, wanted).unwrap();
        assert!(messages.len() < 20);
        seen.extend(messages.iter().map(|(_, it)| it.seq));
        before = next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=20).rev().collect::<Vec<_>>());
}

#[test]
fn what_holds_no_word_is_said_to() {
    let mut bench = Bench::with(&["?"]);
    let wanted = SearchWanted { text: "? -".into(), before: None, limit: 9 };
    assert_eq!(bench.search(9, wanted).unwrap_err(), HistoryProblem::NoWord);
}

/// Whatever it is, it is data.
#[test]
fn no_text_is_a_mistake() {
    let mut bench = Bench::with(&["hello"]);
    for text in [
        "\"",
        "'",
        "NEAR(a b)",
        "a AND",
        "NOT",
        "OR OR",
        "^a",
        "a*",
        "*",
        "a:b",
        "{who} : x",
        "(",
        "-a",
        "a + b",
        "\u{0}a",
        "\u{feff}hello",
        "%",
        "_",
        "who:*",
        "a\"*\"",
        "\\",
    ] {
        let wanted = SearchWanted { text: text.into(), before: None, limit: 9 };
        let found = bench.search(9, wanted);
        assert!(matches!(found, Ok(_) | Err(HistoryProblem::NoWord)), "{text:?}: {found:?}");
    }
}

#[test]
fn what_takes_too_long_is_broken_off() {
    // No message holds both, which shows only when all are looked at.
    let mut bench = Bench::with(&["left", "right"].repeat(20_000));
    bench.catch_up().unwrap();
    bench.index.open.as_ref().unwrap().is_late.store(true, Ordering::Relaxed);
    let wanted = SearchWanted { text: "left right".into(), before: None, limit: 9 };
    assert_eq!(bench.search(9, wanted.clone()).unwrap_err(), HistoryProblem::TooBroad);
    // Taking up is not, however long ago somebody looked for something.
    (0..500).for_each(|_| bench.write(person("ann", 1), None, "later"));
    bench.catch_up().unwrap();
    assert!(bench.index.open.as_ref().unwrap().is_late.load(Ordering::Relaxed), "the same index");
    bench.index.open.as_ref().unwrap().is_late.store(false, Ordering::Relaxed);
    assert_eq!(bench.search(9, wanted).unwrap().0, []);
}

#[test]
fn an_index_goes_on_where_it_was_and_one_of_no_use_is_made_anew() {
    let mut bench = Bench::with(&["one tea", "two tea"]);
    let again = |bench: &mut Bench| {
        bench.index = SearchIndex::new(bench.folder.path(), bench.log.id());
    };
    bench.check("tea", &[2, 1]);
    again(&mut bench);
    bench.write(person("ann", 1), None, "three tea");
    bench.check("tea", &[3, 2, 1]);

    let path = bench.folder.path().join(FILE_NAME);
    again(&mut bench);
    std::fs::write(&path, "no database at all, but long enough to be looked at as one").unwrap();
    bench.check("tea", &[3, 2, 1]);

    // Another log, with fewer events: the folder was put back from a backup.
    let other = Bench::with(&["only tea"]);
    bench.index = SearchIndex::new(bench.folder.path(), LogId([7; 16]));
    (bench.log, bench.stored) = (other.log, 1);
    bench.check("tea", &[1]);
}

#[test]
fn an_index_that_is_ahead_of_its_log_is_made_anew() {
    let mut bench = Bench::with(&["one tea", "two tea"]);
    bench.check("tea", &[2, 1]);
    let torn_off = Bench::with(&["one tea"]);
    bench.index = SearchIndex::new(bench.folder.path(), bench.log.id());
    bench.log = torn_off.log;
    bench.check("tea", &[1]);
}

#[test]
fn what_is_said_in_a_room_is_found_by_who_is_in_it() {
    let mut bench = Bench::with(&["dust in the lobby"]);
    let name = Name { key: NameKey::of("attic"), spelling: "Attic".into() };
    let attic = RoomName { id: RoomId(7), name };
    bench.stored += 1;
    bench
        .log
        .append(&[Event::MessageSent(Arc::new(MessageSent {
            to: Destination::Room(attic.clone()),
            seq: 2,
            id: [1; 16],
            from: person("ann", 1),
            text: "dust in the attic".into(),
            at_ms: 5,
        }))])
        .unwrap();
    assert_eq!(bench.found_by(1, "dust"), [1], "not even who wrote it, once out of the room");
    let mut log = bench.log.reader().unwrap();
    let wanted = SearchWanted { text: "dus".into(), before: None, limit: 9 };
    let reader = Reader { identity: Identity(3), rooms: vec![attic] };
    let found = bench.index.read(log.as_mut(), &reader, HistorySubject::Search(wanted)).unwrap();
    let HistoryFound::Search { messages, .. } = found else { panic!("{found:?}") };
    let found: Vec<_> =
        messages.iter().map(|(it, message)| (it.to_string(), message.seq)).collect();
    assert_eq!(found, [("#Attic".to_owned(), 2), ("#lobby".to_owned(), 1)]);
}
