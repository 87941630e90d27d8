//! The stored form of decisions, and back.

use common::user_name::NameKey;

use crate::log::event::invite::{Invite, InviteName, InviteUse};
use crate::log::event::room::{Membership, Room, RoomName};
use crate::log::event::ruling::{
    Account, Ban, BanSubject, Decision, Device, DeviceId, End, Mute, Name, Role, Ruling,
};
use crate::log::event::wire::{self, ruling::Decision as Wire};
use crate::log::event::{EventError, Person};

impl Ruling {
    pub(in crate::log::event) fn to_wire(&self) -> wire::Ruling {
        let decision = match &self.decision {
            Decision::AccountSet(account) => Wire::AccountSet(account.to_wire()),
            Decision::AccountRemoved(holder) => Wire::AccountRemoved(holder.to_wire()),
            Decision::DeviceAdded(device) => Wire::DeviceAdded(device.to_wire()),
            Decision::DeviceRemoved(device) => Wire::DeviceRemoved(device.to_wire()),
            Decision::Banned(ban) => Wire::Banned(ban.to_wire()),
            Decision::Unbanned(ban) => Wire::Unbanned(ban.to_wire()),
            Decision::Muted(mute) => Wire::Muted(mute.to_wire()),
            Decision::Unmuted(mute) => Wire::Unmuted(mute.to_wire()),
            Decision::Kicked { name, reason } => {
                Wire::Kicked(wire::Kick { name: Some(name.to_wire()), reason: reason.clone() })
            }
            Decision::Announced { text } => {
                Wire::Announced(wire::Announcement { text: text.clone() })
            }
            Decision::RoomSet(room) => Wire::RoomSet(room.to_wire()),
            Decision::RoomRemoved(room) => Wire::RoomRemoved(room.to_wire()),
            Decision::MemberSet(member) => Wire::MemberSet(member.to_wire()),
            Decision::MemberRemoved(member) => Wire::MemberRemoved(member.to_wire()),
            Decision::InviteSet(invite) => Wire::InviteSet(invite.to_wire()),
            Decision::InviteRevoked(name) => Wire::InviteRevoked(name.to_wire()),
            Decision::InviteUsed(it) => Wire::InviteUsed(it.to_wire()),
        };
        wire::Ruling { by: self.by.clone(), at_ms: self.at_ms, decision: Some(decision) }
    }

    pub(in crate::log::event) fn from_wire(wire: wire::Ruling) -> Result<Self, EventError> {
        let decision = match wire.decision.ok_or(EventError::UnknownDecision)? {
            Wire::AccountSet(it) => Decision::AccountSet(Account::from_wire(it)?),
            Wire::AccountRemoved(it) => Decision::AccountRemoved(Person::from_wire(it)),
            Wire::DeviceAdded(it) => Decision::DeviceAdded(Device::from_wire(it)?),
            Wire::DeviceRemoved(it) => Decision::DeviceRemoved(Device::from_wire(it)?),
            Wire::Banned(it) => Decision::Banned(Ban::from_wire(it)?),
            Wire::Unbanned(it) => Decision::Unbanned(Ban::from_wire(it)?),
            Wire::Muted(it) => Decision::Muted(Mute::from_wire(it)?),
            Wire::Unmuted(it) => Decision::Unmuted(Mute::from_wire(it)?),
            Wire::Kicked(it) => {
                Decision::Kicked { name: Name::from_wire(it.name)?, reason: it.reason }
            }
            Wire::Announced(it) => Decision::Announced { text: it.text },
            Wire::RoomSet(it) => Decision::RoomSet(Room::from_wire(it)?),
            Wire::RoomRemoved(it) => Decision::RoomRemoved(RoomName::from_wire(it)?),
            Wire::MemberSet(it) => Decision::MemberSet(Membership::from_wire(it)?),
            Wire::MemberRemoved(it) => Decision::MemberRemoved(Membership::from_wire(it)?),
            Wire::InviteSet(it) => Decision::InviteSet(Invite::from_wire(it)?),
            Wire::InviteRevoked(it) => Decision::InviteRevoked(InviteName::from_wire(it)?),
            Wire::InviteUsed(it) => Decision::InviteUsed(InviteUse::from_wire(it)?),
        };
        Ok(Self { by: wire.by, at_ms: wire.at_ms, decision })
    }
}

