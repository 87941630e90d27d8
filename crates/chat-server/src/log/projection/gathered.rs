//! What each message changes again, and only the last change of which counts: how far its conversation is,
//! and who its people are. Gathered in memory while events are applied, and written once for all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use common::user_name::NameKey;
use rusqlite::{OptionalExtension, Statement, Transaction};

use crate::log::event::{ConversationKey, Person};
use crate::log::projection::columns;

/// How far a conversation is.
struct Reached {
    id: i64,
    last_seq: u64,
    at_ms: i64,
}

/// The conversations and the people of one transaction.
pub(super) struct Gathered<'t> {
    conversations: HashMap<ConversationKey, Reached>,
    people: HashMap<NameKey, (Person, u64)>,
    find: Statement<'t>,
    begin: Statement<'t>,
    reach: Statement<'t>,
    meet: Statement<'t>,
}

impl<'t> Gathered<'t> {
    pub(super) fn prepare(transaction: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            conversations: HashMap::new(),
            people: HashMap::new(),
            find: transaction.prepare(
                "SELECT id, last_seq FROM conversations
                 WHERE one = ?1 AND coalesce(other, '') = coalesce(?2, '')",
            )?,
            begin: transaction.prepare(
                "INSERT INTO conversations (one, other, last_seq, at_ms) VALUES (?1, ?2, 0, 0)",
            )?,
            reach: transaction
                .prepare("UPDATE conversations SET last_seq = ?2, at_ms = ?3 WHERE id = ?1")?,
            meet: transaction.prepare(
                "INSERT INTO people VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET name = ?2, identity = ?3, event = ?4",
            )?,
        })
    }

    /// A conversation is at that number now: its id. None where the number is not the next one.
    pub(super) fn reach(
        &mut self,
        key: ConversationKey,
        seq: u64,
        at_ms: i64,
    ) -> rusqlite::Result<Option<i64>> {
        let conversation = match self.conversations.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let (one, other) = columns(unknown.key());
                let found = self.find.query_row((&*one, other), |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
                });
                let (id, last_seq) = match found.optional()? {
                    Some(found) => found,
                    None => (self.begin.insert((&*one, other))?, 0),
                };
                unknown.insert(Reached { id, last_seq, at_ms })
            }
        };
        if seq != conversation.last_seq + 1 {
            return Ok(None);
        }
        (conversation.last_seq, conversation.at_ms) = (seq, at_ms);
        Ok(Some(conversation.id))
    }

    /// Somebody wrote or got a message.
    pub(super) fn meet(&mut self, person: &Person, event: u64) {
        match self.people.get_mut(&person.key) {
            Some((met, last)) => {
                if met != person {
                    *met = person.clone();
                }
                *last = event;
            }
            None => drop(self.people.insert(person.key.clone(), (person.clone(), event))),
        }
    }

    /// Writes what was gathered. What others change in the same tables comes behind this.
    pub(super) fn write(&mut self) -> rusqlite::Result<()> {
        for (_, Reached { id, last_seq, at_ms }) in self.conversations.drain() {
            self.reach.execute((id, last_seq.cast_signed(), at_ms))?;
        }
        for (key, (person, event)) in self.people.drain() {
            let identity = person.identity.0.cast_signed();
            self.meet.execute((key.as_str(), &person.name, identity, event.cast_signed()))?;
        }
        Ok(())
    }
}
