//! What people do with rooms: make, join, leave and change them, bring others in and take them out.

use common::conversation::LOBBY;
use common::limits::{MEMBER_PAGE_ENTRIES_MAX, ROOM_PAGE_ENTRIES_MAX, ROOMS_PER_PERSON_MAX};
use common::user_name::{NameKey, UserName};
use common::wire::server_frame::Body;
use common::wire::{MemberEntry, MemberPage, RoomPage};

use crate::log::event::room::{Membership, Room, RoomId, RoomName};
use crate::log::event::ruling::{Decision, Name};
use crate::log::event::{ConversationKey, Person};
use crate::state::State;
use crate::state::action::Actions;
use crate::state::administration::Rank;
use crate::state::messages::person;
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;
use crate::state::rooms::{MEMBERS_MAX, OpenRoom};
use crate::state::roster::Session;
use crate::state::router::Caller;

/// What somebody logged in may ask about rooms, parsed.
#[derive(Debug)]
pub enum RoomRequest {
    /// Make one, and be its moderator.
    Create {
        /// What it is to be called.
        name: UserName,
        /// Random.
        id: RoomId,
        /// How it is to be.
        wish: RoomWish,
    },
    /// Be in it.
    Join {
        /// By any spelling.
        room: Name,
    },
    /// Be in it no more.
    Leave {
        /// By any spelling.
        room: Name,
    },
    /// Let it be otherwise.
    Change {
        /// By any spelling.
        room: Name,
        /// How.
        wish: RoomWish,
    },
    /// Let it end.
    Remove {
        /// By any spelling.
        room: Name,
    },
    /// Bring somebody in, or decide whether a member is a moderator.
    Add {
        /// By any spelling.
        room: Name,
        /// Whom.
        name: Name,
        /// Whether they are to decide about it.
        is_moderator: bool,
    },
    /// Take somebody out.
    TakeOut {
        /// By any spelling.
        room: Name,
        /// Whom.
        name: Name,
    },
    /// Which rooms there are.
    List {
        /// The last name of the page before.
        after: NameKey,
    },
    /// Who is in one.
    ListMembers {
        /// By any spelling.
        room: Name,
        /// The last name of the page before.
        after: String,
    },
}

/// How a room is to be; what is left out is as it was.
#[derive(Clone, Debug, Default)]
pub struct RoomWish {
    /// What it is about.
    pub topic: Option<String>,
    /// Whether only who is brought in knows of it.
    pub is_private: Option<bool>,
    /// Whether only its moderators write.
    pub is_announce_only: Option<bool>,
}

impl RoomWish {
    fn of(self, before: Room) -> Room {
        Room {
            name: before.name,
            topic: self.topic.unwrap_or(before.topic),
            is_private: self.is_private.unwrap_or(before.is_private),
            is_announce_only: self.is_announce_only.unwrap_or(before.is_announce_only),
        }
    }
}

impl State {
    pub(crate) fn rooms_request(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        request: RoomRequest,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let decisions = match request {
            RoomRequest::List { after } => {
                let page = self.room_page(session, &after);
                return caller.reply(out, Body::RoomPage(page));
            }
            RoomRequest::ListMembers { room, after } => {
                let page = self.member_page(session, room, &after)?;
                return caller.reply(out, Body::MemberPage(page));
            }
            RoomRequest::Join { room } => {
                let open = self.visible(session, room)?;
                if open.is_member(session.identity) {
                    let key = ConversationKey::Room(open.room.name.id);
                    let joined = self.room_joined(session, open, self.conversations.last_seq(&key));
                    return caller.reply(out, Body::RoomJoined(joined));
                }
                vec![Decision::MemberSet(self.let_in(person(session), open, false)?)]
            }
            RoomRequest::Create { name, id, wish } => self.create_room(session, &name, id, wish)?,
            RoomRequest::Leave { room } => self.leave_room(session, room)?,
            RoomRequest::Change { room, wish } => {
                let room = self.moderated(session, room)?.room.clone();
                vec![Decision::RoomSet(wish.of(room))]
            }
            RoomRequest::Remove { room } => {
                vec![Decision::RoomRemoved(self.moderated(session, room)?.room.name.clone())]
            }
            RoomRequest::Add { room, name, is_moderator } => {
                vec![Decision::MemberSet(self.add_to_room(session, room, name, is_moderator)?)]
            }
            RoomRequest::TakeOut { room, name } => {
                let open = self.moderated(session, room)?;
                let mut members = open.members.values();
                let member = members.find(|it| it.member.key == name.key);
                let member = member.ok_or(Refusal::UnknownUser { name: name.spelling })?;
                self.taken_out(open, member.clone())
            }
        };
        let actor = self.actor_of(session);
        self.take_turn(now, login)?;
        self.decide_all(now, Some(caller), &actor, decisions, out)
    }

    /// What is stored, and told to others, counts as much as a message.
    pub(crate) fn take_turn(&mut self, now: Now, login: LoginId) -> Result<(), Refusal> {
        let session = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        let taken = session.messages.take(now.instant, self.policy.messages);
        taken.map_err(|wait| Refusal::SlowDown { retry_at_ms: now.unix_ms_after(wait) })
    }

