//! Who is writing: told to those of a conversation who are there at that moment, stored nowhere and kept for
//! nobody.

use std::sync::Arc;

use common::conversation::Conversation;
use common::wire::UserTyping;
use common::wire::server_frame::Body;

use crate::log::event::Destination;
use crate::state::State;
use crate::state::action::{Actions, Recipients};
use crate::state::now::Now;
use crate::state::rate_limit::Rate;
use crate::state::refusal::Refusal;
use crate::state::request::{ConnectionId, LoginId};
use crate::state::roster::Session;

/// How often one session may say it. Clients do every few seconds; somebody who goes from one conversation to the
/// next says it to each. More is left out without a word: nobody waits for an answer, and one would cost as much as
/// what it refuses.
const TYPING: Rate = Rate { burst: 5, per_second: 1 };

/// Sessions that are told. Where all of n people write, n² are told each few seconds: of 50 that is what two busy
/// talkers cost, of 1,000 it would be more than all the messages. And nobody needs to know which of hundreds are
/// writing.
const HEARERS_MAX: usize = 50;

impl State {
    /// Tells that the caller is writing, where the message could go.
    pub(crate) fn typing(
        &mut self,
        now: Now,
        login: LoginId,
        to: Conversation,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let writer = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        if writer.signals().typing.take(now.instant, TYPING).is_err() {
            return Ok(());
        }
        let key = writer.key.clone();
        self.check_mute(now, &key)?;
        let writer = self.roster.session(login).ok_or(Refusal::NotLoggedIn)?;
        let route = self.find_route(writer, to)?;
        let (hearers, conversation) = match &route.to {
            Destination::Lobby => (hearers(self.roster.sessions(), writer), Conversation::lobby()),
            Destination::Room(room) => {
                let members =
                    self.rooms.get(room.id).into_iter().flat_map(|it| it.members.values());
                let sessions = members.flat_map(|it| self.sessions_of(&it.member));
                (hearers(sessions, writer), Conversation::Room(room.name.spelling.clone()))
            }
            Destination::Person(receiver) => {
                let name = writer.name.as_str().to_owned();
                (hearers(self.sessions_of(receiver), writer), Conversation::User(name))
            }
        };
        let name = writer.name.as_str().to_owned();
        let typing = UserTyping { conversation: Some(conversation.to_wire()), name };
        out.tell(Recipients::Many(hearers), Body::UserTyping(typing));
        Ok(())
    }
}

/// Those with somebody behind them, but for the writer's own; none of too many.
fn hearers<'a>(
    sessions: impl Iterator<Item = &'a Session>,
    writer: &Session,
) -> Arc<[ConnectionId]> {
    let others = sessions.filter(|it| it.identity != writer.identity && !it.is_held());
    let found: Vec<_> = others.map(|it| it.connection).take(HEARERS_MAX + 1).collect();
    if found.len() > HEARERS_MAX { Arc::default() } else { found.into() }
}
