//! One client's chat connection, from the TLS handshake's end to the socket's: [`reader`] and
//! [`writer`] side by side in one task, and the deadlines around them.

pub(crate) mod parse;

mod reader;

mod writer;

pub(crate) mod link;

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use common::wire::GoodbyeReason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::link::Link;
use crate::connection::reader::{ReadEnd, Reader};
use crate::connection::writer::write_frames;
use crate::file_desk::FileFinder;
use crate::hub::Input;
use crate::state::request::ConnectionId;
use crate::waiting_room::Place;

/// How long a client may take to read the last words to it, and to close its side.
const FAREWELL: Duration = Duration::from_secs(3);

/// What a connection is started with.
pub(crate) struct Opening {
    pub(crate) connection: ConnectionId,
    pub(crate) entrance: Entrance,
    pub(crate) outbox_bytes_max: usize,
    /// How long a client may take no byte of what is written to it.
    pub(crate) stall: Duration,
    pub(crate) hub: mpsc::Sender<Input>,
    pub(crate) files: FileFinder,
}

/// Through which door a connection came.
pub(crate) enum Entrance {
    /// Somebody who has to log in.
    Stranger {
        address: IpAddr,
        /// Kept until the client is logged in.
        place: Place,
        /// When the client must be logged in.
        login_deadline: Instant,
    },
    /// Who runs the server: needs no place among strangers and no login.
    Operator,
}

/// Serves one connection to its end.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite>(stream: S, opening: Opening) {
    let Opening { connection, entrance, outbox_bytes_max, stall, hub, files } = opening;
    let link = Arc::new(Link::new(outbox_bytes_max));
    let opened = match &entrance {
        Entrance::Stranger { address, .. } => {
            Input::Opened { connection, address: *address, link: Arc::clone(&link) }
        }
        Entrance::Operator => Input::OperatorConnected { connection, link: Arc::clone(&link) },
    };
    if hub.send(opened).await.is_err() {
        return;
    }
    let (source, sink) = tokio::io::split(stream);
    let mut reader = Reader::new(source, connection, &link, &hub, &files);
    let mut writing = pin!(write_frames(sink, &link, stall));
    let end = tokio::select! {
        end = read(&mut reader, entrance, (connection, &hub)) => Some(end),
        written = &mut writing => {
            if written.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                let reason = GoodbyeReason::TooSlow;
                let _ = hub.send(Input::Failed { connection, reason }).await;
            }
            None
        }
    };
    match end {
        None if link.is_ended() => linger(&mut reader).await,
        None | Some(End::Closed) => {}
        Some(End::Ended) => {
            if let Ok(Ok(())) = timeout(FAREWELL, writing).await {
                linger(&mut reader).await;
            }
        }
        Some(End::Failed(reason)) => {
            let _ = hub.send(Input::Failed { connection, reason }).await;
            if let Ok(Ok(())) = timeout(FAREWELL, writing).await {
                linger(&mut reader).await;
            }
        }
    }
    let _ = hub.send(Input::Closed { connection }).await;
}

/// Why a connection is over.
enum End {
    /// The client closed it, or it broke.
    Closed,
    /// The hub wants it closed once everything is written.
    Ended,
    /// It has to end, with this reason as the last word.
    Failed(GoodbyeReason),
}

async fn read<R: AsyncRead + Unpin>(
    reader: &mut Reader<'_, R>,
    entrance: Entrance,
    (connection, hub): (ConnectionId, &mpsc::Sender<Input>),
) -> End {
    let Entrance::Stranger { place, login_deadline, .. } = entrance else {
        return reader.read_on().await.into();
    };
    let admitted = timeout_at(login_deadline, async {
        let mut reading = pin!(reader.read_until_admitted());
        tokio::select! {
            admitted = &mut reading => return admitted,
            () = place.evicted() => {}
        }
        // Whether that was in time only the hub can say: the log-in may just have succeeded.
        let _ = hub.send(Input::PlaceLost { connection }).await;
        reading.await
    });
    match admitted.await {
        Err(_) => End::Failed(GoodbyeReason::Idle),
        Ok(Some(end)) => end.into(),
        Ok(None) => {
            drop(place);
            reader.read_on().await.into()
        }
    }
}

impl From<ReadEnd> for End {
    fn from(end: ReadEnd) -> Self {
        match end {
            ReadEnd::Closed => Self::Closed,
            ReadEnd::Ended => Self::Ended,
            ReadEnd::ProtocolError => Self::Failed(GoodbyeReason::ProtocolError),
        }
    }
}

async fn linger<R: AsyncRead + Unpin>(reader: &mut Reader<'_, R>) {
    let _ = timeout(FAREWELL, reader.drain()).await;
}
