//! Puts the server together: everything that can fail is tried before anything is served, and the
//! parts are joined here and nowhere else.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use common::alpn;
use common::invite_link::InviteLink;
use common::spki_pin::SpkiPin;
use file_transfer::catalogue::{Catalogue, CatalogueWatch};
use file_transfer::node::{NodeLimits, TransferNode};
use file_transfer::ticket::{KeyFileError, TicketKey};
use file_transfer::tls_identity::{TlsIdentity, TlsIdentityError};
use file_transfer::uploads::UploadStore;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{AccessConfig, Config, Limits, NodeConfig};
use crate::file_desk::{FileDesk, FileFinder, Node};
use crate::history_desk::{HistoryDesk, Readers};
use crate::hub::{self, Hub, INPUTS_MAX, Input};
use crate::invite;
use crate::join_password;
use crate::listener::Door;
use crate::log::follower::Follower;
use crate::log::projection::Projection;
use crate::log::search::SearchIndex;
use crate::log::start::{DataLock, LogStartError, OpenLog};
use crate::log::writer::{LogWriter, Outcome};
use crate::log::{self, Log};
use crate::metrics;
use crate::operator_door::{self, OperatorDoor};
use crate::password_desk::PasswordDesk;
use crate::reload::{self, Reload, Running, RunningAccess};
use crate::retention;
use crate::sockets::passed::PassedSockets;
use crate::sockets::{self, SocketError};
use crate::state::State;
use crate::state::request::LoginId;
use crate::state::tally::Tally;
use crate::stranger_log::StrangerLog;
use crate::token_key::{self, TokenKey};
use crate::upload_desk::UploadDesk;
use crate::waiting_room::WaitingRoom;
use crate::watchdog::Watchdog;

/// File name of the ticket key in the data folder.
pub(crate) const TICKET_KEY_FILE: &str = "ticket.key";

/// Connections for file bytes that have not shown their ticket yet.
const FILE_STRANGERS_MAX: usize = 64;

/// How often abandoned uploads are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

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
    /// The key of resume tokens.
    #[error("{}: {error}", path.display())]
    TokenKey {
        /// Its file.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// The password that the server made itself.
    #[error("{}: {error}", path.display())]
    JoinPassword {
        /// Its file.
        path: PathBuf,
        /// The system's word.
        error: std::io::Error,
    },
    /// The log.
    #[error("folder {}: {error}", path.display())]
    Log {
        /// The data folder.
        path: PathBuf,
        /// What is wrong with it.
        error: LogStartError,
    },
    /// An address.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// TLS does not take the identity.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// Nowhere to ask for the metrics.
    #[error("metrics: {0}")]
    Metrics(std::io::Error),
    /// The runtime does not take a socket.
    #[error("sockets: {0}")]
    Runtime(std::io::Error),
}

/// A server that listens and is ready to serve.
pub struct Server {
    link: InviteLink,
    new_password: Option<String>,
    listeners: Vec<TcpListener>,
    tls: TlsAcceptor,
    state: State,
    catalogue: Arc<Catalogue>,
    nodes: Vec<Node>,
    own_node: Option<Arc<TransferNode>>,
    uploads: Option<Arc<UploadStore>>,
    limits: Limits,
    metrics: Option<metrics::door::Door>,
    operator: Option<UnixListener>,
    running: Running,
    log: LogWriter,
    readers: Readers,
    log_outcomes: mpsc::Receiver<Outcome>,
    /// Held until the server has ended.
    lock: DataLock,
}

impl Server {
    /// Makes everything that serving needs, sockets only where none were passed. To be called within a runtime.
    ///
    /// # Errors
    /// The first thing that is missing; nothing is left half-started.
    pub fn start(config: Config, passed: Option<PassedSockets>) -> Result<Self, StartError> {
        make_folder(&config.data)?;
        let data = config.data.clone();
        let log_error = |error| StartError::Log { path: data.clone(), error };
        let lock = DataLock::take(&data).map_err(log_error)?;
        let identity = match &config.certificate {
            Some(files) => TlsIdentity::load(&files.certificate, &files.key)?,
            None => TlsIdentity::load_or_create(&config.data, &config.name)?,
        };
        let catalogue = Catalogue::open(&config.files)
            .map_err(|error| StartError::Folder { path: config.files.clone(), error })?;
        let catalogue = Arc::new(catalogue);
        let (listeners, udp, addresses) = sockets(&config, passed)?;
        let pin = SpkiPin(identity.spki_sha256());
        let link = invite::link(&addresses, &invite::machine_addresses(), pin, &config.name)
            .ok_or(SocketError::NoAddress)?;
        let metrics = config.metrics.as_ref().map(metrics::door::Door::open).transpose();
        let metrics = metrics.map_err(StartError::Metrics)?;
        let operator = operator_door::open(&data);
        let uploads = upload_store(&config)?;
        let (nodes, own_node) = nodes(&config, pin, udp, &catalogue, uploads.clone())?;
        let limits = config.limits.clone();
        let token_key = TokenKey::load_or_create(&data).map_err(|error| StartError::TokenKey {
            path: data.join(token_key::FILE_NAME),
            error,
        })?;
        let OpenLog { log, projection, past } = log::start::open(&data).map_err(log_error)?;
        let access = RunningAccess::resolve(&config.access, &data).map_err(|error| {
            StartError::JoinPassword { path: data.join(join_password::FILE_NAME), error }
        })?;
        if matches!(config.access, AccessConfig::OwnPassword) {
            let file = data.join(join_password::FILE_NAME);
            tracing::info!(file = %file.display(), "whoever comes in needs the join password");
        }
        let new_password = access.new_password().map(str::to_owned);
        let running = Running::new(config, link.clone(), token_key, access);
        let mut state = State::new(running.policy(), first_login());
        state.remember(hub::now(), past);
        for file in catalogue.list("", "", usize::MAX) {
            // Nobody is there yet to be told.
            drop(state.file_changed(file));
        }
        let tls = acceptor(&identity)?;
        let search = SearchIndex::new(&data, log.id());
        let (log, readers, log_outcomes) = start_log(log, projection, search).map_err(log_error)?;
        Ok(Self {
            link,
            new_password,
            listeners,
            tls,
            state,
            catalogue,
            nodes,
            own_node,
            uploads,
            limits,
            metrics,
            operator,
            running,
            log,
            readers,
            log_outcomes,
            lock,
        })
    }

