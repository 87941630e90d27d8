//! The projection follows the log, and notices what does not follow.

use super::*;
use crate::log::Log;
use crate::log::event::Person;
use crate::log::memory::MemoryLog;
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
