//! The durable events and their bytes: `proto/log.proto`. What was written once is read by every later
//! version, so golden bytes hold the encoding.

pub mod expired;

pub mod invite;

pub mod room;

pub mod ruling;

use std::sync::Arc;

use common::conversation::LOBBY;
use common::limits::MESSAGE_ID_BYTES;
use common::user_name::NameKey;
use prost::Message;

use crate::log::event::expired::Expired;
use crate::log::event::room::{RoomId, RoomName};
use crate::log::event::ruling::Ruling;

/// The messages of `proto/log.proto` as Rust types, generated at build time.
mod wire {
    #![expect(unreachable_pub, reason = "generated for any crate, used in this file")]

    include!(concat!(env!("OUT_DIR"), "/simplechat.log.v1.rs"));
}

/// Something that happened and is to be remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Somebody wrote.
    MessageSent(Arc<MessageSent>),
    /// Something was decided about accounts or people.
    Ruling(Arc<Ruling>),
    /// Messages were here.
    Expired(Expired),
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageSent {
    /// Where it went.
    pub to: Destination,
    /// Its number in the conversation, dense, from 1.
    pub seq: u64,
    /// The client's name for it.
    pub id: [u8; MESSAGE_ID_BYTES],
    /// Who wrote it.
    pub from: Person,
    /// What.
    pub text: String,
    /// Server's clock, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// Where a message went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// Everybody's room.
    Lobby,
    /// A private conversation; to oneself it is a note.
    Person(Person),
    /// A room that somebody made.
    Room(RoomName),
}

/// Somebody at the time of an event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// What makes a name one with its look-alikes.
    pub key: NameKey,
    /// As it was spelt.
    pub name: String,
    /// Tells two people apart who had the same name one after the other.
    pub identity: Identity,
}

/// One person behind a name: whoever logged in under a free name, and comes back with the token that
/// was given then. The next one who takes the name is somebody else.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity(pub u64);

/// What identifies a conversation for the server: unlike on the wire, not seen from one of its ends.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ConversationKey {
    /// Everybody's room.
    Lobby,
    /// Two people, the lesser key first.
    Pair(NameKey, NameKey),
    /// A room that somebody made.
    Room(RoomId),
}

impl ConversationKey {
    /// The private conversation of two people, the same from both ends.
    #[must_use]
    pub fn pair(one: &NameKey, other: &NameKey) -> Self {
        Self::Pair(one.min(other).clone(), one.max(other).clone())
    }
}

/// Why the bytes of an event are no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EventError {
    /// Its kind is none that this version knows.
    #[error("its kind is unknown: it was written by a later version of the server, use that one")]
    UnknownKind,
    /// It belongs to a room, which this version has none of but the lobby.
    #[error("its room is unknown: it was written by a later version of the server, use that one")]
    UnknownRoom,
    /// It decides something that this version knows nothing of.
    #[error(
        "its decision is unknown: it was written by a later version of the server, use that one"
    )]
    UnknownDecision,
    /// These are not the bytes of an event.
    #[error("it is damaged: restore a backup")]
    Damaged,
}

impl MessageSent {
    /// The conversation that it belongs to.
    #[must_use]
    pub fn conversation(&self) -> ConversationKey {
        match &self.to {
            Destination::Lobby => ConversationKey::Lobby,
            Destination::Person(receiver) => ConversationKey::pair(&self.from.key, &receiver.key),
            Destination::Room(room) => ConversationKey::Room(room.id),
        }
    }
}

impl Event {
    /// As it is stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self {
            Self::MessageSent(it) => wire::event::Kind::MessageSent(it.to_wire()),
            Self::Ruling(it) => wire::event::Kind::Ruling(it.to_wire()),
            Self::Expired(it) => wire::event::Kind::Expired(it.to_wire()),
        };
        wire::Event { kind: Some(kind) }.encode_to_vec()
    }

    /// From what was stored.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let event = wire::Event::decode(bytes).map_err(|_| EventError::Damaged)?;
        match event.kind {
            None => Err(EventError::UnknownKind),
            Some(wire::event::Kind::MessageSent(it)) => {
                Ok(Self::MessageSent(Arc::new(MessageSent::from_wire(it)?)))
            }
            Some(wire::event::Kind::Ruling(it)) => {
                Ok(Self::Ruling(Arc::new(Ruling::from_wire(it)?)))
            }
            Some(wire::event::Kind::Expired(it)) => Ok(Self::Expired(Expired::from_wire(it)?)),
        }
    }
}

impl MessageSent {
    fn to_wire(&self) -> wire::MessageSent {
        use wire::message_sent::Conversation;
        let conversation = match &self.to {
            Destination::Lobby => Conversation::Room(LOBBY.to_owned()),
            Destination::Person(receiver) => Conversation::Receiver(receiver.to_wire()),
            Destination::Room(room) => Conversation::MadeRoom(room.to_wire()),
        };
        wire::MessageSent {
            conversation: Some(conversation),
            seq: self.seq,
            message_id: self.id.to_vec(),
            sender: Some(self.from.to_wire()),
            text: self.text.clone(),
            at_ms: self.at_ms,
        }
    }

