//! Who may come in: the checks before somebody gets a name ([`super::claim`]), and how one leaves.

use std::net::IpAddr;
use std::time::Duration;

use common::user_name::NameKey;
use common::wire::server_frame::Body;
use common::wire::{LeaveReason, LoggedOut};

use crate::log::event::ruling::{DeviceId, Role};
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::claim::{Claim, Proof};
use crate::state::now::Now;
use crate::state::passwords::{PasswordKind, Purpose};
use crate::state::policy::Access;
use crate::state::refusal::Refusal;
use crate::state::request::{LogIn, LoginId};
use crate::state::router::Caller;

/// How long a client is asked to wait while another guess at the name is looked at.
const GUESS_PAUSE: Duration = Duration::from_secs(1);

impl State {
    /// Checks a login and, unless it has to wait for its password to be checked or for a ping of its own
    /// older session, answers it.
    pub(crate) fn log_in(
        &mut self,
        now: Now,
        caller: Caller,
        log_in: Box<LogIn>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if self.roster.login_on(caller.connection).is_some() {
            return Err(Refusal::AlreadyLoggedIn);
        }
        let peer = self.peers.get(&caller.connection).filter(|peer| peer.greeted);
        let address = peer.ok_or(Refusal::Malformed)?.address;
        if self.challenges.contains_key(&caller.connection) {
            return Err(Refusal::NameTaken);
        }
        self.check_not_arriving(now, caller, &log_in)?;
        let key = log_in.name.key();
        if let Some(registered) = self.accounts.find(&key) {
            let hash = registered.account.password_hash.clone();
            return match self.known_device(&log_in, &key) {
                Some(device) => {
                    let proof = Proof::Account { device, is_new: false };
                    self.claim_name(now, caller, Claim { log_in, proof }, out)
                }
                None => self.check_password(now, caller, address, log_in, Some(hash), out),
            };
        }
        match &self.policy.access {
            Access::Open => {}
            Access::Password(_) => {
                if let Some(grant) = self.pass_for_password(now, address, &log_in)? {
                    return self.come_as_guest(now, caller, address, log_in, grant, out);
                }
            }
            Access::Accounts => {
                return self.log_in_without_account(now, caller, address, log_in, out);
            }
        }
        if log_in.name.is_reserved() {
            return Err(Refusal::NameReserved);
        }
        self.claim_name(now, caller, Claim { log_in, proof: Proof::Guest }, out)
    }

    /// A name that is no account, where one is needed: an invite makes it.
    fn log_in_without_account(
        &mut self,
        now: Now,
        caller: Caller,
        address: IpAddr,
        log_in: Box<LogIn>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let person = self.person_shown(&log_in, &log_in.name.key());
        let grant = log_in.invite.map(|token| self.grant(now, &token, person));
        match grant {
            Some(Ok(_)) => self.come_as_member(now, caller, address, log_in, out),
            // As if the name were an account: that it is none is for those with an invite to know.
            Some(Err(_)) | None => self.check_password(now, caller, address, log_in, None, out),
        }
    }

    /// The device of the account whose holder shows a token that was given to it there.
    fn known_device(&self, log_in: &LogIn, key: &NameKey) -> Option<DeviceId> {
        let token = log_in.resume_token.as_ref()?;
        let opened = self.policy.token_key.open(token, key)?;
        let registered = self.accounts.find(key)?;
        let device = DeviceId(opened.nonce);
        let is_known = opened.identity == registered.identity();
        (is_known && registered.device(device).is_some()).then_some(device)
    }

    /// Has the password of an account looked at. `None`: there is no such account, which takes as long to
    /// find out.
    fn check_password(
        &mut self,
        now: Now,
        caller: Caller,
        address: IpAddr,
        mut log_in: Box<LogIn>,
        hash: Option<String>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if log_in.password.is_empty() {
            return Err(Refusal::PasswordNeeded);
        }
        let key = log_in.name.key();
        self.check_attempts(now, &key, address)?;
        if self.passwords.is_guessing(&key) {
            return Err(Refusal::ServerBusy { retry_at_ms: now.unix_ms_after(GUESS_PAUSE) });
        }
        let password = std::mem::take(&mut log_in.password);
        let (kind, purpose) = (PasswordKind::Check(hash), Purpose::LogIn(log_in));
        self.ask_password_desk(now, caller, password, kind, purpose, out)
    }

