//! What is stored at the server: reads what was missed, and what a person asks for.
//!
//! Of each conversation the last number is known up to which nothing is missing. A message that is not
//! the next one waits until those before it were read; one that was there already is left out. One
//! question is under way at a time; what a person asks goes before what was missed.
//!
//! After each login the list of conversations is read, and then of those that have more than we have
//! what is missing: one that began while we were away from its beginning. A program that was just started
//! has nothing: the lobby begins for it where it is, and of the private conversations it reads the end of
//! those that were used last, as far as no earlier program has told it (`history/positions.rs`).
//!
//! Numbers mean something to one person in one log of one server: another log-in name, another server's
//! key or another log, as after a backup was put back, begins anew.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::conversation::Conversation;
use common::spki_pin::SpkiPin;
use common::user_name::NameKey;
use common::wire::client_frame::Body;
use common::wire::{self, RefusalCode};

use crate::error::Refusal;
use crate::event::StoredMessage;
use crate::session::history::watched::Watched;
pub(crate) use crate::session::history::wishes::{HistoryWish, SearchWish, Wish};

mod listing;
mod positions;
mod watched;
mod wishes;

/// Conversations that are watched; in further ones messages are told as they come.
const CONVERSATIONS_MAX: usize = 10_000;

/// Messages of one private conversation that a program that was just started reads unasked.
const FIRST_MESSAGES: u32 = 50;

/// Questions of a person that wait. Further ones are refused.
const WISHES_MAX: usize = 64;

/// The wait after "slow down", and after the first time that the server cannot read what it stores …
const PAUSE: Duration = Duration::from_secs(1);
/// … which doubles with each further time up to this.
const PAUSE_MAX: Duration = Duration::from_secs(32);

/// What is to be told, in order.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message, whenever it was written.
    Message(Conversation, StoredMessage),
    /// What a person asked for.
    Page { conversation: Conversation, messages: Vec<StoredMessage>, more: bool },
    /// It was refused.
    Refused { conversation: Conversation, refusal: Refusal },
    /// What a person looked for, the latest first.
    Found { messages: Vec<(Conversation, StoredMessage)>, next: Option<u64> },
    /// It was not looked for.
    SearchRefused(Refusal),
    /// The server cannot read what was missed for the time being, or all of it was read after all.
    Stalled(bool),
}

#[derive(Clone, Debug)]
enum Question {
    CatchUp(CatchUp),
    Wish(Wish),
}

#[derive(Clone, Debug)]
enum CatchUp {
    /// Which conversations there are, those behind `after`.
    List { after: u64 },
    /// What was missed.
    Missed(Conversation),
    /// The end of what a program that was just started does not have.
    Latest(Conversation),
}

/// Whose numbers these are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reader {
    pub(crate) server: Option<SpkiPin>,
    pub(crate) name: NameKey,
    /// What names the server's log.
    pub(crate) log: Bytes,
}

/// How far the list of conversations was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Listing {
    /// Not since the login.
    #[default]
    Under,
    /// To its end: what is not in it has begun since.
    Done,
    /// The server has none: a conversation that is not known begins with the first message that comes.
    Refused,
}

/// Nothing is asked until then, or nothing but what a person wants.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    holds_wishes: bool,
}

/// A conversation as it was spelt last, and what is known of it.
#[derive(Debug)]
struct Known {
    conversation: Conversation,
    watched: Watched,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By what the conversation is, however it is spelt.
    known: HashMap<Conversation, Known>,
    reader: Option<Reader>,
    listing: Listing,
    /// The list was read to its end before, for this reader.
    was_listed: bool,
    wishes: VecDeque<Wish>,
    catch_ups: VecDeque<CatchUp>,
    under_way: Option<Question>,
    pause: Option<Pause>,
    /// How often in a row the server could not read what it stores.
    failures: u32,
    /// It was told that something is missing which the server cannot read for the time being.
    is_stalled: bool,
    /// Something was told since positions were kept.
    has_moved: bool,
    /// When they are kept next.
    keep_at: Option<Instant>,
    /// Nobody wants to hear what was missed: messages are told as they come.
    is_passing: bool,
}

impl History {
    /// `catches_up`: what was missed is told, too.
    pub(crate) fn new(catches_up: bool) -> Self {
        Self { is_passing: !catches_up, ..Self::default() }
    }

