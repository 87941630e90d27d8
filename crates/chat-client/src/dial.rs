//! From an address a person gave to a TLS connection with a server whose key is known.
//!
//! All addresses of a server are tried at once, each a little after the one before (RFC 8305, section
//! 5), until one of them completes the handshake with the expected key. A machine that answers under
//! one of them with another key is only believed to be "the server with a new key" when no address
//! leads to the right one: a laptop in a strange network meets strangers under familiar numbers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::invite_link::HostPort;
use common::spki_pin::SpkiPin;
use file_transfer::pinned_tls::PinnedTls;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::command::ServerAddress;
use crate::error::SessionError;

/// Names that no resolver answers for in this time have no address for a person who waits.
const RESOLVE_TIME_MAX: Duration = Duration::from_secs(5);

/// Two retransmitted SYNs (RFC 6298: after 1 s and 3 s) get a chance.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// As long as a server gives a stranger for the handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Between the starts of two attempts (RFC 8305, section 5: 250 ms).
const ATTEMPT_STAGGER: Duration = Duration::from_millis(250);

/// Addresses tried for one server; a name with more has some that are good.
const ADDRESSES_MAX: usize = 16;

/// A connection on which the right server has proved itself. Nothing has been sent on it.
pub(crate) struct Connected {
    pub(crate) stream: Box<TlsStream<TcpStream>>,
    pub(crate) address: SocketAddr,
    pub(crate) pin: SpkiPin,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) enum DialError {
    /// Nobody said which key to expect. This one was found, and the connection closed.
    FirstContact(SpkiPin),
    /// Another key than the expected one was found, and the handshake aborted.
    KeyChanged { expected: SpkiPin, found: SpkiPin },
    /// No server reached.
    Failed(SessionError),
}

/// Connects to `server`, which has to have the key `expected`.
pub(crate) async fn dial(
    server: &ServerAddress,
    expected: Option<SpkiPin>,
) -> Result<Connected, DialError> {
    let targets = resolve_all(server).await.map_err(DialError::Failed)?;
    let mut attempts = JoinSet::new();
    for (position, target) in targets.into_iter().enumerate() {
        let delay = ATTEMPT_STAGGER * u32::try_from(position).unwrap_or(u32::MAX);
        attempts.spawn(async move {
            tokio::time::sleep(delay).await;
            (position, connect(target, expected).await)
        });
    }
    let mut failures = Vec::new();
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok((_, Ok(connected))) => return Ok(connected),
            // No key is expected, so any is as good to ask about.
            Ok((_, Err(first_contact @ DialError::FirstContact(_)))) => return Err(first_contact),
            Ok((position, Err(error))) => failures.push((position, error)),
            Err(aborted) => tracing::warn!(%aborted, "an attempt to connect was aborted"),
        }
    }
    Err(most_telling(failures))
}

/// What a person should hear of several failures: of a key before everything else, then of the
/// address they know best, which is the first.
fn most_telling(mut failures: Vec<(usize, DialError)>) -> DialError {
    failures.sort_by_key(|(position, error)| {
        let speaks_of_a_key = !matches!(error, DialError::Failed(_));
        (!speaks_of_a_key, *position)
    });
    let first = failures.into_iter().next();
    first.map_or(DialError::Failed(SessionError::Lost), |(_, error)| error)
}

struct Target {
    /// As the person gave it, for messages.
    host_port: HostPort,
    address: SocketAddr,
}

async fn resolve_all(server: &ServerAddress) -> Result<Vec<Target>, SessionError> {
    let alternatives = match server {
        ServerAddress::Invite(link) => link.alternatives.as_slice(),
        ServerAddress::Plain(_) => &[],
    };
    let mut targets: Vec<Target> = Vec::new();
    let mut first_error = None;
    for host_port in std::iter::once(server.host_port()).chain(alternatives) {
        match resolve(host_port).await {
            Ok(addresses) => {
                for address in addresses {
                    let is_new = targets.iter().all(|known| known.address != address);
                    if is_new && targets.len() < ADDRESSES_MAX {
                        targets.push(Target { host_port: host_port.clone(), address });
                    }
                }
            }
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) if targets.is_empty() => Err(error),
        _ => Ok(targets),
    }
}

