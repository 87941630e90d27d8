//! What the people in a room hear of it.

use std::sync::Arc;

use common::wire::server_frame::Body;
use common::wire::{MemberJoined, MemberLeft, RoomChanged, RoomEntry, RoomJoined, RoomLeft};

use crate::log::event::room::{Membership, Room, RoomId};
use crate::state::State;
use crate::state::action::{Actions, Recipients};
use crate::state::request::{ConnectionId, LoginId};
use crate::state::rooms::OpenRoom;
use crate::state::roster::Session;

impl State {
    pub(crate) fn room_entry(&self, session: &Session, open: &OpenRoom) -> RoomEntry {
        let Room { name, topic, is_private, is_announce_only } = &open.room;
        RoomEntry {
            name: name.name.spelling.clone(),
            topic: topic.clone(),
            is_private: *is_private,
            is_announce_only: *is_announce_only,
            members: u32::try_from(open.members.len()).unwrap_or(u32::MAX),
            is_member: open.is_member(session.identity),
            is_moderator: self.moderates(session, open),
        }
    }

    pub(crate) fn room_joined(
        &self,
        session: &Session,
        open: &OpenRoom,
        last_seq: u64,
    ) -> RoomJoined {
        RoomJoined { room: Some(self.room_entry(session, open)), last_seq }
    }

    /// The connections of everybody in a room, but for that of one login.
    pub(crate) fn in_room(&self, open: &OpenRoom, but: Option<LoginId>) -> Arc<[ConnectionId]> {
        let sessions = open.members.values().flat_map(|it| self.sessions_of(&it.member));
        let sessions = sessions.filter(|session| Some(session.login) != but);
        sessions.map(|session| session.connection).collect()
    }

    /// Somebody came into a room, or became a moderator of it: `was_in` it before.
    pub(crate) fn tell_of_member(
        &self,
        it: &Membership,
        was_in: bool,
        last_seq: u64,
        caller: Option<ConnectionId>,
        out: &mut Actions,
    ) {
        let Some(open) = self.rooms.get(it.room.id) else { return };
        for session in self.sessions_of(&it.member) {
            if Some(session.connection) == caller {
                continue;
            }
            let body = if was_in {
                Body::RoomChanged(RoomChanged { room: Some(self.room_entry(session, open)) })
            } else {
                Body::RoomJoined(self.room_joined(session, open, last_seq))
            };
            out.tell(Recipients::One(session.connection), body);
        }
        if !was_in {
            let (room, name) = (it.room.name.spelling.clone(), it.member.name.clone());
            let others = self.others_in_room(open, it);
            out.tell(Recipients::Many(others), Body::MemberJoined(MemberJoined { room, name }));
        }
    }

    fn others_in_room(&self, open: &OpenRoom, but: &Membership) -> Arc<[ConnectionId]> {
        let others = open.members.values().filter(|it| it.member.identity != but.member.identity);
        let sessions = others.flat_map(|it| self.sessions_of(&it.member));
        sessions.map(|session| session.connection).collect()
    }

    /// Somebody is in a room no more.
    pub(crate) fn tell_of_leaving(&self, it: &Membership, out: &mut Actions) {
        self.tell_of_leaving_alone(it, out);
        let (room, name) = (it.room.name.spelling.clone(), it.member.name.clone());
        if let Some(open) = self.rooms.get(it.room.id) {
            let others = self.in_room(open, None);
            out.tell(Recipients::Many(others), Body::MemberLeft(MemberLeft { room, name }));
        }
    }

    /// The same, where nobody else is to hear of it.
    pub(crate) fn tell_of_leaving_alone(&self, it: &Membership, out: &mut Actions) {
        for session in self.sessions_of(&it.member) {
            let left = RoomLeft { room: it.room.name.spelling.clone() };
            out.tell(Recipients::One(session.connection), Body::RoomLeft(left));
        }
    }

    /// A room is otherwise than it was.
    pub(crate) fn tell_of_change(&self, id: RoomId, out: &mut Actions) {
        let Some(open) = self.rooms.get(id) else { return };
        for session in open.members.values().flat_map(|it| self.sessions_of(&it.member)) {
            let changed = RoomChanged { room: Some(self.room_entry(session, open)) };
            out.tell(Recipients::One(session.connection), Body::RoomChanged(changed));
        }
    }
}
