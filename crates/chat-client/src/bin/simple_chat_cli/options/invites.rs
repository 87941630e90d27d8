//! What may be said about invites.

use clap::{Args, Subcommand};
use common::date_text::{self, Lifetime};

use crate::options::orders::RoleName;
use crate::options::{Number, parse_number};

/// What is done with invites.
#[derive(Debug, Subcommand)]
pub(crate) enum Invite {
    /// Make one, and print the link to hand on. Nobody can print it again
    Create(CreateInvite),
    /// List them: an admin all, a moderator the own ones
    List,
    /// Let one open nothing any more. Guests who came by it need another one or the join password; accounts stay
    Revoke(RevokeInvite),
}

#[derive(Args, Debug)]
pub(crate) struct CreateInvite {
    /// How many people may use it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) uses: u32,

    /// As many as come may
    #[arg(long, conflicts_with = "uses")]
    pub(crate) unlimited: bool,

    /// How long it may be used: 90s, 30m, 12h, 7d, 2w, never
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = date_text::parse_lifetime)]
    pub(crate) expires: Lifetime,

    /// What an account is that is made with it; below your own role
    #[arg(long, value_enum, default_value_t = RoleName::Member)]
    pub(crate) role: RoleName,

    /// What it is for; shown in the list
    #[arg(long, default_value = "")]
    pub(crate) note: String,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeInvite {
    /// Its number, as `invite list` lists it
    #[arg(value_name = "NUMBER", value_parser = parse_number)]
    pub(crate) invite: Number,
}
