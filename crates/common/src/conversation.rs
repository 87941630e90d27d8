//! Where a message goes: a room or one person.

use std::fmt;

use crate::wire;

/// A room, or the private pair of the reader and one other person.
///
/// Displayed as people write it: `#lobby`, `@bob`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Conversation {
    /// By name, without `#`.
    Room(String),
    /// The other person, without `@`.
    User(String),
}

/// The room that everybody is in.
pub const LOBBY: &str = "lobby";

impl Conversation {
    /// The room that everybody is in.
    #[must_use]
    pub fn lobby() -> Self {
        Self::Room(LOBBY.to_owned())
    }

    /// What a person means by `text`: `#room`, `@name`, or a bare name.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        if let Some(room) = text.strip_prefix('#') {
            return Self::Room(room.to_owned());
        }
        Self::User(text.strip_prefix('@').unwrap_or(text).to_owned())
    }

    /// From the wire; `None` where neither kind is given.
    #[must_use]
    pub fn from_wire(wire: wire::Conversation) -> Option<Self> {
        Some(match wire.kind? {
            wire::conversation::Kind::Room(room) => Self::Room(room),
            wire::conversation::Kind::User(user) => Self::User(user),
        })
    }

    /// To the wire.
    #[must_use]
    pub fn to_wire(&self) -> wire::Conversation {
        let kind = match self {
            Self::Room(room) => wire::conversation::Kind::Room(room.clone()),
            Self::User(user) => wire::conversation::Kind::User(user.clone()),
        };
        wire::Conversation { kind: Some(kind) }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => write!(f, "#{room}"),
            Self::User(user) => write!(f, "@{user}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Conversation) {
        let parsed = Conversation::from_text(text);
        assert_eq!(&parsed, expected);
        assert_eq!(Conversation::from_wire(parsed.to_wire()), Some(parsed));
    }

    #[test]
    fn a_hash_means_a_room_everything_else_a_person() {
        check("#lobby", &Conversation::lobby());
        check("@bob", &Conversation::User("bob".into()));
        check("bob", &Conversation::User("bob".into()));
    }

    #[test]
    fn no_kind_is_no_conversation() {
        assert_eq!(Conversation::from_wire(wire::Conversation { kind: None }), None);
    }
}
