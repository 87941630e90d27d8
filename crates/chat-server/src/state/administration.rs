//! Keeping order: who may send whom away, ban, mute, announce, and decide about accounts. Each decision is
//! stored with who made it; [`super::rulings`] has it done then.

mod accounts;

pub mod invites;

pub(crate) mod pages;

use std::time::Duration;

use common::user_name::{NameKey, UserName};
use common::wire::server_frame::Body;

use crate::log::event::invite::InviteId;
use crate::log::event::ruling::{Ban, BanSubject, Decision, End, Mute, Name, Role};
use crate::log::event::{Identity, Person};
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::administration::invites::InviteWish;
use crate::state::history::{HistoryAsker, HistoryQuestion, HistorySubject, Reader};
use crate::state::now::Now;
use crate::state::passwords::NewPassword;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LoginId};
use crate::state::roster::Session;
use crate::state::router::Caller;

/// Something that needs a role, parsed.
#[derive(Debug)]
pub enum Command {
    /// End the sessions of somebody.
    Kick {
        /// Who.
        name: Name,
        /// Why, in a person's words; may be empty.
        reason: String,
    },
    /// Let somebody not come in.
    Ban {
        /// Who.
        subject: BanSubject,
        /// How long.
        span: Span,
        /// Why, in a person's words; may be empty.
        reason: String,
    },
    /// Let somebody come in again.
    Unban {
        /// Who.
        subject: BanSubject,
    },
    /// Let somebody not write.
    Mute {
        /// Who.
        name: Name,
        /// How long.
        span: Span,
        /// Why, in a person's words; may be empty.
        reason: String,
    },
    /// Let somebody write again.
    Unmute {
        /// Who.
        name: Name,
    },
    /// Tell everybody something.
    Announce {
        /// What.
        text: String,
    },
    /// Say what is in force.
    ListSanctions {
        /// Where the page before ended.
        from: usize,
    },
    /// Make an account for somebody.
    AddAccount {
        /// Which name.
        name: UserName,
        /// In clear.
        password: NewPassword,
        /// Which.
        role: Role,
        /// Random: who nobody was before.
        identity: Identity,
    },
    /// Give an account another password.
    SetPassword {
        /// Who.
        name: Name,
        /// In clear.
        password: NewPassword,
    },
    /// Give an account another role.
    SetRole {
        /// Who.
        name: Name,
        /// Which.
        role: Role,
    },
    /// Make an account a guest's name again.
    RemoveAccount {
        /// Who.
        name: Name,
    },
    /// Say which accounts there are.
    ListAccounts {
        /// The last name of the page before.
        after: NameKey,
    },
    /// Let somebody in who is chosen.
    CreateInvite(InviteWish),
    /// Let an invite open nothing any more.
    RevokeInvite {
        /// Which.
        invite: InviteId,
    },
    /// Say which invites there are.
    ListInvites {
        /// Where the page before ended.
        from: usize,
    },
    /// Say what was decided.
    ReadAudit {
        /// Where the page before ended.
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
}

/// An account that is to be made for somebody.
#[derive(Debug)]
pub(crate) struct AccountWish {
    pub(crate) name: UserName,
    pub(crate) holder: Person,
    pub(crate) role: Role,
}

/// How long something is to last; `None`: for ever.
pub type Span = Option<Duration>;

/// Who decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Actor {
    /// Empty for who runs the server.
    pub(crate) name: String,
    pub(crate) rank: Rank,
}

/// Who stands above whom.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rank {
    Guest,
    Member,
    Moderator,
    Admin,
    /// Who runs the server.
    Operator,
}

impl From<Option<Role>> for Rank {
    fn from(role: Option<Role>) -> Self {
        match role {
            None => Self::Guest,
            Some(Role::Member) => Self::Member,
            Some(Role::Moderator) => Self::Moderator,
            Some(Role::Admin) => Self::Admin,
        }
    }
}

impl Command {
    /// Who may at least give it.
    fn needs(&self) -> Rank {
        match self {
            Self::Kick { .. }
            | Self::Ban { .. }
            | Self::Unban { .. }
            | Self::Mute { .. }
            | Self::Unmute { .. }
            | Self::Announce { .. }
            | Self::ListSanctions { .. }
            | Self::CreateInvite(_)
            | Self::RevokeInvite { .. }
            | Self::ListInvites { .. } => Rank::Moderator,
            Self::AddAccount { .. }
            | Self::SetPassword { .. }
            | Self::SetRole { .. }
            | Self::RemoveAccount { .. }
            | Self::ListAccounts { .. }
            | Self::ReadAudit { .. } => Rank::Admin,
        }
    }
}

