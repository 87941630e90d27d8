//! What those may say who keep order.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use common::date_text;
use common::wire::Role;

use crate::options::NewPassword;

/// For those who keep order on the server.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Send somebody away (moderators)
    Kick(Kick),
    /// Let somebody, or everybody from some addresses, not come in (moderators)
    Ban(Ban),
    /// Lift a ban (moderators)
    Unban(Subject),
    /// Let somebody read, and not write (moderators)
    Mute(Mute),
    /// Let somebody write again (moderators)
    Unmute(Who),
    /// Tell everybody who is there something (moderators)
    Announce(Announce),
    /// List the bans and mutes that are in force (moderators)
    Sanctions,
    /// List the accounts (admins)
    Accounts,
    /// Make an account for somebody (admins)
    AddAccount(AddAccount),
    /// Give somebody's account another password (admins)
    SetPassword(SetPassword),
    /// Give somebody's account another role (admins)
    SetRole(SetRole),
    /// Make somebody's account a name that anybody may take (admins)
    RemoveAccount(Who),
    /// List what was decided, the oldest first (admins)
    Audit(Audit),
}

#[derive(Args, Debug)]
pub(crate) struct Who {
    /// The person
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct Subject {
    /// A person, an address (10.1.2.3), or a network (10.1.0.0/16)
    #[arg(value_name = "NAME|ADDRESS|NETWORK")]
    pub(crate) subject: String,
}

#[derive(Args, Debug)]
pub(crate) struct Kick {
    /// The person
    pub(crate) name: String,

    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct Ban {
    /// A person, an address (10.1.2.3), or a network (10.1.0.0/16)
    #[arg(value_name = "NAME|ADDRESS|NETWORK")]
    pub(crate) subject: String,

    /// How long: 90s, 30m, 12h, 7d, 2w [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = date_text::parse_span)]
    pub(crate) span: Option<Duration>,

    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct Mute {
    /// The person
    pub(crate) name: String,

    /// How long: 90s, 30m, 12h, 7d, 2w [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = date_text::parse_span)]
    pub(crate) span: Option<Duration>,

    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct Announce {
    /// What to tell
    pub(crate) text: String,
}

#[derive(Args, Debug)]
pub(crate) struct AddAccount {
    /// The name
    pub(crate) name: String,

    /// What the person may do
    #[arg(long, value_enum, default_value_t = RoleName::Member)]
    pub(crate) role: RoleName,

    /// Its password, for the person to change
    #[command(flatten)]
    pub(crate) password: NewPassword,
}

#[derive(Args, Debug)]
pub(crate) struct SetPassword {
    /// The person
    pub(crate) name: String,

    /// Its password, for the person to change
    #[command(flatten)]
    pub(crate) password: NewPassword,
}

#[derive(Args, Debug)]
pub(crate) struct SetRole {
    /// The person
    pub(crate) name: String,

    /// What the person may do
    #[arg(value_enum)]
    pub(crate) role: RoleName,
}

#[derive(Args, Debug)]
pub(crate) struct Audit {
    /// How many, the last ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// All there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    Member,
    Moderator,
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
