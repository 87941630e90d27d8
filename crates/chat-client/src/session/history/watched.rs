//! One conversation: up to where nothing is missing, and what waits for what is missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::StoredMessage;

/// Messages of one conversation that wait for those before them. Further ones are read when these are
/// told.
pub(super) const HELD_MAX: usize = 256;

/// Numbers of our own messages that wait likewise; further ones are told as if others had written them.
const OWN_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Nothing up to here is missing. Unknown until the list of conversations was read.
    last: Option<u64>,
    /// The highest number heard of, whether or not its message was kept.
    newest: u64,
    /// When the newest message was written, as far as the list says; milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Numbers beyond `last` of messages of our own.
    own: BTreeSet<u64>,
    /// Messages beyond `last`; until the list was read also those that we seem to have, as their numbers
    /// may be those of another log.
    held: BTreeMap<u64, StoredMessage>,
    /// It is asked, or will be, what is missing.
    pub(super) is_asked: bool,
    /// `last` when what is missing was asked for last.
    asked_after: u64,
    /// Its last number, if the server has listed it since the login.
    listed: Option<u64>,
    /// `last` when the list was asked for: the log had everything up to there by then.
    last_at_login: u64,
    /// Of what is missing only the end is wanted.
    pub(super) only_latest: bool,
}

impl Watched {
    /// Nothing up to `last` is missing.
    pub(super) fn at(last: u64) -> Self {
        Self { last: Some(last), newest: last, ..Self::default() }
    }

    /// Up to where nothing is missing; `None`: not known yet.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// A list will say where it is.
    pub(super) fn logged_in(&mut self) {
        self.listed = None;
        self.last_at_login = self.last.unwrap_or(0);
    }

    /// The list says that the last message is number `seq`.
    pub(super) fn listed(&mut self, seq: u64) {
        self.listed = Some(seq);
        self.newest = self.newest.max(seq);
    }

    /// The list is whole. A conversation that ends before where we are is that of another log, and begins
    /// anew; in that, and where it is the first list at all, only the latest messages are wanted.
    pub(super) fn list_ended(&mut self, is_first: bool) {
        let ends_at = self.listed.unwrap_or(0);
        let is_other_log = ends_at < self.last_at_login;
        if is_other_log {
            self.last = None;
            self.own.clear();
            self.newest = self.held.keys().max().copied().unwrap_or(0).max(ends_at);
        }
        self.only_latest |= is_first || is_other_log;
        let last = self.last.unwrap_or(0);
        self.held.retain(|seq, _| *seq > last);
    }

    /// Where it is to begin if nothing from before is wanted.
    pub(super) fn present(&self) -> u64 {
        let listed = self.listed.unwrap_or(self.newest);
        self.first_heard().map_or(listed, |first| listed.min(first - 1))
    }

    fn first_heard(&self) -> Option<u64> {
        self.held.keys().chain(&self.own).min().copied()
    }

    /// Whether something is missing, of which it is known where it begins.
    pub(super) fn is_missing_some(&self) -> bool {
        self.last.is_some_and(|last| last < self.newest)
    }

    /// Whether there is anything beyond what we have, wherever that is.
    pub(super) fn is_behind(&self) -> bool {
        self.last.unwrap_or(0) < self.newest
    }

    /// Keeps a message until it can be told.
    pub(super) fn hold(&mut self, message: StoredMessage, is_listing: bool) {
        self.newest = self.newest.max(message.seq);
        let is_wanted = is_listing || message.seq > self.last.unwrap_or(0);
        if is_wanted && message.seq > 0 && self.held.len() < HELD_MAX {
            self.held.insert(message.seq, message);
        }
    }

    /// A message of our own has got its number.
    pub(super) fn accepted(&mut self, seq: u64) {
        self.newest = self.newest.max(seq);
        if seq > self.last.unwrap_or(0) && self.own.len() < OWN_MAX {
            self.own.insert(seq);
        }
    }

    /// Nothing up to `last` is missing, or wanted.
    pub(super) fn place(&mut self, last: u64) {
        self.last = Some(last);
        self.only_latest = false;
        self.newest = self.newest.max(last);
    }

    /// Takes in what follows the last one without a gap.
    pub(super) fn advance(&mut self) -> Vec<StoredMessage> {
        let Some(mut last) = self.last else { return Vec::new() };
        let mut told = Vec::new();
        loop {
            if let Some(message) = self.held.remove(&(last + 1)) {
                told.push(message);
            } else if !self.own.remove(&(last + 1)) {
                break;
            }
            last += 1;
        }
        self.last = Some(last);
        self.own.retain(|seq| *seq > last);
        told
    }

    /// Takes a page of what was missed; each message with whether it is ours and will be told otherwise.
    /// What is to be told of it, and whether there was anything new in it.
    pub(super) fn page(
        &mut self,
        messages: Vec<(bool, StoredMessage)>,
    ) -> (Vec<StoredMessage>, bool) {
        let before = self.last.unwrap_or(0);
        let (mut last, mut told) = (before, Vec::new());
        for (is_unanswered, message) in messages {
            // A number in between that is not in the page is not for us.
            if message.seq <= last {
                continue;
            }
            last = message.seq;
            self.held.remove(&last);
            let is_own = self.own.remove(&last) || is_unanswered;
            if !is_own {
                told.push(message);
            }
        }
        let has_progressed = last > before;
        if has_progressed {
            self.place(last);
        }
        (told, has_progressed)
    }

    /// The server has nothing below that number any more: it is not waited for.
    pub(super) fn begins_at(&mut self, first_kept: u64) {
        let heard = self.first_heard().unwrap_or(u64::MAX).min(self.newest.saturating_add(1));
        let gone = first_kept.min(heard).saturating_sub(1);
        if self.last.unwrap_or(0) < gone {
            self.place(gone);
        }
    }

    /// What is beyond `last` is asked for now.
    pub(super) fn asks(&mut self) {
        self.asked_after = self.last.unwrap_or(0);
    }

    /// What is missing in front of what is there will not come, if that is what was asked for: what was heard
    /// meanwhile may have led beyond it, to where something else is missing.
    pub(super) fn give_up(&mut self) {
        if self.last.unwrap_or(0) != self.asked_after {
            return;
        }
        self.place(self.first_heard().map_or(self.newest, |first| first - 1));
    }
}