impl Account {
    fn to_wire(&self) -> wire::Account {
        wire::Account {
            holder: Some(self.holder.to_wire()),
            password_hash: self.password_hash.clone(),
            role: self.role.to_wire().into(),
            password_at_ms: self.password_at_ms,
        }
    }

    fn from_wire(wire: wire::Account) -> Result<Self, EventError> {
        let role = Role::from_wire(wire.role())?;
        Ok(Self {
            holder: Person::from_wire(wire.holder.ok_or(EventError::Damaged)?),
            password_hash: wire.password_hash,
            role,
            password_at_ms: wire.password_at_ms,
        })
    }
}

impl Role {
    pub(in crate::log::event) fn to_wire(self) -> wire::Role {
        match self {
            Self::Member => wire::Role::Member,
            Self::Moderator => wire::Role::Moderator,
            Self::Admin => wire::Role::Admin,
        }
    }

    pub(in crate::log::event) fn from_wire(wire: wire::Role) -> Result<Self, EventError> {
        match wire {
            wire::Role::Unspecified => Err(EventError::UnknownDecision),
            wire::Role::Member => Ok(Self::Member),
            wire::Role::Moderator => Ok(Self::Moderator),
            wire::Role::Admin => Ok(Self::Admin),
        }
    }
}

impl Device {
    fn to_wire(&self) -> wire::Device {
        wire::Device {
            holder: Some(self.holder.to_wire()),
            id: self.id.0.to_vec(),
            label: self.label.clone(),
        }
    }

    fn from_wire(wire: wire::Device) -> Result<Self, EventError> {
        let id = wire.id.try_into().map_err(|_| EventError::Damaged)?;
        Ok(Self { holder: Name::from_wire(wire.holder)?, id: DeviceId(id), label: wire.label })
    }
}

impl Name {
    pub(in crate::log::event) fn to_wire(&self) -> wire::Name {
        wire::Name { key: self.key.as_str().to_owned(), name: self.spelling.clone() }
    }

    pub(in crate::log::event) fn from_wire(wire: Option<wire::Name>) -> Result<Self, EventError> {
        let wire::Name { key, name: spelling } = wire.ok_or(EventError::Damaged)?;
        Ok(Self { key: NameKey::from_stored(key), spelling })
    }
}

impl Ban {
    fn to_wire(&self) -> wire::Ban {
        use wire::ban::Subject;
        let subject = match &self.subject {
            BanSubject::Name(name) => Subject::Name(name.to_wire()),
            BanSubject::Network(network) => Subject::Network(network.to_string()),
        };
        wire::Ban {
            subject: Some(subject),
            until_ms: self.end.to_ms(),
            reason: self.reason.clone(),
        }
    }

    fn from_wire(wire: wire::Ban) -> Result<Self, EventError> {
        use wire::ban::Subject;
        let subject = match wire.subject.ok_or(EventError::UnknownDecision)? {
            Subject::Name(name) => BanSubject::Name(Name::from_wire(Some(name))?),
            Subject::Network(network) => {
                BanSubject::Network(network.parse().map_err(|_| EventError::Damaged)?)
            }
        };
        Ok(Self { subject, end: End::from_ms(wire.until_ms), reason: wire.reason })
    }
}

impl Mute {
    fn to_wire(&self) -> wire::Mute {
        wire::Mute {
            name: Some(self.name.to_wire()),
            until_ms: self.end.to_ms(),
            reason: self.reason.clone(),
        }
    }

    fn from_wire(wire: wire::Mute) -> Result<Self, EventError> {
        let name = Name::from_wire(wire.name)?;
        Ok(Self { name, end: End::from_ms(wire.until_ms), reason: wire.reason })
    }
}
