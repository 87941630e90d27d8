//! What the server says of people: who is there, and who is writing.

use std::collections::BTreeSet;
use std::time::Instant;

use common::conversation::Conversation;
use common::wire::{self, LeaveReason, client_frame};

use crate::event::{Event, OnlineChange};
use crate::session::machine::{Machine, Phase};
use crate::session::paged_list::PageStep;
use crate::session::requests::Request;
use crate::session::typing::Typists;

/// A frame that no honest server sends; the connection is given up.
type Offence = String;

impl Machine {
    pub(super) fn online_page(&mut self, page: wire::OnlinePage) -> Result<(), Offence> {
        let away: BTreeSet<u32> = page.away.into_iter().collect();
        let names = (0..).zip(page.names).map(|(place, name)| (name, away.contains(&place)));
        match self.online.add_page(names, page.more) {
            PageStep::AskAfter(after) => {
                let next = client_frame::Body::ListOnline(wire::ListOnline { after });
                self.request(Request::OnlinePage, next);
            }
            PageStep::Complete => {
                let people = self.online.entries();
                let names = people.keys().cloned().collect();
                let away = people.iter().filter(|(_, is_away)| **is_away);
                let away = away.map(|(name, _)| name.clone()).collect();
                self.tell(Event::Online(OnlineChange::Reset { names, away }));
            }
        }
        Ok(())
    }

    pub(super) fn user_joined(&mut self, joined: wire::UserJoined) -> Result<(), Offence> {
        if self.online.insert(joined.name.clone(), false) {
            self.tell(Event::Online(OnlineChange::Joined(joined.name)));
        }
        Ok(())
    }

    pub(super) fn user_left(&mut self, left: &wire::UserLeft) -> Result<(), Offence> {
        let unheard = self.typing.left(&left.name);
        self.tell_typing(unheard);
        if self.online.remove(&left.name) {
            let connection_lost = left.reason() == LeaveReason::ConnectionLost;
            let name = left.name.clone();
            self.tell(Event::Online(OnlineChange::Left { name, connection_lost }));
        }
        Ok(())
    }

    pub(super) fn away_changed(&mut self, changed: wire::AwayChanged) -> Result<(), Offence> {
        let wire::AwayChanged { name, away: is_away } = changed;
        // Whoever is not there yet comes with a page that knows it.
        if self.online.contains(&name) && self.online.insert(name.clone(), is_away) {
            self.tell(Event::Online(OnlineChange::Away { name, is_away }));
        }
        Ok(())
    }

    /// Says whether our person is away, where that is news for the server.
    pub(super) fn say_away(&mut self, now: Instant) {
        if self.phase == Phase::LoggedIn
            && let Some(away) = self.away.next(now)
        {
            self.request(Request::Away, client_frame::Body::SetAway(wire::SetAway { away }));
        }
    }

    /// This person is writing, as a user interface says with each key.
    pub(super) fn types(&mut self, now: Instant, to: &Conversation) {
        if self.phase == Phase::LoggedIn && self.typing.is_worth_saying(now, to) {
            let id = self.requests.unanswered_id();
            let typing = wire::Typing { conversation: Some(to.to_wire()) };
            self.send(id, client_frame::Body::Typing(typing));
        }
    }

    pub(super) fn user_typing(
        &mut self,
        now: Instant,
        typing: wire::UserTyping,
    ) -> Result<(), Offence> {
        let conversation = typing.conversation.and_then(Conversation::from_wire);
        let conversation = conversation.ok_or("somebody types in no conversation")?;
        let heard = self.typing.heard(now, conversation, typing.name);
        self.tell_typing(heard);
        Ok(())
    }

    /// What was being written is there.
    pub(super) fn stopped_typing(&mut self, conversation: &Conversation, name: &str) {
        let heard = self.typing.stopped(conversation, name);
        self.tell_typing(heard);
    }

    pub(super) fn tell_typing(&mut self, heard: Vec<Typists>) {
        for Typists { conversation, names } in heard {
            self.tell(Event::Typing { conversation, names });
        }
    }
}
