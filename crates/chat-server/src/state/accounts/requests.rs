//! What people do with their own accounts: make one of the name that they have, change its password, see and
//! remove the devices that are let in without it.

use common::invite_token::InviteToken;
use common::limits::PASSWORD_CHARS_MIN;
use common::user_name::UserName;
use common::wire::server_frame::Body;
use common::wire::{DeviceEntry, DevicePage};

use crate::log::event::ruling::{Account, Decision, Device, DeviceId, Name, Role};
use crate::log::event::{Identity, Person};
use crate::state::State;
use crate::state::accounts::{DEVICES_MAX, Registered};
use crate::state::action::Actions;
use crate::state::invites::grants::Grant;
use crate::state::now::Now;
use crate::state::passwords::{NewPassword, PasswordKind, Purpose};
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;
use crate::state::roster::Session;
use crate::state::router::Caller;

/// What somebody logged in may ask about the own account.
#[derive(Debug)]
pub enum AccountRequest {
    /// Make the caller's name an account.
    Register {
        /// In clear.
        password: NewPassword,
        /// Of an invite.
        invite: Option<InviteToken>,
    },
    /// Another password for it.
    ChangePassword {
        /// The one that it has.
        old: String,
        /// The one that it is to have.
        new: NewPassword,
    },
    /// Where it is known.
    ListDevices,
    /// It is known there no longer.
    RemoveDevice {
        /// Which.
        device: DeviceId,
    },
}

impl State {
    pub(crate) fn own_account(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        request: AccountRequest,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        match request {
            AccountRequest::Register { password, invite } => {
                self.register(now, caller, login, password, invite, out)
            }
            AccountRequest::ChangePassword { old, new } => {
                self.change_password(now, caller, login, old, new, out)
            }
            AccountRequest::ListDevices => {
                let page = self.device_page(login)?;
                caller.reply(out, Body::DevicePage(page))
            }
            AccountRequest::RemoveDevice { device } => {
                self.remove_device(now, caller, login, device, out)
            }
        }
    }

    fn register(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        password: NewPassword,
        invite: Option<InviteToken>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        check_length(&password.text)?;
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        self.check_free_account(&session.name)?;
        let (key, address, identity) = (session.key.clone(), session.address, session.identity);
        if let (Some(token), false) = (&invite, self.policy.takes_registrations) {
            self.grant_counted(now, address, &key, token, Some(identity))?;
        }
        self.grant_to_register(now, identity, invite.as_ref())?;
        let NewPassword { text, salt } = password;
        let kind = PasswordKind::Hash { salt };
        self.ask_password_desk(now, caller, text, kind, Purpose::Own { login, invite }, out)
    }

    /// What an invite adds to somebody's registering, the one that is shown or that the person came by. Nothing where
    /// everybody may register and become a member: no use is spent on that.
    fn grant_to_register(
        &self,
        now: Now,
        person: Identity,
        invite: Option<&InviteToken>,
    ) -> Result<Option<Grant>, Refusal> {
        let own = self.own_grant(person);
        let shown = invite.map(|token| self.grant(now, token, Some(person)));
        if self.policy.takes_registrations {
            let grant = shown.and_then(Result::ok).into_iter().chain(own);
            return Ok(grant.filter(|it| it.role > Role::Member).max_by_key(|it| it.role));
        }
        match shown {
            Some(grant) => grant.map(Some),
            None => own.map(Some).ok_or(Refusal::RegistrationOff),
        }
    }

    /// Whether an account of that name could be made.
    pub(crate) fn check_free_account(&self, name: &UserName) -> Result<(), Refusal> {
        if let Some(registered) = self.accounts.find(&name.key()) {
            return Err(Refusal::AccountExists { name: registered.account.holder.name.clone() });
        }
        if self.accounts.len() + self.passwords.accounts_to_come() >= self.policy.accounts_max {
            return Err(Refusal::AccountsFull);
        }
        Ok(())
    }

    fn change_password(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        old: String,
        new: NewPassword,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        check_length(&new.text)?;
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let hash = self.account_of(session)?.account.password_hash.clone();
        self.check_attempts(now, &session.key, session.address)?;
        let (kind, purpose) = (PasswordKind::Check(Some(hash)), Purpose::MayChange { login, new });
        self.ask_password_desk(now, caller, old, kind, purpose, out)
    }