/// The addresses of one host, in the system's order of preference (RFC 6724).
pub(crate) async fn resolve(host_port: &HostPort) -> Result<Vec<SocketAddr>, SessionError> {
    let unknown = || SessionError::UnknownHost { host: host_port.host.clone() };
    let lookup = tokio::net::lookup_host((host_port.host.as_str(), host_port.port));
    let found = timeout(RESOLVE_TIME_MAX, lookup).await.map_err(|_| unknown())?;
    let addresses: Vec<SocketAddr> = found.map_err(|_| unknown())?.collect();
    if addresses.is_empty() { Err(unknown()) } else { Ok(addresses) }
}

async fn connect(target: Target, expected: Option<SpkiPin>) -> Result<Connected, DialError> {
    let tcp = connect_tcp(&target).await.map_err(DialError::Failed)?;
    let address = target.address;
    let text = target.host_port.to_string();
    let tls = PinnedTls::new(expected.map(|pin| pin.0), common::alpn::CHAT)
        .map_err(|error| not_a_chat_server(&text, &error))?;
    let handshake = TlsConnector::from(Arc::clone(&tls.config)).connect(server_name(&target), tcp);
    let outcome = timeout(HANDSHAKE_TIME_MAX, handshake).await;
    let stream = match (outcome, expected, tls.seen().map(SpkiPin)) {
        (_, Some(expected), Some(found)) if expected != found => {
            return Err(DialError::KeyChanged { expected, found });
        }
        (Err(_), ..) => return Err(DialError::Failed(SessionError::TimedOut { address: text })),
        (Ok(Err(error)), ..) => return Err(DialError::Failed(handshake_error(text, error))),
        (Ok(Ok(stream)), ..) => stream,
    };
    if stream.get_ref().1.alpn_protocol() != Some(common::alpn::CHAT) {
        return Err(not_a_chat_server(&text, &"it does not offer the chat protocol"));
    }
    match (expected, tls.seen().map(SpkiPin)) {
        (Some(pin), _) => Ok(Connected { stream: Box::new(stream), address, pin }),
        (None, Some(pin)) => {
            close(stream).await;
            Err(DialError::FirstContact(pin))
        }
        (None, None) => Err(not_a_chat_server(&text, &"it showed no certificate")),
    }
}

async fn connect_tcp(target: &Target) -> Result<TcpStream, SessionError> {
    let text = target.host_port.to_string();
    let unreachable = |error: io::Error| SessionError::Unreachable {
        address: text.clone(),
        error: Arc::new(error),
    };
    let tcp = timeout(CONNECT_TIME_MAX, TcpStream::connect(target.address))
        .await
        .map_err(|_| SessionError::TimedOut { address: text.clone() })?
        .map_err(unreachable)?;
    // Small frames must not wait for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(unreachable)?;
    Ok(tcp)
}

/// Says goodbye in TLS, so that the server does not take it for a broken connection.
async fn close(mut stream: TlsStream<TcpStream>) {
    use tokio::io::AsyncWriteExt;
    // The connection ends here either way.
    let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
}

/// Only a hint for servers with several names: nothing is verified against it.
fn server_name(target: &Target) -> ServerName<'static> {
    ServerName::try_from(target.host_port.host.clone())
        .unwrap_or_else(|_| ServerName::IpAddress(target.address.ip().into()))
}

fn handshake_error(address: String, error: io::Error) -> SessionError {
    let by_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    // A peer that closes in the middle of a handshake speaks no TLS, or not with us.
    let closed = error.kind() == io::ErrorKind::UnexpectedEof;
    if by_tls || closed {
        return SessionError::NotAChatServer { address, detail: error.to_string() };
    }
    SessionError::Unreachable { address, error: Arc::new(error) }
}

fn not_a_chat_server(address: &str, detail: &dyn std::fmt::Display) -> DialError {
    DialError::Failed(SessionError::NotAChatServer {
        address: address.to_owned(),
        detail: detail.to_string(),
    })
}
