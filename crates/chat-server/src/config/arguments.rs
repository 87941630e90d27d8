//! The command line.

mod invites;
mod orders;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use invites::{InviteCommand, InviteOptions, NewInvite};
pub use orders::{
    Audit, Ban, Kick, Mute, NewUser, Order, Password, RoleName, UserCommand, UserOptions,
};

/// Simple Chat's server: people log in, talk, and download the files of one folder.
///
/// Once it serves, its first line on standard output is the link to invite people with; everything
/// else goes to the log on standard error.
#[derive(Debug, Parser)]
#[command(name = "chat-server", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// For `run` where it is not said.
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT
    Run(Options),
    /// Say whether the configuration could be used and what is wrong with it, and do nothing else
    CheckConfig(Options),
    /// Write a configuration file in which every key is explained
    Init(InitOptions),
    /// Copy the data folder while the server runs
    ///
    /// The copy is a folder of its own, with the log as it was at one moment and the server's keys, for its
    /// owner alone: whoever has the keys can pose as the server.
    Backup(BackupOptions),
    /// Make a data folder of a backup
    Restore(RestoreOptions),
    /// Make, change and list accounts on the running server
    User(UserOptions),
    /// Print the running server's link, or make, list and revoke links that let people in
    Invite(InviteOptions),
    /// Keep order.
    #[command(flatten)]
    Order(Order),
    /// Write all stored messages as lines of JSON, private ones included
    Export(ExportOptions),
}

/// Which data folder.
#[derive(Args, Clone, Debug)]
pub struct DataOptions {
    /// Configuration file (TOML) that may name the data folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The server's data folder [default: as for `run`]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What may be said to `backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupOptions {
    /// Where the copy goes: a folder that is missing or empty
    pub target: PathBuf,
    /// Of what.
    #[command(flatten)]
    pub of: DataOptions,
}

/// What may be said to `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreOptions {
    /// The backup
    pub source: PathBuf,
    /// Where the data folder is to be: it must be missing or empty.
    #[command(flatten)]
    pub to: DataOptions,
}

/// What may be said to `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportOptions {
    /// Where to write them: a file that is not there yet, `-` for standard output
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// Of what.
    #[command(flatten)]
    pub of: DataOptions,
}

/// What may be said to `init`.
#[derive(Args, Clone, Debug)]
pub struct InitOptions {
    /// Where to write it; a file that is there is not overwritten
    #[arg(value_name = "FILE", default_value = "chat-server.toml")]
    pub file: PathBuf,
    /// The same
    #[arg(long, value_name = "FILE", conflicts_with = "file", hide = true)]
    pub config: Option<PathBuf>,
}

/// What may be said on the command line; it wins over the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on, TCP and UDP; again for more. Port 0 picks a free one
    /// [default: 127.0.0.1:5050 and [::1]:5050]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Where sockets listen that the server was given; it makes none of its own then.
    #[arg(skip)]
    pub passed: Vec<SocketAddr>,
    /// Where the server keeps its key and data [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/simple-chat-server]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder that is offered for download [default: ./ServerFiles, made if missing]
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// What the server calls itself [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Who may come in [default: open where only this machine can reach the server, else password]
    #[arg(long, value_name = "ACCESS")]
    pub access: Option<AccessName>,
    /// File with the password that everybody needs under `--access password` [default: the server makes one,
    /// keeps it as join-password in its data folder, and shows it at that start]
    #[arg(long, value_name = "FILE")]
    pub join_password_file: Option<PathBuf>,
    /// Allow access `open` on addresses that other machines can reach
    #[arg(long)]
    pub allow_open_network: bool,
}

/// Who may come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessName {
    /// Everybody who reaches the server
    Open,
    /// Everybody who knows the join password
    Password,
    /// Everybody with an account
    Accounts,
}