    /// The old password was looked at.
    pub(crate) fn may_change_password(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        new: NewPassword,
        is_right: bool,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let (key, address) = (session.key.clone(), session.address);
        if !is_right {
            self.attempts.failed(now.instant, key, address);
            return Err(Refusal::WrongPassword);
        }
        self.attempts.succeeded(&key);
        let NewPassword { text, salt } = new;
        let kind = PasswordKind::Hash { salt };
        let purpose = Purpose::Own { login, invite: None };
        self.ask_password_desk(now, caller, text, kind, purpose, out)
    }

    /// The caller's name has that password from now on, and this device knows it.
    pub(crate) fn set_own_account(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        invite: Option<&InviteToken>,
        password_hash: String,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let holder = Person {
            key: session.key.clone(),
            name: session.name.as_str().to_owned(),
            identity: session.identity,
        };
        let (role, used) = match self.accounts.find(&holder.key) {
            None => {
                self.check_free_account(&session.name)?;
                let grant = self.grant_to_register(now, holder.identity, invite)?;
                let used = grant.and_then(|grant| grant.to_use(&holder, None));
                (grant.map_or(Role::Member, |grant| grant.role), used)
            }
            Some(registered) if registered.identity() == holder.identity => {
                (registered.account.role, None)
            }
            Some(_) => return Err(Refusal::AccountExists { name: holder.name }),
        };
        let (device, actor) = (self.device_of(session), self.actor_of(session));
        let account = Account { holder, password_hash, role, password_at_ms: now.unix_ms };
        let mut decisions: Vec<_> = used.iter().cloned().map(Decision::InviteUsed).collect();
        decisions.extend([Decision::AccountSet(account), Decision::DeviceAdded(device)]);
        self.decide_all(now, Some(caller), &actor, decisions, out)?;
        used.into_iter().for_each(|it| self.invites.expect_use(it));
        if let Some(session) = self.roster.session_mut(login) {
            session.proven_at_ms = Some(now.unix_ms);
        }
        Ok(())
    }

    fn device_of(&self, session: &Session) -> Device {
        let peer = self.peers.get(&session.connection);
        Device {
            holder: Name { key: session.key.clone(), spelling: session.name.as_str().to_owned() },
            id: session.device,
            label: peer.map(|peer| peer.agent.clone()).unwrap_or_default(),
        }
    }

    /// Notes where a password was given, and forgets the oldest device where there are too many.
    pub(crate) fn note_device(&mut self, now: Now, login: LoginId, out: &mut Actions) {
        let Some(session) = self.roster.session(login) else { return };
        let Ok(registered) = self.account_of(session) else { return };
        let (device, actor) = (self.device_of(session), self.actor_of(session));
        let excess = (registered.devices.len() + 1).saturating_sub(DEVICES_MAX);
        let holder = device.holder.clone();
        let oldest = registered.devices.iter().take(excess).map(|known| Device {
            holder: holder.clone(),
            id: known.id,
            label: known.label.clone(),
        });
        let mut decisions: Vec<Decision> = oldest.map(Decision::DeviceRemoved).collect();
        decisions.push(Decision::DeviceAdded(device));
        for decision in decisions {
            // Where it is not stored the password has to be given again, and that is all.
            if let Err(refusal) = self.decide(now, None, &actor, decision, out) {
                tracing::debug!(?refusal, "a device is not remembered");
            }
        }
    }

    fn device_page(&self, login: LoginId) -> Result<DevicePage, Refusal> {
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let registered = self.account_of(session)?;
        let entry = |known: &crate::state::accounts::KnownDevice| DeviceEntry {
            device_id: known.id.0.to_vec().into(),
            label: known.label.clone(),
            since_ms: known.since_ms,
            is_this: known.id == session.device,
        };
        Ok(DevicePage { devices: registered.devices.iter().map(entry).collect() })
    }

    fn remove_device(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        id: DeviceId,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let known = self.account_of(session)?.device(id).ok_or(Refusal::UnknownDevice)?;
        let holder = Name { key: session.key.clone(), spelling: session.name.as_str().to_owned() };
        let device = Device { holder, id, label: known.label.clone() };
        let actor = self.actor_of(session);
        self.take_turn(now, login)?;
        self.decide(now, Some(caller), &actor, Decision::DeviceRemoved(device), out)
    }

    /// The account that somebody is logged in with.
    fn account_of(&self, session: &Session) -> Result<&Registered, Refusal> {
        let registered = self.accounts.find(&session.key);
        let own = registered.filter(|registered| registered.identity() == session.identity);
        own.ok_or_else(|| Refusal::UnknownAccount { name: session.name.as_str().to_owned() })
    }
}

/// Whether a password may be chosen.
pub(crate) fn check_length(password: &str) -> Result<(), Refusal> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Refusal::PasswordTooShort);
    }
    Ok(())
}
