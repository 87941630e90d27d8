//! `history`: stored messages of a conversation, oldest first.

use std::collections::VecDeque;

use chat_client::command::Command;
use chat_client::event::{Event, StoredMessage};
use common::conversation::Conversation;
use common::limits::HISTORY_PAGE_MESSAGES_MAX;

use crate::failure::Failure;
use crate::listen::show_message;
use crate::options;
use crate::output::Output;
use crate::visit::Visit;

pub(crate) async fn history(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &options::History,
) -> Result<(), Failure> {
    let conversation = Conversation::from_text(&wanted.conversation);
    if wanted.all {
        return print_all(visit, output, &conversation).await;
    }
    for message in last(visit, &conversation, wanted.limit).await? {
        show_message(output, &conversation, &message)?;
    }
    Ok(())
}

/// Page by page from the beginning: a history of any length fits.
async fn print_all(
    visit: &mut Visit,
    output: &mut Output,
    conversation: &Conversation,
) -> Result<(), Failure> {
    let (mut after, mut more) = (0, true);
    while more {
        let page = page(visit, conversation, after, 0, HISTORY_PAGE_MESSAGES_MAX).await?;
        let Some(last) = page.0.last() else { return Ok(()) };
        (after, more) = (last.seq, page.1);
        for message in page.0 {
            show_message(output, conversation, &message)?;
        }
    }
    Ok(())
}

/// The last `limit` messages, read from the end.
async fn last(
    visit: &mut Visit,
    conversation: &Conversation,
    limit: usize,
) -> Result<VecDeque<StoredMessage>, Failure> {
    let (mut found, mut before, mut more) = (VecDeque::new(), u64::MAX, true);
    while more && found.len() < limit {
        let messages;
        (messages, more) = page(visit, conversation, 0, before, limit - found.len()).await?;
        let Some(first) = messages.first() else { break };
        before = first.seq;
        messages.into_iter().rev().for_each(|message| found.push_front(message));
    }
    Ok(found)
}

async fn page(
    visit: &mut Visit,
    conversation: &Conversation,
    after: u64,
    before: u64,
    limit: usize,
) -> Result<(Vec<StoredMessage>, bool), Failure> {
    let limit = u32::try_from(limit.min(HISTORY_PAGE_MESSAGES_MAX)).unwrap_or_default();
    let conversation = conversation.clone();
    visit.ask(Command::ReadHistory { conversation, after, before, limit }).await?;
    loop {
        match visit.next().await? {
            Event::History { messages, more, .. } => return Ok((messages, more)),
            Event::HistoryRefused { refusal, .. } => return Err(Failure::of_refusal(&refusal)),
            _ => {}
        }
    }
}
