//! The rooms that people made, and who is in them. What is here is stored; it changes when a decision is
//! ([`super::rulings`]).

pub mod requests;

mod events;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use common::user_name::NameKey;

use crate::log::event::Identity;
use crate::log::event::room::{Membership, Room, RoomId};
use crate::log::event::ruling::{Decision, Ruling};

/// People in one room.
pub(crate) const MEMBERS_MAX: usize = 10_000;

/// All rooms but the lobby, which everybody is in.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    by_id: HashMap<RoomId, OpenRoom>,
    by_name: BTreeMap<NameKey, RoomId>,
    of_person: HashMap<Identity, BTreeSet<RoomId>>,
}

/// One room and who is in it.
#[derive(Debug)]
pub(crate) struct OpenRoom {
    pub(crate) room: Room,
    /// In an order that is the same each time.
    pub(crate) members: BTreeMap<Identity, Membership>,
}

impl OpenRoom {
    pub(crate) fn is_member(&self, person: Identity) -> bool {
        self.members.contains_key(&person)
    }

    /// Whether its moderators made this person one of them.
    pub(crate) fn is_moderator(&self, person: Identity) -> bool {
        self.members.get(&person).is_some_and(|member| member.is_moderator)
    }
}

impl Rooms {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: RoomId) -> Option<&OpenRoom> {
        self.by_id.get(&id)
    }

    pub(crate) fn find(&self, name: &NameKey) -> Option<&OpenRoom> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// Those behind a name.
    pub(crate) fn after(&self, name: &NameKey) -> impl Iterator<Item = &OpenRoom> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = self.by_name.range::<NameKey, _>((Excluded(name), Unbounded));
        behind.filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The rooms that somebody is in.
    pub(crate) fn of(&self, person: Identity) -> impl Iterator<Item = &OpenRoom> {
        let ids = self.of_person.get(&person).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// What earlier runs decided. A room may have been changed after people came into it: it counts first. One
    /// that nobody is in has ended.
    pub(crate) fn remember(&mut self, rulings: &[Arc<Ruling>]) {
        let is_room = |ruling: &Ruling| matches!(ruling.decision, Decision::RoomSet(_));
        let (rooms, others): (Vec<_>, Vec<_>) = rulings.iter().partition(|it| is_room(it));
        rooms.into_iter().chain(others).for_each(|ruling| self.apply(ruling));
        let empty = self.by_id.values().filter(|it| it.members.is_empty());
        let empty: Vec<RoomId> = empty.map(|it| it.room.name.id).collect();
        empty.into_iter().for_each(|id| self.remove(id));
    }

    /// From now on this holds.
    pub(crate) fn apply(&mut self, ruling: &Ruling) {
        match &ruling.decision {
            Decision::RoomSet(room) => self.set(room),
            Decision::RoomRemoved(room) => self.remove(room.id),
            Decision::MemberSet(membership) => self.let_in(membership),
            Decision::MemberRemoved(membership) => {
                let Membership { room, member, .. } = membership;
                if let Some(open) = self.by_id.get_mut(&room.id) {
                    open.members.remove(&member.identity);
                }
                self.forget_of(member.identity, room.id);
            }
            _ => {}
        }
    }

    fn set(&mut self, room: &Room) {
        let id = room.name.id;
        self.by_name.insert(room.name.name.key.clone(), id);
        match self.by_id.get_mut(&id) {
            Some(open) => open.room = room.clone(),
            None => {
                let open = OpenRoom { room: room.clone(), members: BTreeMap::new() };
                self.by_id.insert(id, open);
            }
        }
    }

    fn let_in(&mut self, membership: &Membership) {
        let Membership { room, member, .. } = membership;
        let Some(open) = self.by_id.get_mut(&room.id) else { return };
        open.members.insert(member.identity, membership.clone());
        self.of_person.entry(member.identity).or_default().insert(room.id);
    }

    fn remove(&mut self, id: RoomId) {
        let Some(open) = self.by_id.remove(&id) else { return };
        self.by_name.remove(&open.room.name.name.key);
        open.members.keys().for_each(|person| self.forget_of(*person, id));
    }

    fn forget_of(&mut self, person: Identity, id: RoomId) {
        if let Some(rooms) = self.of_person.get_mut(&person) {
            rooms.remove(&id);
            if rooms.is_empty() {
                self.of_person.remove(&person);
            }
        }
    }
}

#[cfg(test)]
mod tests;