    fn create_room(
        &self,
        session: &Session,
        name: &UserName,
        id: RoomId,
        wish: RoomWish,
    ) -> Result<Vec<Decision>, Refusal> {
        let name = Name::of(name);
        let is_lobby = name.key == NameKey::of(LOBBY);
        if is_lobby || self.rooms.find(&name.key).is_some() || self.rooms.get(id).is_some() {
            return Err(Refusal::RoomExists { room: name.spelling });
        }
        if self.rooms.len() >= self.policy.rooms_max {
            return Err(Refusal::RoomsFull { allowed: self.policy.rooms_max });
        }
        self.check_rooms_of(&person(session))?;
        let name = RoomName { id, name };
        let (topic, is_private, is_announce_only) = (String::new(), false, false);
        let room = wish.of(Room { name: name.clone(), topic, is_private, is_announce_only });
        let member = Membership { room: name, member: person(session), is_moderator: true };
        Ok(vec![Decision::RoomSet(room), Decision::MemberSet(member)])
    }

    fn leave_room(&self, session: &Session, room: Name) -> Result<Vec<Decision>, Refusal> {
        if room.key == NameKey::of(LOBBY) {
            return Err(Refusal::NotAllowed);
        }
        let open = self.visible(session, room)?;
        let member = open.members.get(&session.identity);
        let not_in_it = || Refusal::NotAMember { room: open.room.name.name.spelling.clone() };
        Ok(self.taken_out(open, member.ok_or_else(not_in_it)?.clone()))
    }

    /// The room ends with its last member.
    pub(crate) fn taken_out(&self, open: &OpenRoom, member: Membership) -> Vec<Decision> {
        let is_last = open.members.len() <= 1;
        let end = is_last.then(|| Decision::RoomRemoved(open.room.name.clone()));
        [Decision::MemberRemoved(member)].into_iter().chain(end).collect()
    }

    fn add_to_room(
        &self,
        session: &Session,
        room: Name,
        name: Name,
        is_moderator: bool,
    ) -> Result<Membership, Refusal> {
        let open = self.visible(session, room)?;
        let who = self.find_person(&name.spelling);
        let who = who.ok_or(Refusal::UnknownUser { name: name.spelling })?;
        let brings_a_newcomer = !open.is_member(who.identity) && !is_moderator;
        let is_open_to_all = !open.room.is_private && open.is_member(session.identity);
        if !(brings_a_newcomer && is_open_to_all) {
            self.check_moderates(session, open)?;
        }
        self.let_in(who, open, is_moderator)
    }

    fn let_in(
        &self,
        member: Person,
        open: &OpenRoom,
        is_moderator: bool,
    ) -> Result<Membership, Refusal> {
        if !open.is_member(member.identity) {
            if open.members.len() >= MEMBERS_MAX {
                return Err(Refusal::RoomsFull { allowed: MEMBERS_MAX });
            }
            self.check_rooms_of(&member)?;
        }
        Ok(Membership { room: open.room.name.clone(), member, is_moderator })
    }

    fn check_rooms_of(&self, person: &Person) -> Result<(), Refusal> {
        if self.rooms.of(person.identity).count() >= ROOMS_PER_PERSON_MAX {
            return Err(Refusal::RoomsFull { allowed: ROOMS_PER_PERSON_MAX });
        }
        Ok(())
    }

    /// A room that somebody can see. Of one that they cannot, nobody learns that it is there.
    pub(crate) fn visible(&self, session: &Session, room: Name) -> Result<&OpenRoom, Refusal> {
        let found = self.rooms.find(&room.key);
        let seen = found.filter(|it| !it.room.is_private || it.is_member(session.identity));
        seen.ok_or(Refusal::UnknownRoom { room: room.spelling })
    }

    /// A room that somebody decides about.
    fn moderated(&self, session: &Session, room: Name) -> Result<&OpenRoom, Refusal> {
        let open = self.visible(session, room)?;
        self.check_moderates(session, open)?;
        Ok(open)
    }

    fn check_moderates(&self, session: &Session, open: &OpenRoom) -> Result<(), Refusal> {
        if self.moderates(session, open) { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    /// Whether somebody who can see a room may decide about it.
    pub(crate) fn moderates(&self, session: &Session, open: &OpenRoom) -> bool {
        open.is_moderator(session.identity) || self.rank_of(session) >= Rank::Moderator
    }

    fn room_page(&self, session: &Session, after: &NameKey) -> RoomPage {
        let is_seen = |open: &&OpenRoom| !open.room.is_private || open.is_member(session.identity);
        let mut rooms = self.rooms.after(after).filter(is_seen);
        let page = rooms.by_ref().take(ROOM_PAGE_ENTRIES_MAX);
        let page = page.map(|open| self.room_entry(session, open)).collect();
        RoomPage { rooms: page, more: rooms.next().is_some() }
    }

    fn member_page(
        &self,
        session: &Session,
        room: Name,
        after: &str,
    ) -> Result<MemberPage, Refusal> {
        let open = self.visible(session, room)?;
        let behind = open.members.values().filter(|it| it.member.name.as_str() > after);
        let mut members: Vec<_> = behind.collect();
        members.sort_unstable_by(|one, other| one.member.name.cmp(&other.member.name));
        let more = members.len() > MEMBER_PAGE_ENTRIES_MAX;
        let page = members.into_iter().take(MEMBER_PAGE_ENTRIES_MAX).map(|it| MemberEntry {
            name: it.member.name.clone(),
            is_moderator: it.is_moderator,
            is_online: self.sessions_of(&it.member).next().is_some(),
        });
        Ok(MemberPage { members: page.collect(), more })
    }
}
