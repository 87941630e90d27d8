//! What waits for the log: messages that are numbered and neither stored nor answered, in the order of
//! their numbers, decisions among them, and log-outs behind the last message of their session.

use std::collections::VecDeque;
use std::sync::Arc;

use common::conversation::Conversation;
use common::user_name::NameKey;

use crate::log::event::MessageSent;
use crate::log::event::ruling::{Ruling, Subject};
use crate::state::administration::Rank;
use crate::state::request::{LoginId, MessageId};
use crate::state::router::Caller;

/// Messages on their way to the log at most; beyond it `SLOW_DOWN`. Half a second's work for a disk of
/// our time.
pub(crate) const UNSETTLED_MAX: usize = 16 * 1024;

/// Bytes of text on their way to the log at most; beyond it `SLOW_DOWN`.
pub(crate) const UNSETTLED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Waits in line.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// For its own commit.
    Message(Box<UnsettledMessage>),
    /// For its own commit.
    Ruling(Box<UnsettledRuling>),
    /// For the messages before it.
    LogOut { caller: Caller, login: LoginId },
}

/// A message that waits for its commit, and what is to be done then. Who receives it is looked up
/// then: connections come and go meanwhile.
#[derive(Debug)]
pub(crate) struct UnsettledMessage {
    pub(crate) message: Arc<MessageSent>,
    pub(crate) sender: LoginId,
    /// The conversation as the sender sees it, names spelt as the server spells them.
    pub(crate) seen_by_sender: Conversation,
    pub(crate) caller: Caller,
    /// Who sent it again meanwhile.
    pub(crate) again: Vec<Caller>,
}

/// A decision that waits for its commit.
#[derive(Debug)]
pub(crate) struct UnsettledRuling {
    pub(crate) ruling: Arc<Ruling>,
    /// Of who decided.
    pub(crate) rank: Rank,
    /// Of the room that somebody is let into, the last message that was numbered before.
    pub(crate) last_seq: u64,
    /// Who is told; nobody where it follows from something else.
    pub(crate) caller: Option<Caller>,
}

/// All that waits, in order.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    line: VecDeque<Waiting>,
    events: usize,
    text_bytes: usize,
}

impl Unsettled {
    /// Whether one more message of so many bytes would be too many.
    pub(crate) fn is_full(&self, text_bytes: usize) -> bool {
        self.events >= UNSETTLED_MAX || self.text_bytes + text_bytes > UNSETTLED_BYTES_MAX
    }

    pub(crate) fn push(&mut self, message: UnsettledMessage) {
        self.events += 1;
        self.text_bytes += message.message.text.len();
        self.line.push_back(Waiting::Message(Box::new(message)));
    }

    /// Has a decision wait.
    pub(crate) fn push_ruling(&mut self, ruling: UnsettledRuling) {
        self.events += 1;
        self.line.push_back(Waiting::Ruling(Box::new(ruling)));
    }

    /// Whether something is decided about that right now.
    pub(crate) fn decides_about(&self, subject: &Subject) -> bool {
        self.line.iter().any(|waiting| match waiting {
            Waiting::Ruling(it) => it.ruling.decision.subject().as_ref() == Some(subject),
            Waiting::Message(_) | Waiting::LogOut { .. } => false,
        })
    }

    /// Has a log-out wait for what its session wrote before.
    pub(crate) fn push_log_out(&mut self, caller: Caller, login: LoginId) {
        self.line.push_back(Waiting::LogOut { caller, login });
    }

    /// The user's message of that name, if it waits.
    pub(crate) fn find(&mut self, user: &NameKey, id: MessageId) -> Option<&mut UnsettledMessage> {
        self.line.iter_mut().rev().find_map(|waiting| match waiting {
            Waiting::Message(it) if it.message.id == id.0 && it.message.from.key == *user => {
                Some(it.as_mut())
            }
            _ => None,
        })
    }

    /// The next in line, whatever it is.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.line.pop_front()?;
        match &waiting {
            Waiting::Message(it) => {
                self.events -= 1;
                self.text_bytes -= it.message.text.len();
            }
            Waiting::Ruling(_) => self.events -= 1,
            Waiting::LogOut { .. } => {}
        }
        Some(waiting)
    }

    /// The next in line if it waits for no commit of its own.
    pub(crate) fn pop_log_out(&mut self) -> Option<(Caller, LoginId)> {
        let Some(Waiting::LogOut { caller, login }) = self.line.front() else { return None };
        let waiting = (*caller, *login);
        self.line.pop_front();
        Some(waiting)
    }

    /// The messages that wait, the latest first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &UnsettledMessage> {
        self.line.iter().rev().filter_map(|waiting| match waiting {
            Waiting::Message(it) => Some(it.as_ref()),
            Waiting::Ruling(_) | Waiting::LogOut { .. } => None,
        })
    }
}
