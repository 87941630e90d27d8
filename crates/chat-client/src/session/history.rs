//! What is stored at the server: reads what was missed, and what a person asks for.
//!
//! Of each conversation the last number is known up to which nothing is missing. A message that is not
//! the next one waits until those before it were read; one that was there already is left out. One
//! question is under way at a time; what a person asks goes before what was missed.
//!
//! Numbers mean something to one person at one server: another log-in name or another server's key
//! begins anew.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use common::conversation::Conversation;
use common::spki_pin::SpkiPin;
use common::user_name::NameKey;
use common::wire::{self, RefusalCode};

use crate::error::Refusal;
use crate::event::StoredMessage;

/// Conversations that are watched; in further ones messages are told as they come.
const CONVERSATIONS_MAX: usize = 10_000;

/// Messages of one conversation that wait for those before them. Further ones are read when these are
/// told.
const HELD_MAX: usize = 256;

/// Questions of a person that wait. Further ones are refused.
const WISHES_MAX: usize = 64;

/// The wait after "slow down", and after the first time that the server cannot read what it stores …
const PAUSE: Duration = Duration::from_secs(1);
/// … which doubles with each further time up to this.
const PAUSE_MAX: Duration = Duration::from_secs(32);

/// Which stored messages a person wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HistoryWish {
    pub(crate) conversation: Conversation,
    pub(crate) after: u64,
    pub(crate) before: u64,
    pub(crate) limit: u32,
}

/// What is to be told, in order.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message, whenever it was written.
    Message(Conversation, StoredMessage),
    /// What a person asked for.
    Page { conversation: Conversation, messages: Vec<StoredMessage>, more: bool },
    /// It was refused.
    Refused { conversation: Conversation, refusal: Refusal },
}

#[derive(Clone, Debug)]
enum Question {
    CatchUp(CatchUp),
    Wish(HistoryWish),
}

#[derive(Clone, Debug)]
enum CatchUp {
    /// Where a conversation is now.
    Position(Conversation),
    /// What was missed.
    Missed(Conversation),
}

/// Whose numbers these are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reader {
    pub(crate) server: Option<SpkiPin>,
    pub(crate) name: NameKey,
}

/// Nothing is asked until then, or nothing but what a person wants.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    holds_wishes: bool,
}

/// One conversation.
#[derive(Debug, Default)]
struct Watched {
    /// Nothing up to here is missing.
    last: u64,
    /// The highest number heard of, whether or not its message was kept.
    newest: u64,
    /// Numbers beyond it of messages of our own.
    own: BTreeSet<u64>,
    /// Messages beyond it.
    held: BTreeMap<u64, StoredMessage>,
    /// It is asked, or will be, what is missing.
    is_asked: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By what the conversation is, however it is spelt.
    watched: HashMap<Conversation, Watched>,
    reader: Option<Reader>,
    wishes: VecDeque<HistoryWish>,
    catch_ups: VecDeque<CatchUp>,
    under_way: Option<Question>,
    pause: Option<Pause>,
    /// How often in a row the server could not read what it stores.
    failures: u32,
}

impl History {
    /// Asks what was missed, and on the first occasion where the lobby is.
    pub(crate) fn logged_in(&mut self, reader: Reader) {
        if self.reader.as_ref().is_some_and(|before| *before != reader) {
            self.watched.clear();
        }
        self.reader = Some(reader);
        let lobby = Conversation::lobby();
        if !self.watched.contains_key(&lobby) {
            self.catch_ups.push_back(CatchUp::Position(lobby));
        }
        let conversations: Vec<Conversation> = self.watched.keys().cloned().collect();
        conversations.into_iter().for_each(|conversation| self.ask_missed(conversation));
    }

    /// No answer comes any more; what a person wanted is asked again.
    pub(crate) fn connection_lost(&mut self) {
        self.pause = None;
        self.failures = 0;
        self.catch_ups.clear();
        if let Some(Question::Wish(wish)) = self.under_way.take() {
            self.wishes.push_front(wish);
        }
        self.watched.values_mut().for_each(|watched| watched.is_asked = false);
    }

