//! What of the decisions about rooms holds, in whatever order a start tells of them.

use super::*;
use crate::log::event::Person;
use crate::log::event::room::RoomName;
use crate::log::event::ruling::Name;

fn room(id: u64, name: &str, topic: &str) -> Room {
    let name = Name { key: NameKey::of(name), spelling: name.into() };
    let name = RoomName { id: RoomId(id), name };
    Room { name, topic: topic.into(), is_private: false, is_announce_only: false }
}

fn member(of: &Room, identity: u64) -> Membership {
    let member =
        Person { key: NameKey::of("ann"), name: "ann".into(), identity: Identity(identity) };
    Membership { room: of.name.clone(), member, is_moderator: false }
}

fn ruling(decision: Decision) -> Arc<Ruling> {
    Arc::new(Ruling { by: String::new(), at_ms: 0, decision })
}

#[test]
fn a_room_that_changed_after_people_came_keeps_them() {
    let (before, after) = (room(1, "attic", ""), room(1, "attic", "dust"));
    // The later decision about the room stands behind those about its members.
    let standing =
        [ruling(Decision::MemberSet(member(&before, 7))), ruling(Decision::RoomSet(after))];
    let mut rooms = Rooms::default();
    rooms.remember(&standing);
    let open = rooms.find(&NameKey::of("Attic")).unwrap();
    assert_eq!((open.room.topic.as_str(), open.is_member(Identity(7))), ("dust", true));
    assert_eq!(rooms.of(Identity(7)).count(), 1);
}

#[test]
fn a_room_ends_with_its_members_and_its_name_is_another_ones() {
    let (old, new) = (room(1, "attic", ""), room(2, "attic", ""));
    let mut rooms = Rooms::default();
    for decision in [
        Decision::RoomSet(old.clone()),
        Decision::MemberSet(member(&old, 7)),
        Decision::RoomRemoved(old.name.clone()),
        Decision::RoomSet(new.clone()),
        Decision::MemberSet(member(&new, 8)),
    ] {
        rooms.apply(&ruling(decision));
    }
    assert_eq!(rooms.of(Identity(7)).count(), 0);
    assert_eq!(rooms.find(&NameKey::of("attic")).unwrap().room.name.id, RoomId(2));
    let mut empty = Rooms::default();
    empty.remember(&[ruling(Decision::RoomSet(old))]);
    assert_eq!(empty.len(), 0);
}
