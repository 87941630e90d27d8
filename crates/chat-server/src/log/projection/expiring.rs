//! What the projection forgets when messages are removed from the log, and where a conversation begins since.

use rusqlite::{OptionalExtension, Row, Transaction};

use crate::log::LogError;
use crate::log::event::{ConversationKey, Identity};
use crate::log::projection::{Projection, columns};

/// Messages that are forgotten in one transaction.
const SLICE_MESSAGES: usize = 1024;

/// A message that goes.
struct Gone {
    conversation: i64,
    seq: i64,
    event: i64,
    writer: i64,
    /// Of a private message.
    reader: Option<i64>,
}

impl Projection {
    /// Forgets the messages of the events up to that one, and who had no others.
    pub(super) fn forget(&mut self, expired: u64) -> Result<(), LogError> {
        while self.expired < expired {
            self.expired = self.forget_slice(expired)?;
        }
        Ok(())
    }

    /// The event up to which they are gone then.
    fn forget_slice(&mut self, expired: u64) -> Result<u64, LogError> {
        let transaction = self.connection.transaction()?;
        let slice = next(&transaction, expired)?;
        let last = slice.last().filter(|_| slice.len() == SLICE_MESSAGES);
        let until = last.map_or(expired, |gone| gone.event.cast_unsigned());
        forget(&transaction, &slice)?;
        transaction.execute("DELETE FROM people WHERE event <= ?1", [until.cast_signed()])?;
        transaction.execute("UPDATE applied SET expired = ?1", [until.cast_signed()])?;
        transaction.commit()?;
        crate::log::expiry::give_pages_back(&self.connection)?;
        Ok(until)
    }

    /// The first number that is kept of a conversation, if some were removed. Of a private one it is told only
    /// to whom it has anything to read.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn first_kept(
        &self,
        key: &ConversationKey,
        reader: Identity,
    ) -> Result<Option<u64>, LogError> {
        let (one, other) = columns(key);
        let first = "SELECT coalesce(
                 (SELECT min(seq) FROM messages WHERE conversation = id), last_seq + 1)
             FROM conversations
             WHERE one = ?1 AND coalesce(other, '') = coalesce(?2, '') AND (other IS NULL OR EXISTS
                 (SELECT 1 FROM readers WHERE identity = ?3 AND conversation = id))";
        let asked = (&*one, other, reader.0.cast_signed());
        let first = self.connection.query_row(first, asked, |row| row.get::<_, i64>(0));
        Ok(first.optional()?.map(i64::cast_unsigned).filter(|first| *first > 1))
    }
}

/// The first messages that are to go.
fn next(transaction: &Transaction<'_>, expired: u64) -> rusqlite::Result<Vec<Gone>> {
    let mut select = transaction.prepare(
        "SELECT conversation, seq, event, writer, reader FROM messages
         WHERE event <= ?1 ORDER BY event LIMIT ?2",
    )?;
    let slice = i64::try_from(SLICE_MESSAGES).unwrap_or(i64::MAX);
    let gone = |row: &Row<'_>| {
        Ok(Gone {
            conversation: row.get(0)?,
            seq: row.get(1)?,
            event: row.get(2)?,
            writer: row.get(3)?,
            reader: row.get(4)?,
        })
    };
    select.query_map((expired.cast_signed(), slice), gone)?.collect()
}

fn forget(transaction: &Transaction<'_>, slice: &[Gone]) -> rusqlite::Result<()> {
    let mut message =
        transaction.prepare("DELETE FROM messages WHERE conversation = ?1 AND seq = ?2")?;
    // Whoever may read a later one may read that.
    let mut reading = transaction.prepare(
        "DELETE FROM readers WHERE identity IN (?1, ?2) AND conversation = ?3 AND last_seq <= ?4",
    )?;
    for Gone { conversation, seq, writer, reader, .. } in slice {
        message.execute((conversation, seq))?;
        if let Some(reader) = reader {
            reading.execute((writer, reader, conversation, seq))?;
        }
    }
    Ok(())
}
