//! What the state wants done: it holds no socket, so it returns these and the hub carries them out,
//! in order.

use std::sync::Arc;

use common::wire::server_frame::Body;
use common::wire::{Goodbye, GoodbyeReason, ServerFrame};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;

use crate::log::event::Event;
use crate::state::history::HistoryQuestion;
use crate::state::passwords::PasswordTask;
use crate::state::request::{ConnectionId, LoginId};
use crate::state::uploads::UploadWork;

/// Who receives a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Recipients {
    /// One connection, logged in or not.
    One(ConnectionId),
    /// These connections.
    Many(Arc<[ConnectionId]>),
    /// Every login.
    Everybody,
    /// Every login but the one on this connection.
    EverybodyBut(ConnectionId),
}

/// One frame and who receives it.
#[derive(Debug)]
pub struct Delivery {
    /// Who.
    pub to: Recipients,
    /// What.
    pub frame: ServerFrame,
}

/// One thing for the hub to do.
#[derive(Debug)]
pub enum Action {
    /// Queue a frame.
    Deliver(Delivery),
    /// The connection is logged in: it leaves the pool of strangers.
    Admit(ConnectionId),
    /// Close the connection once all that is queued for it is written.
    Close(ConnectionId),
    /// Close the connection once what is queued for it is written. Its session is held: events that
    /// were not written yet, and those that follow, are kept for whoever comes back.
    CloseAndHold(ConnectionId),
    /// Events that are still queued for `from` go to `to`. Replies do not: they answer requests that
    /// `to` never made.
    MoveOutbox {
        /// The connection of the session so far.
        from: ConnectionId,
        /// The one that took it over.
        to: ConnectionId,
    },
    /// Forget a connection that is closed already.
    Forget(ConnectionId),
    /// Mint a ticket and give it to the client.
    MintTicket(Box<MintTicket>),
    /// Compute the BLAKE3 hash of a file and tell [`crate::state::State::file_hashed`].
    HashFile {
        /// For which download.
        download: u64,
        /// Which file.
        path: FilePath,
        /// As it was when the ticket was minted.
        version: FileVersion,
    },
    /// Compute the hashes of a file's pieces, this one and those that follow, and tell
    /// [`crate::state::State::pieces_hashed`].
    HashPieces {
        /// For which download.
        download: u64,
        /// Which file.
        path: FilePath,
        /// As it was when the ticket was minted.
        version: FileVersion,
        /// The first piece, which the file has.
        first: u64,
    },
    /// Nobody waits for the hashes that this download asked for.
    ForgetHash {
        /// The download.
        download: u64,
    },
    /// Do something for an upload and tell [`crate::state::State::upload_result`].
    Upload(Box<UploadWork>),
    /// Store an event, and tell [`crate::state::State::recorded`] or
    /// [`crate::state::State::not_recorded`], in the order of these actions. What follows from the
    /// event happens then: the state keeps it, because who is there may have changed by then.
    Record(Event),
    /// Do something with a password, and tell [`crate::state::State::password_done`].
    Password(PasswordTask),
    /// Read stored messages and tell [`crate::state::State::history_read`].
    ReadHistory(Box<HistoryQuestion>),
    /// Every transfer of this login ends.
    EndLogin(LoginId),
}

/// What a ticket is minted for.
#[derive(Debug)]
pub struct MintTicket {
    /// Who asked.
    pub connection: ConnectionId,
    /// In which request; 0 where the download had to wait.
    pub request_id: u64,
    /// The download, which may have had tickets before.
    pub download: u64,
    /// The user's name.
    pub user: String,
    /// The login that the transfer belongs to.
    pub login: LoginId,
    /// Which file.
    pub path: FilePath,
    /// Which state of it.
    pub version: FileVersion,
}

/// Collects what one call of the state wants done.
#[derive(Debug, Default)]
pub(crate) struct Actions(Vec<Action>);

impl Actions {
    pub(crate) fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    pub(crate) fn extend(&mut self, actions: Vec<Action>) {
        self.0.extend(actions);
    }

    /// Answers one request.
    pub(crate) fn reply(&mut self, to: ConnectionId, request_id: u64, body: Body) {
        let frame = ServerFrame { in_reply_to: request_id, body: Some(body) };
        self.push(Action::Deliver(Delivery { to: Recipients::One(to), frame }));
    }

    /// Tells something that nobody asked for.
    pub(crate) fn tell(&mut self, to: Recipients, body: Body) {
        let frame = ServerFrame { in_reply_to: 0, body: Some(body) };
        self.push(Action::Deliver(Delivery { to, frame }));
    }

    /// The last word to a connection, and its end.
    pub(crate) fn goodbye(&mut self, to: ConnectionId, reason: GoodbyeReason, retry_after_ms: u32) {
        self.last_word(to, reason, retry_after_ms);
        self.push(Action::Close(to));
    }

    /// The last word to a connection, which is then to be closed.
    pub(crate) fn last_word(
        &mut self,
        to: ConnectionId,
        reason: GoodbyeReason,
        retry_after_ms: u32,
    ) {
        let goodbye = Goodbye { reason: reason.into(), retry_after_ms, ..Goodbye::default() };
        self.tell(Recipients::One(to), Body::Goodbye(goodbye));
    }

    pub(crate) fn into_vec(self) -> Vec<Action> {
        self.0
    }
}
