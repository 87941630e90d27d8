//! Who makes invites, sees and revokes them: a moderator their own, an admin all.

use bytes::Bytes;
use common::invite_link::InviteLink;
use common::invite_token::InviteToken;
use common::limits::INVITE_PAGE_ENTRIES_MAX;
use common::wire::server_frame::Body;
use common::wire::{self, InviteCreated, InviteEntry, InvitePage};

use crate::log::event::Person;
use crate::log::event::invite::{Invite, InviteId, InviteName, Proof};
use crate::log::event::ruling::{Decision, Role};
use crate::state::State;
use crate::state::action::Actions;
use crate::state::administration::pages::to_wire;
use crate::state::administration::{Actor, Rank, Span, end};
use crate::state::invites::Open;
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::router::Caller;

/// An invite that is to be made.
#[derive(Debug)]
pub struct InviteWish {
    /// Random.
    pub token: InviteToken,
    /// How many people may use it; `None`: as many as come.
    pub uses: Option<u32>,
    /// How long.
    pub span: Span,
    /// Of the accounts that it makes.
    pub role: Role,
    /// For who reads the list; may be empty.
    pub note: String,
}

impl State {
    pub(super) fn create_invite(
        &mut self,
        now: Now,
        caller: Caller,
        actor: &Actor,
        wish: InviteWish,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let InviteWish { token, uses, span, role, note } = wish;
        if actor.rank <= Rank::from(Some(role)) {
            return Err(Refusal::NotAllowed);
        }
        let forgotten = self.room_for_an_invite(now)?.map(Decision::InviteRevoked);
        let invite = Invite {
            name: InviteName { id: InviteId(token.id()), note },
            proof: Proof::of_token(&token),
            uses,
            end: end(now, span),
            role,
            maker: self.person_on(caller),
        };
        let decisions = forgotten.into_iter().chain([Decision::InviteSet(invite)]).collect();
        self.decide_all(now, Some(caller), actor, decisions, out)?;
        self.invites.expect_invite(token);
        Ok(())
    }

    pub(super) fn revoke_invite(
        &mut self,
        now: Now,
        caller: Caller,
        actor: &Actor,
        id: InviteId,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let open = self.invites.find(id).filter(|open| self.may_see(caller, actor, open));
        let open = open.ok_or_else(|| Refusal::InviteUnknown { id: id.text() })?;
        let decision = Decision::InviteRevoked(open.invite.name.clone());
        self.decide(now, Some(caller), actor, decision, out)
    }

    pub(super) fn invite_page(&self, caller: Caller, actor: &Actor, from: usize) -> InvitePage {
        let seen = self.invites.all().filter(|open| self.may_see(caller, actor, open));
        let mut behind = seen.skip(from);
        let page = behind.by_ref().take(INVITE_PAGE_ENTRIES_MAX);
        let invites: Vec<InviteEntry> = page.map(|open| self.invite_entry(open)).collect();
        let next = behind.next().map(|_| from + invites.len());
        let next = next.and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
        InvitePage { invites, next, link: self.policy.link.to_string() }
    }

    /// The invite holds: its link, which nobody can be told again.
    pub(crate) fn invite_created(&self, invite: &Invite) -> Body {
        let id = invite.name.id;
        let token = self.invites.untold_token(id);
        let link = InviteLink { token, ..self.policy.link.clone() };
        let invite_id = Bytes::copy_from_slice(&id.0);
        Body::InviteCreated(InviteCreated { invite_id, link: link.to_string() })
    }

    fn invite_entry(&self, open: &Open) -> InviteEntry {
        let Open { invite, by, at_ms, used } = open;
        let role = self.role_given(invite).map_or(wire::Role::Unspecified, to_wire);
        InviteEntry {
            invite_id: Bytes::copy_from_slice(&invite.name.id.0),
            role: role.into(),
            used: *used,
            uses: invite.uses.unwrap_or(0),
            until_ms: invite.end.to_ms(),
            note: invite.name.note.clone(),
            by: by.clone(),
            at_ms: *at_ms,
        }
    }

    fn may_see(&self, caller: Caller, actor: &Actor, open: &Open) -> bool {
        let Some(maker) = &open.invite.maker else { return actor.rank >= Rank::Admin };
        let is_maker = |it: Person| (it.key, it.identity) == (maker.key.clone(), maker.identity);
        actor.rank >= Rank::Admin || self.person_on(caller).is_some_and(is_maker)
    }

    /// Who is logged in there; nobody where it is who runs the server.
    fn person_on(&self, caller: Caller) -> Option<Person> {
        let session = self.roster.session(self.roster.login_on(caller.connection)?)?;
        let (key, name) = (session.key.clone(), session.name.as_str().to_owned());
        Some(Person { key, name, identity: session.identity })
    }
}
