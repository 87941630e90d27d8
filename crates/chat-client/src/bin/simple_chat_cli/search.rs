//! `search`: stored messages that hold some words, oldest first.

use chat_client::command::Command;
use chat_client::event::{Event, StoredMessage};
use common::conversation::Conversation;
use common::date_text;
use common::limits::HISTORY_PAGE_MESSAGES_MAX;

use crate::failure::Failure;
use crate::listen::message_json;
use crate::options;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::{line, lines};

type Found = Vec<(Conversation, StoredMessage)>;

pub(crate) async fn search(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &options::Search,
) -> Result<(), Failure> {
    let limit = if wanted.all { usize::MAX } else { wanted.limit };
    let found = latest_first(visit, &wanted.text, limit).await?;
    if found.is_empty() {
        output.text_only("No message holds all of that.")?;
    }
    for (conversation, message) in found.into_iter().rev() {
        output.result(
            || Some(text(&conversation, &message)),
            || message_json(&conversation, &message),
        )?;
    }
    Ok(())
}

async fn latest_first(visit: &mut Visit, text: &str, limit: usize) -> Result<Found, Failure> {
    let (mut found, mut before) = (Vec::new(), 0);
    while found.len() < limit {
        let (mut page, next) = page(visit, text, before, limit - found.len()).await?;
        found.append(&mut page);
        let Some(next) = next else { break };
        before = next;
    }
    Ok(found)
}

async fn page(
    visit: &mut Visit,
    text: &str,
    before: u64,
    limit: usize,
) -> Result<(Found, Option<u64>), Failure> {
    let limit = u32::try_from(limit.min(HISTORY_PAGE_MESSAGES_MAX)).unwrap_or_default();
    visit.ask(Command::Search { text: text.to_owned(), before, limit }).await?;
    loop {
        match visit.next().await? {
            Event::Found { messages, next } => return Ok((messages, next)),
            Event::SearchRefused(refusal) => return Err(Failure::of_search_refusal(&refusal)),
            _ => {}
        }
    }
}

/// `2026-11-22 20:10 UTC  @ann  bob: text`.
fn text(conversation: &Conversation, message: &StoredMessage) -> String {
    let StoredMessage { from, text, at_ms, .. } = message;
    let (at, conversation) = (date_text::date(*at_ms), conversation.to_string());
    format!("{at}  {}  {}: {}", line(&conversation), line(from), lines(text))
}
