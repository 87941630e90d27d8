//! What can go wrong, as far as a caller acts differently on it. The sentences for people are made in
//! [`crate::error_text`].

use std::path::PathBuf;
use std::sync::Arc;

use common::wire;
use file_transfer::download::DownloadError;

/// The server did not carry a request out. See `Refused` in chat.proto.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal(pub wire::Refused);

/// Why a connection could not be made or broke.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionError {
    /// The host name has no address.
    #[error("{host} has no address")]
    UnknownHost {
        /// As typed.
        host: String,
    },
    /// Nothing listens there, or no way leads there.
    #[error("cannot reach {address}: {error}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The system's word.
        error: Arc<std::io::Error>,
    },
    /// No answer in time.
    #[error("{address} does not answer")]
    TimedOut {
        /// Host and port.
        address: String,
    },
    /// Something answers that is no chat server.
    #[error("{address} speaks another protocol: {detail}")]
    NotAChatServer {
        /// Host and port.
        address: String,
        /// What TLS said.
        detail: String,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Lost,
    /// The server said goodbye.
    #[error("the server closed the connection")]
    Goodbye(wire::GoodbyeReason),
    /// Somebody who may do so sent this person away, or what the login was proven with counts no more.
    #[error("the server ended the session")]
    SentAway(wire::Goodbye),
    /// The server broke the protocol.
    #[error("the server sent what it must not: {0}")]
    Protocol(String),
    /// The server does not talk to this program at all.
    #[error("the server refused the connection")]
    Refused(Refusal),
    /// What is remembered of servers cannot be read, so nobody knows which key to trust.
    #[error("{}: {error}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: Arc<std::io::Error>,
    },
    /// The system gives this program no threads or descriptors.
    #[error("the system gives no resources: {0}")]
    System(Arc<std::io::Error>),
}

/// Why a download ended without a file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DownloadFailure {
    /// The chat server refused it.
    #[error("refused")]
    Refused(Refusal),
    /// The session ended, or the connection was lost before the server answered.
    #[error("no connection to the server")]
    NotConnected,
    /// The session was ended on purpose while it ran or waited. What has arrived is kept.
    #[error("interrupted")]
    Interrupted,
    /// The file on the server changed or went away meanwhile.
    #[error("the file changed on the server")]
    FileChanged,
    /// The transfer itself.
    #[error(transparent)]
    Transfer(Arc<DownloadError>),
}

/// Why an upload ended without a file on the server.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UploadFailure {
    /// The chat server refused it.
    #[error("refused")]
    Refused(Refusal),
    /// The session ended before the file was stored.
    #[error("no connection to the server")]
    NotConnected,
    /// The transfer itself.
    #[error(transparent)]
    Transfer(Arc<file_transfer::upload::UploadFailure>),
}

/// Why a session is over.
#[derive(Clone, Debug)]
pub enum EndReason {
    /// As asked.
    LoggedOut,
    /// The server's key changed.
    KeyChanged,
    /// Another program of this user took the session over.
    TakenOver,
    /// Trying again makes no sense.
    Failed(SessionError),
}
