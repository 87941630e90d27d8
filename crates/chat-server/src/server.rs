//! Puts the server together: everything that can fail is tried before anything is served, and the
//! parts are joined here and nowhere else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use common::alpn;
use common::invite_link::InviteLink;
use common::spki_pin::SpkiPin;
use file_transfer::ticket::{KeyFileError, TicketKey};
use file_transfer::tls_identity::{TlsIdentity, TlsIdentityError};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{AccessConfig, Config, Limits};
use crate::file_desk::{FileDesk, Node};
use crate::hub::{Hub, INPUTS_MAX, Input};
use crate::invite;
use crate::join_password::JoinPassword;
use crate::listener::Door;
use crate::sockets::{self, Pair, SocketError};
use crate::state::State;
use crate::state::login_attempts::AttemptLimits;
use crate::state::policy::{Access, Policy};
use crate::state::rate_limit::Rate;
use crate::state::request::LoginId;
use crate::state::tally::Tally;
use crate::waiting_room::WaitingRoom;

/// File name of the ticket key in the data folder.
const TICKET_KEY_FILE: &str = "ticket.key";

/// How long clients may take to read the goodbye at the end.
const FAREWELL: Duration = Duration::from_secs(4);

/// Why the server does not start. Nothing of it runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder cannot be made or used.
    #[error("folder {}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// The identity: what is there but cannot be read is never replaced.
    #[error("TLS identity: {0}")]
    Identity(#[from] TlsIdentityError),
    /// A ticket key.
    #[error(transparent)]
    TicketKey(#[from] KeyFileError),
    /// An address.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// TLS does not take the identity.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The runtime does not take a socket.
    #[error("sockets: {0}")]
    Runtime(std::io::Error),
}

/// A server that listens and is ready to serve.
pub struct Server {
    link: InviteLink,
    listeners: Vec<TcpListener>,
    tls: TlsAcceptor,
    state: State,
    files: FileDesk,
    limits: Limits,
}

impl Server {
    /// Makes everything that serving needs. To be called within a runtime.
    ///
    /// # Errors
    /// The first thing that is missing; nothing is left half-started.
    pub fn start(config: Config) -> Result<Self, StartError> {
        make_folder(&config.data)?;
        let identity = match &config.certificate {
            Some(files) => TlsIdentity::load(&files.certificate, &files.key)?,
            None => TlsIdentity::load_or_create(&config.data, &config.name)?,
        };
        let pairs = sockets::bind_all(&config.listen)?;
        let addresses: Vec<SocketAddr> = pairs.iter().map(|pair| pair.address).collect();
        let pin = SpkiPin(identity.spki_sha256());
        let link = invite::link(&addresses, &invite::machine_addresses(), pin, &config.name)
            .ok_or(SocketError::NoAddress)?;
        let nodes = nodes(&config, pin, &addresses)?;
        Ok(Self {
            link,
            tls: acceptor(&identity)?,
            listeners: pairs.into_iter().map(listener).collect::<Result<_, _>>()?,
            files: FileDesk::new(nodes),
            limits: config.limits.clone(),
            state: State::new(policy(config), first_login()),
        })
    }

    /// What to invite people with.
    #[must_use]
    pub fn link(&self) -> &InviteLink {
        &self.link
    }

    /// Serves until `stop`, says goodbye, and tells what happened.
    pub async fn run(self, stop: CancellationToken) -> Tally {
        let (hub, inputs) = mpsc::channel::<Input>(INPUTS_MAX);
        let connections = TaskTracker::new();
        let door = Arc::new(Door {
            tls: self.tls,
            waiting_room: WaitingRoom::new(self.limits.newcomers),
            handshake_time: self.limits.handshake(),
            login_time: self.limits.login(),
            outbox_bytes_max: self.limits.outbox_bytes,
            hub,
            connections: connections.clone(),
            last_connection: AtomicU64::new(0),
        });
        for listener in self.listeners {
            tokio::spawn(Arc::clone(&door).accept_on(listener, stop.clone()));
        }
        drop(door);
        let tally = Hub::new(self.state, self.files).run(inputs, stop).await;
        connections.close();
        let _ = tokio::time::timeout(FAREWELL, connections.wait()).await;
        tally
    }
}

fn make_folder(path: &std::path::Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path).map_err(|error| StartError::Folder { path: path.into(), error })
}

fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, rustls::Error> {
    let config = identity.server_config(&[alpn::CHAT, alpn::FILE])?;
    let mut config = Arc::unwrap_or_clone(config);
    // Clients resume their chat session, not their TLS session: tickets would be bytes for nothing.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn listener(pair: Pair) -> Result<TcpListener, StartError> {
    TcpListener::from_std(pair.tcp).map_err(StartError::Runtime)
}

/// The nodes of the configuration, or this process as the only one.
fn nodes(
    config: &Config,
    own_pin: SpkiPin,
    addresses: &[SocketAddr],
) -> Result<Vec<Node>, StartError> {
    if config.nodes.is_empty() {
        let port = addresses.first().map_or(0, SocketAddr::port);
        let key = TicketKey::load_or_create(&config.data.join(TICKET_KEY_FILE))?;
        return Ok(vec![Node { address: format!(":{port}"), spki_sha256: own_pin.0, key }]);
    }
    let node = |node: &crate::config::NodeConfig| {
        let key = TicketKey::load(&node.key_file)?;
        Ok(Node { address: node.address.to_string(), spki_sha256: node.spki.0, key })
    };
    config.nodes.iter().map(node).collect()
}

fn policy(config: Config) -> Policy {
    let limits = config.limits;
    Policy {
        server_name: config.name,
        access: match config.access {
            AccessConfig::Open => Access::Open,
            AccessConfig::Password(password) => {
                Access::Password(JoinPassword::new(&password, rand::random()))
            }
        },
        bans: config.bans,
        sessions_max: limits.sessions,
        attempts: AttemptLimits {
            per_name: limits.failed_logins_per_name,
            per_address: limits.failed_logins_per_address,
        },
        messages: Rate { burst: limits.message_burst, per_second: limits.messages_per_second },
        downloads_per_user_max: limits.downloads_per_user,
        downloads_max: limits.downloads,
        ping_interval: Duration::from_secs(limits.ping_seconds),
        dead_after: Duration::from_secs(limits.dead_seconds),
        name_hold: Duration::from_secs(limits.name_hold_seconds),
        take_over_ping: common::limits::TAKE_OVER_PING,
    }
}

/// Tickets of an earlier run may still be valid, and name its logins: ours are numbered from the
/// time of day on, in microseconds, which no run uses up.
fn first_login() -> LoginId {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    LoginId(u64::try_from(since_epoch.as_micros()).unwrap_or_default())
}
