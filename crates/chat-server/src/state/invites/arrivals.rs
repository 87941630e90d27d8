//! How somebody comes in by an invite. The use is stored first, with all that it makes, and only then does the
//! log-in go on: who is let in has been counted, and who was counted is known when trying again.

use std::net::IpAddr;

use common::invite_token::InviteToken;
use common::user_name::NameKey;

use crate::log::event::invite::Proof;
use crate::log::event::ruling::{Account, Decision, Device, DeviceId, Name, Subject};
use crate::log::event::{Identity, Person};
use crate::state::State;
use crate::state::accounts::requests::check_length;
use crate::state::action::Actions;
use crate::state::administration::{Actor, Rank};
use crate::state::claim::{Claim, Proof as Who, name_refusal};
use crate::state::invites::grants::{Grant, undecided};
use crate::state::now::Now;
use crate::state::passwords::{PasswordKind, Purpose};
use crate::state::policy::Access;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LogIn};
use crate::state::router::Caller;

/// A log-in that waits for the log.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// What has to be stored.
    awaits: Subject,
    pub(crate) caller: Caller,
    claim: Claim,
}

/// All that wait: one of a connection.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Vec<Arrival>);

impl Arrivals {
    /// Whether that connection waits.
    pub(crate) fn wait_on(&self, connection: ConnectionId) -> bool {
        self.0.iter().any(|arrival| arrival.caller.connection == connection)
    }

    /// Whether somebody is about to come under that name.
    pub(crate) fn hold(&self, key: &NameKey) -> bool {
        self.0.iter().any(|arrival| arrival.claim.log_in.name.key() == *key)
    }

    /// The log had its say about this.
    pub(crate) fn take(&mut self, decision: &Decision) -> Option<Arrival> {
        if self.0.is_empty() {
            return None;
        }
        let subject = decision.subject()?;
        let at = self.0.iter().position(|arrival| arrival.awaits == subject)?;
        Some(self.0.swap_remove(at))
    }
}

impl State {
    /// Whoever waits for the log, here or on a connection that broke, is to try again when it had its say.
    pub(crate) fn check_not_arriving(
        &self,
        now: Now,
        caller: Caller,
        log_in: &LogIn,
    ) -> Result<(), Refusal> {
        let is_coming = |shown| self.invites.is_coming(shown);
        let waits = self.arrivals.wait_on(caller.connection);
        match waits || self.shown_anew(log_in).is_some_and(is_coming) {
            true => Err(undecided(now)),
            false => Ok(()),
        }
    }

    /// Somebody under a name that is no account, where a password is needed: an invite stands for it, and who came
    /// by one comes in again. `None`: the password, or whatever was shown, lets in at once.
    pub(crate) fn pass_for_password(
        &mut self,
        now: Now,
        address: IpAddr,
        log_in: &LogIn,
    ) -> Result<Option<Grant>, Refusal> {
        let key = log_in.name.key();
        let person = self.person_shown(log_in, &key);
        if person.is_some_and(|person| self.invites.lets_in(person)) {
            return Ok(None);
        }
        let Some(token) = &log_in.invite else {
            return self.check_join_password(now, address, log_in).map(|()| None);
        };
        self.check_attempts(now, &key, address)?;
        if self.knows_join_password(log_in) {
            self.attempts.succeeded(&key);
            return Ok(None);
        }
        let grant = self.grant(now, token, person);
        let is_unknown = matches!(grant, Err(Refusal::InviteUnknown { .. }));
        if is_unknown || grant.is_err() && !log_in.password.is_empty() {
            self.count_failure(now, key, address);
        }
        grant.map(Some)
    }

    /// What that token gives. A token that is none counts as a wrong password does.
    pub(crate) fn grant_counted(
        &mut self,
        now: Now,
        address: IpAddr,
        key: &NameKey,
        token: &InviteToken,
        person: Option<Identity>,
    ) -> Result<Grant, Refusal> {
        self.check_attempts(now, key, address)?;
        let grant = self.grant(now, token, person);
        if matches!(grant, Err(Refusal::InviteUnknown { .. })) {
            self.count_failure(now, key.clone(), address);
        }
        grant
    }

    fn count_failure(&mut self, now: Now, key: NameKey, address: IpAddr) {
        tracing::info!(name = ?key.as_str(), %address, "wrong invite");
        self.attempts.failed(now.instant, key, address);
    }

    /// Has the use of an invite stored by which a guest comes in.
    pub(crate) fn come_as_guest(
        &mut self,
        now: Now,
        caller: Caller,
        address: IpAddr,
        log_in: Box<LogIn>,
        grant: Grant,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let person = self.newcomer(now, address, &log_in)?;
        let claim = Claim { proof: Who::Guest, log_in };
        let shown = self.shown_anew(&claim.log_in);
        let Some(it) = grant.to_use(&person, shown) else {
            return self.claim_name(now, caller, claim, out);
        };
        let decisions = vec![Decision::InviteUsed(it)];
        self.arrive(now, caller, claim, decisions, out)
    }

    /// Makes an account of the name, where an invite allows it and accounts are needed: its password first.
    pub(crate) fn come_as_member(
        &mut self,
        now: Now,
        caller: Caller,
        address: IpAddr,
        mut log_in: Box<LogIn>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        check_length(&log_in.password)?;
        self.newcomer(now, address, &log_in)?;
        self.check_free_account(&log_in.name)?;
        let text = std::mem::take(&mut log_in.password);
        let kind = PasswordKind::Hash { salt: log_in.fresh_salt() };
        self.ask_password_desk(now, caller, text, kind, Purpose::Invited(log_in), out)
    }

