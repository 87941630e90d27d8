//! What the operator wants, complete: command line and file are put together here once, and nothing
//! behind it sees an option that has a default.

pub mod arguments;

mod access;

mod file;

mod document;

pub mod template;

mod limits;

mod merge;

mod retention;

mod transfer;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use common::invite_link::HostPort;
use common::spki_pin::SpkiPin;
use file_transfer::udp::SendOptions;
use file_transfer::uploads::UploadRules;

use crate::state::policy::Bans;

pub use crate::config::document::Problem;
pub use crate::config::limits::Limits;
pub use crate::config::merge::{ConfigError, data_folder, load};

/// Everything that `chat-server` was told.
#[derive(Debug)]
pub struct Config {
    /// Where to listen, for TCP and UDP alike.
    pub listen: Vec<Listen>,
    /// Where the server keeps its key, its certificate and what it must remember.
    pub data: PathBuf,
    /// The folder that is offered for download.
    pub files: PathBuf,
    /// What the server calls itself.
    pub name: String,
    /// Who may come in.
    pub access: AccessConfig,
    /// Whether people may make accounts of their names.
    pub registration: bool,
    /// A certificate and key of the operator's own, in place of the self-made.
    pub certificate: Option<CertificateFiles>,
    /// Transfer nodes elsewhere. None: the server serves the files itself.
    pub nodes: Vec<NodeConfig>,
    /// Who may not come in.
    pub bans: Bans,
    /// How files are sent from here.
    pub sending: SendOptions,
    /// What may be uploaded. `None`: nothing.
    pub uploads: Option<UploadRules>,
    /// How long messages are kept. `None`: for ever.
    pub retention: Option<Duration>,
    /// Where the server's metrics can be asked for. `None`: nowhere.
    pub metrics: Option<MetricsAddress>,
    /// How much of everything.
    pub limits: Limits,
}

/// One address to listen on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listen {
    /// Port 0: one that is free for both TCP and UDP, the same on all such addresses.
    pub address: SocketAddr,
    /// Nobody asked for it by name: it is left out on a machine that does not have it.
    pub may_be_absent: bool,
}

/// Where metrics can be asked for: never from another machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MetricsAddress {
    /// An address of this machine for itself, over TCP.
    Loopback(SocketAddr),
    /// A Unix socket, for the server's own user and root.
    Socket(PathBuf),
}

/// Who may come in.
#[derive(Eq, PartialEq)]
pub enum AccessConfig {
    /// Everybody who reaches the server.
    Open,
    /// Who knows this password.
    Password(String),
    /// Who knows the password that the server made, and keeps in its data folder.
    OwnPassword,
    /// Who has an account.
    Accounts,
}

impl std::fmt::Debug for AccessConfig {
    /// The password stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Password(_) => "Password",
            Self::OwnPassword => "OwnPassword",
            Self::Accounts => "Accounts",
        })
    }
}

/// PEM files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A transfer node in another process or on another machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeConfig {
    /// Where clients reach it.
    pub address: HostPort,
    /// The ticket key that it shares with this server.
    pub key_file: PathBuf,
    /// Its certificate's pin.
    pub spki: SpkiPin,
}
