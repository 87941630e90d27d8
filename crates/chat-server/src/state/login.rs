//! How somebody gets a name: the checks, the claim, and the take-over of one's own broken session.

use std::net::IpAddr;

use bytes::Bytes;
use common::user_name::{NameKey, UserName};
use common::wire::server_frame::Body;
use common::wire::{GoodbyeReason, LeaveReason, LoggedIn, LoggedOut, Ping, UserJoined};

use crate::log::event::{Identity, Person};
use crate::state::action::{Action, Actions, Recipients};
use crate::state::now::Now;
use crate::state::policy::{Access, BanEnd};
use crate::state::rate_limit::RateLimit;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LogIn, LoginId, ResumeToken};
use crate::state::roster::{Presence, Session};
use crate::state::router::Caller;
use crate::state::{Challenge, State};

impl State {
    /// Checks a login and, unless it has to wait for a ping of its own older session, answers it.
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
        self.check_admission(now, address, &log_in)?;
        self.claim_name(now, caller, log_in, out)
    }

    /// What is refused whoever is online: the answer tells a stranger nothing about others.
    fn check_admission(
        &mut self,
        now: Now,
        address: IpAddr,
        log_in: &LogIn,
    ) -> Result<(), Refusal> {
        self.check_password(now, address, log_in)?;
        if log_in.name.is_reserved() {
            return Err(Refusal::NameReserved);
        }
        match self.policy.bans.in_force(now, &log_in.name.key()) {
            None => Ok(()),
            Some(BanEnd::Never) => Err(Refusal::Banned { until_ms: 0 }),
            Some(BanEnd::At(until_ms)) => Err(Refusal::Banned { until_ms }),
        }
    }

    fn check_password(&mut self, now: Now, address: IpAddr, log_in: &LogIn) -> Result<(), Refusal> {
        let Access::Password(password) = &self.policy.access else {
            return Ok(());
        };
        let key = log_in.name.key();
        if let Some(wait) = self.attempts.wait(now.instant, &key, address) {
            return Err(Refusal::TooManyAttempts { retry_at_ms: now.unix_ms_after(wait) });
        }
        if password.matches(&log_in.password) {
            self.attempts.succeeded(&key);
            return Ok(());
        }
        self.attempts.failed(now.instant, key, address);
        tracing::info!(name = ?log_in.name.as_str(), %address, "wrong password");
        Err(Refusal::WrongPassword)
    }

    /// Gives the name to the caller: at once if it is free or its own and held; after a ping if it is
    /// its own and seems alive; else not.
    fn claim_name(
        &mut self,
        now: Now,
        caller: Caller,
        log_in: Box<LogIn>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let Some(owner) = self.roster.by_key(&log_in.name.key()) else {
            return self.start_session(now, caller, &log_in, out);
        };
        if !log_in.resume_token.is_some_and(|token| owner.accepts(&token)) {
            return Err(name_refusal(&owner.name, &log_in.name));
        }
        let (login, connection) = (owner.login, owner.connection);
        if owner.is_held() {
            self.resume_session(now, caller, login, log_in.fresh_token, out);
            return Ok(());
        }
        let deadline = now.instant + self.policy.take_over_ping;
        let challenge = Challenge { owner: login, request_id: caller.request_id, log_in, deadline };
        self.challenges.insert(caller.connection, challenge);
        out.tell(Recipients::One(connection), Body::Ping(Ping { token: login.0 }));
        Ok(())
    }

    fn start_session(
        &mut self,
        now: Now,
        caller: Caller,
        log_in: &LogIn,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if self.roster.len() >= self.policy.sessions_max {
            let retry_at_ms = now.unix_ms_after(self.policy.name_hold);
            return Err(Refusal::ServerFull { retry_at_ms });
        }
        self.last_login.0 += 1;
        let key = log_in.name.key();
        self.recent.user_came(&key);
        let (identity, token) = self.prove_identity(log_in, &key);
        let name = log_in.name.as_str().to_owned();
        self.people.meet(Person { key: key.clone(), name, identity });
        self.roster.insert(Session {
            login: self.last_login,
            name: log_in.name.clone(),
            key,
            connection: caller.connection,
            presence: Presence::Connected { heard_at: now.instant, pinged: false },
            token,
            // The answer may get lost: the client then comes back with the token that it has.
            previous_token: log_in.resume_token,
            messages: RateLimit::full(),
            uploads: RateLimit::full(),
            unsettled: 0,
            identity,
            reads_history: false,
        });
        self.tally.logins += 1;
        tracing::info!(name = ?log_in.name.as_str(), connection = caller.connection.0, "joined");
        self.admit(caller, self.last_login, false, out);
        let joined = UserJoined { name: log_in.name.as_str().to_owned() };
        out.tell(Recipients::EverybodyBut(caller.connection), Body::UserJoined(joined));
        Ok(())
    }

    /// Who it is that comes under a free name, and a token that says so: the holder of a token of that
    /// name, whenever it is from, or somebody new. Randomness makes sure that it is nobody else.
    fn prove_identity(&self, log_in: &LogIn, key: &NameKey) -> (Identity, ResumeToken) {
        let (random, nonce) = split(&log_in.fresh_token);
        let shown = log_in.resume_token.as_ref();
        let known = shown.and_then(|token| self.policy.token_key.open(token, key));
        let identity = known.unwrap_or(Identity(u64::from_be_bytes(random)));
        (identity, self.policy.token_key.seal(identity, nonce, key))
    }

    /// The session goes on over another connection, and nobody hears of it.
    fn resume_session(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        fresh_token: ResumeToken,
        out: &mut Actions,
    ) {
        let Some(session) = self.roster.session_mut(login) else { return };
        let from = session.connection;
        session.previous_token = Some(session.token);
        let (_, nonce) = split(&fresh_token);
        session.token = self.policy.token_key.seal(session.identity, nonce, &session.key);
        session.presence = Presence::Connected { heard_at: now.instant, pinged: false };
        self.roster.reconnect(login, caller.connection);
        self.admit(caller, login, true, out);
        out.push(Action::MoveOutbox { from, to: caller.connection });
        self.tell_downloads_again(login, out);
    }

    fn admit(&self, caller: Caller, login: LoginId, resumed: bool, out: &mut Actions) {
        let Some(session) = self.roster.session(login) else { return };
        out.push(Action::Admit(caller.connection));
        let logged_in = LoggedIn {
            name: session.name.as_str().to_owned(),
            resume_token: Bytes::copy_from_slice(&session.token.0),
            resumed,
            log_id: Bytes::copy_from_slice(&self.log.0),
        };
        out.reply(caller.connection, caller.request_id, Body::LoggedIn(logged_in));
    }

    /// The owner of a name is alive: whoever wanted to take the session over is refused.
    pub(crate) fn owner_lives(&mut self, owner: LoginId, out: &mut Actions) {
        for (connection, challenge) in self.take_challenges(|challenge| challenge.owner == owner) {
            let caller = Caller { connection, request_id: challenge.request_id };
            self.refuse(caller, Refusal::NameTaken, out);
        }
    }

    /// The owner's connection is closed, or it is gone altogether: the waiting login is decided.
    pub(crate) fn owner_is_away(&mut self, now: Now, owner: LoginId, out: &mut Actions) {
        for (connection, challenge) in self.take_challenges(|challenge| challenge.owner == owner) {
            let caller = Caller { connection, request_id: challenge.request_id };
            let claimed = self.claim_name(now, caller, challenge.log_in, out);
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
            let fresh_token = challenge.log_in.fresh_token;
            self.resume_session(now, caller, challenge.owner, fresh_token, out);
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

/// Randomness for an identity, and for a token.
fn split(fresh: &ResumeToken) -> ([u8; 8], [u8; 8]) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = fresh.0;
    ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p])
}

fn name_refusal(owner: &UserName, asked: &UserName) -> Refusal {
    if owner.is_same_spelling(asked) {
        Refusal::NameTaken
    } else {
        Refusal::NameTooSimilar { to: owner.as_str().to_owned() }
    }
}
