//! What admins decide about the accounts of others.

use crate::log::event::ruling::{Account, Decision, Name, Role};
use crate::state::State;
use crate::state::accounts::Registered;
use crate::state::accounts::requests::check_length;
use crate::state::action::Actions;
use crate::state::administration::{AccountWish, Actor, Rank};
use crate::state::now::Now;
use crate::state::passwords::{NewPassword, PasswordKind, Purpose};
use crate::state::refusal::Refusal;
use crate::state::router::Caller;

impl State {
    pub(super) fn add_account(
        &mut self,
        now: Now,
        caller: Caller,
        actor: Actor,
        wish: AccountWish,
        password: NewPassword,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        check_length(&password.text)?;
        if wish.name.is_reserved() {
            return Err(Refusal::NameReserved);
        }
        self.check_free_account(&wish.name)?;
        if actor.rank <= Rank::from(Some(wish.role)) {
            return Err(Refusal::NotAllowed);
        }
        let NewPassword { text, salt } = password;
        let purpose = Purpose::Add { actor, wish };
        self.ask_password_desk(now, caller, text, PasswordKind::Hash { salt }, purpose, out)
    }

    pub(crate) fn add_account_now(
        &mut self,
        now: Now,
        caller: Caller,
        actor: &Actor,
        wish: AccountWish,
        password_hash: String,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        self.check_free_account(&wish.name)?;
        let AccountWish { holder, role, .. } = wish;
        let account = Account { holder, password_hash, role, password_at_ms: now.unix_ms };
        self.decide(now, Some(caller), actor, Decision::AccountSet(account), out)
    }

    pub(super) fn set_password(
        &mut self,
        now: Now,
        caller: Caller,
        actor: Actor,
        name: &Name,
        password: NewPassword,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        check_length(&password.text)?;
        self.account_below(&actor, name)?;
        let NewPassword { text, salt } = password;
        let purpose = Purpose::Set { actor, name: name.clone() };
        self.ask_password_desk(now, caller, text, PasswordKind::Hash { salt }, purpose, out)
    }

    pub(crate) fn set_password_now(
        &mut self,
        now: Now,
        caller: Caller,
        actor: &Actor,
        name: &Name,
        password_hash: String,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let account = self.account_below(actor, name)?.account.clone();
        let account = Account { password_hash, password_at_ms: now.unix_ms, ..account };
        self.decide(now, Some(caller), actor, Decision::AccountSet(account), out)
    }

    pub(super) fn set_role(
        &mut self,
        now: Now,
        caller: Caller,
        actor: &Actor,
        name: &Name,
        role: Role,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let account = self.account_below(actor, name)?.account.clone();
        if actor.rank <= Rank::from(Some(role)) {
            return Err(Refusal::NotAllowed);
        }
        let account = Account { role, ..account };
        self.decide(now, Some(caller), actor, Decision::AccountSet(account), out)
    }

    pub(super) fn remove_account(
        &mut self,
        now: Now,
        caller: Caller,
        actor: &Actor,
        name: &Name,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let holder = self.account_below(actor, name)?.account.holder.clone();
        // Nobody is that person any more.
        let mut decisions = Vec::new();
        for open in self.rooms.of(holder.identity) {
            if let Some(member) = open.members.get(&holder.identity) {
                decisions.extend(self.taken_out(open, member.clone()));
            }
        }
        decisions.extend(self.voided_uses(holder.identity));
        decisions.push(Decision::AccountRemoved(holder));
        self.decide_all(now, Some(caller), actor, decisions, out)
    }

    /// The account of that name, if the actor may decide about it.
    fn account_below(&self, actor: &Actor, name: &Name) -> Result<&Registered, Refusal> {
        let unknown = || Refusal::UnknownAccount { name: name.spelling.clone() };
        let registered = self.accounts.find(&name.key).ok_or_else(unknown)?;
        let rank = Rank::from(Some(registered.account.role));
        if rank < actor.rank { Ok(registered) } else { Err(Refusal::NotAllowed) }
    }
}
