//! What the session tells a user interface: the other half of the contract in [`crate::command`].
//!
//! Order per connection: `Connecting` → (`FirstContact` | `KeyChanged`) → `NeedsLogIn` →
//! (`LogInRefused`)* → `LoggedIn` → `Online(Reset)` and `Files(Reset)` → everything else, until
//! `Disconnected` or `Ended`. After a broken connection the session logs in again by itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use common::conversation::Conversation;
use common::spki_pin::SpkiPin;
use common::wire::{Role, RoomEntry};
pub use file_transfer::download::{Transport, Waiting};

use crate::command::{DownloadId, MessageId, UploadId};
use crate::error::{DownloadFailure, EndReason, Refusal, SessionError, UploadFailure};
use crate::question::{Answer, NoAnswer, QuestionId};

/// Something that happened. See the module for the order.
#[derive(Clone, Debug)]
pub enum Event {
    /// Dialling; `attempt` counts from 1 since the last success.
    Connecting {
        /// 1 for the first.
        attempt: u32,
    },
    /// The server's key is unknown. Nothing has been sent; [`crate::command::Command::Trust`] goes on.
    FirstContact {
        /// To be shown, and compared by the person.
        pin: SpkiPin,
    },
    /// The server's key is another than the remembered one. Hard stop: nothing has been sent.
    KeyChanged {
        /// What is remembered.
        expected: SpkiPin,
        /// What the server showed.
        found: SpkiPin,
    },
    /// Connected; the server waits for a name.
    NeedsLogIn {
        /// What the server calls itself.
        server_name: String,
        /// Whether it wants a password.
        password_needed: bool,
    },
    /// The name or password was refused; another may be tried.
    LogInRefused(Refusal),
    /// Logged in, for the first time or again.
    LoggedIn {
        /// As the server spells it.
        name: String,
        /// Nobody noticed the gap.
        resumed: bool,
        /// What this person may do.
        role: Role,
    },
    /// The connection broke. The session tries again by itself.
    Disconnected {
        /// Why.
        error: SessionError,
        /// When the next attempt starts.
        retry_in: Duration,
    },
    /// Who is online.
    Online(OnlineChange),
    /// Who is writing in a conversation, whenever that changes.
    Typing {
        /// Which one.
        conversation: Conversation,
        /// In the order of their bytes; nobody any more where it is empty.
        names: Vec<String>,
    },
    /// Which files the server has.
    Files(FilesChange),
    /// Somebody wrote, now or while we were away: in the order of the numbers of a conversation, each
    /// once.
    Message {
        /// `User(x)`: a private message between us and x.
        conversation: Conversation,
        /// Dense in the conversation, from 1.
        seq: u64,
        /// Who wrote.
        from: String,
        /// As sent.
        text: String,
        /// Server's clock, milliseconds since 1970-01-01 UTC.
        at_ms: i64,
    },
    /// Stored messages that were asked for with [`crate::command::Command::ReadHistory`].
    History {
        /// Of which conversation.
        conversation: Conversation,
        /// In the order of their numbers.
        messages: Vec<StoredMessage>,
        /// There are further ones in the direction that was asked for.
        more: bool,
    },
    /// They cannot be read.
    HistoryRefused {
        /// Of which conversation.
        conversation: Conversation,
        /// Why.
        refusal: Refusal,
    },
    /// Messages that were looked for with [`crate::command::Command::Search`].
    Found {
        /// The latest first.
        messages: Vec<(Conversation, StoredMessage)>,
        /// Where the next page begins, if there is one.
        next: Option<u64>,
    },
    /// They cannot be looked for.
    SearchRefused(Refusal),
    /// Messages that were missed wait while the server cannot read what it stores; it is asked again by
    /// itself.
    HistoryStalled {
        /// False: all of them were told after all.
        is_stalled: bool,
    },
    /// The server has the message.
    MessageAccepted {
        /// As given in the command.
        id: MessageId,
        /// Where it went.
        conversation: Conversation,
        /// Its number there.
        seq: u64,
        /// Server's clock, milliseconds since 1970-01-01 UTC.
        at_ms: i64,
        /// Who it is for is away, and finds it when back.
        receiver_is_away: bool,
    },
    /// The server did not take the message.
    MessageRefused {
        /// As given in the command.
        id: MessageId,
        /// Why.
        refusal: Refusal,
    },
    /// Something changed in the rooms of this person.
    Room(RoomChange),
    /// A sentence from the server itself.
    Notice {
        /// As sent.
        text: String,
    },
    /// What came of [`crate::command::Command::Ask`].
    Answered {
        /// As given in the command.
        id: QuestionId,
        /// The answer.
        answer: Result<Answer, NoAnswer>,
    },
    /// A download moved on.
    Download {
        /// As given in the command.
        id: DownloadId,
        /// What is new.
        change: DownloadChange,
    },
    /// An upload moved on.
    Upload {
        /// As given in the command.
        id: UploadId,
        /// What is new.
        change: UploadChange,
    },
    /// The session is over; no event follows.
    Ended(EndReason),
}

