//! The projection follows the log, and notices what does not follow.

use super::*;
use crate::log::Log;
use crate::log::event::Person;
use crate::log::event::invite::{Invite, InviteId, InviteName, InviteUse, Proof};
use crate::log::event::room::{Membership, Room, RoomName};
use crate::log::event::ruling::{Decision, End, Mute, Name, Role, Ruling};
use crate::log::memory::MemoryLog;
use common::invite_token::InviteToken;
use std::sync::Arc;

fn person(name: &str) -> Person {
    Person { key: NameKey::of(name), name: name.into(), identity: Identity(name.len() as u64) }
}

/// From ann, to everybody or to one person.
fn message(to: Option<&str>, seq: u64) -> Event {
    Event::MessageSent(Arc::new(MessageSent {
        to: to.map_or(Destination::Lobby, |name| Destination::Person(person(name))),
        seq,
        id: [1; 16],
        from: person("ann"),
        text: "hi".into(),
        at_ms: 5,
    }))
}

fn pair(other: &str) -> ConversationKey {
    ConversationKey::pair(&NameKey::of("ann"), &NameKey::of(other))
}

#[test]
fn the_last_numbers_outlive_the_file_and_only_new_events_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MemoryLog::default();
    log.append(&[message(None, 1), message(Some("bob"), 1), message(None, 2)]).unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    projection.catch_up(&mut log).unwrap();
    assert_eq!(projection.applied(), 3);
    drop(projection);
    log.append(&[message(Some("bob"), 2), message(Some("cy"), 1)]).unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    assert_eq!(projection.applied(), 3);
    projection.catch_up(&mut log).unwrap();
    let mut numbers = projection.last_numbers().unwrap();
    numbers.sort_by_key(|(key, _)| format!("{key:?}"));
    assert_eq!(numbers, [(ConversationKey::Lobby, 2), (pair("bob"), 2), (pair("cy"), 1)]);
}

#[test]
fn the_people_are_known_who_wrote_or_got_something_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MemoryLog::default();
    let renamed = Person { name: "Bob".into(), ..person("bob") };
    let later = Event::MessageSent(Arc::new(MessageSent {
        to: Destination::Lobby,
        seq: 1,
        id: [1; 16],
        from: Person { identity: Identity(77), ..renamed },
        text: "hi".into(),
        at_ms: 5,
    }));
    log.append(&[message(Some("bob"), 1), message(Some("cy"), 1), later]).unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    projection.catch_up(&mut log).unwrap();
    let people = |limit| {
        let people = projection.people(limit).unwrap().into_iter();
        people.map(|it| (it.name, it.identity.0)).collect::<Vec<_>>()
    };
    assert_eq!(people(1), [("Bob".to_owned(), 77)]);
    let mut all = people(9);
    assert_eq!(all.pop(), Some(("Bob".to_owned(), 77)));
    all.sort();
    assert_eq!(all, [("ann".to_owned(), 3), ("cy".to_owned(), 2)]);
}

#[track_caller]
fn check_damaged(events: &[Event], number: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MemoryLog::default();
    log.append(events).unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    let error = projection.catch_up(&mut log).unwrap_err();
    assert!(matches!(error, LogError::Damaged { number: found } if found == number), "{error}");
    assert_eq!(projection.applied(), 0, "all or nothing");
}

#[test]
fn numbers_that_are_missing_or_come_twice_are_noticed() {
    check_damaged(&[message(None, 2)], 1);
    check_damaged(&[message(None, 1), message(None, 1)], 2);
    check_damaged(&[message(None, 1), message(Some("bob"), 1), message(Some("bob"), 3)], 3);
}

/// From somebody to somebody, by name and identity.
fn private(from: (&str, u64), to: (&str, u64), seq: u64, at_ms: i64) -> Event {
    let person = |(name, identity): (&str, u64)| Person {
        key: NameKey::of(name),
        name: name.into(),
        identity: Identity(identity),
    };
    let to = Destination::Person(person(to));
    let (from, text) = (person(from), "psst".into());
    Event::MessageSent(Arc::new(MessageSent { to, seq, id: [1; 16], from, text, at_ms }))
}

/// What somebody may read of, as text, and where the next page begins.
fn list(projection: &Projection, reader: u64, after: u64, limit: usize) -> (Vec<String>, u64) {
    let found = projection.list(&Reader::outside(Identity(reader)), after, limit).unwrap();
    let spell =
        |it: &ConversationFound| format!("{} {} {}", it.conversation, it.last_seq, it.at_ms);
    (found.entries.iter().map(spell).collect(), found.next.unwrap_or(0))
}

#[test]
fn each_person_finds_the_conversations_that_have_something_for_that_person() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MemoryLog::default();
    let (ann, bob, other_bob) = (("ann", 1), ("bob", 2), ("bob", 3));
    log.append(&[
        private(ann, bob, 1, 10),
        message(None, 1),
        private(ann, ann, 1, 20),
        private(bob, ann, 2, 30),
        private(("Ann", 1), other_bob, 3, 40),
        private(other_bob, ("cy", 4), 1, 50),
    ])
    .unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    projection.catch_up(&mut log).unwrap();
    let all = |reader| list(&projection, reader, 0, 9);
    let strings = |lines: &[&str]| lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(all(1), (strings(&["@bob 3 40", "#lobby 1 5", "@ann 1 20"]), 0));
    // The one who came later under the name adds nothing to what the earlier one may read.
    assert_eq!(all(2), (strings(&["@ann 2 30", "#lobby 1 5"]), 0));
    assert_eq!(all(3), (strings(&["@Ann 3 40", "#lobby 1 5", "@cy 1 50"]), 0));
    assert_eq!(all(9), (strings(&["#lobby 1 5"]), 0));
    assert_eq!(list(&projection, 1, 0, 2), (strings(&["@bob 3 40", "#lobby 1 5"]), 2));
    assert_eq!(list(&projection, 1, 2, 2), (strings(&["@ann 1 20"]), 0));
    assert_eq!(list(&projection, 1, u64::MAX, 2), (strings(&[]), 0));
}

