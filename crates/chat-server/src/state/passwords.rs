//! Passwords that are being checked or made into what is stored: that takes tens of milliseconds of a core and
//! is done elsewhere. What was meant by it waits here.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use common::invite_token::InviteToken;
use common::user_name::NameKey;

use crate::log::event::ruling::Name;
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::administration::{AccountWish, Actor};
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LogIn, LoginId};
use crate::state::router::Caller;

/// Bytes of a salt (RFC 9106, section 3.1).
pub const SALT_BYTES: usize = 16;

/// How long a client is asked to wait while too many passwords are to be checked.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Names a task, for as long as the server runs.
pub type PasswordTicket = u64;

/// One thing to do with a password.
pub struct PasswordTask {
    /// Comes back with the result.
    pub ticket: PasswordTicket,
    /// In clear.
    pub password: String,
    /// What to do with it.
    pub kind: PasswordKind,
}

/// What is to be done with a password.
#[derive(Clone, Debug)]
pub enum PasswordKind {
    /// Say whether it is the one of this PHC string; `None`: there is no such account, and it shall take as
    /// long.
    Check(Option<String>),
    /// Make a PHC string of it.
    Hash {
        /// Random.
        salt: [u8; SALT_BYTES],
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum PasswordResult {
    /// Whether it is right.
    Checked(bool),
    /// What is to be stored.
    Hashed(String),
    /// Too many wait already.
    Busy,
}

impl fmt::Debug for PasswordTask {
    /// Leaves out what must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordTask").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

/// A password that somebody chose, and what else storing it takes.
pub struct NewPassword {
    /// In clear.
    pub text: String,
    /// Random.
    pub salt: [u8; SALT_BYTES],
}

impl fmt::Debug for NewPassword {
    /// Leaves out what must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword")
    }
}

/// What a password is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Its holder wants in.
    LogIn(Box<LogIn>),
    /// The holder knows the old one: the new one may be made.
    MayChange { login: LoginId, new: NewPassword },
    /// The caller's name becomes an account, or the caller's account gets this password.
    Own { login: LoginId, invite: Option<InviteToken> },
    /// An invite makes an account of the name, whose holder then comes in.
    Invited(Box<LogIn>),
    /// Somebody else's account is made.
    Add { actor: Actor, wish: AccountWish },
    /// Somebody else's account gets this password.
    Set { actor: Actor, name: Name },
}

/// All that wait.
#[derive(Debug, Default)]
pub(crate) struct Passwords {
    last: PasswordTicket,
    waiting: HashMap<PasswordTicket, (Caller, Purpose)>,
}

impl Passwords {
    /// Whether that connection waits for one: it may ask for one at a time.
    fn waits_on(&self, connection: ConnectionId) -> bool {
        self.waiting.values().any(|(caller, _)| caller.connection == connection)
    }

    /// Whether somebody tries to come in under that name: one guess at a time, or the limit on wrong ones
    /// would not count those that are on their way.
    pub(crate) fn is_guessing(&self, name: &NameKey) -> bool {
        self.waiting.values().any(|(_, purpose)| match purpose {
            Purpose::LogIn(log_in) => log_in.name.key() == *name,
            _ => false,
        })
    }

    /// How many accounts may come of those that wait.
    pub(crate) fn accounts_to_come(&self) -> usize {
        let adds = |(_, purpose): &&(Caller, Purpose)| {
            matches!(purpose, Purpose::Own { .. } | Purpose::Add { .. } | Purpose::Invited(_))
        };
        self.waiting.values().filter(adds).count()
    }
}

impl State {
    /// Has something done with a password; the answer follows in [`State::password_done`].
    pub(crate) fn ask_password_desk(
        &mut self,
        now: Now,
        caller: Caller,
        password: String,
        kind: PasswordKind,
        purpose: Purpose,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if self.passwords.waits_on(caller.connection) {
            return Err(busy(now));
        }
        self.passwords.last += 1;
        let ticket = self.passwords.last;
        self.passwords.waiting.insert(ticket, (caller, purpose));
        out.push(Action::Password(PasswordTask { ticket, password, kind }));
        Ok(())
    }

    /// Something was done with a password, or is not going to be.
    #[must_use]
    pub fn password_done(
        &mut self,
        now: Now,
        ticket: PasswordTicket,
        result: PasswordResult,
    ) -> Vec<Action> {
        let mut out = Actions::default();
        let Some((caller, purpose)) = self.passwords.waiting.remove(&ticket) else {
            return out.into_vec();
        };
        // Whoever is gone wants nothing any more.
        if self.peers.contains_key(&caller.connection)
            && let Err(refusal) = self.go_on(now, caller, purpose, result, &mut out)
        {
            self.refuse(caller, refusal, &mut out);
        }
        out.into_vec()
    }

    fn go_on(
        &mut self,
        now: Now,
        caller: Caller,
        purpose: Purpose,
        result: PasswordResult,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        match (purpose, result) {
            (_, PasswordResult::Busy) => Err(busy(now)),
            (Purpose::LogIn(log_in), PasswordResult::Checked(is_right)) => {
                self.password_checked(now, caller, log_in, is_right, out)
            }
            (Purpose::MayChange { login, new }, PasswordResult::Checked(is_right)) => {
                self.may_change_password(now, caller, login, new, is_right, out)
            }
            (Purpose::Own { login, invite }, PasswordResult::Hashed(hash)) => {
                self.set_own_account(now, caller, login, invite.as_ref(), hash, out)
            }
            (Purpose::Invited(log_in), PasswordResult::Hashed(hash)) => {
                self.invited_account(now, caller, log_in, hash, out)
            }
            (Purpose::Add { actor, wish }, PasswordResult::Hashed(hash)) => {
                self.add_account_now(now, caller, &actor, wish, hash, out)
            }
            (Purpose::Set { actor, name }, PasswordResult::Hashed(hash)) => {
                self.set_password_now(now, caller, &actor, &name, hash, out)
            }
            (_, PasswordResult::Checked(_) | PasswordResult::Hashed(_)) => {
                debug_assert!(false, "the desk answers what it was asked");
                Err(Refusal::Malformed)
            }
        }
    }
}

fn busy(now: Now) -> Refusal {
    Refusal::ServerBusy { retry_at_ms: now.unix_ms_after(BUSY_PAUSE) }
}
