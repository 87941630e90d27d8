//! What is asked of the log often, in a form for asking: the last number of each conversation, where its
//! messages are in the log, and who may read something of it. Follows the log, and says how far: the number
//! of the last event that it has is written in the same transaction as what follows from it. It holds
//! nothing of its own, so it can be made anew.

mod expiring;

mod gathered;

mod standing;

use std::borrow::Cow;
use std::path::Path;

use rusqlite::{Connection, Statement, Transaction};

use common::conversation::{Conversation, LOBBY};
use common::user_name::NameKey;

use crate::log::event::expired::Expired;
use crate::log::event::room::RoomId;
use crate::log::event::{ConversationKey, Destination, Event, Identity, MessageSent, Person};
use crate::log::projection::gathered::Gathered;
use crate::log::sqlite_file::{self, Format};
use crate::log::{LogError, LogId, LogReader, Numbered};
use crate::state::history::{ConversationFound, ConversationsFound, Reader};
use crate::state::request::HistoryRange;

/// File name of the projection in the data folder.
pub const FILE_NAME: &str = "history.db";

/// Events that are applied in one transaction.
const BATCH_EVENTS: usize = 4096;

const FORMAT: Format = Format {
    // "schi"
    application_id: 0x7363_6869,
    version: 6,
    schema: "
        -- Of which log, once it follows one, up to which event, and of which messages are gone up to which.
        CREATE TABLE applied (event INTEGER NOT NULL, expired INTEGER NOT NULL, log BLOB) STRICT;
        INSERT INTO applied VALUES (0, 0, NULL);
        -- A room has no other.
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY,
            one TEXT NOT NULL,
            other TEXT,
            last_seq INTEGER NOT NULL,
            at_ms INTEGER NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX conversations_by_people ON conversations (one, coalesce(other, ''));
        CREATE INDEX rooms ON conversations (id) WHERE other IS NULL;
        -- Who may read a message of a pair: these two people, not just anybody of their names.
        CREATE TABLE messages (
            conversation INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            event INTEGER NOT NULL,
            writer INTEGER NOT NULL,
            reader INTEGER,
            PRIMARY KEY (conversation, seq)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX messages_by_event ON messages (event);
        -- Up to where each person may read which private conversation, and how the other one was spelt
        -- last.
        CREATE TABLE readers (
            identity INTEGER NOT NULL,
            conversation INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            at_ms INTEGER NOT NULL,
            peer TEXT NOT NULL,
            PRIMARY KEY (identity, conversation)
        ) STRICT, WITHOUT ROWID;
        -- The last person of each name who wrote or got anything, and in which event.
        CREATE TABLE people (
            key TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            identity INTEGER NOT NULL,
            event INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX people_by_event ON people (event);
        -- The decisions that still hold, by what they are about, and the event of each.
        CREATE TABLE standing (
            kind INTEGER NOT NULL,
            about TEXT NOT NULL,
            event INTEGER NOT NULL,
            PRIMARY KEY (kind, about)
        ) STRICT, WITHOUT ROWID;
        -- Everything that was ever decided.
        CREATE TABLE rulings (event INTEGER PRIMARY KEY) STRICT;",
    // The log has it all: after a power cut the projection goes on from where it then is.
    synchronous: "NORMAL",
};

/// The projection of a data folder.
pub struct Projection {
    connection: Connection,
    applied: u64,
    /// Up to this event messages are gone.
    expired: u64,
}

impl Projection {
    /// Opens the projection of the folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let connection = sqlite_file::open(&folder.join(FILE_NAME), &FORMAT)?;
        let (applied, expired): (i64, i64) =
            connection.query_row("SELECT event, expired FROM applied", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let (applied, expired) = (applied.cast_unsigned(), expired.cast_unsigned());
        Ok(Self { connection, applied, expired })
    }

    /// Has it follow that log from now on, or none else than that.
    ///
    /// # Errors
    /// [`LogError::OtherLog`], where it is made from another one.
    pub fn follow(&mut self, log: LogId) -> Result<(), LogError> {
        let followed: Option<Vec<u8>> =
            self.connection.query_row("SELECT log FROM applied", [], |row| row.get(0))?;
        match followed {
            None if self.applied == 0 => {
                self.connection.execute("UPDATE applied SET log = ?1", [log.0])?;
                Ok(())
            }
            Some(followed) if followed == log.0 => Ok(()),
            None | Some(_) => Err(LogError::OtherLog),
        }
    }

    /// The number of the last event that it has.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Applies everything that is in the log and not yet here, and forgets what is there no more.
    ///
    /// # Errors
    /// [`LogError`]; what was applied so far stays.
    pub fn catch_up(&mut self, log: &mut dyn LogReader) -> Result<(), LogError> {
        loop {
            let events = log.tail(self.applied + 1, BATCH_EVENTS)?;
            // Looked at behind the events: what is missing among them is below it.
            let expired = log.expired()?;
            if events.is_empty() {
                return self.forget(expired);
            }
            self.apply(&events, expired)?;
        }
    }

    /// Applies events, which must be the next ones, as a whole or not at all. Up to `expired` some may be
    /// missing.
    fn apply(&mut self, events: &[Numbered], expired: u64) -> Result<(), LogError> {
        let transaction = self.connection.transaction()?;
        let mut applied = self.applied;
        {
            let mut statements = Statements::prepare(&transaction)?;
            for Numbered { number, event } in events {
                let is_next = *number <= applied.max(expired) + 1;
                if !is_next || !statements.apply(*number, event)? {
                    return Err(LogError::Damaged { number: *number });
                }
                applied = *number;
            }
            statements.gathered.write()?;
            statements.applied.execute([applied.cast_signed()])?;
        }
        transaction.commit()?;
        self.applied = applied;
        Ok(())
    }

    /// The last number of each conversation.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn last_numbers(&self) -> Result<Vec<(ConversationKey, u64)>, LogError> {
        let mut select =
            self.connection.prepare("SELECT one, other, last_seq FROM conversations")?;
        let conversations = select.query_map([], |row| {
            let (one, other): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            Ok((key_of(one, other), row.get::<_, i64>(2)?.cast_unsigned()))
        })?;
        Ok(conversations.collect::<Result<_, _>>()?)
    }
}

impl Projection {
    /// The people who wrote or got something last, at most `limit`, the latest at the end.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn people(&self, limit: usize) -> Result<Vec<Person>, LogError> {
        let mut select = self
            .connection
            .prepare("SELECT key, name, identity FROM people ORDER BY event DESC LIMIT ?1")?;
        let people = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            let key = NameKey::from_stored(row.get(0)?);
            let identity = Identity(row.get::<_, i64>(2)?.cast_unsigned());
            Ok(Person { key, name: row.get(1)?, identity })
        })?;
        let mut people = people.collect::<Result<Vec<_>, _>>()?;
        people.reverse();
        Ok(people)
    }

    /// Which messages of a conversation somebody may read, in the order of their numbers, by the
    /// numbers of their events; and whether there are more than `range` allows.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn messages(
        &self,
        key: &ConversationKey,
        reader: Identity,
        range: HistoryRange,
    ) -> Result<(Vec<u64>, bool), LogError> {
        let order = if range.before.is_some() { "DESC" } else { "ASC" };
        let mut select = self.connection.prepare(&format!(
            "SELECT event FROM messages
             WHERE conversation =
                 (SELECT id FROM conversations
                  WHERE one = ?1 AND coalesce(other, '') = coalesce(?2, ''))
             AND seq > ?3 AND seq < ?4 AND (reader IS NULL OR reader = ?5 OR writer = ?5)
             ORDER BY seq {order} LIMIT ?6"
        ))?;
        let (one, other) = columns(key);
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (after, before) = (signed(range.after), range.before.map_or(i64::MAX, signed));
        // One more than wanted shows whether there are more.
        let limit = signed(range.limit as u64).saturating_add(1);
        let events = select
            .query_map((&*one, other, after, before, reader.0.cast_signed(), limit), |row| {
                row.get::<_, i64>(0).map(i64::cast_unsigned)
            })?;
        let mut events = events.collect::<Result<Vec<u64>, _>>()?;
        let more = events.len() > range.limit;
        events.truncate(range.limit);
        if range.before.is_some() {
            events.reverse();
        }
        Ok((events, more))
    }
}