    /// The password of an account was looked at.
    pub(crate) fn password_checked(
        &mut self,
        now: Now,
        caller: Caller,
        log_in: Box<LogIn>,
        is_right: bool,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let key = log_in.name.key();
        if !is_right {
            return Err(self.wrong_password(now, caller, &log_in));
        }
        self.attempts.succeeded(&key);
        let proof = Proof::Account { device: DeviceId(log_in.fresh_nonce()), is_new: true };
        self.claim_name(now, caller, Claim { log_in, proof }, out)
    }

    /// How often may be guessed.
    pub(crate) fn check_attempts(
        &self,
        now: Now,
        key: &NameKey,
        address: IpAddr,
    ) -> Result<(), Refusal> {
        match self.attempts.wait(now.instant, key, address) {
            None => Ok(()),
            Some(wait) => Err(Refusal::TooManyAttempts { retry_at_ms: now.unix_ms_after(wait) }),
        }
    }

    pub(crate) fn check_join_password(
        &mut self,
        now: Now,
        address: IpAddr,
        log_in: &LogIn,
    ) -> Result<(), Refusal> {
        if log_in.password.is_empty() {
            return Err(Refusal::PasswordNeeded);
        }
        let key = log_in.name.key();
        self.check_attempts(now, &key, address)?;
        if self.knows_join_password(log_in) {
            self.attempts.succeeded(&key);
            return Ok(());
        }
        self.attempts.failed(now.instant, key, address);
        tracing::info!(name = ?log_in.name.as_str(), %address, "wrong password");
        Err(Refusal::WrongPassword)
    }

    /// Whether the password is the one that all share; nobody knows one that there is not.
    pub(crate) fn knows_join_password(&self, log_in: &LogIn) -> bool {
        match &self.policy.access {
            Access::Password(password) => password.matches(&log_in.password),
            Access::Open | Access::Accounts => false,
        }
    }

    fn wrong_password(&mut self, now: Now, caller: Caller, log_in: &LogIn) -> Refusal {
        if let Some(peer) = self.peers.get(&caller.connection) {
            let address = peer.address;
            self.attempts.failed(now.instant, log_in.name.key(), address);
            tracing::info!(name = ?log_in.name.as_str(), %address, "wrong password");
        }
        self.blame(now, log_in)
    }

    /// Whether that name, or anybody from that address, is banned: by the configuration or by decision. A ban
    /// of addresses does not hold for those who could lift it.
    pub(crate) fn check_bans(
        &self,
        now: Now,
        key: &NameKey,
        address: IpAddr,
        role: Option<Role>,
    ) -> Result<(), Refusal> {
        if let Some(end) = self.policy.bans.in_force(now, key) {
            return Err(Refusal::Banned { until_ms: end.to_ms(), reason: String::new() });
        }
        let from_there = self.sanctions.ban_from(now, address);
        let from_there = from_there.filter(|_| role < Some(Role::Moderator));
        match self.sanctions.ban_of(now, key).or(from_there) {
            None => Ok(()),
            Some(ban) => Err(Refusal::Banned { until_ms: ban.end.to_ms(), reason: ban.reason }),
        }
    }

    /// The user leaves for good: everybody hears of it, and the downloads end. What the user wrote
    /// before is stored and answered first.
    pub(crate) fn log_out(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if self.roster.session(login).is_some_and(|session| session.unsettled > 0) {
            self.unsettled.push_log_out(caller, login);
        } else {
            self.log_out_now(now, caller, login, out);
        }
        Ok(())
    }

    /// Ends the session, unless another connection has taken it over meanwhile.
    pub(crate) fn log_out_now(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        out: &mut Actions,
    ) {
        let session = self.roster.session(login);
        if session.is_none_or(|session| session.connection != caller.connection) {
            return;
        }
        if self.peers.remove(&caller.connection).is_some() {
            out.reply(caller.connection, caller.request_id, Body::LoggedOut(LoggedOut {}));
            out.push(Action::Close(caller.connection));
        }
        self.end_session(now, login, LeaveReason::LoggedOut, out);
    }
}
