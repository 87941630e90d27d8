//! What a person wants to read of what is stored, as it is asked, and found.

use common::conversation::Conversation;
use common::wire;
use common::wire::client_frame::Body;

use crate::error::Refusal;
use crate::session::history::{Heard, History, Question, stored};

/// Something that a person wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    Read(HistoryWish),
    Search(SearchWish),
}

/// Which stored messages a person wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HistoryWish {
    pub(crate) conversation: Conversation,
    pub(crate) after: u64,
    pub(crate) before: u64,
    pub(crate) limit: u32,
}

/// What a person looks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SearchWish {
    pub(crate) text: String,
    /// Where the page before ended; 0 for the first.
    pub(crate) before: u64,
    pub(crate) limit: u32,
}

impl Wish {
    pub(super) fn request(&self) -> Body {
        match self {
            Self::Read(it) => read(&it.conversation, it.after, it.before, it.limit),
            Self::Search(SearchWish { text, before, limit }) => {
                let (text, before, limit) = (text.clone(), *before, *limit);
                Body::SearchMessages(wire::SearchMessages { text, before, limit })
            }
        }
    }

    pub(crate) fn refused(self, refusal: Refusal) -> Heard {
        match self {
            Self::Read(wish) => Heard::Refused { conversation: wish.conversation, refusal },
            Self::Search(_) => Heard::SearchRefused(refusal),
        }
    }
}

impl History {
    /// What was looked for.
    ///
    /// # Errors
    /// Nobody looked for anything, or it does not go on.
    pub(crate) fn found(&mut self, page: wire::SearchPage) -> Result<Vec<Heard>, String> {
        let Some(Question::Wish(Wish::Search(wish))) = self.under_way.take() else {
            return Err("messages that nobody looked for".to_owned());
        };
        self.failures = 0;
        let wire::SearchPage { messages, next } = page;
        let goes_on = !messages.is_empty() && (wish.before == 0 || next < wish.before);
        if next > 0 && !goes_on {
            return Err("a search that does not end".to_owned());
        }
        let told = messages.into_iter().map(|message| {
            let conversation = message.conversation.clone().and_then(Conversation::from_wire);
            Some((conversation?, stored(message)))
        });
        let messages: Option<Vec<_>> = told.collect();
        let messages = messages.ok_or("a message without a conversation")?;
        Ok(vec![Heard::Found { messages, next: (next > 0).then_some(next) }])
    }
}

pub(super) fn read(of: &Conversation, after_seq: u64, before_seq: u64, limit: u32) -> Body {
    let conversation = Some(of.to_wire());
    Body::ReadHistory(wire::ReadHistory { conversation, after_seq, before_seq, limit })
}
