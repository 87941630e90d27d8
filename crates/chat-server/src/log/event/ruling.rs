//! What was decided about accounts and people: who has an account and which role, who may not come in or
//! write. The latest decision about a subject is the one that holds.

use std::fmt;

use common::user_name::{NameKey, UserName};
use ipnet::IpNet;

use crate::log::event::Person;
use crate::log::event::invite::{Invite, InviteName, InviteUse};
use crate::log::event::room::{Membership, Room, RoomName};

/// Bytes of a [`DeviceId`].
pub const DEVICE_ID_BYTES: usize = 8;

/// A decision, and whose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruling {
    /// The name of who decided; empty: who runs the server.
    pub by: String,
    /// Server's clock, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What.
    pub decision: Decision,
}

/// What is decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// From now on the account is this.
    AccountSet(Account),
    /// There is no such account any more.
    AccountRemoved(Person),
    /// Somebody logged in with a password, from there.
    DeviceAdded(Device),
    /// What is known there counts no longer.
    DeviceRemoved(Device),
    /// May not come in.
    Banned(Ban),
    /// May come in again.
    Unbanned(Ban),
    /// May not write.
    Muted(Mute),
    /// May write again.
    Unmuted(Mute),
    /// Was sent away.
    Kicked {
        /// Who.
        name: Name,
        /// Why, in a person's words; may be empty.
        reason: String,
    },
    /// Everybody was told something.
    Announced {
        /// What.
        text: String,
    },
    /// From now on the room is this.
    RoomSet(Room),
    /// There is no such room any more.
    RoomRemoved(RoomName),
    /// Somebody is in a room.
    MemberSet(Membership),
    /// Somebody is in a room no more.
    MemberRemoved(Membership),
    /// There is such an invite.
    InviteSet(Invite),
    /// There is not any more, nor does it count who came by it.
    InviteRevoked(InviteName),
    /// Somebody came by an invite.
    InviteUsed(InviteUse),
}

/// A name that belongs to somebody, with what proves it.
#[derive(Clone, Eq, PartialEq)]
pub struct Account {
    /// Whose it is.
    pub holder: Person,
    /// PHC string of Argon2id (RFC 9106).
    pub password_hash: String,
    /// What the holder may do.
    pub role: Role,
    /// Since when this password, milliseconds since 1970-01-01 UTC.
    pub password_at_ms: i64,
}

impl fmt::Debug for Account {
    /// Leaves out what must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { holder, role, .. } = self;
        f.debug_struct("Account")
            .field("holder", holder)
            .field("role", role)
            .finish_non_exhaustive()
    }
}

/// What the holder of an account may do, the more the later.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// Come in under a name that nobody else gets.
    Member,
    /// Keep order: send away, ban, mute, announce.
    Moderator,
    /// Decide about accounts as well.
    Admin,
}

/// Where somebody is logged in with an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Whose account.
    pub holder: Name,
    /// Which one.
    pub id: DeviceId,
    /// The program there, as it calls itself.
    pub label: String,
}

/// Names a device among those of its account: random.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DeviceId(pub [u8; DEVICE_ID_BYTES]);

/// A name, whether anybody has it or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    /// What makes it one with its look-alikes.
    pub key: NameKey,
    /// As it was spelt.
    pub spelling: String,
}

/// Who may not come in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ban {
    /// Who.
    pub subject: BanSubject,
    /// How long.
    pub end: End,
    /// Why, in a person's words; may be empty.
    pub reason: String,
}

/// Who is meant by a ban.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BanSubject {
    /// Whoever has a name, or one that looks like it.
    Name(Name),
    /// Whoever comes from there.
    Network(IpNet),
}

/// Who may not write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mute {
    /// Who.
    pub name: Name,
    /// How long.
    pub end: End,
    /// Why, in a person's words; may be empty.
    pub reason: String,
}

/// When something ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Not by itself.
    Never,
    /// At that time, milliseconds since 1970-01-01 UTC.
    At(i64),
}

impl End {
    /// From what is stored and sent: 0 is never.
    #[must_use]
    pub fn from_ms(until_ms: i64) -> Self {
        if until_ms == 0 { Self::Never } else { Self::At(until_ms) }
    }

    /// As it is stored and sent.
    #[must_use]
    pub fn to_ms(self) -> i64 {
        match self {
            Self::Never => 0,
            Self::At(until_ms) => until_ms,
        }
    }

    /// Whether it is still to come.
    #[must_use]
    pub fn is_after(self, unix_ms: i64) -> bool {
        match self {
            Self::Never => true,
            Self::At(until_ms) => unix_ms < until_ms,
        }
    }
}

/// What a decision is about, for as long as it holds: a later one about the same takes its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// Which kind of thing.
    pub kind: SubjectKind,
    /// Which of them.
    pub about: String,
}

/// A kind of thing that is decided about. The numbers are stored in the projection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubjectKind {
    /// An account.
    Account = 1,
    /// A device of an account.
    Device = 2,
    /// Who may come in.
    Ban = 3,
    /// Who may write.
    Mute = 4,
    /// A room.
    Room = 5,
    /// Who is in it.
    Member = 6,
    /// An invite.
    Invite = 7,
    /// Who came by it.
    InviteUse = 8,
}

