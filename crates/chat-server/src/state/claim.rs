//! How somebody gets a name: the claim, and the take-over of one's own broken session.

use bytes::Bytes;
use common::user_name::{NameKey, UserName};
use common::wire::server_frame::Body;
use common::wire::{self, GoodbyeReason, LoggedIn, Ping, UserJoined};

use crate::log::event::ruling::DeviceId;
use crate::log::event::{Identity, Person};
use crate::state::accounts::DEVICES_MAX;
use crate::state::action::{Action, Actions, Recipients};
use crate::state::administration::pages::to_wire;
use crate::state::now::Now;
use crate::state::rate_limit::RateLimit;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LogIn, LoginId, ResumeToken};
use crate::state::roster::{Presence, Session};
use crate::state::router::Caller;
use crate::state::{Challenge, State};

/// A login that may have the name, if nobody else has it.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) log_in: Box<LogIn>,
    pub(crate) proof: Proof,
}

/// Who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof {
    /// Somebody under a name that is no account.
    Guest,
    /// The holder of the account, on a device that was known, or gave the password there just now.
    Account { device: DeviceId, is_new: bool },
}

/// What a session is begun with.
struct Credentials {
    identity: Identity,
    token: ResumeToken,
    device: DeviceId,
    proven_at_ms: Option<i64>,
    /// As it is to be spelt.
    name: UserName,
}

impl State {
    /// Gives the name to the caller: at once if it is free, its own and held, or its account's; after a ping
    /// if it is its own and seems alive; else not.
    pub(crate) fn claim_name(
        &mut self,
        now: Now,
        caller: Caller,
        claim: Claim,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let log_in = &claim.log_in;
        let credentials = self.credentials(now, caller, &claim)?;
        let key = log_in.name.key();
        let is_shown =
            |session: &&Session| log_in.resume_token.is_some_and(|token| session.accepts(&token));
        let shown = self.roster.of_key(&key).filter(is_shown);
        // One that nobody is behind before one that somebody may be.
        let Some(owner) = shown.min_by_key(|session| !session.is_held()) else {
            // Further devices of an account are welcome.
            if let (Proof::Guest, Some(other)) = (claim.proof, self.roster.of_key(&key).next()) {
                return Err(name_refusal(&other.name, &log_in.name));
            }
            if self.arrivals.hold(&key) {
                return Err(Refusal::NameTaken);
            }
            return self.start_session(now, caller, &claim, credentials, out);
        };
        let (login, connection) = (owner.login, owner.connection);
        if owner.is_held() {
            self.resume_session(now, caller, login, &claim, out);
            return Ok(());
        }
        let deadline = now.instant + self.policy.take_over_ping;
        let challenge = Challenge { owner: login, request_id: caller.request_id, claim, deadline };
        self.challenges.insert(caller.connection, challenge);
        out.tell(Recipients::One(connection), Body::Ping(Ping { token: login.0 }));
        Ok(())
    }

    /// Who it is, and a token that says so; unless what was proven is not so any more, or the person is banned.
    fn credentials(&self, now: Now, caller: Caller, claim: &Claim) -> Result<Credentials, Refusal> {
        let Claim { log_in, proof } = claim;
        let address = self.peers.get(&caller.connection).ok_or(Refusal::Malformed)?.address;
        let key = log_in.name.key();
        let registered = self.accounts.find(&key);
        let role = registered.map(|registered| registered.account.role);
        match (proof, registered) {
            (Proof::Guest, None) => {
                self.check_bans(now, &key, address, None)?;
                let (identity, token) = self.guest_identity(log_in, &key);
                let (device, name) = (DeviceId(log_in.fresh_nonce()), log_in.name.clone());
                Ok(Credentials { identity, token, device, proven_at_ms: None, name })
            }
            // It became an account meanwhile, or is none any more.
            (Proof::Guest, Some(_)) => Err(Refusal::PasswordNeeded),
            (Proof::Account { .. }, None) => Err(Refusal::WrongPassword),
            (Proof::Account { device, is_new }, Some(registered)) => {
                self.check_bans(now, &key, address, role)?;
                let known_since = registered.device(*device).map(|known| known.since_ms);
                let proven_at_ms = if *is_new { Some(now.unix_ms) } else { known_since };
                let identity = registered.identity();
                let token = self.policy.token_key.seal(identity, device.0, &key);
                // As it is spelt in the account; names that are one need not be spelt alike.
                let name = UserName::parse(&registered.account.holder.name);
                let name = name.unwrap_or_else(|_| log_in.name.clone());
                proven_at_ms.ok_or(Refusal::PasswordNeeded)?;
                Ok(Credentials { identity, token, device: *device, proven_at_ms, name })
            }
        }
    }

    fn start_session(
        &mut self,
        now: Now,
        caller: Caller,
        claim: &Claim,
        credentials: Credentials,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if self.roster.of_key(&claim.log_in.name.key()).count() >= DEVICES_MAX {
            return Err(Refusal::NameTaken);
        }
        if self.roster.len() >= self.policy.sessions_max {
            let retry_at_ms = now.unix_ms_after(self.policy.name_hold);
            return Err(Refusal::ServerFull { retry_at_ms });
        }
        let Credentials { identity, token, device, proven_at_ms, name } = credentials;
        let address = self.peers.get(&caller.connection).ok_or(Refusal::Malformed)?.address;
        self.last_login.0 += 1;
        let (login, key) = (self.last_login, claim.log_in.name.key());
        let is_first = self.roster.of_key(&key).next().is_none();
        if is_first {
            self.recent.user_came(&key);
        }
        self.people.meet(Person { key: key.clone(), name: name.as_str().to_owned(), identity });
        self.roster.insert(Session {
            login,
            name: name.clone(),
            key: key.clone(),
            connection: caller.connection,
            address,
            presence: Presence::Connected { heard_at: now.instant, pinged: false },
            token,
            // The answer may get lost: the client then comes back with the token that it has.
            previous_token: claim.log_in.resume_token,
            messages: RateLimit::full(),
            uploads: RateLimit::full(),
            signals: None,
            is_away: false,
            unsettled: 0,
            identity,
            device,
            proven_at_ms,
            reads_history: false,
        });
        self.tally.logins += 1;
        tracing::info!(name = ?name.as_str(), connection = caller.connection.0, "joined");
        self.admit(caller, login, false, out);
        if is_first {
            let joined = UserJoined { name: name.as_str().to_owned() };
            out.tell(Recipients::EverybodyBut(caller.connection), Body::UserJoined(joined));
        }
        // Away from all other devices, perhaps.
        self.tell_away(&key, out);
        if matches!(claim.proof, Proof::Account { is_new: true, .. }) {
            self.note_device(now, login, out);
        }
        Ok(())
    }

