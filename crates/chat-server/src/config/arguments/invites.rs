//! What who runs the server says to it about invites.

use clap::{Args, Subcommand};
use common::date_text::{self, Lifetime};

use crate::config::arguments::{DataOptions, RoleName};

/// Invites.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct InviteOptions {
    /// What to do with them; nothing: print the link that lets nobody in who could not come in anyway.
    #[command(subcommand)]
    pub command: Option<InviteCommand>,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}

/// What to do with invites.
#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make one, and print the link to hand on: nobody can print it again
    Create(NewInvite),
    /// List them
    List {
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
    /// Let one open nothing any more. Guests who came by it need another one or the join password; accounts stay
    Revoke {
        /// Its number, as `invite list` lists it
        #[arg(value_name = "ID")]
        invite: String,
        /// Of which server.
        #[command(flatten)]
        of: DataOptions,
    },
}

/// A new invite.
#[derive(Args, Debug)]
pub struct NewInvite {
    /// How many people may use it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: u32,
    /// As many as come may
    #[arg(long, conflicts_with = "uses")]
    pub unlimited: bool,
    /// How long it may be used: 90s, 30m, 12h, 7d, 2w, never
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = date_text::parse_lifetime)]
    pub expires: Lifetime,
    /// What an account is that is made with it
    #[arg(long, value_enum, default_value_t = RoleName::Member)]
    pub role: RoleName,
    /// What it is for; shown in the list
    #[arg(long, default_value = "")]
    pub note: String,
    /// Of which server.
    #[command(flatten)]
    pub of: DataOptions,
}
