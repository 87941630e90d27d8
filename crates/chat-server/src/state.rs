//! The whole chat as one value: who is online, who wrote what to whom, which files there are.
//!
//! It takes requests and returns what is to be done; [`crate::hub`] does it. No socket, file, clock,
//! thread or random source is in here: time and fresh tokens come in as arguments, so a test runs an
//! hour of it in a millisecond. Calling order: [`State::connection_opened`], any number of
//! [`State::handle`], then [`State::connection_closed`] or [`State::end_connection`];
//! [`State::tick`] a few times a second all the while.
//!
//! Read [`router`] first, then [`login`] or [`messages`].

pub(crate) mod router;

pub mod request;

pub mod refusal;

pub mod action;

mod away;

mod login;

mod claim;

pub mod accounts;

pub mod passwords;

pub mod administration;

mod sanctions;

mod invites;

pub mod rooms;

mod rulings;

mod presence;

mod typing;

pub(crate) mod messages;

mod unsettled;

pub(crate) mod settling;

pub mod history;

pub mod policy;

pub mod now;

mod roster;

mod conversations;

mod recent_messages;

pub(crate) mod server_files;

pub(crate) mod people;

mod places;

mod waiting_line;

pub mod downloads;

pub mod uploads;

pub mod rate_limit;

pub mod login_attempts;

pub mod tally;

pub mod newcomers;

#[cfg(test)]
mod script;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use common::wire::GoodbyeReason;

use crate::log::LogId;
use crate::log::start::Past;
use crate::state::accounts::Accounts;
use crate::state::action::{Action, Actions};
use crate::state::claim::Claim;
use crate::state::conversations::Conversations;
use crate::state::downloads::Downloads;
use crate::state::invites::Invites;
use crate::state::invites::arrivals::Arrivals;
use crate::state::login_attempts::LoginAttempts;
use crate::state::now::Now;
use crate::state::passwords::Passwords;
use crate::state::people::People;
use crate::state::policy::Policy;
use crate::state::recent_messages::{Accepted, RecentMessages};
use crate::state::request::{ById, ConnectionId, LoginId, MessageId};
use crate::state::rooms::Rooms;
use crate::state::roster::Roster;
use crate::state::sanctions::Sanctions;
use crate::state::server_files::ServerFiles;
use crate::state::tally::Tally;
use crate::state::unsettled::Unsettled;
use crate::state::uploads::Uploads;

/// When a client may come back at the earliest, where it may at all. Clients spread out from there.
const RETURN_PAUSE_MS: u32 = 1000;

/// Everything the chat knows.
pub struct State {
    policy: Policy,
    /// Every connection that is open as far as the state is concerned.
    peers: ById<ConnectionId, Peer>,
    roster: Roster,
    /// Logins that wait for a ping of the session they want to take over, by their connection.
    challenges: ById<ConnectionId, Challenge>,
    attempts: LoginAttempts,
    /// Whose numbers those of the conversations are.
    log: LogId,
    conversations: Conversations,
    recent: RecentMessages,
    people: People,
    accounts: Accounts,
    passwords: Passwords,
    sanctions: Sanctions,
    invites: Invites,
    /// Logins that wait for what they came by to be stored.
    arrivals: Arrivals,
    rooms: Rooms,
    unsettled: Unsettled,
    files: ServerFiles,
    downloads: Downloads,
    uploads: Uploads,
    last_login: LoginId,
    tally: Tally,
}

/// One open connection.
#[derive(Debug)]
struct Peer {
    address: IpAddr,
    /// It has said hello.
    greeted: bool,
    /// The program there, as it calls itself.
    agent: String,
    /// It is who runs the server, and needs no login.
    is_operator: bool,
}

/// A login with the right resume token for a session that seems alive.
#[derive(Debug)]
struct Challenge {
    owner: LoginId,
    request_id: u64,
    claim: Claim,
    deadline: Instant,
}

