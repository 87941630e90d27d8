//! What happens when the log has had its say: a message that is stored is acknowledged and delivered,
//! one that is not is refused, and its number is free again. Everything in the order of the numbers.

use bytes::Bytes;
use common::conversation::Conversation;
use common::wire::server_frame::Body;
use common::wire::{Message, MessageAccepted};

use crate::log::event::{Destination, MessageSent, Person};
use crate::log::writer::StorageProblem;
use crate::state::State;
use crate::state::action::{Action, Actions, Recipients};
use crate::state::now::Now;
use crate::state::recent_messages::Accepted;
use crate::state::refusal::Refusal;
use crate::state::request::{LoginId, MessageId};
use crate::state::roster::Session;
use crate::state::router::Caller;
use crate::state::unsettled::{UnsettledMessage, Waiting};

impl State {
    /// The next `events` of those that were to be recorded are stored.
    #[must_use]
    pub fn recorded(&mut self, now: Now, events: usize) -> Vec<Action> {
        let mut out = Actions::default();
        for _ in 0..events {
            match self.unsettled.pop() {
                Some(Waiting::Message(message)) => self.message_stored(&message, &mut out),
                Some(Waiting::Ruling(ruling)) => self.ruling_stored(now, &ruling, &mut out),
                // Those at the front are popped as soon as they are there.
                Some(Waiting::LogOut { .. }) | None => {
                    debug_assert!(false, "more was stored than recorded");
                }
            }
            self.log_outs_at_the_front(now, &mut out);
        }
        out.into_vec()
    }

    /// None of what was to be recorded and is not stored yet will be.
    #[must_use]
    pub fn not_recorded(&mut self, now: Now, problem: StorageProblem) -> Vec<Action> {
        let mut out = Actions::default();
        // From the latest on, so that the numbers come back in the order in which they were given.
        for waiting in self.unsettled.latest_first() {
            self.conversations.give_back(&waiting.message.conversation(), waiting.message.seq);
        }
        while let Some(waiting) = self.unsettled.pop() {
            match waiting {
                Waiting::Message(message) => self.message_not_stored(&message, problem, &mut out),
                Waiting::Ruling(ruling) => self.ruling_not_stored(&ruling, problem, &mut out),
                Waiting::LogOut { caller, login } => {
                    self.log_out_now(now, caller, login, &mut out);
                }
            }
        }
        out.into_vec()
    }

    fn log_outs_at_the_front(&mut self, now: Now, out: &mut Actions) {
        while let Some((caller, login)) = self.unsettled.pop_log_out() {
            self.log_out_now(now, caller, login, out);
        }
    }

    fn message_stored(&mut self, stored: &UnsettledMessage, out: &mut Actions) {
        let message = &stored.message;
        let accepted = Accepted { seq: message.seq, at_ms: message.at_ms };
        self.recent.settle(&message.from.key, MessageId(message.id), accepted);
        self.tally.messages += 1;
        self.one_less_unsettled(stored.sender);
        for caller in self.callers_still_there(stored) {
            let body = MessageAccepted {
                receiver_is_away: self.receiver_is_away(message),
                ..accepted_as(&stored.seen_by_sender, accepted)
            };
            out.reply(caller.connection, caller.request_id, Body::MessageAccepted(body));
        }
        self.deliver(stored, out);
    }

    /// To where its receivers are now: its sender's other devices are among them.
    fn deliver(&self, stored: &UnsettledMessage, out: &mut Actions) {
        let message = &stored.message;
        match &message.to {
            Destination::Lobby => {
                let sender = self.roster.session(stored.sender);
                let but_sender = sender.map(|sender| Recipients::EverybodyBut(sender.connection));
                let recipients = but_sender.unwrap_or(Recipients::Everybody);
                tell(message, recipients, &Conversation::lobby(), out);
            }
            Destination::Room(room) => {
                let Some(open) = self.rooms.get(room.id) else { return };
                let recipients = Recipients::Many(self.in_room(open, Some(stored.sender)));
                let conversation = Conversation::Room(room.name.spelling.clone());
                tell(message, recipients, &conversation, out);
            }
            // Who is away reads it when back.
            Destination::Person(receiver) => {
                let is_note = receiver.identity == message.from.identity;
                for session in self.sessions_of(receiver).filter(|_| !is_note) {
                    let conversation = Conversation::User(message.from.name.clone());
                    tell(message, Recipients::One(session.connection), &conversation, out);
                }
                let others = self.sessions_of(&message.from);
                for session in others.filter(|session| session.login != stored.sender) {
                    let conversation = Conversation::User(receiver.name.clone());
                    tell(message, Recipients::One(session.connection), &conversation, out);
                }
            }
        }
    }

    /// The sessions of this very person, and of nobody else who has the name by now.
    pub(crate) fn sessions_of(&self, person: &Person) -> impl Iterator<Item = &Session> {
        let identity = person.identity;
        self.roster.of_key(&person.key).filter(move |session| session.identity == identity)
    }

    fn receiver_is_away(&self, message: &MessageSent) -> bool {
        match &message.to {
            Destination::Lobby | Destination::Room(_) => false,
            Destination::Person(receiver) => self.sessions_of(receiver).next().is_none(),
        }
    }

    fn message_not_stored(
        &mut self,
        lost: &UnsettledMessage,
        problem: StorageProblem,
        out: &mut Actions,
    ) {
        self.recent.cancel(&lost.message.from.key, MessageId(lost.message.id));
        self.one_less_unsettled(lost.sender);
        for caller in self.callers_still_there(lost) {
            self.refuse(caller, Refusal::Storage(problem), out);
        }
    }

    fn one_less_unsettled(&mut self, sender: LoginId) {
        if let Some(sender) = self.roster.session_mut(sender) {
            sender.unsettled -= 1;
        }
    }

    /// A reply goes to the connection of its request or nowhere.
    fn callers_still_there(&self, settled: &UnsettledMessage) -> Vec<Caller> {
        let callers = std::iter::once(settled.caller).chain(settled.again.iter().copied());
        callers.filter(|caller| self.peers.contains_key(&caller.connection)).collect()
    }
}

fn tell(message: &MessageSent, to: Recipients, conversation: &Conversation, out: &mut Actions) {
    let conversation = Some(conversation.to_wire());
    out.tell(to, Body::Message(Message { conversation, ..to_wire(message) }));
}

/// As it is sent, but for the conversation, which depends on who looks at it.
pub(crate) fn to_wire(message: &MessageSent) -> Message {
    Message {
        conversation: None,
        seq: message.seq,
        from: message.from.name.clone(),
        text: message.text.clone(),
        at_ms: message.at_ms,
        message_id: Bytes::copy_from_slice(&message.id),
    }
}

pub(crate) fn accepted_as(conversation: &Conversation, accepted: Accepted) -> MessageAccepted {
    MessageAccepted {
        conversation: Some(conversation.to_wire()),
        seq: accepted.seq,
        at_ms: accepted.at_ms,
        receiver_is_away: false,
    }
}
