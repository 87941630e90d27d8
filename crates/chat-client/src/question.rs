//! What is asked of the server about accounts, rooms and keeping order, and what it answers: one question, one
//! answer, on one connection.

use bytes::Bytes;
use common::wire;

use crate::error::Refusal;

/// Names one question of this client. Chosen by the user interface.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QuestionId(pub u64);

/// Something that is asked once: it is not sent again where the connection breaks before the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Make an account of the name that this person has.
    Register {
        /// At least [`common::limits::PASSWORD_CHARS_MIN`] characters.
        password: String,
    },
    /// Give the own account another password.
    ChangePassword {
        /// The one that it has.
        old: String,
        /// The one that it is to have.
        new: String,
    },
    /// Where the own account is known.
    ListDevices,
    /// What is known there counts no longer.
    RemoveDevice {
        /// As listed.
        id: Vec<u8>,
    },
    /// Keep order: needs a role.
    Administer(wire::administer::Command),
    /// Something about rooms.
    Room(RoomQuestion),
}

/// Something about rooms.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomQuestion {
    /// Make one, and be its moderator.
    Create(wire::CreateRoom),
    /// Be in it.
    Join(wire::JoinRoom),
    /// Be in it no more.
    Leave(wire::LeaveRoom),
    /// Let it be otherwise.
    Change(wire::ChangeRoom),
    /// Let it end.
    Remove(wire::RemoveRoom),
    /// Bring somebody in.
    Add(wire::AddToRoom),
    /// Take somebody out.
    TakeOut(wire::RemoveFromRoom),
    /// Which there are.
    List(wire::ListRooms),
    /// Who is in one.
    ListMembers(wire::ListMembers),
}

impl RoomQuestion {
    fn into_wire(self) -> wire::client_frame::Body {
        use wire::client_frame::Body;
        match self {
            Self::Create(it) => Body::CreateRoom(it),
            Self::Join(it) => Body::JoinRoom(it),
            Self::Leave(it) => Body::LeaveRoom(it),
            Self::Change(it) => Body::ChangeRoom(it),
            Self::Remove(it) => Body::RemoveRoom(it),
            Self::Add(it) => Body::AddToRoom(it),
            Self::TakeOut(it) => Body::RemoveFromRoom(it),
            Self::List(it) => Body::ListRooms(it),
            Self::ListMembers(it) => Body::ListMembers(it),
        }
    }
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done, and stored.
    Done,
    /// To [`Question::ListDevices`].
    Devices(wire::DevicePage),
    /// To `ListAccounts`.
    Accounts(wire::AccountPage),
    /// To `ListSanctions`.
    Sanctions(wire::SanctionPage),
    /// To `ReadAudit`.
    Audit(wire::AuditPage),
    /// To `CreateInvite`.
    Invite(wire::InviteCreated),
    /// To `ListInvites`.
    Invites(wire::InvitePage),
    /// The person is in the room.
    Joined(wire::RoomEntry),
    /// To [`RoomQuestion::List`].
    Rooms(wire::RoomPage),
    /// To [`RoomQuestion::ListMembers`].
    Members(wire::MemberPage),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum NoAnswer {
    /// The server did not do it.
    Refused(Refusal),
    /// There is no connection, or it broke: nobody knows whether it was done.
    NotConnected,
}

impl Question {
    /// `invite`: the token of the link by which the server was found; may be empty.
    pub(crate) fn into_wire(self, invite: Bytes) -> wire::client_frame::Body {
        use wire::client_frame::Body;
        match self {
            Self::Register { password } => Body::Register(wire::Register { password, invite }),
            Self::ChangePassword { old, new } => {
                Body::ChangePassword(wire::ChangePassword { old_password: old, new_password: new })
            }
            Self::ListDevices => Body::ListDevices(wire::ListDevices {}),
            Self::RemoveDevice { id } => {
                Body::RemoveDevice(wire::RemoveDevice { device_id: id.into() })
            }
            Self::Room(question) => question.into_wire(),
            Self::Administer(command) => {
                Body::Administer(wire::Administer { command: Some(command) })
            }
        }
    }
}