    /// False: too many questions wait.
    pub(crate) fn ask(&mut self, wish: HistoryWish) -> bool {
        let has_room = self.wishes.len() < WISHES_MAX;
        if has_room {
            self.wishes.push_back(wish);
        }
        has_room
    }

    /// The next question to send now.
    pub(crate) fn next_request(&mut self, now: Instant) -> Option<wire::ReadHistory> {
        self.pause = self.pause.filter(|pause| now < pause.until);
        if self.under_way.is_some() || self.pause.is_some_and(|pause| pause.holds_wishes) {
            return None;
        }
        let question = self.next_question()?;
        let request = match &question {
            Question::CatchUp(CatchUp::Position(conversation)) => {
                request(conversation, 0, u64::MAX, 1)
            }
            Question::CatchUp(CatchUp::Missed(conversation)) => {
                let last = self.watched.get(&key_of(conversation)).map_or(0, |it| it.last);
                request(conversation, last, 0, 0)
            }
            Question::Wish(it) => request(&it.conversation, it.after, it.before, it.limit),
        };
        self.under_way = Some(question);
        Some(request)
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

    /// When [`next_request`](Self::next_request) has to be asked again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.pause.map(|pause| pause.until)
    }

    /// A message arrived. What can be told now: it, others with it, or nothing yet.
    pub(crate) fn message(
        &mut self,
        conversation: Conversation,
        message: StoredMessage,
    ) -> Vec<Heard> {
        let key = key_of(&conversation);
        let is_new = !self.watched.contains_key(&key);
        if is_new && self.watched.len() >= CONVERSATIONS_MAX {
            return vec![Heard::Message(conversation, message)];
        }
        let watched = self.watched.entry(key).or_default();
        if is_new {
            watched.last = message.seq.saturating_sub(1);
        }
        watched.newest = watched.newest.max(message.seq);
        if message.seq > watched.last && watched.held.len() < HELD_MAX {
            watched.held.insert(message.seq, message);
        }
        let told = watched.advance(&conversation);
        self.ask_if_missing(conversation);
        told
    }

    /// A message of our own has got its number.
    pub(crate) fn accepted(&mut self, conversation: &Conversation, seq: u64) -> Vec<Heard> {
        let key = key_of(conversation);
        let is_new = !self.watched.contains_key(&key);
        if is_new && self.watched.len() >= CONVERSATIONS_MAX {
            return Vec::new();
        }
        let watched = self.watched.entry(key).or_default();
        if is_new {
            watched.last = seq.saturating_sub(1);
        }
        watched.newest = watched.newest.max(seq);
        if seq > watched.last && watched.own.len() < HELD_MAX {
            watched.own.insert(seq);
        }
        let told = watched.advance(conversation);
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
        let question = self.under_way.take().ok_or("a page of history that nobody asked for")?;
        let more = page.more;
        self.failures = 0;
        match question {
            Question::CatchUp(CatchUp::Position(conversation)) => {
                let last = page.messages.last().map_or(0, |message| message.seq);
                let key = key_of(&conversation);
                self.watched.entry(key).or_insert_with(|| Watched { last, ..Watched::default() });
                Ok(Vec::new())
            }
            Question::CatchUp(CatchUp::Missed(conversation)) => {
                let messages = page.messages.into_iter();
                let messages = messages.map(|it| (is_unanswered(&it.message_id), stored(it)));
                Ok(self.missed(conversation, messages.collect(), more))
            }
            Question::Wish(wish) => {
                let conversation = page.conversation.and_then(Conversation::from_wire);
                let conversation = conversation.unwrap_or(wish.conversation);
                let messages = page.messages.into_iter().map(stored).collect();
                Ok(vec![Heard::Page { conversation, messages, more }])
            }
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
            (Question::Wish(wish), _) => {
                vec![Heard::Refused { conversation: wish.conversation, refusal }]
            }
            (question, RefusalCode::StorageFailed) => {
                self.put_back(question);
                let pause = PAUSE_MAX.min(PAUSE * 2_u32.saturating_pow(self.failures));
                self.failures += 1;
                self.pause = Some(Pause { until: now + pause, holds_wishes: false });
                Vec::new()
            }
            (Question::CatchUp(CatchUp::Position(_)), _) => Vec::new(),
            // It cannot be had: what came after it is not kept back for it.
            (Question::CatchUp(CatchUp::Missed(conversation)), _) => {
                self.missed(conversation, Vec::new(), false)
            }
        }
    }

