//! One's own messages: shown at once, and until the server has accepted them ready to be sent again.

use chat_client::command::{Command, MessageId};
use chat_client::error::Refusal;
use chat_client::error_text;
use common::conversation::{Conversation, LOBBY};
use common::limits::TEXT_BYTES_MAX;
use common::wire::{self, RefusalCode};
use gtk::subclass::prelude::*;

use super::{ChatSession, not_taken, now_ms};
use crate::model::message::{Content, Kind, Message};
use crate::model::plain_text;

/// A message of ours that the server has not accepted.
#[derive(Debug)]
pub(super) struct Outgoing {
    row: Message,
    to: Conversation,
    text: String,
}

impl ChatSession {
    /// Sends `text`, and shows it as being sent. Blank text is nothing to send.
    pub fn send(&self, to: Conversation, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let kind = match &to {
            Conversation::Room(room) if room == LOBBY => Kind::Public,
            Conversation::Room(room) => Kind::Room { name: plain_text::shown_name(room) },
            Conversation::User(name) => Kind::Private { with: plain_text::shown_name(name) },
        };
        let author = plain_text::shown_name(&self.imp().connection.own_name());
        let row = Message::new(Content {
            kind,
            author,
            own: true,
            text: plain_text::shown(text),
            at_ms: now_ms(),
        });
        let id = MessageId::random();
        let outgoing = Outgoing { row: row.clone(), to, text: text.to_owned() };
        self.imp().outbox.borrow_mut().insert(id, outgoing);
        self.hand_over(id);
        self.show(&row);
        self.show_new_rows();
    }

    /// Sends a message that failed once more, under its old id: the server knows it if it has it.
    pub fn retry(&self, row: &Message) {
        let id = self
            .imp()
            .outbox
            .borrow()
            .iter()
            .find(|(_, outgoing)| outgoing.row == *row)
            .map(|(id, _)| *id);
        if let Some(id) = id {
            self.hand_over(id);
        }
    }

    fn hand_over(&self, id: MessageId) {
        let (row, to, text) = match self.imp().outbox.borrow().get(&id) {
            Some(outgoing) => (outgoing.row.clone(), outgoing.to.clone(), outgoing.text.clone()),
            None => return,
        };
        if text.len() > TEXT_BYTES_MAX {
            return fail(&row, &error_text::refusal(&too_long()));
        }
        row.set_failure(None::<String>);
        row.set_pending(true);
        if !self.ask(Command::Send { id, to, text }) {
            fail(&row, &not_taken());
        }
    }

    pub(super) fn accepted(&self, id: MessageId) {
        if let Some(outgoing) = self.imp().outbox.borrow_mut().remove(&id) {
            outgoing.row.set_pending(false);
            outgoing.row.set_failure(None::<String>);
        }
    }

    pub(super) fn refused(&self, id: MessageId, refusal: &Refusal) {
        let row = self.imp().outbox.borrow().get(&id).map(|outgoing| outgoing.row.clone());
        if let Some(row) = row {
            fail(&row, &error_text::refusal(refusal));
        }
    }

    /// The session is over: what it has not sent it will not send.
    pub(super) fn fail_outbox(&self) {
        for (_, outgoing) in self.imp().outbox.take() {
            fail(&outgoing.row, &not_taken());
        }
    }
}

/// What the server would answer.
fn too_long() -> Refusal {
    let allowed = TEXT_BYTES_MAX as u64;
    Refusal(wire::Refused {
        code: RefusalCode::TextTooLong.into(),
        allowed,
        ..wire::Refused::default()
    })
}

fn fail(row: &Message, sentence: &str) {
    row.set_pending(false);
    row.set_failure(Some(sentence));
}
