//! Who is online: the sessions, and the ways to find one.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use common::user_name::{NameKey, UserName};

use crate::log::event::Identity;
use crate::log::event::ruling::DeviceId;
use crate::state::rate_limit::RateLimit;
use crate::state::request::{ById, ConnectionId, LoginId, ResumeToken};

/// One login and what it holds.
pub(crate) struct Session {
    pub(crate) login: LoginId,
    pub(crate) name: UserName,
    pub(crate) key: NameKey,
    /// Where its frames go. While the session is held: the connection that broke.
    pub(crate) connection: ConnectionId,
    /// Where the connection comes from, or came.
    pub(crate) address: IpAddr,
    pub(crate) presence: Presence,
    pub(crate) token: ResumeToken,
    /// Counts too until the client is heard after its login: the answer may have been lost.
    pub(crate) previous_token: Option<ResumeToken>,
    pub(crate) messages: RateLimit,
    /// Of uploads that are begun.
    pub(crate) uploads: RateLimit,
    /// Nothing for who never gave any.
    pub(crate) signals: Option<Box<Signals>>,
    /// The person is not at this device.
    pub(crate) is_away: bool,
    /// Messages that wait for the log.
    pub(crate) unsettled: usize,
    /// Who it is, as far as that can be told from others who had or will have the name.
    pub(crate) identity: Identity,
    /// What the token says besides: with an account, the same whenever this device comes back.
    pub(crate) device: DeviceId,
    /// When the account's password was given on this device, milliseconds since 1970-01-01 UTC; `None` for a
    /// guest.
    pub(crate) proven_at_ms: Option<i64>,
    /// A question about history waits for its answer.
    pub(crate) reads_history: bool,
}

/// How fast a session says what it is about.
#[derive(Debug)]
pub(crate) struct Signals {
    /// That it writes.
    pub(crate) typing: RateLimit,
    /// That the person is away, or back.
    pub(crate) away: RateLimit,
}

/// Whether somebody is behind a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence {
    /// A connection is open.
    Connected {
        heard_at: Instant,
        /// A ping that is not answered yet.
        pinged: bool,
    },
    /// The connection broke; the name is kept for who has the token.
    Held { until: Instant },
}

impl Session {
    /// Whether a resume token is this session's.
    pub(crate) fn accepts(&self, token: &ResumeToken) -> bool {
        let is_previous = self.previous_token.is_some_and(|previous| previous.matches(token));
        self.token.matches(token) || is_previous
    }

    pub(crate) fn signals(&mut self) -> &mut Signals {
        self.signals.get_or_insert_with(|| {
            Box::new(Signals { typing: RateLimit::full(), away: RateLimit::full() })
        })
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self.presence, Presence::Held { .. })
    }
}

/// All sessions. One name, by what it looks like, belongs to one person, who may have several sessions with an
/// account; one connection has at most one.
#[derive(Default)]
pub(crate) struct Roster {
    sessions: ById<LoginId, Session>,
    by_connection: ById<ConnectionId, LoginId>,
    /// Never empty.
    by_key: HashMap<NameKey, Vec<LoginId>>,
    /// In the order of their bytes, as they are paged, and whether they were away when that was looked at last.
    names: BTreeMap<Box<str>, bool>,
}

impl Roster {
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn insert(&mut self, session: Session) {
        debug_assert!(
            self.of_key(&session.key).all(|other| other.identity == session.identity),
            "one person a name"
        );
        self.by_connection.insert(session.connection, session.login);
        self.by_key.entry(session.key.clone()).or_default().push(session.login);
        self.names.entry(session.name.as_str().into()).or_insert(session.is_away);
        self.sessions.insert(session.login, session);
    }

    pub(crate) fn remove(&mut self, login: LoginId) -> Option<Session> {
        let session = self.sessions.remove(&login)?;
        self.by_connection.remove(&session.connection);
        let others = self.by_key.get_mut(&session.key)?;
        others.retain(|other| *other != login);
        if others.is_empty() {
            self.by_key.remove(&session.key);
            self.names.remove(session.name.as_str());
        }
        Some(session)
    }

    /// Gives a session another connection.
    pub(crate) fn reconnect(&mut self, login: LoginId, connection: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(&login) {
            self.by_connection.remove(&session.connection);
            session.connection = connection;
            self.by_connection.insert(connection, login);
        }
    }

    pub(crate) fn login_on(&self, connection: ConnectionId) -> Option<LoginId> {
        self.by_connection.get(&connection).copied()
    }

    pub(crate) fn session(&self, login: LoginId) -> Option<&Session> {
        self.sessions.get(&login)
    }

    pub(crate) fn session_mut(&mut self, login: LoginId) -> Option<&mut Session> {
        self.sessions.get_mut(&login)
    }

    /// The sessions of whoever has that name.
    pub(crate) fn of_key(&self, key: &NameKey) -> impl Iterator<Item = &Session> {
        let logins = self.by_key.get(key).into_iter().flatten();
        logins.filter_map(|login| self.sessions.get(login))
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.by_connection.keys().copied()
    }

    /// Whether whoever has that name is away from all devices, if that is not as it was when this was asked last:
    /// to be asked whenever a session begins or ends beside others, or says something else.
    pub(crate) fn away_changed(&mut self, key: &NameKey) -> Option<(String, bool)> {
        let is_away = self.of_key(key).all(|session| session.is_away);
        let name = self.of_key(key).next()?.name.as_str().to_owned();
        let was_away = self.names.get_mut(name.as_str())?;
        (std::mem::replace(was_away, is_away) != is_away).then_some((name, is_away))
    }

    /// Names behind `after`, in the order of their bytes, and whether they are away.
    pub(crate) fn names_after(&self, after: &str) -> impl Iterator<Item = (&str, bool)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let names = self.names.range::<str, _>((Excluded(after), Unbounded));
        names.map(|(name, is_away)| (name.as_ref(), *is_away))
    }
}
