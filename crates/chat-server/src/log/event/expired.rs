//! What is left of a conversation's messages that were removed because of their age.

use common::conversation::LOBBY;
use common::user_name::NameKey;

use super::{ConversationKey, EventError, wire};
use crate::log::event::room::RoomId;

/// Messages of a conversation, up to this number, are gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expired {
    /// Which conversation.
    pub conversation: ConversationKey,
    /// The number of the last one.
    pub last_seq: u64,
    /// When that was written, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

impl Expired {
    pub(super) fn to_wire(&self) -> wire::Expired {
        use wire::expired::Conversation;
        let conversation = match &self.conversation {
            ConversationKey::Lobby => Conversation::Room(LOBBY.to_owned()),
            ConversationKey::Pair(one, other) => Conversation::Pair(wire::Pair {
                one: one.as_str().to_owned(),
                other: other.as_str().to_owned(),
            }),
            ConversationKey::Room(RoomId(room)) => Conversation::MadeRoom(*room),
        };
        let Self { last_seq, at_ms, .. } = *self;
        wire::Expired { conversation: Some(conversation), last_seq, at_ms }
    }

    pub(super) fn from_wire(wire: wire::Expired) -> Result<Self, EventError> {
        use wire::expired::Conversation;
        let wire::Expired { conversation, last_seq, at_ms } = wire;
        let conversation = match conversation.ok_or(EventError::Damaged)? {
            Conversation::Room(room) if room == LOBBY => ConversationKey::Lobby,
            Conversation::Room(_) => return Err(EventError::UnknownRoom),
            Conversation::Pair(wire::Pair { one, other }) => {
                ConversationKey::Pair(NameKey::from_stored(one), NameKey::from_stored(other))
            }
            Conversation::MadeRoom(room) => ConversationKey::Room(RoomId(room)),
        };
        Ok(Self { conversation, last_seq, at_ms })
    }
}
