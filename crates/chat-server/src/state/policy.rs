//! What the operator decided, as far as the state asks for it.

use std::collections::HashMap;
use std::time::Duration;

use common::invite_link::InviteLink;
use common::user_name::NameKey;
use common::wire;

use crate::join_password::JoinPassword;
use crate::log::event::ruling::End;
use crate::state::login_attempts::AttemptLimits;
use crate::state::now::Now;
use crate::state::rate_limit::Rate;
use crate::token_key::TokenKey;

/// Who may come in, and how much of everything there is. Built from the configuration.
#[derive(Debug)]
pub struct Policy {
    /// What the server calls itself.
    pub server_name: String,
    /// Where it is reached, and which key it has.
    pub link: InviteLink,
    /// Who may come in.
    pub access: Access,
    /// Who may not.
    pub bans: Bans,
    /// Whether people may make accounts of their names; otherwise `REGISTRATION_OFF`.
    pub takes_registrations: bool,
    /// Accounts; beyond it `ACCOUNTS_FULL`.
    pub accounts_max: usize,
    /// Rooms beside the lobby; beyond it `ROOMS_FULL`.
    pub rooms_max: usize,
    /// What resume tokens are made with.
    pub token_key: TokenKey,
    /// Logins at once; beyond it `SERVER_FULL`.
    pub sessions_max: usize,
    /// Wrong passwords a minute; beyond it `TOO_MANY_ATTEMPTS`.
    pub attempts: AttemptLimits,
    /// Messages of one user; beyond it `SLOW_DOWN`.
    pub messages: Rate,
    /// Downloads of one user at once, and uploads as well; further ones wait.
    pub downloads_per_user_max: usize,
    /// Downloads at once, and uploads as well; further ones wait.
    pub downloads_max: usize,
    /// Whether anybody may upload; otherwise `UPLOADS_OFF`.
    pub takes_uploads: bool,
    /// Downloads of one user that wait, and uploads as well; beyond it `TOO_MANY_DOWNLOADS` or
    /// `TOO_MANY_UPLOADS`.
    pub downloads_waiting_per_user_max: usize,
    /// Downloads that wait, and uploads as well; beyond it the same.
    pub downloads_waiting_max: usize,
    /// Silence after which the server pings.
    pub ping_interval: Duration,
    /// Silence after which a connection counts as dead.
    pub dead_after: Duration,
    /// How long the name of a broken connection is kept.
    pub name_hold: Duration,
    /// How long the answer to a ping may take before a resume token takes the session over.
    pub take_over_ping: Duration,
}

/// What a login needs.
#[derive(Debug)]
pub enum Access {
    /// A name.
    Open,
    /// A name and the password that all share, or an account.
    Password(Box<JoinPassword>),
    /// An account.
    Accounts,
}

impl Access {
    /// As told in `ServerHello`.
    #[must_use]
    pub fn to_wire(&self) -> wire::Access {
        match self {
            Self::Open => wire::Access::Open,
            Self::Password(_) => wire::Access::Password,
            Self::Accounts => wire::Access::Accounts,
        }
    }
}

/// Who may not come in, by what the name looks like.
#[derive(Clone, Debug, Default)]
pub struct Bans(HashMap<NameKey, End>);

impl Bans {
    /// Bans a name and all that look like it.
    pub fn insert(&mut self, name: NameKey, end: End) {
        self.0.insert(name, end);
    }

    /// The end of a ban that is in force.
    #[must_use]
    pub fn in_force(&self, now: Now, name: &NameKey) -> Option<End> {
        self.0.get(name).copied().filter(|end| end.is_after(now.unix_ms))
    }
}
