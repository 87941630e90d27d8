//! Rooms that people made, and who is in them.

use crate::log::event::ruling::Name;
use crate::log::event::{EventError, Person, wire};

/// Names one room for ever: random. A room that takes its name later is another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomId(pub u64);

/// Which room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoomName {
    /// What it is.
    pub id: RoomId,
    /// What it is called.
    pub name: Name,
}

/// A room as its moderators want it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Room {
    /// Which.
    pub name: RoomName,
    /// What it is about; may be empty.
    pub topic: String,
    /// Only who was brought in knows of it.
    pub is_private: bool,
    /// Only its moderators write.
    pub is_announce_only: bool,
}

/// Somebody in a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Membership {
    /// In which.
    pub room: RoomName,
    /// Who.
    pub member: Person,
    /// Decides about the room.
    pub is_moderator: bool,
}

impl RoomId {
    /// As it stands where rooms and people are told apart by their text: no name begins like this.
    #[must_use]
    pub fn text(self) -> String {
        format!("#{:016x}", self.0)
    }

    /// From that.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        u64::from_str_radix(text.strip_prefix('#')?, 16).ok().map(Self)
    }
}

impl RoomName {
    pub(super) fn to_wire(&self) -> wire::RoomName {
        wire::RoomName { id: self.id.0, name: Some(self.name.to_wire()) }
    }

    pub(super) fn from_wire(wire: wire::RoomName) -> Result<Self, EventError> {
        Ok(Self { id: RoomId(wire.id), name: Name::from_wire(wire.name)? })
    }
}

impl Room {
    pub(super) fn to_wire(&self) -> wire::Room {
        wire::Room {
            name: Some(self.name.to_wire()),
            topic: self.topic.clone(),
            is_private: self.is_private,
            is_announce_only: self.is_announce_only,
        }
    }

    pub(super) fn from_wire(wire: wire::Room) -> Result<Self, EventError> {
        let wire::Room { name, topic, is_private, is_announce_only } = wire;
        let name = RoomName::from_wire(name.ok_or(EventError::Damaged)?)?;
        Ok(Self { name, topic, is_private, is_announce_only })
    }
}

impl Membership {
    pub(super) fn to_wire(&self) -> wire::Membership {
        wire::Membership {
            room: Some(self.room.to_wire()),
            member: Some(self.member.to_wire()),
            is_moderator: self.is_moderator,
        }
    }

    pub(super) fn from_wire(wire: wire::Membership) -> Result<Self, EventError> {
        let wire::Membership { room, member, is_moderator } = wire;
        Ok(Self {
            room: RoomName::from_wire(room.ok_or(EventError::Damaged)?)?,
            member: Person::from_wire(member.ok_or(EventError::Damaged)?),
            is_moderator,
        })
    }
}
