//! Messages that grow too old go, the oldest first; decisions stay for ever.
//!
//! What goes is always the beginning of the log, up to an event that is remembered in the log's file (`expired`),
//! in the same transaction: of the events up to there the messages are gone. Of each conversation the last one of
//! them leaves [`Expired`] in its place, so that numbers go on where they were when everything that can be made
//! anew from the log is. Whatever follows the log looks at that number and forgets the same; nothing has to be
//! told, and a server that was killed in between goes on where it was.
//!
//! A message whose time lies ahead, because the clock did when it was written, keeps itself and what follows it
//! for that much longer: rather that than one removed too early.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::log::event::expired::Expired;
use crate::log::event::{ConversationKey, Event};
use crate::log::{Expiry, LogError, Numbered};

/// Events that are looked at in one transaction. A message waits for one at most, some milliseconds.
pub(super) const SLICE_EVENTS: usize = 256;

/// Pages of the file that are given back to the system with each slice: as many as it can empty.
const SLICE_PAGES: u32 = 1024;

/// Beside the events, in files of earlier versions from their next start on.
pub(super) const SCHEMA: &str = "
    -- Up to this event messages are gone.
    CREATE TABLE IF NOT EXISTS expired (event INTEGER NOT NULL) STRICT;
    INSERT INTO expired SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM expired);
    -- What is left of each conversation whose first messages are gone, and where.
    CREATE TABLE IF NOT EXISTS remains (
        conversation BLOB PRIMARY KEY,
        event INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// Up to which event messages are gone; also of a file that no server has opened since that can be.
pub(super) fn expired(connection: &Connection) -> rusqlite::Result<u64> {
    let is_there = "SELECT count(*) FROM sqlite_schema WHERE name = 'expired'";
    if connection.query_row(is_there, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(0);
    }
    connection
        .query_row("SELECT event FROM expired", [], |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}

/// Removes messages of `next` from before `before_ms`: the events that come behind those that were looked at
/// already.
pub(super) fn expire(
    connection: &mut Connection,
    next: &[Numbered],
    before_ms: i64,
) -> Result<Expiry, LogError> {
    let is_old = |numbered: &&Numbered| match &numbered.event {
        Event::MessageSent(message) => message.at_ms < before_ms,
        Event::Ruling(_) | Event::Expired(_) => true,
    };
    let old: Vec<&Numbered> = next.iter().take_while(is_old).collect();
    let is_all = old.len() < next.len() || next.len() < SLICE_EVENTS;
    let Some(last) = old.last().map(|numbered| numbered.number) else {
        return Ok(Expiry { removed: 0, is_all });
    };
    let transaction = connection.transaction()?;
    let removed = remove(&transaction, &old)?;
    transaction.execute("UPDATE expired SET event = ?1", [last.cast_signed()])?;
    transaction.commit()?;
    if removed > 0 {
        give_pages_back(connection)?;
    }
    Ok(Expiry { removed, is_all })
}

/// Removes the messages among these; how many there were.
fn remove(transaction: &Transaction<'_>, old: &[&Numbered]) -> rusqlite::Result<usize> {
    let mut delete = transaction.prepare("DELETE FROM events WHERE number = ?1")?;
    let mut last_of: HashMap<ConversationKey, (u64, Expired)> = HashMap::new();
    let mut removed = 0;
    for Numbered { number, event } in old {
        let Event::MessageSent(message) = event else { continue };
        delete.execute([number.cast_signed()])?;
        removed += 1;
        let conversation = message.conversation();
        let left = Expired {
            conversation: conversation.clone(),
            last_seq: message.seq,
            at_ms: message.at_ms,
        };
        last_of.insert(conversation, (*number, left));
    }
    let mut insert = transaction.prepare("INSERT INTO events VALUES (?1, ?2)")?;
    let mut before = transaction.prepare("SELECT event FROM remains WHERE conversation = ?1")?;
    let mut remember = transaction.prepare("INSERT OR REPLACE INTO remains VALUES (?1, ?2)")?;
    for (number, left) in last_of.into_values() {
        let conversation = bytes(&left);
        let place: Option<i64> = before.query_row([&conversation], |row| row.get(0)).optional()?;
        if let Some(place) = place {
            delete.execute([place])?;
        }
        insert.execute((number.cast_signed(), Event::Expired(left).encode()))?;
        remember.execute((conversation, number.cast_signed()))?;
    }
    Ok(removed)
}

/// What tells a conversation from the others in the file.
fn bytes(left: &Expired) -> Vec<u8> {
    Event::Expired(Expired { last_seq: 0, at_ms: 0, ..left.clone() }).encode()
}

/// Pages that hold nothing any more. In files of earlier versions they stay, and are used again.
pub(super) fn give_pages_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({SLICE_PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests;
