//! Reads stored messages by their conversations, out of the projection and the log.

use std::sync::Arc;
use std::time::Duration;

use common::limits::{CONVERSATION_PAGE_ENTRIES_MAX, HISTORY_PAGE_BYTES_MAX};
use prost::Message;

use crate::log::event::{ConversationKey, Event, Identity, MessageSent};
use crate::log::follower::{CaughtUp, Follow, message, ruling};
use crate::log::projection::Projection;
use crate::log::{LogError, LogReader};
use crate::state::history::{HistoryFound, HistoryProblem, HistorySubject, MessagesFound, Reader};
use crate::state::request::HistoryRange;
use crate::state::settling::to_wire;

/// Tag and length of a message in a page.
const MESSAGE_OVERHEAD_BYTES: usize = 4;

impl Follow for Projection {
    const GATHERING: Duration = Duration::from_millis(100);
    const NICENESS: i32 = 0;

    fn catch_up(&mut self, log: &mut dyn LogReader) -> Result<CaughtUp, LogError> {
        Self::catch_up(self, log).map(|()| CaughtUp::All)
    }

    fn read(
        &mut self,
        log: &mut dyn LogReader,
        reader: &Reader,
        subject: HistorySubject,
    ) -> Result<HistoryFound, HistoryProblem> {
        let found = match subject {
            HistorySubject::Messages { conversation, key, range } => {
                messages(self, log, &key, reader.identity, range)
                    .map(|page| HistoryFound::Messages { conversation, page })
            }
            HistorySubject::Conversations { after } => self
                .list(reader, after, CONVERSATION_PAGE_ENTRIES_MAX)
                .map(HistoryFound::Conversations),
            HistorySubject::Audit { before, limit } => audit(self, log, before, limit),
            HistorySubject::Search(_) => {
                debug_assert!(false, "the index is asked for that");
                return Err(HistoryProblem::Failed);
            }
        };
        found.map_err(|error| {
            tracing::error!(%error, "stored messages cannot be read");
            HistoryProblem::Failed
        })
    }
}

/// A page of a conversation. Messages that went meanwhile because of their age are not in it.
fn messages(
    projection: &mut Projection,
    log: &mut dyn LogReader,
    key: &ConversationKey,
    reader: Identity,
    range: HistoryRange,
) -> Result<MessagesFound, LogError> {
    loop {
        match try_messages(projection, log, key, reader, range) {
            // The log was ahead: with the same forgotten here, the next attempt does not meet it.
            Err(LogError::Expired { .. }) => Projection::catch_up(projection, log)?,
            page => return page,
        }
    }
}

fn try_messages(
    projection: &Projection,
    log: &mut dyn LogReader,
    key: &ConversationKey,
    reader: Identity,
    range: HistoryRange,
) -> Result<MessagesFound, LogError> {
    let first_kept = projection.first_kept(key, reader)?;
    let (events, more) = projection.messages(key, reader, range)?;
    let is_backwards = range.before.is_some();
    let mut nearest_first = events;
    if is_backwards {
        nearest_first.reverse();
    }
    let wanted = nearest_first.len();
    let mut messages = page(log, nearest_first)?;
    let is_cut = messages.len() < wanted;
    if is_backwards {
        messages.reverse();
    }
    let messages = messages.into_iter().map(|(_, message)| message).collect();
    Ok(MessagesFound { messages, more: more || is_cut, first_kept })
}

/// Decisions, the latest first, as many as a page holds.
fn audit(
    projection: &Projection,
    log: &mut dyn LogReader,
    before: Option<u64>,
    limit: usize,
) -> Result<HistoryFound, LogError> {
    // One more than wanted shows whether there are more.
    let events = projection.rulings(before, limit + 1)?;
    let (mut rulings, mut bytes, mut last) = (Vec::new(), 0, None);
    for number in events.iter().copied().take(limit) {
        let ruling = ruling(log, number)?;
        bytes += Event::Ruling(Arc::clone(&ruling)).encode().len() + MESSAGE_OVERHEAD_BYTES;
        if bytes > HISTORY_PAGE_BYTES_MAX {
            break;
        }
        last = Some(number);
        rulings.push(ruling);
    }
    let next = last.filter(|_| rulings.len() < events.len());
    Ok(HistoryFound::Audit { rulings, next })
}

/// The messages of these events, as many of the first ones as a page holds, each with its event.
///
/// # Errors
/// [`LogError`].
pub(super) fn page(
    log: &mut dyn LogReader,
    events: Vec<u64>,
) -> Result<Vec<(u64, MessageSent)>, LogError> {
    let (mut messages, mut bytes) = (Vec::new(), 0);
    for number in events {
        let message = message(log, number)?;
        bytes += to_wire(&message).encoded_len() + MESSAGE_OVERHEAD_BYTES;
        if bytes > HISTORY_PAGE_BYTES_MAX {
            break;
        }
        messages.push((number, message));
    }
    Ok(messages)
}

#[cfg(test)]
mod tests;
