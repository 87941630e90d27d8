//! One session's receiving thread on a node: an upload, from the client's first packet to the last
//! byte on disk. That the file is the right one, and its name, is the business of
//! [`uploads`](crate::uploads).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::client::{Link, ReceiveError, Received};
use super::receive_loop::{Bounds, ReceiveLoop};
use super::sender_thread::{self, SessionStart};
use super::server::Service;
use crate::file_path::FilePath;
use crate::proto::close_frame::CloseCode;
use crate::proto::handshake::Established;
use crate::proto::receiver::ReceiverStats;
use crate::sessions::{Place, Sessions};
use crate::ticket::Grant;
use crate::uploads::UploadStore;

/// An upload's session that ended, for the node's log.
#[derive(Debug)]
pub struct UploadReport {
    /// Whose it was.
    pub user: String,
    /// The login it belonged to.
    pub login: u64,
    /// Which part file.
    pub file: FilePath,
    /// Where from.
    pub peer: SocketAddr,
    /// How it ended: `Ok` if every byte is there.
    pub end: Result<(), ReceiveError>,
    /// How long it took.
    pub duration: Duration,
    /// What it took.
    pub stats: ReceiverStats,
}

/// Is told of every upload's session that ended, on the session's thread.
pub type OnUploadEnd = Box<dyn Fn(&UploadReport) + Send + Sync>;

/// Where uploads go, on a node that takes any.
pub struct UploadService {
    /// The parts.
    pub store: Arc<UploadStore>,
    /// Told of ended sessions.
    pub on_session_end: Option<OnUploadEnd>,
}

/// Starts the thread of an upload that has a place.
pub(crate) fn spawn(start: SessionStart, place: Place, service: &Arc<Service>) {
    let (key, sessions) = (place.key(), service.sessions.clone());
    let service = service.clone();
    let thread = std::thread::Builder::new().name("file-upload".into()).spawn(move || {
        let Some(uploads) = &service.uploads else { return };
        let report = run(start, &place, &service.sessions, &uploads.store);
        drop(place);
        if let (Some(report), Some(on_session_end)) = (report, &uploads.on_session_end) {
            on_session_end(&report);
        }
    });
    match thread {
        Ok(thread) => sessions.attach(key, thread),
        Err(error) => tracing::error!(%error, "no thread for an upload"),
    }
}

/// `None` if there is nothing to write to.
fn run(
    start: SessionStart,
    place: &Place,
    sessions: &Sessions,
    store: &UploadStore,
) -> Option<UploadReport> {
    let began = Instant::now();
    let Some(mut part) = store.writer(&start.session.grant.grant) else {
        sender_thread::refuse(start, CloseCode::FileChanged, "there is no such upload any more");
        return None;
    };
    let SessionStart { session, io, mut early } = start;
    let Grant { user, login, file, bytes_max, .. } = session.grant.grant;
    let established = Established {
        session_id: session.session_id,
        keys: session.keys,
        file: session.file,
        rtt: session.rtt,
        round_trip_hint: session.rtt,
    };
    let link = Link { io, peer: session.peer, supervisor: place };
    let (missing, progress) = (part.missing(), AtomicU64::new(0));
    let bounds = Bounds::of_node(place.bytes_left(bytes_max));
    let wakeup = place.control().wakeup().clone();
    let mailbox = sessions.mailboxes().open(session.session_id, wakeup);
    let mut receiving =
        ReceiveLoop::new(link, established, &missing, &progress, bounds).with_mailbox(mailbox);
    receiving.take_early(&mut early, &mut part);
    let Received { end, stats, .. } = receiving.run(&mut part);
    let (peer, duration) = (session.peer, began.elapsed());
    Some(UploadReport { user, login, file, peer, end, duration, stats })
}