impl Projection {
    /// The conversations of which somebody may read anything, those behind `after`, at most `limit`.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn list(
        &self,
        reader: &Reader,
        after: u64,
        limit: usize,
    ) -> Result<ConversationsFound, LogError> {
        let mut select = self.connection.prepare(
            "SELECT id, one, NULL, last_seq, at_ms FROM conversations
             WHERE other IS NULL AND id > ?2 AND one IN (SELECT value FROM json_each(?4))
             UNION ALL
             SELECT conversation, NULL, peer, last_seq, at_ms FROM readers
             WHERE identity = ?1 AND conversation > ?2
             ORDER BY 1 LIMIT ?3",
        )?;
        // One more than wanted shows whether there are more.
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let identity = reader.identity.0.cast_signed();
        // Nothing in these has a meaning in JSON.
        let texts = reader.rooms.iter().map(|room| format!(",\"{}\"", room.id.text()));
        let rooms = format!("[\"{LOBBY}\"{}]", texts.collect::<String>());
        let rows = select.query_map((identity, after, wanted, rooms), |row| {
            let room: Option<String> = row.get(1)?;
            let conversation = match room {
                Some(room) => reader.call(&room),
                None => Conversation::User(row.get(2)?),
            };
            let last_seq = row.get::<_, i64>(3)?.cast_unsigned();
            let entry = ConversationFound { conversation, last_seq, at_ms: row.get(4)? };
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), entry))
        })?;
        let mut found = rows.collect::<Result<Vec<_>, _>>()?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|(id, _)| *id).filter(|_| has_more);
        Ok(ConversationsFound { entries: found.into_iter().map(|(_, it)| it).collect(), next })
    }
}