impl State {
    /// Carries out a command, as far as the caller may give it.
    pub(crate) fn administer(
        &mut self,
        now: Now,
        caller: Caller,
        command: Command,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let actor = self.actor(caller.connection)?;
        if actor.rank < command.needs() {
            return Err(Refusal::NotAllowed);
        }
        match command {
            Command::Kick { name, reason } => {
                self.check_stands_above(&actor, &name.key)?;
                if self.roster.of_key(&name.key).next().is_none() {
                    return Err(Refusal::UnknownUser { name: name.spelling });
                }
                let decision = Decision::Kicked { name, reason };
                self.decide(now, Some(caller), &actor, decision, out)
            }
            Command::Ban { subject, span, reason } => {
                if let BanSubject::Name(name) = &subject {
                    self.check_stands_above(&actor, &name.key)?;
                }
                let decision = Decision::Banned(Ban { subject, end: end(now, span), reason });
                self.decide(now, Some(caller), &actor, decision, out)
            }
            Command::Unban { subject } => {
                if !self.sanctions.bans(now, &subject) {
                    return Err(Refusal::NotInForce { subject: spelling(subject) });
                }
                let (end, reason) = (End::Never, String::new());
                let decision = Decision::Unbanned(Ban { subject, end, reason });
                self.decide(now, Some(caller), &actor, decision, out)
            }
            Command::Mute { name, span, reason } => {
                self.check_stands_above(&actor, &name.key)?;
                let decision = Decision::Muted(Mute { name, end: end(now, span), reason });
                self.decide(now, Some(caller), &actor, decision, out)
            }
            Command::Unmute { name } => {
                if self.sanctions.mute_of(now, &name.key).is_none() {
                    return Err(Refusal::NotInForce { subject: name.spelling });
                }
                let mute = Mute { name, end: End::Never, reason: String::new() };
                self.decide(now, Some(caller), &actor, Decision::Unmuted(mute), out)
            }
            Command::Announce { text } => {
                self.decide(now, Some(caller), &actor, Decision::Announced { text }, out)
            }
            Command::ListSanctions { from } => {
                caller.reply(out, Body::SanctionPage(self.sanction_page(now, from)))
            }
            Command::ListAccounts { after } => {
                caller.reply(out, Body::AccountPage(self.account_page(&after)))
            }
            Command::ReadAudit { before, limit } => {
                self.read_audit(now, caller, HistorySubject::Audit { before, limit }, out)
            }
            Command::AddAccount { name, password, role, identity } => {
                let holder = Person { key: name.key(), name: name.as_str().to_owned(), identity };
                let wish = AccountWish { name, holder, role };
                self.add_account(now, caller, actor, wish, password, out)
            }
            Command::SetPassword { name, password } => {
                self.set_password(now, caller, actor, &name, password, out)
            }
            Command::SetRole { name, role } => self.set_role(now, caller, &actor, &name, role, out),
            Command::RemoveAccount { name } => self.remove_account(now, caller, &actor, &name, out),
            Command::CreateInvite(wish) => self.create_invite(now, caller, &actor, wish, out),
            Command::RevokeInvite { invite } => {
                self.revoke_invite(now, caller, &actor, invite, out)
            }
            Command::ListInvites { from } => {
                caller.reply(out, Body::InvitePage(self.invite_page(caller, &actor, from)))
            }
        }
    }

    /// Who it is on that connection, and what they may do.
    fn actor(&self, connection: ConnectionId) -> Result<Actor, Refusal> {
        if self.peers.get(&connection).is_some_and(|peer| peer.is_operator) {
            return Ok(Actor { name: String::new(), rank: Rank::Operator });
        }
        let login = self.roster.login_on(connection).ok_or(Refusal::NotLoggedIn)?;
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        Ok(self.actor_of(session))
    }

    pub(crate) fn actor_of(&self, session: &Session) -> Actor {
        Actor { name: session.name.as_str().to_owned(), rank: self.rank_of(session) }
    }

    pub(crate) fn rank_of(&self, session: &Session) -> Rank {
        self.accounts.role_of(&session.key, session.identity).into()
    }

    /// Nobody decides about who is their like or above them, there or not.
    fn check_stands_above(&self, actor: &Actor, name: &NameKey) -> Result<(), Refusal> {
        let account = self.accounts.find(name).map(|registered| registered.account.role);
        if Rank::from(account) < actor.rank { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    fn read_audit(
        &mut self,
        now: Now,
        caller: Caller,
        subject: HistorySubject,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if let Some(login) = self.roster.login_on(caller.connection) {
            return self.ask_history(now, caller, login, subject, out);
        }
        // Who runs the server has no login, and is one at a time by the number of such connections.
        let Caller { connection, request_id } = caller;
        let asker = HistoryAsker { connection, request_id, login: LoginId(0) };
        let reader = Reader::outside(Identity(0));
        out.push(Action::ReadHistory(Box::new(HistoryQuestion { asker, reader, subject })));
        Ok(())
    }
}

fn end(now: Now, span: Span) -> End {
    span.map_or(End::Never, |span| End::At(now.unix_ms_after(span)))
}

fn spelling(subject: BanSubject) -> String {
    match subject {
        BanSubject::Name(name) => name.spelling,
        BanSubject::Network(network) => network.to_string(),
    }
}
