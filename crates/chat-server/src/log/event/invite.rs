//! Invites: what opens the server to somebody who is invited, and who came by one.

use aws_lc_rs::digest::{Context, SHA256};
use common::invite_token::InviteToken;
use common::limits::INVITE_ID_BYTES;
use common::user_name::NameKey;

use crate::log::event::ruling::{End, Role};
use crate::log::event::{EventError, Identity, Person, wire};

/// Bytes of a [`Proof`].
const PROOF_BYTES: usize = 32;

/// Tell the two uses of the hash apart.
const TOKEN_CONTEXT: &[u8] = b"simple-chat invite token 1";
const SHOWN_CONTEXT: &[u8] = b"simple-chat invite shown 1";

/// Names one invite: random, and no secret.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct InviteId(pub [u8; INVITE_ID_BYTES]);

/// What is left of random bytes that somebody keeps: enough to know them again, not to tell them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Proof([u8; PROOF_BYTES]);

/// Which invite.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InviteName {
    /// What it is.
    pub id: InviteId,
    /// What it is for, in the words of who made it; may be empty.
    pub note: String,
}

/// An invite as it was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invite {
    /// Which.
    pub name: InviteName,
    /// Of its token, which is nowhere.
    pub proof: Proof,
    /// How many people may use it; `None`: as many as come.
    pub uses: Option<u32>,
    /// How long it may be used.
    pub end: End,
    /// What an account is that is made with it.
    pub role: Role,
    /// Who made it; `None`: who runs the server.
    pub maker: Option<Person>,
}

/// Somebody came by an invite.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InviteUse {
    /// By which.
    pub invite: InviteId,
    /// Who.
    pub person: Person,
    /// Of what the person showed as a resume token: whoever shows it again under the name is the same.
    pub shown: Option<Proof>,
    /// It counts, and lets nobody in any more.
    pub is_void: bool,
}

impl InviteId {
    /// As people see it.
    #[must_use]
    pub fn text(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn from_wire(bytes: Vec<u8>) -> Result<Self, EventError> {
        bytes.try_into().map(Self).map_err(|_| EventError::Damaged)
    }
}

impl Proof {
    /// Of an invite's token.
    #[must_use]
    pub fn of_token(token: &InviteToken) -> Self {
        Self::of(&[TOKEN_CONTEXT, &token.0])
    }

    /// Of what somebody of that name showed as a resume token.
    #[must_use]
    pub fn of_shown(shown: &[u8; common::limits::RESUME_TOKEN_BYTES], name: &NameKey) -> Self {
        // All but the name have one length each.
        Self::of(&[SHOWN_CONTEXT, shown, name.as_str().as_bytes()])
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut proof = [0; PROOF_BYTES];
        proof.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(proof)
    }

    fn from_wire(bytes: Vec<u8>) -> Result<Self, EventError> {
        bytes.try_into().map(Self).map_err(|_| EventError::Damaged)
    }
}

impl InviteName {
    pub(super) fn to_wire(&self) -> wire::InviteName {
        wire::InviteName { id: self.id.0.to_vec(), note: self.note.clone() }
    }

    pub(super) fn from_wire(wire: wire::InviteName) -> Result<Self, EventError> {
        Ok(Self { id: InviteId::from_wire(wire.id)?, note: wire.note })
    }
}

impl Invite {
    pub(super) fn to_wire(&self) -> wire::Invite {
        wire::Invite {
            name: Some(self.name.to_wire()),
            proof: self.proof.0.to_vec(),
            uses: self.uses.unwrap_or(0),
            until_ms: self.end.to_ms(),
            role: self.role.to_wire().into(),
            maker: self.maker.as_ref().map(Person::to_wire),
        }
    }

    pub(super) fn from_wire(wire: wire::Invite) -> Result<Self, EventError> {
        let role = Role::from_wire(wire.role())?;
        let wire::Invite { name, proof, uses, until_ms, maker, .. } = wire;
        Ok(Self {
            name: InviteName::from_wire(name.ok_or(EventError::Damaged)?)?,
            proof: Proof::from_wire(proof)?,
            uses: (uses > 0).then_some(uses),
            end: End::from_ms(until_ms),
            role,
            maker: maker.map(Person::from_wire),
        })
    }
}

impl InviteUse {
    /// What makes it one with others: one person counts once for one invite.
    pub(super) fn text(&self) -> String {
        let Identity(identity) = self.person.identity;
        format!("{} {identity:016x}", self.invite.text())
    }

    pub(super) fn to_wire(&self) -> wire::InviteUse {
        wire::InviteUse {
            invite: self.invite.0.to_vec(),
            person: Some(self.person.to_wire()),
            shown: self.shown.map(|shown| shown.0.to_vec()).unwrap_or_default(),
            is_void: self.is_void,
        }
    }

    pub(super) fn from_wire(wire: wire::InviteUse) -> Result<Self, EventError> {
        let wire::InviteUse { invite, person, shown, is_void } = wire;
        let shown = (!shown.is_empty()).then(|| Proof::from_wire(shown)).transpose()?;
        Ok(Self {
            invite: InviteId::from_wire(invite)?,
            person: Person::from_wire(person.ok_or(EventError::Damaged)?),
            shown,
            is_void,
        })
    }
}
