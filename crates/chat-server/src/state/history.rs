//! Who may read which stored messages. Reading waits for the disk: the state asks for it and answers
//! when it is told the result.

use std::sync::Arc;
use std::time::Duration;

use common::conversation::{Conversation, LOBBY};
use common::limits::NAME_BYTES_MAX;
use common::user_name::NameKey;
use common::wire::server_frame::Body;
use common::wire::{ConversationEntry, ConversationPage, HistoryPage, Message, SearchPage};

use crate::log::event::room::{RoomId, RoomName};
use crate::log::event::ruling::Ruling;
use crate::log::event::{ConversationKey, Identity, MessageSent};
use crate::log::writer::StorageProblem;
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::administration::pages::audit_page;
use crate::state::messages::room_name;
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, HistoryRange, HistoryWanted, LoginId, SearchWanted};
use crate::state::roster::Session;
use crate::state::router::Caller;
use crate::state::settling::to_wire;

/// How long a client is asked to wait before it asks again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What is to be read, and for whom.
#[derive(Debug)]
pub struct HistoryQuestion {
    /// Who asked, and who gets the answer.
    pub asker: HistoryAsker,
    /// Who it is that reads.
    pub reader: Reader,
    /// What.
    pub subject: HistorySubject,
}

/// Who reads: of private messages only those that this one wrote or got.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reader {
    /// Who.
    pub identity: Identity,
    /// The rooms that this one is in.
    pub rooms: Vec<RoomName>,
}

impl Reader {
    /// Who reads something that is in no room.
    #[must_use]
    pub fn outside(identity: Identity) -> Self {
        Self { identity, rooms: Vec::new() }
    }

    /// What a room is called for this reader, by what it is stored under.
    #[must_use]
    pub fn call(&self, stored: &str) -> Conversation {
        let id = RoomId::from_text(stored);
        let room = self.rooms.iter().find(|room| Some(room.id) == id);
        room.map_or_else(Conversation::lobby, |room| Conversation::Room(room.name.spelling.clone()))
    }
}

/// What is to be read.
#[derive(Debug)]
pub enum HistorySubject {
    /// Stored messages of a conversation.
    Messages {
        /// What the reader calls it.
        conversation: Conversation,
        /// Which one.
        key: ConversationKey,
        /// Which of its messages.
        range: HistoryRange,
    },
    /// In which conversations there is anything for the reader.
    Conversations {
        /// Where the page before ended; 0 for the first.
        after: u64,
    },
    /// Stored messages of any conversation that hold some words.
    Search(SearchWanted),
    /// What was decided, by whoever may ask that.
    Audit {
        /// Only what is in events below this number.
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
}

/// Who asked.
#[derive(Clone, Copy, Debug)]
pub struct HistoryAsker {
    /// On which connection.
    pub connection: ConnectionId,
    /// In which request.
    pub request_id: u64,
    /// Who.
    pub login: LoginId,
}

/// What was read.
#[derive(Debug)]
pub enum HistoryFound {
    /// A page of stored messages.
    Messages {
        /// What the reader calls the conversation.
        conversation: Conversation,
        /// What is in it.
        page: MessagesFound,
    },
    /// A page of conversations.
    Conversations(ConversationsFound),
    /// Messages that hold what was looked for.
    Search {
        /// The latest first, each with what the reader calls its conversation.
        messages: Vec<(Conversation, MessageSent)>,
        /// Where the next page begins, if there is one.
        next: Option<u64>,
    },
    /// Decisions.
    Audit {
        /// The latest first.
        rulings: Vec<Arc<Ruling>>,
        /// Where the next page begins, if there is one.
        next: Option<u64>,
    },
}

/// A page of stored messages.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct MessagesFound {
    /// In the order of their numbers.
    pub messages: Vec<MessageSent>,
    /// There are further ones.
    pub more: bool,
    /// The first number that is kept, if some were removed because of their age.
    pub first_kept: Option<u64>,
}

/// A page of conversations.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct ConversationsFound {
    /// In the order of their beginnings.
    pub entries: Vec<ConversationFound>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// One conversation, for one reader.
#[derive(Debug, Eq, PartialEq)]
pub struct ConversationFound {
    /// As the reader calls it.
    pub conversation: Conversation,
    /// The number of the last message that the reader may read.
    pub last_seq: u64,
    /// When that was written, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HistoryProblem {
    /// Too many questions wait.
    Busy,
    /// The disk.
    Failed,
    /// There is no word in what is looked for.
    NoWord,
    /// What is looked for is in too many messages.
    TooBroad,
}

