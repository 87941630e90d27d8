//! The list of conversations, read after each login: what is missing, and where what is new begins.

use std::cmp::Reverse;

use common::conversation::Conversation;
use common::limits::NAME_BYTES_MAX;
use common::wire;

use crate::session::history::watched::Watched;
use crate::session::history::{
    CONVERSATIONS_MAX, CatchUp, Heard, History, Known, Listing, Question, key_of,
};

/// Private conversations of which a program that was just started reads the latest messages.
const FIRST_CONVERSATIONS: usize = 20;

impl History {
    /// A page of the list.
    ///
    /// # Errors
    /// Nobody asked for it, or it does not go on.
    pub(crate) fn listed(&mut self, page: wire::ConversationPage) -> Result<Vec<Heard>, String> {
        let Some(Question::CatchUp(CatchUp::List { after })) = self.under_way.take() else {
            return Err("a list of conversations that nobody asked for".to_owned());
        };
        self.failures = 0;
        let is_last = page.next == 0;
        if !is_last && (page.next <= after || page.conversations.is_empty()) {
            return Err("a list of conversations that does not end".to_owned());
        }
        page.conversations.into_iter().for_each(|entry| self.listed_one(entry));
        if is_last || self.known.len() >= CONVERSATIONS_MAX {
            let told = self.list_ends(Listing::Done);
            return Ok(self.caught_up(told));
        }
        self.catch_ups.push_front(CatchUp::List { after: page.next });
        Ok(Vec::new())
    }

    fn listed_one(&mut self, entry: wire::ConversationEntry) {
        let wire::ConversationEntry { conversation, last_seq, at_ms } = entry;
        let Some(conversation) = conversation.and_then(Conversation::from_wire) else { return };
        let (Conversation::Room(name) | Conversation::User(name)) = &conversation;
        if name.len() > NAME_BYTES_MAX || last_seq == 0 {
            return;
        }
        let (key, has_room) = (key_of(&conversation), self.known.len() < CONVERSATIONS_MAX);
        if !has_room && !self.known.contains_key(&key) {
            return;
        }
        let watched = Watched::default();
        let known = self.known.entry(key).or_insert(Known { conversation, watched });
        known.watched.listed(last_seq);
        known.watched.at_ms = at_ms;
    }

    /// Nothing more comes of the list: asks for what is missing.
    pub(super) fn list_ends(&mut self, listing: Listing) -> Vec<Heard> {
        self.listing = listing;
        self.moved();
        match listing {
            Listing::Done => self.begin_listed(),
            Listing::Under | Listing::Refused => self.begin_unlisted(),
        }
        let known = self.known.values().map(|known| known.conversation.clone());
        let conversations: Vec<Conversation> = known.collect();
        conversations.iter().flat_map(|conversation| self.advance(conversation)).collect()
    }

    /// A server without a list is asked about everything that is known.
    fn begin_unlisted(&mut self) {
        let mut known = Vec::new();
        for Known { conversation, watched } in self.known.values_mut() {
            if watched.last().is_none() {
                watched.place(watched.present());
            } else {
                known.push(conversation.clone());
            }
        }
        known.into_iter().for_each(|conversation| self.ask_missed(conversation));
    }

    fn begin_listed(&mut self) {
        let is_first = !std::mem::replace(&mut self.was_listed, true);
        let mut latest = Vec::new();
        for Known { conversation, watched } in self.known.values_mut() {
            watched.list_ended(is_first);
            match conversation {
                Conversation::Room(_) if watched.only_latest => {
                    watched.place(watched.last().unwrap_or(watched.present()));
                }
                Conversation::User(_) if watched.only_latest && watched.is_behind() => {
                    latest.push((watched.at_ms, conversation.clone()));
                }
                // It began while we were away, or nothing is missing.
                Conversation::Room(_) | Conversation::User(_) => {
                    watched.place(watched.last().unwrap_or(0));
                }
            }
        }
        latest.sort_by_key(|(at_ms, _)| Reverse(*at_ms));
        for (index, (_, conversation)) in latest.into_iter().enumerate() {
            self.ask_latest(conversation, index < FIRST_CONVERSATIONS);
        }
    }

    /// In front of the one that was used later; those that were used long ago are left alone.
    fn ask_latest(&mut self, conversation: Conversation, is_wanted: bool) {
        let Some(Known { watched, .. }) = self.known.get_mut(&key_of(&conversation)) else {
            return;
        };
        if is_wanted {
            watched.is_asked = true;
            self.catch_ups.push_front(CatchUp::Latest(conversation));
        } else {
            watched.place(watched.present());
        }
    }
}