    /// Asks what was missed. Another reader than before has nothing yet; what the one before wanted to
    /// read is refused.
    pub(crate) fn logged_in(&mut self, reader: Reader) -> Vec<Heard> {
        let is_other = self.reader.as_ref().is_some_and(|before| *before != reader);
        let refused = if is_other { self.forget() } else { Vec::new() };
        self.reader = Some(reader);
        self.listing = Listing::Under;
        self.known.values_mut().for_each(|known| known.watched.logged_in());
        if !self.is_passing {
            self.catch_ups.push_back(CatchUp::List { after: 0 });
        }
        refused
    }

    /// Somebody of that name logs in next, if anybody: questions that were asked under another name are not
    /// asked under this one.
    pub(crate) fn name_chosen(&mut self, name: &NameKey) -> Vec<Heard> {
        let is_other = self.reader.as_ref().is_some_and(|before| before.name != *name);
        if is_other { self.forget() } else { Vec::new() }
    }

    /// Another server comes next.
    pub(crate) fn server_chosen(&mut self) -> Vec<Heard> {
        self.forget()
    }

    /// The server left messages out. What came last of a conversation may be missing too, which nothing else
    /// would tell.
    pub(crate) fn fell_behind(&mut self) {
        let is_asked = self.catch_ups.iter().any(|it| matches!(it, CatchUp::List { after: 0 }));
        if !self.is_passing && !is_asked {
            self.catch_ups.push_back(CatchUp::List { after: 0 });
        }
    }

    fn forget(&mut self) -> Vec<Heard> {
        self.known.clear();
        self.was_listed = false;
        self.keep_at = None;
        self.has_moved = false;
        self.reader = None;
        let code = RefusalCode::NotLoggedIn.into();
        let refusal = Refusal(wire::Refused { code, ..wire::Refused::default() });
        self.wishes.drain(..).map(|wish| wish.refused(refusal.clone())).collect()
    }

    /// No answer comes any more; what a person wanted is asked again.
    pub(crate) fn connection_lost(&mut self) {
        self.pause = None;
        self.failures = 0;
        self.catch_ups.clear();
        if let Some(Question::Wish(wish)) = self.under_way.take() {
            self.wishes.push_front(wish);
        }
        self.known.values_mut().for_each(|known| known.watched.is_asked = false);
    }

    /// False: too many questions wait.
    pub(crate) fn ask(&mut self, wish: Wish) -> bool {
        let has_room = self.wishes.len() < WISHES_MAX;
        if has_room {
            self.wishes.push_back(wish);
        }
        has_room
    }

    /// The next question to send now.
    pub(crate) fn next_request(&mut self, now: Instant) -> Option<Body> {
        self.plan_keeping(now);
        self.pause = self.pause.filter(|pause| now < pause.until);
        if self.under_way.is_some() || self.pause.is_some_and(|pause| pause.holds_wishes) {
            return None;
        }
        let question = self.next_question()?;
        if let Question::CatchUp(CatchUp::Missed(of) | CatchUp::Latest(of)) = &question
            && let Some(known) = self.known.get_mut(&key_of(of))
        {
            known.watched.asks();
        }
        let request = match &question {
            Question::CatchUp(CatchUp::List { after }) => {
                Body::ListConversations(wire::ListConversations { after: *after })
            }
            Question::CatchUp(CatchUp::Missed(conversation)) => {
                wishes::read(conversation, self.last(conversation), 0, 0)
            }
            Question::CatchUp(CatchUp::Latest(conversation)) => {
                wishes::read(conversation, self.last(conversation), u64::MAX, FIRST_MESSAGES)
            }
            Question::Wish(wish) => wish.request(),
        };
        self.under_way = Some(question);
        Some(request)
    }

    fn last(&self, conversation: &Conversation) -> u64 {
        let known = self.known.get(&key_of(conversation));
        known.and_then(|known| known.watched.last()).unwrap_or(0)
    }

    fn next_question(&mut self) -> Option<Question> {
        if let Some(wish) = self.wishes.pop_front() {
            return Some(Question::Wish(wish));
        }
        if self.pause.is_some() {
            return None;
        }
        self.catch_ups.pop_front().map(Question::CatchUp)
    }