/// What applying takes, prepared once for a transaction.
struct Statements<'t> {
    gathered: Gathered<'t>,
    insert: Statement<'t>,
    may_read: Statement<'t>,
    expire: Statement<'t>,
    rulings: standing::Statements<'t>,
    applied: Statement<'t>,
}

impl<'t> Statements<'t> {
    fn prepare(transaction: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            gathered: Gathered::prepare(transaction)?,
            insert: transaction.prepare("INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5)")?,
            may_read: transaction.prepare(
                "INSERT INTO readers VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET last_seq = ?3, at_ms = ?4, peer = ?5",
            )?,
            expire: transaction.prepare(
                "INSERT INTO conversations (one, other, last_seq, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET last_seq = ?3, at_ms = ?4 WHERE last_seq < ?3",
            )?,
            rulings: standing::Statements::prepare(transaction)?,
            applied: transaction.prepare("UPDATE applied SET event = ?1")?,
        })
    }

    /// False where the event does not follow from those before it.
    fn apply(&mut self, number: u64, event: &Event) -> rusqlite::Result<bool> {
        match event {
            Event::MessageSent(message) => self.message_sent(number, message),
            Event::Ruling(ruling) => self.rulings.decided(number, &ruling.decision).map(|()| true),
            Event::Expired(left) => self.expired(left).map(|()| true),
        }
    }

    fn expired(&mut self, left: &Expired) -> rusqlite::Result<()> {
        self.gathered.write()?;
        let (one, other) = columns(&left.conversation);
        let last_seq = left.last_seq.cast_signed();
        self.expire.execute((&*one, other, last_seq, left.at_ms)).map(drop)
    }

    fn message_sent(&mut self, number: u64, message: &MessageSent) -> rusqlite::Result<bool> {
        let reached = self.gathered.reach(message.conversation(), message.seq, message.at_ms)?;
        let Some(conversation) = reached else { return Ok(false) };
        let writer = &message.from;
        let signed = |person: &Person| person.identity.0.cast_signed();
        let receiver = match &message.to {
            // Whoever is in the room reads it.
            Destination::Lobby | Destination::Room(_) => None,
            Destination::Person(receiver) => Some(receiver),
        };
        for person in receiver.into_iter().chain([writer]) {
            self.gathered.meet(person, number);
        }
        let (seq, number) = (message.seq.cast_signed(), number.cast_signed());
        let Some(reader) = receiver else {
            self.insert.execute((conversation, seq, number, signed(writer), None::<i64>))?;
            return Ok(true);
        };
        self.insert.execute((conversation, seq, number, signed(writer), signed(reader)))?;
        for (person, peer) in [(writer, reader), (reader, writer)] {
            let row = (signed(person), conversation, seq, message.at_ms, &peer.name);
            self.may_read.execute(row)?;
        }
        Ok(true)
    }
}

fn columns(key: &ConversationKey) -> (Cow<'_, str>, Option<&str>) {
    match key {
        ConversationKey::Lobby => (LOBBY.into(), None),
        ConversationKey::Pair(one, other) => (one.as_str().into(), Some(other.as_str())),
        ConversationKey::Room(room) => (room.text().into(), None),
    }
}

fn key_of(one: String, other: Option<String>) -> ConversationKey {
    match other {
        None => RoomId::from_text(&one).map_or(ConversationKey::Lobby, ConversationKey::Room),
        Some(other) => {
            ConversationKey::Pair(NameKey::from_stored(one), NameKey::from_stored(other))
        }
    }
}

#[cfg(test)]
mod tests;
