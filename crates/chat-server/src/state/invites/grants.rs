//! What an invite gives somebody: nothing that its maker may not give any more.

use std::time::Duration;

use common::invite_token::InviteToken;

use crate::log::event::invite::{Invite, InviteId, InviteName, InviteUse, Proof};
use crate::log::event::ruling::{Decision, Role};
use crate::log::event::{Identity, Person};
use crate::state::State;
use crate::state::administration::Rank;
use crate::state::invites::Open;
use crate::state::now::Now;
use crate::state::refusal::Refusal;

/// How long a client is asked to wait while something is decided about the invite, or the person.
const UNDECIDED_PAUSE: Duration = Duration::from_secs(1);

/// What somebody may do with an invite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Grant {
    pub(crate) invite: InviteId,
    /// Of an account that is made with it.
    pub(crate) role: Role,
    /// The person used it before: it costs nothing more.
    pub(crate) is_used: bool,
}

impl Grant {
    /// What is to be stored with what it is used for: nothing where the person is known to have used it.
    pub(crate) fn to_use(self, person: &Person, shown: Option<Proof>) -> Option<InviteUse> {
        let (invite, person) = (self.invite, person.clone());
        (!self.is_used).then_some(InviteUse { invite, person, shown, is_void: false })
    }
}

impl State {
    /// What that token gives that person; nobody yet where it is somebody new.
    pub(crate) fn grant(
        &self,
        now: Now,
        token: &InviteToken,
        person: Option<Identity>,
    ) -> Result<Grant, Refusal> {
        let unknown = || Refusal::InviteUnknown { id: String::new() };
        let open = self.invites.of_token(token).ok_or_else(unknown)?;
        let role = self.role_given(&open.invite).ok_or_else(unknown)?;
        let invite = open.invite.name.id;
        let mut uses = person.into_iter().flat_map(|person| self.invites.uses_of(person));
        let is_used = match uses.find(|it| it.invite == invite) {
            Some(it) if it.is_void => return Err(Refusal::InviteUsedUp),
            Some(_) => true,
            None => {
                self.check_new_use(now, open)?;
                false
            }
        };
        Ok(Grant { invite, role, is_used })
    }

    fn check_new_use(&self, now: Now, open: &Open) -> Result<(), Refusal> {
        let revoked = Decision::InviteRevoked(open.invite.name.clone());
        if revoked.subject().is_some_and(|subject| self.unsettled.decides_about(&subject)) {
            return Err(undecided(now));
        }
        self.invites.check_use(now, open)?;
        self.invites.check_room()
    }

    /// What somebody came in by.
    pub(crate) fn own_grant(&self, person: Identity) -> Option<Grant> {
        let uses = self.invites.uses_of(person).filter(|it| !it.is_void);
        let grants = uses.filter_map(|it| {
            let role = self.role_given(&self.invites.find(it.invite)?.invite)?;
            Some(Grant { invite: it.invite, role, is_used: true })
        });
        grants.max_by_key(|grant| grant.role)
    }

    /// The role of the accounts that it makes now: below its maker's. `None`: its maker may invite nobody any
    /// more.
    pub(crate) fn role_given(&self, invite: &Invite) -> Option<Role> {
        let maker = match &invite.maker {
            None => Rank::Operator,
            Some(maker) => self.accounts.role_of(&maker.key, maker.identity).into(),
        };
        match maker {
            Rank::Guest | Rank::Member => None,
            Rank::Moderator => Some(invite.role.min(Role::Member)),
            Rank::Admin => Some(invite.role.min(Role::Moderator)),
            Rank::Operator => Some(invite.role),
        }
    }

    /// That what somebody came by counts, and lets in no more: nobody is that person any longer.
    pub(crate) fn voided_uses(&self, person: Identity) -> Vec<Decision> {
        let uses = self.invites.uses_of(person).filter(|it| !it.is_void);
        let void = |it: &InviteUse| InviteUse { shown: None, is_void: true, ..it.clone() };
        uses.map(|it| Decision::InviteUsed(void(it))).collect()
    }

    /// What it takes to make room for another invite.
    pub(crate) fn room_for_an_invite(&self, now: Now) -> Result<Option<InviteName>, Refusal> {
        if !self.invites.is_full() {
            return Ok(None);
        }
        let spent = self.invites.oldest_spent(now).map(|open| open.invite.name.clone());
        let allowed = super::INVITES_MAX;
        spent.map(Some).ok_or(Refusal::InvitesFull { allowed })
    }
}

pub(super) fn undecided(now: Now) -> Refusal {
    Refusal::ServerBusy { retry_at_ms: now.unix_ms_after(UNDECIDED_PAUSE) }
}
