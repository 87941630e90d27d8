//! What happens when a message arrives: to whom it goes, which number it gets, how it is answered.

use bytes::Bytes;
use common::conversation::{Conversation, LOBBY};
use common::user_name::NameKey;
use common::wire::server_frame::Body;
use common::wire::{Message, MessageAccepted};

use crate::state::State;
use crate::state::action::{Actions, Recipients};
use crate::state::conversations::ConversationKey;
use crate::state::now::Now;
use crate::state::recent_messages::Accepted;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LoginId, SendMessage};
use crate::state::roster::Session;
use crate::state::router::Caller;

/// Where a message goes, once it is known that it goes anywhere.
struct Route {
    key: ConversationKey,
    recipients: Option<Recipients>,
    /// The conversation as the sender sees it, names spelt as the server spells them.
    seen_by_sender: Conversation,
    /// The conversation as its receivers see it.
    seen_by_receiver: Conversation,
}

impl State {
    /// Delivers a message and acknowledges it; one that was accepted before is acknowledged only.
    pub(crate) fn send_message(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        message: SendMessage,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let Some(sender) = self.roster.session_mut(login) else {
            return Err(Refusal::NotLoggedIn);
        };
        if let Some(accepted) = self.recent.find(&sender.key, message.id) {
            return caller.reply(out, accepted_body(&message.to, accepted));
        }
        sender
            .messages
            .take(now.instant, self.policy.messages)
            .map_err(|wait| Refusal::SlowDown { retry_at_ms: now.unix_ms_after(wait) })?;
        let sender = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let route = self.find_route(caller.connection, sender, message.to)?;
        let (from, key) = (sender.name.as_str().to_owned(), sender.key.clone());
        let accepted = Accepted { seq: self.conversations.next_seq(route.key), at_ms: now.unix_ms };
        self.recent.insert(&key, message.id, accepted);
        self.tally.messages += 1;
        caller.reply(out, accepted_body(&route.seen_by_sender, accepted))?;
        if let Some(recipients) = route.recipients {
            let delivered = Message {
                conversation: Some(route.seen_by_receiver.to_wire()),
                seq: accepted.seq,
                from,
                text: message.text,
                at_ms: accepted.at_ms,
                message_id: Bytes::copy_from_slice(&message.id.0),
            };
            out.tell(recipients, Body::Message(delivered));
        }
        Ok(())
    }

    fn find_route(
        &self,
        connection: ConnectionId,
        sender: &Session,
        to: Conversation,
    ) -> Result<Route, Refusal> {
        match to {
            Conversation::Room(room) if room == LOBBY => Ok(Route {
                key: ConversationKey::Lobby,
                recipients: Some(Recipients::EverybodyBut(connection)),
                seen_by_sender: Conversation::lobby(),
                seen_by_receiver: Conversation::lobby(),
            }),
            Conversation::Room(room) => Err(Refusal::UnknownRoom { room }),
            Conversation::User(name) => {
                let Some(receiver) = self.find_user(&name) else {
                    return Err(Refusal::UnknownUser { name });
                };
                let is_note_to_self = receiver.login == sender.login;
                Ok(Route {
                    key: ConversationKey::pair(&sender.key, &receiver.key),
                    recipients: (!is_note_to_self).then_some(Recipients::One(receiver.connection)),
                    seen_by_sender: Conversation::User(receiver.name.as_str().to_owned()),
                    seen_by_receiver: Conversation::User(sender.name.as_str().to_owned()),
                })
            }
        }
    }

    /// A person by any spelling of the name; a text too long for a name is nobody's.
    fn find_user(&self, name: &str) -> Option<&Session> {
        let may_be_a_name = name.len() <= common::limits::NAME_BYTES_MAX;
        may_be_a_name.then(|| self.roster.by_key(&NameKey::of(name))).flatten()
    }
}

fn accepted_body(conversation: &Conversation, accepted: Accepted) -> Body {
    Body::MessageAccepted(MessageAccepted {
        conversation: Some(conversation.to_wire()),
        seq: accepted.seq,
        at_ms: accepted.at_ms,
    })
}