impl State {
    /// An empty server. Logins are numbered from behind `last_login`: numbers of an earlier run must
    /// not come again while its tickets are valid.
    #[must_use]
    pub fn new(policy: Policy, last_login: LoginId) -> Self {
        Self {
            attempts: LoginAttempts::new(policy.attempts),
            policy,
            peers: ById::default(),
            roster: Roster::default(),
            challenges: ById::default(),
            log: LogId::default(),
            conversations: Conversations::default(),
            recent: RecentMessages::default(),
            people: People::default(),
            accounts: Accounts::default(),
            passwords: Passwords::default(),
            sanctions: Sanctions::default(),
            invites: Invites::default(),
            arrivals: Arrivals::default(),
            rooms: Rooms::default(),
            unsettled: Unsettled::default(),
            files: ServerFiles::default(),
            downloads: Downloads::default(),
            uploads: Uploads::default(),
            last_login,
            tally: Tally::default(),
        }
    }

    /// The operator decided anew. It holds for what is asked from now on: nobody who is there is sent away.
    pub fn adopt(&mut self, policy: Policy) {
        self.attempts.set_limits(policy.attempts);
        self.policy = policy;
    }

    /// What earlier runs have stored.
    pub fn remember(&mut self, now: Now, past: Past) {
        self.log = past.log;
        self.conversations.remember(past.last_numbers);
        past.people.into_iter().for_each(|person| self.people.meet(person));
        self.accounts.remember(&past.rulings);
        self.rooms.remember(&past.rulings);
        self.invites.remember(&past.rulings);
        past.rulings.iter().for_each(|ruling| self.sanctions.apply(ruling, now));
        self.recent.remember(past.recent.into_iter().map(|message| {
            let accepted = Accepted { seq: message.seq, at_ms: message.at_ms };
            (message.from.key, MessageId(message.id), accepted)
        }));
    }

    /// A connection finished its handshake.
    pub fn connection_opened(&mut self, connection: ConnectionId, address: IpAddr) {
        self.open(connection, address, false);
    }

    /// Somebody who runs the server is there.
    pub fn operator_connected(&mut self, connection: ConnectionId) {
        self.open(connection, IpAddr::V6(Ipv6Addr::LOCALHOST), true);
    }

    fn open(&mut self, connection: ConnectionId, address: IpAddr, is_operator: bool) {
        let peer = Peer { address, greeted: false, agent: String::new(), is_operator };
        self.peers.insert(connection, peer);
    }

    /// The server ends: a last word to everybody.
    #[must_use]
    pub fn shut_down(&mut self) -> Vec<Action> {
        let mut out = Actions::default();
        for (connection, _) in self.peers.drain() {
            out.goodbye(
                connection,
                GoodbyeReason::Shutdown,
                return_pause_ms(GoodbyeReason::Shutdown),
            );
        }
        out.into_vec()
    }

    /// The connections of everybody logged in, held sessions included.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.roster.connections()
    }

    /// A client does not read as fast as others write: what is stored is left out for it until it does.
    pub fn reader_lags(&mut self) {
        self.tally.lagging += 1;
    }

    /// How often what happened so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn name_of(&self, login: LoginId) -> String {
        self.roster
            .session(login)
            .map(|session| session.name.as_str().to_owned())
            .unwrap_or_default()
    }
}

/// When a client that is sent away for `reason` may come back; 0: not by itself.
fn return_pause_ms(reason: GoodbyeReason) -> u32 {
    match reason {
        GoodbyeReason::Shutdown | GoodbyeReason::TooSlow | GoodbyeReason::Idle => RETURN_PAUSE_MS,
        // It would do the same again, or fight with itself for the name.
        GoodbyeReason::ProtocolError
        | GoodbyeReason::TakenOver
        | GoodbyeReason::Kicked
        | GoodbyeReason::Banned
        | GoodbyeReason::AccountChanged
        | GoodbyeReason::Unspecified => 0,
    }
}
