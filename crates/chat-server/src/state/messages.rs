//! What happens when a message arrives: to whom it goes, which number it gets. It is answered and
//! delivered when it is stored: see [`super::settling`].

use std::sync::Arc;

use common::conversation::{Conversation, LOBBY};
use common::user_name::NameKey;
use common::wire::server_frame::Body;

use crate::log::event::ruling::Name;
use crate::log::event::{Destination, Event, MessageSent, Person};
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::now::Now;
use crate::state::recent_messages::Known;
use crate::state::refusal::Refusal;
use crate::state::request::{LoginId, MessageId, SendMessage};
use crate::state::roster::Session;
use crate::state::router::Caller;
use crate::state::settling::accepted_as;
use crate::state::unsettled::UnsettledMessage;

/// How long a client is asked to wait while the log has all it can take: it is behind by less.
const LOG_BUSY_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Callers that wait for the answer to one message, who sent it again. More are told to slow down: while the
/// disk stalls they would be without bound.
const AGAIN_MAX: usize = 8;

/// Where a message goes, once it is known that it goes anywhere.
pub(super) struct Route {
    pub(super) to: Destination,
    /// The conversation as the sender sees it, names spelt as the server spells them.
    seen_by_sender: Conversation,
}

impl State {
    /// Numbers a message and has it recorded. One that was accepted before is acknowledged only; one
    /// that waits for the log is answered together with the first.
    pub(crate) fn send_message(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        message: SendMessage,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let sender = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        match self.recent.find(&sender.key, message.id) {
            Some(Known::Accepted(accepted)) => {
                let body = Body::MessageAccepted(accepted_as(&message.to, accepted));
                return caller.reply(out, body);
            }
            Some(Known::Unsettled) => {
                if let Some(first) = self.unsettled.find(&sender.key, message.id) {
                    if first.again.len() >= AGAIN_MAX {
                        let retry_at_ms = now.unix_ms_after(LOG_BUSY_PAUSE);
                        return Err(Refusal::SlowDown { retry_at_ms });
                    }
                    first.again.push(caller);
                    return Ok(());
                }
            }
            None => {}
        }
        let key = sender.key.clone();
        self.check_mute(now, &key)?;
        self.take_turn(now, login)?;
        if self.unsettled.is_full(message.text.len()) {
            return Err(Refusal::SlowDown { retry_at_ms: now.unix_ms_after(LOG_BUSY_PAUSE) });
        }
        let sender = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let (from, route) = (person(sender), self.find_route(sender, message.to)?);
        let mut message = MessageSent {
            to: route.to,
            seq: 0,
            id: message.id.0,
            from,
            text: message.text,
            at_ms: now.unix_ms,
        };
        message.seq = self.conversations.next_seq(message.conversation());
        self.recent.begin(&message.from.key, MessageId(message.id));
        if let Some(sender) = self.roster.session_mut(login) {
            sender.unsettled += 1;
        }
        let message = Arc::new(message);
        out.push(Action::Record(Event::MessageSent(Arc::clone(&message))));
        self.unsettled.push(UnsettledMessage {
            message,
            sender: login,
            seen_by_sender: route.seen_by_sender,
            caller,
            again: Vec::new(),
        });
        Ok(())
    }

    /// Whether whoever has that name may write.
    pub(super) fn check_mute(&mut self, now: Now, key: &NameKey) -> Result<(), Refusal> {
        match self.sanctions.mute_of(now, key) {
            None => Ok(()),
            Some(mute) => Err(Refusal::Muted { until_ms: mute.end.to_ms(), reason: mute.reason }),
        }
    }

    pub(super) fn find_route(&self, sender: &Session, to: Conversation) -> Result<Route, Refusal> {
        match to {
            Conversation::Room(room) if room == LOBBY => {
                Ok(Route { to: Destination::Lobby, seen_by_sender: Conversation::lobby() })
            }
            Conversation::Room(room) => self.find_room(sender, room),
            Conversation::User(name) => {
                let receiver = self.find_person(&name).ok_or(Refusal::UnknownUser { name })?;
                Ok(Route {
                    seen_by_sender: Conversation::User(receiver.name.clone()),
                    to: Destination::Person(receiver),
                })
            }
        }
    }

    /// A room that the sender may write in.
    fn find_room(&self, sender: &Session, room: String) -> Result<Route, Refusal> {
        let open = self.visible(sender, room_name(room)?)?;
        let room = &open.room.name;
        if !open.is_member(sender.identity) {
            return Err(Refusal::NotAMember { room: room.name.spelling.clone() });
        }
        if open.room.is_announce_only && !self.moderates(sender, open) {
            return Err(Refusal::NotAllowed);
        }
        let seen_by_sender = Conversation::Room(room.name.spelling.clone());
        Ok(Route { to: Destination::Room(room.clone()), seen_by_sender })
    }

    /// A person by any spelling of the name: whose account it is, who has it, or had it last. A text too long for a name is
    /// nobody's.
    pub(crate) fn find_person(&self, name: &str) -> Option<Person> {
        if name.len() > common::limits::NAME_BYTES_MAX {
            return None;
        }
        let key = NameKey::of(name);
        let account = self.accounts.find(&key).map(|registered| registered.account.holder.clone());
        let here = || self.roster.of_key(&key).next().map(person);
        account.or_else(here).or_else(|| self.people.find(&key).cloned())
    }
}

/// A room by any spelling of its name. A text too long for a name is that of none.
pub(crate) fn room_name(spelling: String) -> Result<Name, Refusal> {
    if spelling.len() > common::limits::NAME_BYTES_MAX {
        return Err(Refusal::UnknownRoom { room: spelling });
    }
    Ok(Name { key: NameKey::of(&spelling), spelling })
}

pub(crate) fn person(session: &Session) -> Person {
    Person {
        key: session.key.clone(),
        name: session.name.as_str().to_owned(),
        identity: session.identity,
    }
}
