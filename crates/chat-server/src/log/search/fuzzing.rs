//! What a person looks for: data, whatever it is. It is no error of the index, and finds nothing that is for
//! others.

use rusqlite::Connection;

use super::FORMAT;
use super::terms::{EVERYBODY, Terms, apart, people};
use crate::fuzzing::text;
use crate::log::event::Identity;
use crate::state::history::Reader;

thread_local! {
    static INDEX: Connection = {
        let index = Connection::open_in_memory().and_then(|index| {
            index.execute_batch(FORMAT.schema)?;
            Ok(index)
        });
        index.unwrap_or_else(|error| panic!("{error}"))
    };
}

/// Looks for the bytes where two messages hold just them: one to everybody, one between others.
pub fn searches(bytes: &[u8]) {
    let text = text(bytes);
    let Some(terms) = Terms::of(&text) else { return };
    let found = INDEX.with(|index| found(index, &text, &terms));
    match found {
        Ok(found) => assert!(!found.contains(&2), "somebody else's: {text:?}"),
        Err(error) => panic!("{text:?}: {error}"),
    }
}

fn found(index: &Connection, text: &str, terms: &Terms) -> rusqlite::Result<Vec<i64>> {
    let transaction = index.unchecked_transaction()?;
    let mut found = Vec::new();
    let reader = Reader::outside(Identity(7));
    let others = people(Identity(17), Identity(71));
    for (table, expression, text) in
        [("words", terms.words(&reader), apart(text)), ("parts", terms.parts(&reader), text.into())]
    {
        let insert = format!("INSERT INTO {table} (rowid, who, text) VALUES (?1, ?2, ?3)");
        transaction.execute(&insert, (1, EVERYBODY, &text))?;
        transaction.execute(&insert, (2, &others, &text))?;
        let Some(expression) = expression else { continue };
        let select = format!("SELECT rowid FROM {table} WHERE {table} MATCH ?1");
        let mut select = transaction.prepare(&select)?;
        let rows = select.query_map([expression], |row| row.get::<_, i64>(0))?;
        found.extend(rows.collect::<rusqlite::Result<Vec<i64>>>()?);
    }
    Ok(found)
}
