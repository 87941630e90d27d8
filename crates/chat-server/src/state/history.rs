//! Who may read which stored messages. Reading waits for the disk: the state asks for it and answers
//! when it is told the result.

use std::time::Duration;

use common::conversation::{Conversation, LOBBY};
use common::limits::NAME_BYTES_MAX;
use common::user_name::NameKey;
use common::wire::HistoryPage;
use common::wire::server_frame::Body;

use crate::log::event::{ConversationKey, Identity, MessageSent};
use crate::log::writer::StorageProblem;
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, HistoryRange, HistoryWanted, LoginId};
use crate::state::router::Caller;
use crate::state::settling::to_wire;

/// How long a client is asked to wait before it asks again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Stored messages that are to be read, and for whom.
#[derive(Debug)]
pub struct HistoryQuestion {
    /// Who asked, and who gets the answer.
    pub asker: HistoryAsker,
    /// Which conversation.
    pub key: ConversationKey,
    /// Who it is that reads: of private messages only those that this one wrote or got.
    pub reader: Identity,
    /// Which messages.
    pub range: HistoryRange,
}

/// Who asked for stored messages.
#[derive(Clone, Debug)]
pub struct HistoryAsker {
    /// On which connection.
    pub connection: ConnectionId,
    /// In which request.
    pub request_id: u64,
    /// Who.
    pub login: LoginId,
    /// What the conversation is called there.
    pub conversation: Conversation,
}

/// A page of stored messages.
#[derive(Debug, Default)]
pub struct HistoryFound {
    /// In the order of their numbers.
    pub messages: Vec<MessageSent>,
    /// There are further ones.
    pub more: bool,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HistoryProblem {
    /// Too many questions wait.
    Busy,
    /// The disk.
    Failed,
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
        let session = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        let key = key_of(&session.key, &wanted.conversation)?;
        if session.reads_history {
            return Err(Refusal::SlowDown { retry_at_ms: now.unix_ms_after(BUSY_PAUSE) });
        }
        session.reads_history = true;
        let asker = HistoryAsker {
            connection: caller.connection,
            request_id: caller.request_id,
            login,
            conversation: wanted.conversation,
        };
        let (reader, range) = (session.identity, wanted.range);
        out.push(Action::ReadHistory(Box::new(HistoryQuestion { asker, key, reader, range })));
        Ok(())
    }

    /// Stored messages were read, or not.
    #[must_use]
    pub fn history_read(
        &mut self,
        now: Now,
        asker: &HistoryAsker,
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
            Ok(found) => {
                let page = HistoryPage {
                    conversation: Some(asker.conversation.to_wire()),
                    messages: found.messages.iter().map(to_wire).collect(),
                    more: found.more,
                };
                out.reply(caller.connection, caller.request_id, Body::HistoryPage(page));
            }
            Err(problem) => self.refuse(caller, refusal(now, problem), &mut out),
        }
        out.into_vec()
    }
}

/// The conversation as the server knows it. Nobody is told whether there is anything in it.
fn key_of(reader: &NameKey, conversation: &Conversation) -> Result<ConversationKey, Refusal> {
    match conversation {
        Conversation::Room(room) if room == LOBBY => Ok(ConversationKey::Lobby),
        Conversation::Room(room) => Err(Refusal::UnknownRoom { room: room.clone() }),
        Conversation::User(name) if name.len() > NAME_BYTES_MAX => {
            Err(Refusal::UnknownUser { name: name.clone() })
        }
        Conversation::User(name) => Ok(ConversationKey::pair(reader, &NameKey::of(name))),
    }
}

fn refusal(now: Now, problem: HistoryProblem) -> Refusal {
    match problem {
        HistoryProblem::Busy => Refusal::SlowDown { retry_at_ms: now.unix_ms_after(BUSY_PAUSE) },
        HistoryProblem::Failed => Refusal::Storage(StorageProblem::Failed),
    }
}