    /// When [`next_request`](Self::next_request) and [`positions_to_keep`](Self::positions_to_keep) have to
    /// be asked again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.pause.map(|pause| pause.until).into_iter().chain(self.keep_at).min()
    }

    /// The reader is in a room, whose last message was number `last_seq` then.
    pub(crate) fn joined(&mut self, room: Conversation, last_seq: u64) {
        let has_room = self.known.len() < CONVERSATIONS_MAX;
        if !self.is_passing && has_room {
            let watched = Watched::at(last_seq);
            self.known.entry(key_of(&room)).or_insert(Known { conversation: room, watched });
        }
    }

    /// The reader is in that room no more. One that takes its name later counts its own numbers.
    pub(crate) fn left(&mut self, room: &Conversation) {
        self.known.remove(&key_of(room));
    }

    /// A message arrived. What can be told now: it, others with it, or nothing yet.
    pub(crate) fn message(
        &mut self,
        conversation: Conversation,
        message: StoredMessage,
    ) -> Vec<Heard> {
        let is_listing = self.listing == Listing::Under;
        let Some(watched) = self.heard_of(&conversation, message.seq) else {
            return vec![Heard::Message(conversation, message)];
        };
        watched.hold(message, is_listing);
        self.advance(&conversation)
    }

    /// A message of our own has got its number.
    pub(crate) fn accepted(&mut self, conversation: &Conversation, seq: u64) -> Vec<Heard> {
        let Some(watched) = self.heard_of(conversation, seq) else { return Vec::new() };
        watched.accepted(seq);
        self.advance(conversation)
    }

    /// What is known of a conversation in which message `seq` comes now; nothing where it is told at once.
    fn heard_of(&mut self, conversation: &Conversation, seq: u64) -> Option<&mut Watched> {
        let key = key_of(conversation);
        let is_new = !self.known.contains_key(&key);
        if self.is_passing || (is_new && self.known.len() >= CONVERSATIONS_MAX) {
            return None;
        }
        let begins_here = match self.listing {
            // Just started: a room begins where it is.
            Listing::Under if !self.was_listed && matches!(conversation, Conversation::Room(_)) => {
                Some(seq.saturating_sub(1))
            }
            Listing::Under => (seq == 1).then_some(0),
            Listing::Done => Some(0),
            Listing::Refused => Some(seq.saturating_sub(1)),
        };
        let known = self.known.entry(key).or_insert_with(|| Known {
            conversation: conversation.clone(),
            watched: begins_here.map_or_else(Watched::default, Watched::at),
        });
        known.conversation.clone_from(conversation);
        Some(&mut known.watched)
    }

    /// Tells what can be told of a conversation, and asks for what is missing.
    fn advance(&mut self, conversation: &Conversation) -> Vec<Heard> {
        let Some(known) = self.known.get_mut(&key_of(conversation)) else { return Vec::new() };
        let before = known.watched.last();
        let told = known.watched.advance().into_iter();
        let told = told.map(|message| Heard::Message(conversation.clone(), message)).collect();
        if known.watched.last() != before {
            self.moved();
        }
        self.ask_if_missing(conversation.clone());
        told
    }

    /// The answer. `is_unanswered` says of a message id that it is ours and will be told when it is
    /// accepted.
    ///
    /// # Errors
    /// Nothing was asked.
    pub(crate) fn page(
        &mut self,
        page: wire::HistoryPage,
        is_unanswered: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<Heard>, String> {
        let question = self.under_way.take();
        self.failures = 0;
        let wire::HistoryPage { conversation, messages, more, first_kept_seq } = page;
        match question {
            Some(Question::CatchUp(CatchUp::Missed(of))) => {
                self.begins_at(&of, first_kept_seq);
                let told = self.missed(of, answered(messages, is_unanswered), more);
                Ok(self.caught_up(told))
            }
            // What is before it is not asked for.
            Some(Question::CatchUp(CatchUp::Latest(of))) => {
                let told = self.missed(of, answered(messages, is_unanswered), false);
                Ok(self.caught_up(told))
            }
            Some(Question::Wish(Wish::Read(wish))) => {
                let conversation = conversation.and_then(Conversation::from_wire);
                let conversation = conversation.unwrap_or(wish.conversation);
                let messages = messages.into_iter().map(stored).collect();
                Ok(vec![Heard::Page { conversation, messages, more }])
            }
            Some(Question::CatchUp(CatchUp::List { .. }) | Question::Wish(Wish::Search(_)))
            | None => Err("a page of history that nobody asked for".to_owned()),
        }
    }

    /// The question was not answered.
    pub(crate) fn refused(&mut self, now: Instant, refusal: Refusal) -> Vec<Heard> {
        let Some(question) = self.under_way.take() else { return Vec::new() };
        match (question, refusal.0.code()) {
            (question, RefusalCode::SlowDown) => {
                self.put_back(question);
                self.pause = Some(Pause { until: now + PAUSE, holds_wishes: true });
                Vec::new()
            }
            (Question::Wish(wish), _) => vec![wish.refused(refusal)],
            (question, RefusalCode::StorageFailed) => {
                // What cannot be read keeps nothing else from being read.
                if let Question::CatchUp(catch_up) = question {
                    self.catch_ups.push_back(catch_up);
                }
                let pause = PAUSE_MAX.min(PAUSE * 2_u32.saturating_pow(self.failures));
                self.failures += 1;
                self.pause = Some(Pause { until: now + pause, holds_wishes: false });
                let is_known = std::mem::replace(&mut self.is_stalled, true);
                if is_known { Vec::new() } else { vec![Heard::Stalled(true)] }
            }
            (Question::CatchUp(CatchUp::List { .. }), _) => self.list_ends(Listing::Refused),
            // It cannot be had: what came after it is not kept back for it.
            (Question::CatchUp(CatchUp::Missed(of) | CatchUp::Latest(of)), _) => {
                let told = self.missed(of, Vec::new(), false);
                self.caught_up(told)
            }
        }
    }

    /// Says so if nothing is missing any more.
    fn caught_up(&mut self, mut told: Vec<Heard>) -> Vec<Heard> {
        if self.is_stalled && self.catch_ups.is_empty() {
            self.is_stalled = false;
            told.push(Heard::Stalled(false));
        }
        told
    }

    fn put_back(&mut self, question: Question) {
        match question {
            Question::CatchUp(catch_up) => self.catch_ups.push_front(catch_up),
            Question::Wish(wish) => self.wishes.push_front(wish),
        }
    }

    /// What is below that number is not there any more: nothing is missing up to it.
    fn begins_at(&mut self, conversation: &Conversation, first_kept_seq: u64) {
        if let Some(known) = self.known.get_mut(&key_of(conversation)) {
            known.watched.begins_at(first_kept_seq);
        }
    }

    fn missed(
        &mut self,
        conversation: Conversation,
        messages: Vec<(bool, StoredMessage)>,
        more: bool,
    ) -> Vec<Heard> {
        let Some(known) = self.known.get_mut(&key_of(&conversation)) else { return Vec::new() };
        let watched = &mut known.watched;
        watched.is_asked = false;
        let (told, has_progressed) = watched.page(messages);
        let mut told: Vec<Heard> =
            told.into_iter().map(|it| Heard::Message(conversation.clone(), it)).collect();
        if has_progressed && more {
            self.moved();
            self.ask_missed(conversation);
            return told;
        }
        if !has_progressed {
            watched.give_up();
        }
        self.moved();
        told.extend(self.advance(&conversation));
        told
    }

    fn ask_if_missing(&mut self, conversation: Conversation) {
        let known = self.known.get(&key_of(&conversation));
        let is_missing_some = known.is_some_and(|known| known.watched.is_missing_some());
        if is_missing_some && self.listing != Listing::Under {
            self.ask_missed(conversation);
        }
    }

    fn ask_missed(&mut self, conversation: Conversation) {
        let Some(known) = self.known.get_mut(&key_of(&conversation)) else { return };
        if !std::mem::replace(&mut known.watched.is_asked, true) {
            self.catch_ups.push_back(CatchUp::Missed(conversation));
        }
    }
}

/// What a conversation is, however its person is spelt.
fn key_of(conversation: &Conversation) -> Conversation {
    match conversation {
        Conversation::Room(room) => Conversation::Room(room.clone()),
        Conversation::User(name) => Conversation::User(NameKey::of(name).as_str().to_owned()),
    }
}

/// A page of messages, each with whether it is ours and unanswered.
fn answered(
    messages: Vec<wire::Message>,
    is_unanswered: impl Fn(&[u8]) -> bool,
) -> Vec<(bool, StoredMessage)> {
    messages.into_iter().map(|it| (is_unanswered(&it.message_id), stored(it))).collect()
}

/// From the wire.
pub(crate) fn stored(message: wire::Message) -> StoredMessage {
    let wire::Message { seq, from, text, at_ms, .. } = message;
    StoredMessage { seq, from, text, at_ms }
}

#[cfg(test)]
mod tests;