impl State {
    pub(crate) fn read_history(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        wanted: HistoryWanted,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let HistoryWanted { conversation, range } = wanted;
        let key = self.key_of(session, &conversation)?;
        let subject = HistorySubject::Messages { conversation, key, range };
        self.ask_history(now, caller, login, subject, out)
    }

    pub(crate) fn list_conversations(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        after: u64,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        self.ask_history(now, caller, login, HistorySubject::Conversations { after }, out)
    }

    pub(crate) fn search_messages(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        wanted: SearchWanted,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        self.ask_history(now, caller, login, HistorySubject::Search(wanted), out)
    }

    /// One question of a login at a time.
    pub(crate) fn ask_history(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        subject: HistorySubject,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        if session.reads_history {
            return Err(Refusal::SlowDown { retry_at_ms: now.unix_ms_after(BUSY_PAUSE) });
        }
        session.reads_history = true;
        let identity = session.identity;
        let rooms = self.rooms.of(identity).map(|open| open.room.name.clone()).collect();
        let Caller { connection, request_id } = caller;
        let asker = HistoryAsker { connection, request_id, login };
        let reader = Reader { identity, rooms };
        out.push(Action::ReadHistory(Box::new(HistoryQuestion { asker, reader, subject })));
        Ok(())
    }

    /// The conversation as the server knows it. Nobody is told whether there is anything in a private one.
    fn key_of(
        &self,
        reader: &Session,
        conversation: &Conversation,
    ) -> Result<ConversationKey, Refusal> {
        match conversation {
            Conversation::Room(room) if room == LOBBY => Ok(ConversationKey::Lobby),
            Conversation::Room(room) => {
                let open = self.visible(reader, room_name(room.clone())?)?;
                Ok(ConversationKey::Room(open.room.name.id))
            }
            Conversation::User(name) if name.len() > NAME_BYTES_MAX => {
                Err(Refusal::UnknownUser { name: name.clone() })
            }
            Conversation::User(name) => Ok(ConversationKey::pair(&reader.key, &NameKey::of(name))),
        }
    }

    /// What was asked for was read, or not.
    #[must_use]
    pub fn history_read(
        &mut self,
        now: Now,
        asker: HistoryAsker,
        result: Result<HistoryFound, HistoryProblem>,
    ) -> Vec<Action> {
        let mut out = Actions::default();
        if let Some(session) = self.roster.session_mut(asker.login) {
            session.reads_history = false;
        }
        if !self.peers.contains_key(&asker.connection) {
            return out.into_vec();
        }
        let caller = Caller { connection: asker.connection, request_id: asker.request_id };
        match result {
            Ok(found) => out.reply(caller.connection, caller.request_id, body(found)),
            Err(problem) => self.refuse(caller, refusal(now, problem), &mut out),
        }
        out.into_vec()
    }
}

fn body(found: HistoryFound) -> Body {
    match found {
        HistoryFound::Messages { conversation, page } => Body::HistoryPage(HistoryPage {
            conversation: Some(conversation.to_wire()),
            messages: page.messages.iter().map(to_wire).collect(),
            more: page.more,
            first_kept_seq: page.first_kept.unwrap_or(0),
        }),
        HistoryFound::Conversations(found) => Body::ConversationPage(ConversationPage {
            conversations: found.entries.iter().map(entry).collect(),
            next: found.next.unwrap_or(0),
        }),
        HistoryFound::Search { messages, next } => Body::SearchPage(SearchPage {
            messages: messages.iter().map(found_message).collect(),
            next: next.unwrap_or(0),
        }),
        HistoryFound::Audit { rulings, next } => Body::AuditPage(audit_page(&rulings, next)),
    }
}

fn found_message((conversation, message): &(Conversation, MessageSent)) -> Message {
    Message { conversation: Some(conversation.to_wire()), ..to_wire(message) }
}

fn entry(found: &ConversationFound) -> ConversationEntry {
    let conversation = Some(found.conversation.to_wire());
    ConversationEntry { conversation, last_seq: found.last_seq, at_ms: found.at_ms }
}

fn refusal(now: Now, problem: HistoryProblem) -> Refusal {
    match problem {
        HistoryProblem::Busy => Refusal::SlowDown { retry_at_ms: now.unix_ms_after(BUSY_PAUSE) },
        HistoryProblem::Failed => Refusal::Storage(StorageProblem::Failed),
        HistoryProblem::NoWord => Refusal::TextEmpty,
        HistoryProblem::TooBroad => Refusal::TooBroad,
    }
}