    fn put_back(&mut self, question: Question) {
        match question {
            Question::CatchUp(catch_up) => self.catch_ups.push_front(catch_up),
            Question::Wish(wish) => self.wishes.push_front(wish),
        }
    }

    fn missed(
        &mut self,
        conversation: Conversation,
        messages: Vec<(bool, StoredMessage)>,
        more: bool,
    ) -> Vec<Heard> {
        let Some(watched) = self.watched.get_mut(&key_of(&conversation)) else { return Vec::new() };
        watched.is_asked = false;
        let (before, mut told) = (watched.last, Vec::new());
        for (is_unanswered, message) in messages {
            // A number in between that is not in the page is not for us.
            if message.seq <= watched.last {
                continue;
            }
            watched.last = message.seq;
            watched.held.remove(&message.seq);
            let is_own = watched.own.remove(&message.seq) || is_unanswered;
            if !is_own {
                told.push(Heard::Message(conversation.clone(), message));
            }
        }
        let has_progressed = watched.last > before;
        if has_progressed && more {
            self.ask_missed(conversation);
            return told;
        }
        if !has_progressed {
            watched.give_up();
        }
        told.extend(watched.advance(&conversation));
        self.ask_if_missing(conversation);
        told
    }

    fn ask_if_missing(&mut self, conversation: Conversation) {
        let watched = self.watched.get(&key_of(&conversation));
        if watched.is_some_and(|it| it.last < it.newest) {
            self.ask_missed(conversation);
        }
    }

    fn ask_missed(&mut self, conversation: Conversation) {
        let Some(watched) = self.watched.get_mut(&key_of(&conversation)) else { return };
        if !std::mem::replace(&mut watched.is_asked, true) {
            self.catch_ups.push_back(CatchUp::Missed(conversation));
        }
    }
}

impl Watched {
    /// Takes in what follows the last one without a gap.
    fn advance(&mut self, conversation: &Conversation) -> Vec<Heard> {
        let mut told = Vec::new();
        loop {
            let next = self.last + 1;
            if let Some(message) = self.held.remove(&next) {
                told.push(Heard::Message(conversation.clone(), message));
            } else if !self.own.remove(&next) {
                break;
            }
            self.last = next;
        }
        self.own.retain(|seq| *seq > self.last);
        told
    }

    /// What is missing in front of what is there will not come.
    fn give_up(&mut self) {
        let first = self.held.keys().chain(&self.own).min();
        self.last = first.map_or(self.newest, |first| first - 1);
    }
}

/// What a conversation is, however its person is spelt.
fn key_of(conversation: &Conversation) -> Conversation {
    match conversation {
        Conversation::Room(room) => Conversation::Room(room.clone()),
        Conversation::User(name) => Conversation::User(NameKey::of(name).as_str().to_owned()),
    }
}

fn request(of: &Conversation, after_seq: u64, before_seq: u64, limit: u32) -> wire::ReadHistory {
    wire::ReadHistory { conversation: Some(of.to_wire()), after_seq, before_seq, limit }
}

/// From the wire.
pub(crate) fn stored(message: wire::Message) -> StoredMessage {
    let wire::Message { seq, from, text, at_ms, .. } = message;
    StoredMessage { seq, from, text, at_ms }
}

#[cfg(test)]
mod tests;