fn room(id: u64) -> RoomName {
    let name = Name { key: NameKey::of("attic"), spelling: "Attic".into() };
    RoomName { id: RoomId(id), name }
}

fn said_in(id: u64, seq: u64) -> Event {
    let Event::MessageSent(message) = message(None, seq) else { panic!("no message") };
    let to = Destination::Room(room(id));
    Event::MessageSent(Arc::new(MessageSent { to, ..Arc::unwrap_or_clone(message) }))
}

#[test]
fn a_room_is_listed_for_who_is_in_it_and_is_not_the_one_that_had_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MemoryLog::default();
    log.append(&[message(None, 1), said_in(7, 1), said_in(7, 2), said_in(8, 1)]).unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    projection.catch_up(&mut log).unwrap();
    let list = |rooms: &[u64]| {
        let rooms = rooms.iter().map(|id| room(*id)).collect();
        let reader = Reader { identity: Identity(1), rooms };
        let found = projection.list(&reader, 0, 9).unwrap();
        let spell = |it: &ConversationFound| format!("{} {}", it.conversation, it.last_seq);
        found.entries.iter().map(spell).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["#lobby 1"]);
    assert_eq!(list(&[7]), ["#lobby 1", "#Attic 2"]);
    assert_eq!(list(&[8]), ["#lobby 1", "#Attic 1"]);
    assert_eq!(list(&[9]), ["#lobby 1"]);
    let mut numbers = projection.last_numbers().unwrap();
    numbers.sort_by_key(|(key, _)| format!("{key:?}"));
    let key = |id| ConversationKey::Room(RoomId(id));
    assert_eq!(numbers, [(ConversationKey::Lobby, 1), (key(7), 2), (key(8), 1)]);
}

fn decided(decision: Decision) -> Event {
    Event::Ruling(Arc::new(Ruling { by: "ann".into(), at_ms: 5, decision }))
}

/// The events that still hold, and those that are looked back on, of these decisions.
#[track_caller]
fn check_standing(decisions: Vec<Decision>, standing: &[u64], rulings: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let mut log = MemoryLog::default();
    let events: Vec<Event> = decisions.into_iter().map(decided).collect();
    log.append(&events).unwrap();
    let mut projection = Projection::open(folder.path()).unwrap();
    projection.catch_up(&mut log).unwrap();
    assert_eq!(projection.standing().unwrap(), standing);
    assert_eq!(projection.rulings(None, 99).unwrap(), rulings);
    let before: Vec<u64> = rulings.iter().copied().filter(|it| *it < 3).take(1).collect();
    assert_eq!(projection.rulings(Some(3), 1).unwrap(), before);
}

#[test]
fn of_the_decisions_about_one_thing_the_latest_holds() {
    let mute = |name: &str, until_ms| Mute {
        name: Name { key: NameKey::of(name), spelling: name.into() },
        end: End::from_ms(until_ms),
        reason: String::new(),
    };
    check_standing(
        vec![
            Decision::Muted(mute("eve", 5)),
            Decision::Muted(mute("zoe", 5)),
            Decision::Muted(mute("Eve", 9)),
            Decision::Unmuted(mute("zoe", 0)),
            Decision::Announced { text: "tea".into() },
        ],
        &[3],
        &[5, 4, 3, 2, 1],
    );
}

#[test]
fn with_a_room_everybody_in_it_is_forgotten_and_nobody_else() {
    let made = |id| Room {
        name: room(id),
        topic: String::new(),
        is_private: false,
        is_announce_only: false,
    };
    let member = |id| Membership { room: room(id), member: person("ann"), is_moderator: false };
    check_standing(
        vec![
            Decision::RoomSet(made(7)),
            Decision::MemberSet(member(7)),
            Decision::RoomSet(made(0x70)),
            Decision::MemberSet(member(0x70)),
            Decision::RoomRemoved(room(7)),
        ],
        &[3, 4],
        &[5, 3, 1],
    );
}

#[test]
fn with_an_invite_goes_who_came_by_it_and_one_person_counts_once() {
    let name =
        |first| InviteName { id: InviteId([first, 0, 0, 0, 0, 0, 0, 0]), note: String::new() };
    let made = |first| {
        Decision::InviteSet(Invite {
            name: name(first),
            proof: Proof::of_token(&InviteToken([first; 24])),
            uses: None,
            end: End::Never,
            role: Role::Member,
            maker: None,
        })
    };
    let used = |first, who, is_void| {
        let (invite, person) = (name(first).id, person(who));
        Decision::InviteUsed(InviteUse { invite, person, shown: None, is_void })
    };
    check_standing(
        vec![
            made(1),
            made(2),
            used(1, "ann", false),
            used(2, "ann", false),
            used(2, "bo", false),
            used(2, "bo", true),
            Decision::InviteRevoked(name(1)),
        ],
        &[2, 4, 6],
        &[7, 5, 4, 3, 2, 1],
    );
}