    /// The password of an account that an invite makes is ready to be stored.
    pub(crate) fn invited_account(
        &mut self,
        now: Now,
        caller: Caller,
        log_in: Box<LogIn>,
        password_hash: String,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let peer = self.peers.get(&caller.connection).ok_or(Refusal::Malformed)?;
        let (address, label) = (peer.address, peer.agent.clone());
        let key = log_in.name.key();
        self.check_not_arriving(now, caller, &log_in)?;
        // Who was faster meanwhile may have been the same person on another connection.
        if self.accounts.find(&key).is_some() {
            return Err(undecided(now));
        }
        self.check_free_account(&log_in.name)?;
        let token = log_in.invite.ok_or(Refusal::Malformed)?;
        let grant = self.grant(now, &token, self.person_shown(&log_in, &key))?;
        let holder = self.newcomer(now, address, &log_in)?;
        let it = grant.to_use(&holder, self.shown_anew(&log_in));
        let device =
            Device { holder: Name::from(&holder), id: DeviceId(log_in.fresh_nonce()), label };
        let proof = Who::Account { device: device.id, is_new: false };
        let Grant { role, .. } = grant;
        let account = Account { holder, password_hash, role, password_at_ms: now.unix_ms };
        let mut decisions: Vec<Decision> = it.into_iter().map(Decision::InviteUsed).collect();
        decisions.extend([Decision::AccountSet(account), Decision::DeviceAdded(device)]);
        self.arrive(now, caller, Claim { log_in, proof }, decisions, out)
    }

    /// Has all of it stored, in one commit. The log-in goes on when the last of it is.
    fn arrive(
        &mut self,
        now: Now,
        caller: Caller,
        claim: Claim,
        decisions: Vec<Decision>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let Some(awaits) = decisions.last().and_then(Decision::subject) else { return Ok(()) };
        let uses: Vec<_> = decisions
            .iter()
            .filter_map(|decision| match decision {
                Decision::InviteUsed(it) => Some(it.clone()),
                _ => None,
            })
            .collect();
        let name = claim.log_in.name.as_str().to_owned();
        let actor = Actor { name, rank: Rank::Guest };
        self.decide_all(now, None, &actor, decisions, out).map_err(|_| undecided(now))?;
        uses.into_iter().for_each(|it| self.invites.expect_use(it));
        self.arrivals.0.push(Arrival { awaits, caller, claim });
        Ok(())
    }

    /// What somebody waits for was stored.
    pub(crate) fn go_on_arriving(&mut self, now: Now, stored: &Decision, out: &mut Actions) {
        let Some(Arrival { caller, claim, .. }) = self.arrivals.take(stored) else { return };
        // Whoever is gone is known when trying again.
        if self.peers.contains_key(&caller.connection)
            && let Err(refusal) = self.claim_name(now, caller, claim, out)
        {
            self.refuse(caller, refusal, out);
        }
    }

    /// Who is about to come, unless the name could not be had: what cannot be had costs no use.
    fn newcomer(&self, now: Now, address: IpAddr, log_in: &LogIn) -> Result<Person, Refusal> {
        let key = log_in.name.key();
        if log_in.name.is_reserved() {
            return Err(Refusal::NameReserved);
        }
        self.check_bans(now, &key, address, None)?;
        let person = self.person_shown(log_in, &key);
        let other = self.roster.of_key(&key).find(|it| person != Some(it.identity));
        if let Some(other) = other {
            return Err(name_refusal(&other.name, &log_in.name));
        }
        if self.arrivals.hold(&key) {
            return Err(Refusal::NameTaken);
        }
        if self.roster.len() >= self.policy.sessions_max {
            let retry_at_ms = now.unix_ms_after(self.policy.name_hold);
            return Err(Refusal::ServerFull { retry_at_ms });
        }
        let identity = person.unwrap_or(Identity(u64::from_be_bytes(log_in.fresh_identity())));
        Ok(Person { key, name: log_in.name.as_str().to_owned(), identity })
    }

    /// What the holder of no token of ours shows instead of one.
    fn shown_anew(&self, log_in: &LogIn) -> Option<Proof> {
        let (token, key) = (log_in.resume_token.as_ref()?, log_in.name.key());
        let is_ours = self.policy.token_key.open(token, &key).is_some();
        (!is_ours).then(|| Proof::of_shown(&token.0, &key))
    }

    /// Who it is that logs in, as far as what is shown tells.
    pub(crate) fn person_shown(&self, log_in: &LogIn, key: &NameKey) -> Option<Identity> {
        let token = log_in.resume_token.as_ref()?;
        match self.policy.token_key.open(token, key) {
            Some(opened) => Some(opened.identity),
            None => self.invites.person_showing(token, key),
        }
    }

    /// Why a log-in with a password that is wrong, or nobody's, is refused: the invite that was shown besides,
    /// where it is to blame. The same for a name that is an account, of which strangers learn nothing.
    pub(crate) fn blame(&self, now: Now, log_in: &LogIn) -> Refusal {
        let needs_accounts = matches!(self.policy.access, Access::Accounts);
        let shown = log_in.invite.as_ref().filter(|_| needs_accounts);
        let refusal = shown.and_then(|token| self.grant(now, token, None).err());
        refusal.unwrap_or(Refusal::WrongPassword)
    }
}
