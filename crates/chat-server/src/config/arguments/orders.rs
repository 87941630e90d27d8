//! What who runs the server says to it while it runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use common::date_text;
use common::wire::Role;

use crate::config::arguments::DataOptions;

/// Accounts.
#[derive(Args, Debug)]
pub struct UserOptions {
    /// What to do with them.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; without a password file it gets a random password, which is printed
    Add(NewUser),
    /// Give an account another password; its devices have to log in again
    Passwd {
        /// Whose
        name: String,
        /// Which.
        #[command(flatten)]
        password: Password,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// Give an account another role
    Role {
        /// Whose
        name: String,
        /// What the person may do
        #[arg(value_enum)]
        role: RoleName,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// Make an account a name that anybody may take; its sessions end
    Remove {
        /// Whose
        name: String,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// List the accounts
    List {
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
}

/// A new account.
#[derive(Args, Debug)]
pub struct NewUser {
    /// The name
    pub name: String,
    /// What the person may do
    #[arg(long, value_enum, default_value_t = RoleName::Member)]
    pub role: RoleName,
    /// Its password.
    #[command(flatten)]
    pub password: Password,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}

/// A password, or none.
#[derive(Args, Debug)]
pub struct Password {
    /// Read the password, of 8 characters or more, from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// What an account may be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleName {
    /// A name that nobody else gets
    Member,
    /// Keeps order as well
    Moderator,
    /// Decides about accounts as well
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Member => Self::Member,
            RoleName::Moderator => Self::Moderator,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// Keeping order.
#[derive(Debug, Subcommand)]
pub enum Order {
    /// Send somebody away from the running server
    Kick(Kick),
    /// Let somebody, or everybody from some addresses, not come in
    Ban(Ban),
    /// Lift a ban
    Unban {
        /// A person, an address (10.1.2.3), or a network (10.1.0.0/16)
        #[arg(value_name = "NAME|ADDRESS|NETWORK")]
        subject: String,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// Let somebody read, and not write
    Mute(Mute),
    /// Let somebody write again
    Unmute {
        /// Who
        name: String,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// Tell everybody who is there something
    Announce {
        /// What
        text: String,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// List the bans and mutes that are in force
    Sanctions {
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// List what was decided and by whom, the oldest first
    Audit(Audit),
}

/// Sending away.
#[derive(Args, Debug)]
pub struct Kick {
    /// Who
    pub name: String,
    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}

/// A ban.
#[derive(Args, Debug)]
pub struct Ban {
    /// A person, an address (10.1.2.3), or a network (10.1.0.0/16)
    #[arg(value_name = "NAME|ADDRESS|NETWORK")]
    pub subject: String,
    /// How long: 90s, 30m, 12h, 7d, 2w [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = date_text::parse_span)]
    pub span: Option<Duration>,
    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}

/// A mute.
#[derive(Args, Debug)]
pub struct Mute {
    /// Who
    pub name: String,
    /// How long: 90s, 30m, 12h, 7d, 2w [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = date_text::parse_span)]
    pub span: Option<Duration>,
    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}

/// Looking back.
#[derive(Args, Debug)]
pub struct Audit {
    /// How many, the last ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}