    /// What to invite people with.
    #[must_use]
    pub fn link(&self) -> &InviteLink {
        &self.link
    }

    /// The join password, if this start made it: nobody knows it yet.
    #[must_use]
    pub fn new_password(&self) -> Option<&str> {
        self.new_password.as_deref()
    }

    /// Serves until `stop`, says goodbye, and tells what happened. Each of `reloads` changes what it goes by.
    pub async fn run(self, stop: CancellationToken, reloads: mpsc::Receiver<Reload>) -> Tally {
        let (hub, inputs) = mpsc::channel::<Input>(INPUTS_MAX);
        let Self { listeners, tls, state, catalogue, nodes, own_node, uploads, limits, .. } = self;
        let Self { log, readers, log_outcomes, lock, running, metrics, operator, .. } = self;
        let measuring = metrics.map(|door| tokio::spawn(door.serve(hub.clone())));
        let beating = Watchdog::of_environment().map(|it| tokio::spawn(it.feed(hub.clone())));
        let (age, wanted_age) = watch::channel(running.retention());
        if let Some(keeper) = log.keeper() {
            tokio::spawn(retention::follow(keeper, wanted_age, stop.clone()));
        }
        let reloading = tokio::spawn(reload::follow(running, reloads, hub.clone(), age));
        let connections = TaskTracker::new();
        let files = FileFinder::new(Arc::clone(&catalogue));
        let last_connection = Arc::new(AtomicU64::new(0));
        if let Some(listener) = operator {
            let door = OperatorDoor {
                hub: hub.clone(),
                files: files.clone(),
                outbox_bytes_max: limits.outbox_bytes,
                stall: limits.stall(),
                connections: connections.clone(),
                last_connection: Arc::clone(&last_connection),
            };
            tokio::spawn(door.accept_on(listener, stop.clone()));
        }
        let door = Arc::new(Door {
            tls,
            waiting_room: WaitingRoom::new(limits.newcomers, limits.newcomers_in_line),
            handshake_time: limits.handshake(),
            login_time: limits.login(),
            outbox_bytes_max: limits.outbox_bytes,
            stall: limits.stall(),
            hub: hub.clone(),
            files,
            node: own_node.clone(),
            // Of each direction so many may transfer.
            file_connections: Semaphore::new(FILE_STRANGERS_MAX + 2 * limits.downloads),
            connections: connections.clone(),
            strangers: StrangerLog::default(),
            last_connection,
            stop: stop.clone(),
        });
        for listener in listeners {
            tokio::spawn(Arc::clone(&door).accept_on(listener));
        }
        drop(door);
        let watch = tokio::spawn(watch(Arc::clone(&catalogue), hub.clone()));
        let sweeping = uploads.clone().map(|store| tokio::spawn(sweep(store)));
        let (own, store) = (nodes.first().cloned(), uploads.clone());
        let upload_desk = UploadDesk::new(uploads.zip(own), own_node.clone(), hub.clone());
        let history = HistoryDesk::new(readers, hub.clone());
        let passwords = PasswordDesk::start(&hub);
        let files = FileDesk::new(Arc::clone(&catalogue), nodes, own_node.clone(), hub);
        let hub = Hub::new(state, files, upload_desk, log, history, passwords);
        // Beside the connections' tasks: nothing has to be handed from one thread to another for it.
        let tally = tokio::spawn(hub.run(inputs, log_outcomes, stop)).await;
        let tally = tally.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        reloading.abort();
        [measuring, beating, sweeping].into_iter().flatten().for_each(|task| task.abort());
        catalogue.stop_hashing();
        if let Some(store) = store {
            store.stop();
        }
        connections.close();
        let end_files = async {
            let watch = watch.await;
            // Both wait for threads of theirs.
            let ended = tokio::task::spawn_blocking(move || {
                drop(watch);
                own_node.inspect(|node| node.shutdown());
            });
            let _ = ended.await;
        };
        let farewell = async { tokio::join!(end_files, connections.wait()) };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        drop(lock);
        tally
    }
}