    /// Who it is that comes under a free name, and a token that says so: the holder of a token of that
    /// name, whenever it is from, or somebody new. Randomness makes sure that it is nobody else.
    fn guest_identity(&self, log_in: &LogIn, key: &NameKey) -> (Identity, ResumeToken) {
        let fresh = || Identity(u64::from_be_bytes(log_in.fresh_identity()));
        let identity = self.person_shown(log_in, key).unwrap_or_else(fresh);
        (identity, self.policy.token_key.seal(identity, log_in.fresh_nonce(), key))
    }

    /// The session goes on over another connection, and nobody hears of it.
    fn resume_session(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        claim: &Claim,
        out: &mut Actions,
    ) {
        let address = self.peers.get(&caller.connection).map(|peer| peer.address);
        let Some(session) = self.roster.session_mut(login) else { return };
        let from = session.connection;
        session.previous_token = Some(session.token);
        if matches!(claim.proof, Proof::Guest) {
            session.device = DeviceId(claim.log_in.fresh_nonce());
        }
        session.token =
            self.policy.token_key.seal(session.identity, session.device.0, &session.key);
        session.address = address.unwrap_or(session.address);
        session.presence = Presence::Connected { heard_at: now.instant, pinged: false };
        self.roster.reconnect(login, caller.connection);
        self.admit(caller, login, true, out);
        out.push(Action::MoveOutbox { from, to: caller.connection });
        self.tell_downloads_again(login, out);
    }

    fn admit(&self, caller: Caller, login: LoginId, resumed: bool, out: &mut Actions) {
        let Some(session) = self.roster.session(login) else { return };
        out.push(Action::Admit(caller.connection));
        let role = self.accounts.role_of(&session.key, session.identity);
        let logged_in = LoggedIn {
            name: session.name.as_str().to_owned(),
            resume_token: Bytes::copy_from_slice(&session.token.0),
            resumed,
            log_id: Bytes::copy_from_slice(&self.log.0),
            role: role.map_or(wire::Role::Guest, to_wire).into(),
        };
        out.reply(caller.connection, caller.request_id, Body::LoggedIn(logged_in));
    }

    /// The owner of a name is alive: a guest who wanted to take the session over is refused. With an account it
    /// is another program of the same person on the same device, which is as welcome as another device.
    pub(crate) fn owner_lives(&mut self, now: Now, owner: LoginId, out: &mut Actions) {
        for (connection, challenge) in self.take_challenges(|challenge| challenge.owner == owner) {
            let caller = Caller { connection, request_id: challenge.request_id };
            let claim = challenge.claim;
            let claimed = match claim.proof {
                Proof::Guest => Err(Refusal::NameTaken),
                Proof::Account { .. } => self
                    .credentials(now, caller, &claim)
                    .and_then(|it| self.start_session(now, caller, &claim, it, out)),
            };
            if let Err(refusal) = claimed {
                self.refuse(caller, refusal, out);
            }
        }
    }

    /// The owner's connection is closed, or it is gone altogether: the waiting login is decided.
    pub(crate) fn owner_is_away(&mut self, now: Now, owner: LoginId, out: &mut Actions) {
        for (connection, challenge) in self.take_challenges(|challenge| challenge.owner == owner) {
            let caller = Caller { connection, request_id: challenge.request_id };
            let claimed = self.claim_name(now, caller, challenge.claim, out);
            if let Err(refusal) = claimed {
                self.refuse(caller, refusal, out);
            }
        }
    }

    /// Takes over the sessions that left the ping of a challenge unanswered.
    pub(crate) fn decide_overdue_challenges(&mut self, now: Now, out: &mut Actions) {
        for (connection, challenge) in self.take_challenges(|it| it.deadline <= now.instant) {
            let Some(session) = self.roster.session(challenge.owner) else { continue };
            let old = session.connection;
            let caller = Caller { connection, request_id: challenge.request_id };
            if let Err(refusal) = self.credentials(now, caller, &challenge.claim) {
                self.refuse(caller, refusal, out);
                continue;
            }
            self.resume_session(now, caller, challenge.owner, &challenge.claim, out);
            self.peers.remove(&old);
            out.goodbye(old, GoodbyeReason::TakenOver, 0);
        }
    }

    fn take_challenges(
        &mut self,
        which: impl Fn(&Challenge) -> bool,
    ) -> Vec<(ConnectionId, Challenge)> {
        self.challenges.extract_if(|_, challenge| which(challenge)).collect()
    }
}

/// Why a name that somebody has is not to be had.
pub(crate) fn name_refusal(owner: &UserName, asked: &UserName) -> Refusal {
    if owner.is_same_spelling(asked) {
        Refusal::NameTaken
    } else {
        Refusal::NameTooSimilar { to: owner.as_str().to_owned() }
    }
}