    fn from_wire(wire: wire::MessageSent) -> Result<Self, EventError> {
        use wire::message_sent::Conversation;
        let to = match wire.conversation.ok_or(EventError::Damaged)? {
            Conversation::Room(room) if room == LOBBY => Destination::Lobby,
            Conversation::Room(_) => return Err(EventError::UnknownRoom),
            Conversation::Receiver(receiver) => Destination::Person(Person::from_wire(receiver)),
            Conversation::MadeRoom(room) => Destination::Room(RoomName::from_wire(room)?),
        };
        Ok(Self {
            to,
            seq: wire.seq,
            id: wire.message_id.try_into().map_err(|_| EventError::Damaged)?,
            from: Person::from_wire(wire.sender.ok_or(EventError::Damaged)?),
            text: wire.text,
            at_ms: wire.at_ms,
        })
    }
}

impl Person {
    fn to_wire(&self) -> wire::Person {
        let (key, name) = (self.key.as_str().to_owned(), self.name.clone());
        wire::Person { key, name, identity: self.identity.0 }
    }

    fn from_wire(wire: wire::Person) -> Self {
        let wire::Person { key, name, identity } = wire;
        Self { key: NameKey::from_stored(key), name, identity: Identity(identity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, identity: u64) -> Person {
        Person { key: NameKey::of(name), name: name.into(), identity: Identity(identity) }
    }

    fn message(to: Destination) -> Event {
        Event::MessageSent(Arc::new(MessageSent {
            to,
            seq: 7,
            id: [0xaa; MESSAGE_ID_BYTES],
            from: person("Ann", 258),
            text: "good morning".into(),
            at_ms: 1_767_323_045_678,
        }))
    }

    /// The bytes are these, and these bytes are that event.
    #[track_caller]
    fn check(event: &Event, hex: &str) {
        let bytes = event.encode();
        let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, hex);
        assert_eq!(Event::decode(&bytes).as_ref(), Ok(event));
    }

    #[test]
    fn a_message_to_everybody_is_the_golden_bytes() {
        check(
            &message(Destination::Lobby),
            "0a3f0a056c6f62627918072210aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2a0d0a03616e6e1203416e6e\
             188202320c676f6f64206d6f726e696e6738ae9ea6e5b733",
        );
    }

    #[test]
    fn a_private_message_is_the_golden_bytes() {
        check(
            &message(Destination::Person(person("bob", 3))),
            "0a46120c0a03626f621203626f62180318072210aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2a0d0a0361\
             6e6e1203416e6e188202320c676f6f64206d6f726e696e6738ae9ea6e5b733",
        );
    }

    #[test]
    fn a_message_in_a_room_is_the_golden_bytes() {
        let name = ruling::Name { key: NameKey::of("attic"), spelling: "Attic".into() };
        let to = Destination::Room(RoomName { id: RoomId(7), name });
        check(
            &message(to),
            "0a4c42120807120e0a0561747469631205417474696318072210aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
             2a0d0a03616e6e1203416e6e188202320c676f6f64206d6f726e696e6738ae9ea6e5b733",
        );
    }

    #[test]
    fn what_is_left_of_old_messages_is_the_golden_bytes() {
        let left = |conversation| {
            Event::Expired(Expired { conversation, last_seq: 7, at_ms: 1_767_323_045_678 })
        };
        check(&left(ConversationKey::Lobby), "b204100a056c6f626279200728ae9ea6e5b733");
        let pair = ConversationKey::pair(&NameKey::of("bob"), &NameKey::of("ann"));
        check(&left(pair), "b20415120a0a03616e6e1203626f62200728ae9ea6e5b733");
        check(&left(ConversationKey::Room(RoomId(7))), "b2040b1807200728ae9ea6e5b733");
    }

    #[test]
    fn an_event_of_a_later_version_is_told_from_a_damaged_one() {
        // Field 1000: a kind that this version does not know.
        assert_eq!(Event::decode(&[0xc2, 0x3e, 2, 8, 1]), Err(EventError::UnknownKind));
        assert_eq!(Event::decode(&[0x0a, 0x7f, 1]), Err(EventError::Damaged));
        let room = wire::message_sent::Conversation::Room("attic".to_owned());
        let message =
            wire::MessageSent { conversation: Some(room), ..wire::MessageSent::default() };
        let kind = Some(wire::event::Kind::MessageSent(message));
        let bytes = wire::Event { kind }.encode_to_vec();
        assert_eq!(Event::decode(&bytes), Err(EventError::UnknownRoom));
        // A message without sender, and one whose id has 15 bytes.
        assert_eq!(Event::decode(&[0x0a, 2, 0x18, 1]), Err(EventError::Damaged));
    }

    #[test]
    fn both_ends_of_a_pair_are_in_one_conversation() {
        let (ann, bob) = (NameKey::of("ann"), NameKey::of("bob"));
        assert_eq!(ConversationKey::pair(&ann, &bob), ConversationKey::pair(&bob, &ann));
    }
}
