//! Which decisions still hold, and which there were.

use rusqlite::{Statement, Transaction};

use crate::log::LogError;
use crate::log::event::ruling::Decision;
use crate::log::projection::Projection;

impl Projection {
    /// The events of the decisions that still hold, in their order.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn standing(&self) -> Result<Vec<u64>, LogError> {
        let mut select = self.connection.prepare("SELECT event FROM standing ORDER BY event")?;
        let events = select.query_map([], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?;
        Ok(events.collect::<Result<_, _>>()?)
    }

    /// The events of all decisions below number `before`, the latest first, at most `limit`.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn rulings(&self, before: Option<u64>, limit: usize) -> Result<Vec<u64>, LogError> {
        let mut select = self
            .connection
            .prepare("SELECT event FROM rulings WHERE event < ?1 ORDER BY event DESC LIMIT ?2")?;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let range = (before.map_or(i64::MAX, signed), signed(limit as u64));
        let events = select.query_map(range, |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?;
        Ok(events.collect::<Result<_, _>>()?)
    }
}

/// What applying a decision takes.
pub(super) struct Statements<'t> {
    note: Statement<'t>,
    holds: Statement<'t>,
    ends: Statement<'t>,
    ends_all: Statement<'t>,
}

impl<'t> Statements<'t> {
    pub(super) fn prepare(transaction: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            note: transaction.prepare("INSERT INTO rulings VALUES (?1)")?,
            holds: transaction.prepare("INSERT OR REPLACE INTO standing VALUES (?1, ?2, ?3)")?,
            ends: transaction.prepare("DELETE FROM standing WHERE kind = ?1 AND about = ?2")?,
            // Behind the text of a room or invite comes a space, and then who.
            ends_all: transaction.prepare(
                "DELETE FROM standing WHERE kind = ?1 AND about >= ?2 AND about < ?2 || 'g'",
            )?,
        })
    }

    pub(super) fn decided(&mut self, number: u64, decision: &Decision) -> rusqlite::Result<()> {
        let number = number.cast_signed();
        if decision.is_looked_back_on() {
            self.note.execute([number])?;
        }
        let Some(subject) = decision.subject() else { return Ok(()) };
        let kind = subject.kind as i64;
        if decision.ends_its_subject() {
            self.ends.execute((kind, &subject.about))?;
            if let Some(kind) = decision.ends_all_of() {
                self.ends_all.execute((kind as i64, format!("{} ", subject.about)))?;
            }
        } else {
            self.holds.execute((kind, subject.about, number))?;
        }
        Ok(())
    }
}