/// Removes uploads that nobody goes on with, now and then.
async fn sweep(store: Arc<UploadStore>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let store = Arc::clone(&store);
        let sweeping = tokio::task::spawn_blocking(move || store.sweep(SystemTime::now()));
        match sweeping.await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "abandoned uploads were removed"),
            Err(error) => return tracing::error!(%error, "abandoned uploads are not removed"),
        }
    }
}

/// Keeps the hub told of what happens in the folder, for as long as the result lives.
async fn watch(catalogue: Arc<Catalogue>, hub: mpsc::Sender<Input>) -> Option<CatalogueWatch> {
    let watching = tokio::task::spawn_blocking(move || {
        // Waits while the hub is busy: changes gather where the system keeps them.
        catalogue.watch(move |change| drop(hub.blocking_send(Input::File(change))))
    });
    let watch = watching.await.ok()?;
    watch.inspect_err(|error| tracing::error!(%error, "the folder is not watched")).ok()
}

type Bound = (Vec<TcpListener>, Vec<UdpSocket>, Vec<SocketAddr>);

fn sockets(config: &Config, passed: Option<PassedSockets>) -> Result<Bound, StartError> {
    let (mut listeners, mut udp, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    let pairs = match passed {
        Some(passed) => passed.into_pairs()?,
        None => sockets::bind_all(&config.listen)?,
    };
    for pair in pairs {
        listeners.push(TcpListener::from_std(pair.tcp).map_err(StartError::Runtime)?);
        udp.push(pair.udp);
        addresses.push(pair.address);
    }
    Ok((listeners, udp, addresses))
}

/// Starts the threads of the log.
fn start_log(
    log: Box<dyn Log>,
    projection: Projection,
    search: SearchIndex,
) -> Result<(LogWriter, Readers, mpsc::Receiver<Outcome>), LogStartError> {
    let reader = || log.reader().map_err(LogStartError::log);
    let history = Follower::start("history", reader()?, projection);
    let history = history.map_err(LogStartError::Thread)?;
    let search = Follower::start("search", reader()?, search).map_err(LogStartError::Thread)?;
    let followers = vec![history.clone(), search.clone()];
    let (writer, outcomes) = LogWriter::start(log, followers).map_err(LogStartError::Thread)?;
    Ok((writer, Readers { history, search }, outcomes))
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

type Nodes = (Vec<Node>, Option<Arc<TransferNode>>);

/// The nodes of the configuration, or one in this process.
fn nodes(
    config: &Config,
    own_pin: SpkiPin,
    udp: Vec<UdpSocket>,
    catalogue: &Arc<Catalogue>,
    uploads: Option<Arc<UploadStore>>,
) -> Result<Nodes, StartError> {
    if !config.nodes.is_empty() {
        let nodes = config.nodes.iter().map(remote_node).collect::<Result<_, _>>()?;
        return Ok((nodes, None));
    }
    let port = udp.first().and_then(|socket| socket.local_addr().ok()).map_or(0, |it| it.port());
    let key = TicketKey::load_or_create(&config.data.join(TICKET_KEY_FILE))?;
    let limits = NodeLimits {
        sessions_max: config.limits.downloads,
        sessions_per_user_max: config.limits.downloads_per_user,
    };
    let (files, sending) = (Arc::clone(catalogue), config.sending);
    let own_node =
        TransferNode::start_with_uploads(udp, key.clone(), files, limits, sending, uploads)
            .map_err(StartError::Runtime)?;
    let node = Node { address: format!(":{port}"), spki_sha256: own_pin.0, key };
    Ok((vec![node], Some(Arc::new(own_node))))
}

/// Where uploads go, if any are taken.
fn upload_store(config: &Config) -> Result<Option<Arc<UploadStore>>, StartError> {
    let Some(rules) = config.uploads.clone() else { return Ok(None) };
    UploadStore::open(&config.files, &config.data, rules)
        .map(|store| Some(Arc::new(store)))
        .map_err(|error| StartError::Folder { path: config.data.clone(), error })
}

fn remote_node(node: &NodeConfig) -> Result<Node, StartError> {
    let key = TicketKey::load(&node.key_file)?;
    Ok(Node { address: node.address.to_string(), spki_sha256: node.spki.0, key })
}

/// Tickets of an earlier run may still be valid, and name its logins: ours are numbered from the
/// time of day on, in microseconds, which no run uses up.
fn first_login() -> LoginId {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    LoginId(u64::try_from(since_epoch.as_micros()).unwrap_or_default())
}
