//! Requests about rooms.

use common::limits::TOPIC_BYTES_MAX;
use common::user_name::{NameKey, UserName};
use common::wire;

use crate::connection::parse::accounts::name;
use crate::log::event::room::RoomId;
use crate::state::messages::room_name;
use crate::state::refusal::Refusal;
use crate::state::request::ResumeToken;
use crate::state::rooms::requests::{RoomRequest, RoomWish};

/// What a client asks about rooms, not yet looked at.
pub(super) enum Asked {
    Create(wire::CreateRoom),
    Join(wire::JoinRoom),
    Leave(wire::LeaveRoom),
    Change(wire::ChangeRoom),
    Remove(wire::RemoveRoom),
    Add(wire::AddToRoom),
    TakeOut(wire::RemoveFromRoom),
    List(wire::ListRooms),
    ListMembers(wire::ListMembers),
}

/// `fresh` becomes what names a room that is made.
pub(super) fn room_request(asked: Asked, fresh: ResumeToken) -> Result<RoomRequest, Refusal> {
    Ok(match asked {
        Asked::Create(it) => RoomRequest::Create {
            name: UserName::parse(&it.name).map_err(Refusal::NameMalformed)?,
            id: room_id(fresh),
            wish: RoomWish {
                topic: topic(Some(it.topic))?,
                is_private: Some(it.is_private),
                is_announce_only: Some(it.is_announce_only),
            },
        },
        Asked::Join(it) => RoomRequest::Join { room: room_name(it.name)? },
        Asked::Leave(it) => RoomRequest::Leave { room: room_name(it.name)? },
        Asked::Change(it) => RoomRequest::Change {
            room: room_name(it.name)?,
            wish: RoomWish {
                topic: topic(it.topic)?,
                is_private: it.is_private,
                is_announce_only: it.is_announce_only,
            },
        },
        Asked::Remove(it) => RoomRequest::Remove { room: room_name(it.name)? },
        Asked::Add(it) => RoomRequest::Add {
            room: room_name(it.room)?,
            name: name(it.name)?,
            is_moderator: it.is_moderator,
        },
        Asked::TakeOut(it) => {
            RoomRequest::TakeOut { room: room_name(it.room)?, name: name(it.name)? }
        }
        Asked::List(it) => RoomRequest::List { after: after(it.after)? },
        Asked::ListMembers(it) => {
            RoomRequest::ListMembers { room: room_name(it.room)?, after: it.after }
        }
    })
}

fn room_id(ResumeToken(fresh): ResumeToken) -> RoomId {
    let [a, b, c, d, e, f, g, h, ..] = fresh;
    RoomId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

fn after(name: String) -> Result<NameKey, Refusal> {
    room_name(name).map(|name| name.key)
}

fn topic(topic: Option<String>) -> Result<Option<String>, Refusal> {
    match topic {
        Some(text) if text.len() > TOPIC_BYTES_MAX => {
            Err(Refusal::TextTooLong { allowed: TOPIC_BYTES_MAX })
        }
        topic => Ok(topic),
    }
}
