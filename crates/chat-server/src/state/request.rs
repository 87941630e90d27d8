//! What a connection may ask, parsed: a request in hand is well-formed. Made from wire messages by
//! [`crate::connection::parse`]; answered by [`crate::state::State::handle`].

use std::collections::HashMap;

use common::conversation::Conversation;
use common::invite_token::InviteToken;
use common::limits::{MESSAGE_ID_BYTES, RESUME_TOKEN_BYTES};
use common::user_name::UserName;
use file_transfer::catalogue::CatalogueEntry;

use crate::state::accounts::requests::AccountRequest;
use crate::state::administration::Command;
use crate::state::passwords::SALT_BYTES;
use crate::state::refusal::Refusal;
use crate::state::rooms::requests::RoomRequest;
use crate::state::uploads::UploadRequest;

/// Names one TLS connection, for as long as the server runs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// Names one login: it lives on while its connection is replaced, and ends with the log-out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LoginId(pub u64);

/// By names that the server gave: nobody chooses them so that they collide, and each delivery looks some up.
pub(crate) type ById<Id, V> = HashMap<Id, V, foldhash::fast::FixedState>;

/// The client's own name for a message, kept over every resend.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MessageId(pub [u8; MESSAGE_ID_BYTES]);

/// Proves that a client held this session before. Compared in constant time only.
#[derive(Clone, Copy)]
pub struct ResumeToken(pub [u8; RESUME_TOKEN_BYTES]);

impl ResumeToken {
    /// Whether both are the same, in a time that does not tell how much of them is.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

/// A frame of the client: the number its answer carries, and what is asked or why it cannot be.
#[derive(Debug)]
pub struct Asked {
    /// Echoed in the reply.
    pub request_id: u64,
    /// Refused where the frame could not be understood.
    pub request: Result<Request, Refusal>,
}

/// Everything that is answered, whether somebody is logged in or not.
#[derive(Debug)]
pub enum Request {
    /// The first frame: which versions, which program.
    Hello(Hello),
    /// A name for this connection.
    LogIn(Box<LogIn>),
    /// Answered at once.
    Ping {
        /// Comes back in the answer.
        token: u64,
    },
    /// The answer to a ping of the server's; that it arrived is all that counts.
    Pong,
    /// What needs a role, or comes from who runs the server.
    Administer(Result<Command, Refusal>),
    /// What needs a login; its own flaws are told only to those who have one.
    Member(Result<MemberRequest, Refusal>),
}

/// Everything that only somebody logged in may ask.
#[derive(Debug)]
pub enum MemberRequest {
    /// End the session and its downloads.
    LogOut,
    /// Write to a room or to a person.
    SendMessage(SendMessage),
    /// The caller is writing.
    Typing {
        /// Where it will go.
        to: Conversation,
    },
    /// The person is away from this device, or back.
    SetAway {
        /// Away.
        is_away: bool,
    },
    /// Stored messages of a conversation.
    ReadHistory(HistoryWanted),
    /// One page of the conversations that the caller may read.
    ListConversations {
        /// Where the page before ended; 0 for the first.
        after: u64,
    },
    /// Stored messages of any conversation that hold some words.
    SearchMessages(SearchWanted),
    /// One page of names.
    ListOnline {
        /// The last name of the page before.
        after: String,
    },
    /// One page of server files.
    ListFiles {
        /// What their paths start with.
        prefix: String,
        /// The last path of the page before.
        after: String,
    },
    /// A ticket for one file.
    RequestDownload {
        /// As listed.
        path: String,
        /// The file of that name as it is now, looked up at the boundary.
        file: Result<CatalogueEntry, NoFile>,
        /// A download that is to go on; 0 for a new one.
        goes_on: u64,
    },
    /// A download rests.
    PauseDownload {
        /// Which one.
        download: u64,
    },
    /// The hashes of a file's pieces.
    RequestPieceHashes(PiecesWanted),
    /// A download ended for the client.
    DownloadDone(DownloadDone),
    /// Something about an upload.
    Upload(UploadRequest),
    /// Something about the caller's account.
    Account(AccountRequest),
    /// Something about rooms.
    Room(RoomRequest),
}

/// The greeting.
#[derive(Debug)]
pub struct Hello {
    /// Lowest version that the client speaks.
    pub version_min: u32,
    /// Highest version that the client speaks.
    pub version_max: u32,
    /// Name and version of the program, as it says.
    pub agent: String,
}

/// A login, with the randomness that it may need.
pub struct LogIn {
    /// The name asked for.
    pub name: UserName,
    /// Empty where none was given.
    pub password: String,
    /// From an earlier login, or random where an invite is shown and there was none.
    pub resume_token: Option<ResumeToken>,
    /// Of an invite.
    pub invite: Option<InviteToken>,
    /// Randomness for the session's token if the login succeeds.
    pub fresh_token: ResumeToken,
}

impl LogIn {
    /// Randomness for who somebody new is.
    pub(crate) fn fresh_identity(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.fresh_token.0;
        [a, b, c, d, e, f, g, h]
    }

    /// Randomness that makes a token another one than those before.
    pub(crate) fn fresh_nonce(&self) -> [u8; 8] {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = self.fresh_token.0;
        [a, b, c, d, e, f, g, h]
    }

    /// Randomness for a password that becomes one.
    pub(crate) fn fresh_salt(&self) -> [u8; SALT_BYTES] {
        self.fresh_token.0.last_chunk().copied().unwrap_or_default()
    }
}

/// One message to be delivered.
#[derive(Debug)]
pub struct SendMessage {
    /// The client's name for it.
    pub id: MessageId,
    /// Where it goes.
    pub to: Conversation,
    /// Neither blank nor too long.
    pub text: String,
}

/// Which stored messages are wanted.
#[derive(Debug)]
pub struct HistoryWanted {
    /// Of which conversation.
    pub conversation: Conversation,
    /// Which of them.
    pub range: HistoryRange,
}

/// What is looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SearchWanted {
    /// Neither blank nor too long.
    pub text: String,
    /// Where the page before ended.
    pub before: Option<u64>,
    /// At most so many, and never more than a page holds.
    pub limit: usize,
}

/// Which messages of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HistoryRange {
    /// Only above this number.
    pub after: u64,
    /// Only below this number, and then the last of them rather than the first.
    pub before: Option<u64>,
    /// At most so many, and never more than a page holds.
    pub limit: usize,
}

/// Which hashes are wanted.
#[derive(Clone, Copy, Debug)]
pub struct PiecesWanted {
    /// For which download.
    pub download: u64,
    /// The first piece.
    pub first: u64,
}

/// How a download ended.
#[derive(Debug)]
pub struct DownloadDone {
    /// Which one.
    pub download: u64,
    /// Whether the whole file is there, and right.
    pub verified: bool,
    /// Its size.
    pub bytes: u64,
    /// Which way the bytes took.
    pub transport: common::wire::Transport,
}

impl std::fmt::Debug for LogIn {
    /// Leaves out what must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogIn").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why there is nothing to download.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoFile {
    /// No file of that name is offered.
    Missing,
    /// There may be one, but the server cannot look at it now.
    Unreadable,
}

impl NoFile {
    pub(crate) fn refusal(self, path: String) -> Refusal {
        match self {
            Self::Missing => Refusal::UnknownFile { path },
            Self::Unreadable => Refusal::FileUnreadable { path },
        }
    }
}
