//! Who is still there: pings, dead connections, the hold of a broken one's name, and its end.
//!
//! Presence does not flap: a connection that breaks without log-out keeps its name for a while, and
//! if its client comes back for it nobody hears of the gap.

use std::time::Duration;

use common::wire::server_frame::Body;
use common::wire::{GoodbyeReason, LeaveReason, Ping, UserLeft};

use crate::state::action::{Action, Actions, Recipients};
use crate::state::now::Now;
use crate::state::request::{ConnectionId, LoginId};
use crate::state::roster::{Presence, Session};
use crate::state::{State, return_pause_ms};

/// What time does to one session.
enum Due {
    Nothing,
    Ping,
    Dead(ConnectionId),
    HoldOver,
}

impl State {
    /// Any frame of a connection is a sign of life.
    pub(crate) fn heard(&mut self, now: Now, connection: ConnectionId, out: &mut Actions) {
        let Some(login) = self.roster.login_on(connection) else { return };
        if let Some(session) = self.roster.session_mut(login) {
            session.presence = Presence::Connected { heard_at: now.instant, pinged: false };
            session.previous_token = None;
        }
        if !self.challenges.is_empty() {
            self.owner_lives(now, login, out);
        }
    }

    /// The connection is closed, by its client or by the network. The name of a session is held.
    #[must_use]
    pub fn connection_closed(&mut self, now: Now, connection: ConnectionId) -> Vec<Action> {
        let mut out = Actions::default();
        if self.peers.remove(&connection).is_some() {
            self.challenges.remove(&connection);
            match self.roster.login_on(connection) {
                Some(login) => self.hold(now, login, &mut out),
                None => out.push(Action::Forget(connection)),
            }
        }
        out.into_vec()
    }

    /// The connection has to end, with `reason` as the last word. The name of a session is held.
    #[must_use]
    pub fn end_connection(
        &mut self,
        now: Now,
        connection: ConnectionId,
        reason: GoodbyeReason,
    ) -> Vec<Action> {
        let mut out = Actions::default();
        if self.peers.remove(&connection).is_some() {
            self.tally.ended(reason);
            self.challenges.remove(&connection);
            out.last_word(connection, reason, return_pause_ms(reason));
            match self.roster.login_on(connection) {
                Some(login) => {
                    out.push(Action::CloseAndHold(connection));
                    self.hold(now, login, &mut out);
                }
                None => out.push(Action::Close(connection)),
            }
        }
        out.into_vec()
    }

    /// Ends a connection that others need the place of, unless it has logged in meanwhile.
    #[must_use]
    pub fn place_lost(&mut self, now: Now, connection: ConnectionId) -> Vec<Action> {
        match self.roster.login_on(connection) {
            Some(_) => Vec::new(),
            None => self.end_connection(now, connection, GoodbyeReason::Idle),
        }
    }

    fn hold(&mut self, now: Now, login: LoginId, out: &mut Actions) {
        if let Some(session) = self.roster.session_mut(login) {
            session.presence = Presence::Held { until: now.instant + self.policy.name_hold };
        }
        self.owner_is_away(now, login, out);
    }

    /// Lets time pass. To be called a few times a second.
    #[must_use]
    pub fn tick(&mut self, now: Now) -> Vec<Action> {
        let mut out = Actions::default();
        self.decide_overdue_challenges(now, &mut out);
        let due: Vec<(LoginId, Due)> = self
            .roster
            .sessions()
            .map(|session| (session.login, self.due(now, session)))
            .filter(|(_, due)| !matches!(due, Due::Nothing))
            .collect();
        for (login, due) in due {
            match due {
                Due::Nothing => {}
                Due::Ping => self.ping(login, &mut out),
                Due::Dead(connection) => {
                    out.extend(self.end_connection(now, connection, GoodbyeReason::Idle));
                }
                Due::HoldOver => {
                    self.end_session(now, login, LeaveReason::ConnectionLost, &mut out);
                }
            }
        }
        self.tell_positions(&mut out);
        self.tell_upload_positions(&mut out);
        out.into_vec()
    }

    fn due(&self, now: Now, session: &Session) -> Due {
        match session.presence {
            Presence::Held { until } if until <= now.instant => Due::HoldOver,
            Presence::Held { .. } => Due::Nothing,
            Presence::Connected { heard_at, pinged } => {
                let silence: Duration = now.instant.saturating_duration_since(heard_at);
                if silence >= self.policy.dead_after {
                    Due::Dead(session.connection)
                } else if silence >= self.policy.ping_interval && !pinged {
                    Due::Ping
                } else {
                    Due::Nothing
                }
            }
        }
    }

    fn ping(&mut self, login: LoginId, out: &mut Actions) {
        if let Some(session) = self.roster.session_mut(login)
            && let Presence::Connected { pinged, .. } = &mut session.presence
        {
            *pinged = true;
            out.tell(Recipients::One(session.connection), Body::Ping(Ping { token: login.0 }));
        }
    }

    /// The session is over: everybody hears of it, its downloads end, its name is free.
    pub(crate) fn end_session(
        &mut self,
        now: Now,
        login: LoginId,
        reason: LeaveReason,
        out: &mut Actions,
    ) {
        let Some(session) = self.roster.remove(login) else { return };
        out.push(Action::Forget(session.connection));
        out.push(Action::EndLogin(login));
        self.end_uploads(login, out);
        self.end_downloads(now, login, out);
        let name = session.name.as_str().to_owned();
        tracing::info!(?name, reason = reason.as_str_name(), "left");
        if self.roster.of_key(&session.key).next().is_none() {
            self.recent.user_left(&session.key);
            let left = UserLeft { name, reason: reason.into() };
            out.tell(Recipients::Everybody, Body::UserLeft(left));
        }
        // Of those that are left all may be away.
        self.tell_away(&session.key, out);
        self.owner_is_away(now, login, out);
    }
}
