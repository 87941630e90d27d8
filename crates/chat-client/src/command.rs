//! What a user interface asks of the session: one half of the contract between a program and
//! [`crate::session`]. The other half is [`crate::event`].

use std::path::PathBuf;
use std::str::FromStr;

use common::conversation::Conversation;
use common::invite_link::{HostPort, InviteLink, InviteLinkError};
use common::spki_pin::SpkiPin;

use crate::question::{Question, QuestionId};

/// Names one message of this client: 16 random bytes, kept over every resend.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MessageId(pub [u8; 16]);

/// Names one download of this client. Chosen by the user interface.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DownloadId(pub u64);

/// Names one upload of this client. Chosen by the user interface.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UploadId(pub u64);

/// Where a server is, as a person gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerAddress {
    /// Carries the server's key: trusted without asking.
    Invite(InviteLink),
    /// Trusted on first use, after asking.
    Plain(HostPort),
}

/// Which way file bytes may take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TransportChoice {
    /// UDP, and TCP when UDP does not get through.
    #[default]
    Auto,
    /// UDP or nothing.
    Udp,
    /// TCP only.
    Tcp,
}

/// A request to the session. Answers come as [`crate::event::Event`]s.
#[derive(Clone, Debug)]
pub enum Command {
    /// Dial the server, and again with backoff whenever the connection breaks, until [`Command::LogOut`].
    Connect {
        /// Where it is.
        server: ServerAddress,
    },
    /// Answer to [`crate::event::Event::FirstContact`]: remember this key and go on.
    Trust {
        /// The key that was shown.
        pin: SpkiPin,
    },
    /// Log in on the connection. A refused login may be tried again at once.
    LogIn {
        /// As typed.
        name: String,
        /// Where the server asks for one.
        password: Option<String>,
    },
    /// Send one message; sent again under the same id after a lost connection until it is answered.
    Send {
        /// Made with [`MessageId::random`].
        id: MessageId,
        /// A room or a person.
        to: Conversation,
        /// At most [`common::limits::TEXT_BYTES_MAX`] bytes.
        text: String,
    },
    /// The person is writing: to be said with each key, and passed on every few seconds.
    Typing {
        /// Where it will go.
        to: Conversation,
    },
    /// The person is away from this device, or back. Counts for all logins of this session.
    SetAway {
        /// Away.
        is_away: bool,
    },
    /// Read stored messages; answered by [`crate::event::Event::History`] or
    /// [`crate::event::Event::HistoryRefused`].
    ReadHistory {
        /// Of which conversation.
        conversation: Conversation,
        /// Only above this number.
        after: u64,
        /// 0, or: only below this number, and the last of them.
        before: u64,
        /// At most so many; a page holds 200.
        limit: u32,
    },
    /// Look for stored messages, of any conversation, that hold every word of a text; answered by
    /// [`crate::event::Event::Found`] or [`crate::event::Event::SearchRefused`].
    Search {
        /// At most [`common::limits::SEARCH_TEXT_BYTES_MAX`] bytes. Nothing in it has a special meaning.
        text: String,
        /// 0, or where the page before ended.
        before: u64,
        /// At most so many; a page holds 200.
        limit: u32,
    },
    /// Ask something about accounts or keeping order; answered by [`crate::event::Event::Answered`].
    Ask {
        /// Names it in the answer.
        id: QuestionId,
        /// What.
        question: Question,
    },
    /// Download a file of the server.
    Download {
        /// Names it in [`crate::event::Event::Download`].
        id: DownloadId,
        /// As the server lists it.
        path: String,
        /// Where it shall end up. An existing file is never overwritten.
        save_as: PathBuf,
        /// Which way the bytes may take.
        transport: TransportChoice,
    },
    /// Let a download rest: others get its place at the server, what has arrived is kept.
    PauseDownload {
        /// Which one.
        id: DownloadId,
    },
    /// Let a download that rests go on; it may have to stand in line for a place.
    ResumeDownload {
        /// Which one.
        id: DownloadId,
    },
    /// Give a download up and remove what there is of it.
    CancelDownload {
        /// Which one.
        id: DownloadId,
    },
    /// Upload a file to the server.
    Upload {
        /// Names it in [`crate::event::Event::Upload`].
        id: UploadId,
        /// The file here.
        file: PathBuf,
        /// What it shall be called on the server, folders included. Nothing is overwritten there.
        path: String,
        /// Which way the bytes may take.
        transport: TransportChoice,
    },
    /// Give an upload up and remove what the server has of it.
    CancelUpload {
        /// Which one.
        id: UploadId,
    },
    /// Say goodbye to the server, stop all transfers and close. What has arrived of them is kept: a
    /// download of the same file to the same place goes on from there.
    LogOut,
}

impl MessageId {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl ServerAddress {
    /// The host and port that a person typed or that the link names first.
    #[must_use]
    pub fn host_port(&self) -> &HostPort {
        match self {
            Self::Invite(link) => &link.server,
            Self::Plain(address) => address,
        }
    }
}

impl FromStr for ServerAddress {
    type Err = InviteLinkError;

    /// An invite link where the text looks like one, else `host[:port]`.
    fn from_str(text: &str) -> Result<Self, InviteLinkError> {
        let text = text.trim();
        if text.contains("://") {
            return text.parse().map(Self::Invite);
        }
        text.parse().map(Self::Plain)
    }
}