/// What changed in a room.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomChange {
    /// This person is in it now.
    Joined(RoomEntry),
    /// Its topic or rules are others, or what this person may do there.
    Changed(RoomEntry),
    /// This person is in it no more.
    Left {
        /// Its name.
        room: String,
    },
    /// Somebody came into it.
    MemberJoined {
        /// Its name.
        room: String,
        /// Who.
        name: String,
    },
    /// Somebody is in it no more.
    MemberLeft {
        /// Its name.
        room: String,
        /// Who.
        name: String,
    },
}

/// One message as the server has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredMessage {
    /// Dense in the conversation, from 1.
    pub seq: u64,
    /// Who wrote.
    pub from: String,
    /// As sent.
    pub text: String,
    /// Server's clock, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// A change of the list of people.
#[derive(Clone, Debug)]
pub enum OnlineChange {
    /// The whole list, ourselves included, after every login.
    Reset {
        /// In the order of their bytes.
        names: Vec<String>,
        /// Those of them who are away.
        away: BTreeSet<String>,
    },
    /// One more.
    Joined(String),
    /// Somebody is away from all devices now, or is back.
    Away {
        /// Who.
        name: String,
        /// Away.
        is_away: bool,
    },
    /// One less.
    Left {
        /// Who.
        name: String,
        /// The connection broke and nobody came back in time.
        connection_lost: bool,
    },
}

/// One file of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerFile {
    /// Relative, `/` between folders.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub modified_ms: i64,
}

/// A change of the list of server files.
#[derive(Clone, Debug)]
pub enum FilesChange {
    /// The whole list, sorted by path, after every login.
    Reset(Vec<ServerFile>),
    /// New, or another size or time.
    Changed(ServerFile),
    /// Gone.
    Removed {
        /// Which.
        path: String,
    },
}

/// What is new with a download.
#[derive(Clone, Debug)]
pub enum DownloadChange {
    /// All places at the server are taken: it waits in line.
    Queued {
        /// 1: the next to start as far as is known now.
        position: u32,
    },
    /// The server lets it start, or start again.
    Started {
        /// Size of the file in bytes.
        size: u64,
    },
    /// Bytes arrived; at least twice a second, but not while it stands in line, rests or is checked: what
    /// was told of that holds until another change.
    Progress {
        /// In the file so far.
        bytes: u64,
        /// On which way.
        transport: Transport,
        /// Why none come at the moment, if it is more than slowness.
        waiting: Option<Waiting>,
    },
    /// It rests, as asked.
    Paused,
    /// It shall go on, as asked; `Queued`, `Started` or `Progress` follow.
    Resumed,
    /// The file changed on the server, now or since an earlier attempt: what had arrived is given up and
    /// the new one is fetched from its beginning.
    StartedAnew,
    /// All bytes are there; they are being checked against the server's hash.
    Verifying,
    /// Complete and verified under its final name.
    Finished {
        /// Where it is: not always the name that was asked for.
        path: PathBuf,
        /// Size in bytes.
        bytes: u64,
        /// From the request to the verified file.
        seconds: f64,
        /// How the last byte came.
        transport: Transport,
        /// BLAKE3 of the file.
        blake3: [u8; 32],
        /// Bytes kept from an earlier attempt.
        resumed_from: u64,
    },
    /// It ended without a file.
    Failed(DownloadFailure),
}

/// What is new with an upload.
#[derive(Clone, Debug)]
pub enum UploadChange {
    /// All places at the server are taken: it waits in line.
    Queued {
        /// 1: the next to start as far as is known now.
        position: u32,
    },
    /// Bytes went; several times a second, but not while it stands in line or they are checked: what was
    /// told of that holds until another change.
    Progress {
        /// That the server has so far.
        bytes: u64,
        /// Of the file here.
        size: u64,
        /// How they go.
        transport: Transport,
        /// None goes, because the server's disk is full; it goes on by itself when there is room.
        server_disk_full: bool,
    },
    /// The file here changed: it begins anew.
    FileChanged,
    /// All bytes are there; the server checks them.
    Verifying,
    /// The server has stored it, and offers it to everybody.
    Finished {
        /// What it is called there: not always what was asked for.
        path: String,
        /// Size in bytes.
        bytes: u64,
        /// From the request to the server's word.
        seconds: f64,
        /// How the bytes went.
        transport: Transport,
        /// BLAKE3 of the file.
        blake3: [u8; 32],
        /// Bytes that the server had from an earlier attempt.
        resumed_from: u64,
    },
    /// It ended without a file.
    Failed(UploadFailure),
}