impl Decision {
    /// What it is about, where it holds on; `None` for what happens once.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        use SubjectKind as Kind;
        let (kind, about) = match self {
            Self::AccountSet(account) => (Kind::Account, account.holder.key.as_str().to_owned()),
            Self::AccountRemoved(holder) => (Kind::Account, holder.key.as_str().to_owned()),
            Self::DeviceAdded(device) | Self::DeviceRemoved(device) => {
                let id: String = device.id.0.iter().map(|byte| format!("{byte:02x}")).collect();
                (Kind::Device, format!("{id} {}", device.holder.key.as_str()))
            }
            Self::Banned(ban) | Self::Unbanned(ban) => (Kind::Ban, ban.subject.text()),
            Self::Muted(mute) | Self::Unmuted(mute) => {
                (Kind::Mute, mute.name.key.as_str().to_owned())
            }
            Self::RoomSet(room) => (Kind::Room, room.name.id.text()),
            Self::RoomRemoved(room) => (Kind::Room, room.id.text()),
            Self::MemberSet(it) | Self::MemberRemoved(it) => {
                (Kind::Member, format!("{} {:016x}", it.room.id.text(), it.member.identity.0))
            }
            Self::InviteSet(invite) => (Kind::Invite, invite.name.id.text()),
            Self::InviteRevoked(name) => (Kind::Invite, name.id.text()),
            Self::InviteUsed(it) => (Kind::InviteUse, it.text()),
            Self::Kicked { .. } | Self::Announced { .. } => return None,
        };
        Some(Subject { kind, about })
    }

    /// What is done, and to whom: for the server's log output, which holds no words of people.
    #[must_use]
    pub fn name_and_subject(&self) -> (&'static str, String) {
        let of_ban = |ban: &Ban| match &ban.subject {
            BanSubject::Name(name) => name.spelling.clone(),
            BanSubject::Network(network) => network.to_string(),
        };
        match self {
            Self::AccountSet(account) => ("set account", account.holder.name.clone()),
            Self::AccountRemoved(holder) => ("remove account", holder.name.clone()),
            Self::DeviceAdded(device) => ("add device", device.holder.spelling.clone()),
            Self::DeviceRemoved(device) => ("remove device", device.holder.spelling.clone()),
            Self::Banned(ban) => ("ban", of_ban(ban)),
            Self::Unbanned(ban) => ("unban", of_ban(ban)),
            Self::Muted(mute) => ("mute", mute.name.spelling.clone()),
            Self::Unmuted(mute) => ("unmute", mute.name.spelling.clone()),
            Self::Kicked { name, .. } => ("kick", name.spelling.clone()),
            Self::Announced { .. } => ("announce", String::new()),
            Self::RoomSet(room) => ("set room", room.name.name.spelling.clone()),
            Self::RoomRemoved(room) => ("remove room", room.name.spelling.clone()),
            Self::MemberSet(it) => ("let into room", it.member.name.clone()),
            Self::MemberRemoved(it) => ("take out of room", it.member.name.clone()),
            Self::InviteSet(invite) => ("create invite", invite.name.id.text()),
            Self::InviteRevoked(name) => ("revoke invite", name.id.text()),
            Self::InviteUsed(it) if it.is_void => ("void invite", it.person.name.clone()),
            Self::InviteUsed(it) => ("use invite", it.person.name.clone()),
        }
    }

    /// Whether nothing is left of its subject: it is as if nothing had ever been decided.
    #[must_use]
    pub fn ends_its_subject(&self) -> bool {
        match self {
            Self::AccountRemoved(_)
            | Self::DeviceRemoved(_)
            | Self::Unbanned(_)
            | Self::Unmuted(_)
            | Self::RoomRemoved(_)
            | Self::MemberRemoved(_)
            | Self::InviteRevoked(_) => true,
            Self::AccountSet(_)
            | Self::DeviceAdded(_)
            | Self::Banned(_)
            | Self::Muted(_)
            | Self::Kicked { .. }
            | Self::Announced { .. }
            | Self::RoomSet(_)
            | Self::MemberSet(_)
            | Self::InviteSet(_)
            | Self::InviteUsed(_) => false,
        }
    }

    /// The kind of those that end with it, besides its subject: they are about that, and somebody.
    #[must_use]
    pub fn ends_all_of(&self) -> Option<SubjectKind> {
        match self {
            Self::RoomRemoved(_) => Some(SubjectKind::Member),
            Self::InviteRevoked(_) => Some(SubjectKind::InviteUse),
            _ => None,
        }
    }

    /// Whether it is told when what was decided is looked back upon: who is in which room is not.
    #[must_use]
    pub fn is_looked_back_on(&self) -> bool {
        match self {
            Self::MemberSet(_) | Self::MemberRemoved(_) => false,
            Self::InviteUsed(it) => !it.is_void,
            _ => true,
        }
    }
}

impl BanSubject {
    /// Tells it apart from every other one: a name never begins with `@`, nor does a network.
    fn text(&self) -> String {
        match self {
            Self::Name(name) => format!("@{}", name.key.as_str()),
            Self::Network(network) => network.to_string(),
        }
    }
}

impl Name {
    /// Of a name that may be one.
    #[must_use]
    pub fn of(name: &UserName) -> Self {
        Self { key: name.key(), spelling: name.as_str().to_owned() }
    }
}

impl From<&Person> for Name {
    fn from(person: &Person) -> Self {
        Self { key: person.key.clone(), spelling: person.name.clone() }
    }
}

mod bytes;

#[cfg(test)]
mod tests;
