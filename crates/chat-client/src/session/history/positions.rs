//! What outlives the program: up to where each private conversation was told.

use std::time::{Duration, Instant};

use common::conversation::Conversation;

use crate::session::history::watched::Watched;
use crate::session::history::{CONVERSATIONS_MAX, History, Known, Reader, key_of};

/// How long what was told waits to be kept, together with what follows it: what is told in this time is told
/// again if the program is killed.
const KEEP_AFTER: Duration = Duration::from_secs(1);

impl History {
    /// Whether it is to be looked up what was kept for this reader, before anything is asked.
    pub(crate) fn wants_positions(&self) -> Option<&Reader> {
        let is_fresh = !self.is_passing && !self.was_listed && self.known.is_empty();
        self.reader.as_ref().filter(|_| is_fresh)
    }

    /// What an earlier program told, it told.
    pub(crate) fn begin_at(&mut self, positions: Vec<(Conversation, u64)>) {
        for (conversation, last) in positions.into_iter().take(CONVERSATIONS_MAX) {
            let mut watched = Watched::at(last);
            watched.logged_in();
            self.known.entry(key_of(&conversation)).or_insert(Known { conversation, watched });
        }
    }

    /// A private conversation was told further than what is kept.
    pub(super) fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Says from when on there is something to keep.
    pub(super) fn plan_keeping(&mut self, now: Instant) {
        if self.has_moved && self.was_listed {
            self.keep_at.get_or_insert(now + KEEP_AFTER);
        }
    }

    /// What is to be kept now, if anything; with `now` missing, all that was not kept yet.
    pub(crate) fn positions_to_keep(
        &mut self,
        now: Option<Instant>,
    ) -> Option<(Reader, Vec<(Conversation, u64)>)> {
        let is_due = match now {
            Some(now) => self.keep_at.is_some_and(|keep_at| now >= keep_at),
            None => self.has_moved && self.was_listed,
        };
        if !is_due {
            return None;
        }
        self.keep_at = None;
        self.has_moved = false;
        let mut told: Vec<&Known> = self.known.values().collect();
        // Where not all can be kept, those that were used last are.
        told.sort_by_cached_key(|it| (it.watched.at_ms, it.conversation.to_string()));
        let position = |known: &Known| {
            let last = known.watched.last().filter(|last| *last > 0)?;
            let is_private = matches!(known.conversation, Conversation::User(_));
            is_private.then(|| (known.conversation.clone(), last))
        };
        Some((self.reader.clone()?, told.into_iter().filter_map(position).collect()))
    }
}
