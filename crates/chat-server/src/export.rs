//! `chat-server export`: every stored message as a line of JSON, oldest first, while the server may run.

use std::io::{self, Write};
use std::path::Path;

use common::conversation::LOBBY;
use serde::Serialize;

use crate::log::event::{Destination, Event, MessageSent};
use crate::log::{LogError, LogReader, store};

/// Events that are in memory at once: at most some megabytes.
const READ_EVENTS: usize = 256;

/// Why not everything was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error("{file}: {0}", file = store::FILE_NAME)]
    Log(#[from] LogError),
    /// What is written to takes no more.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    /// Of the whole log.
    number: u64,
    /// `#room`, or `@name` of the receiver of a private message.
    conversation: String,
    /// Of the conversation.
    seq: u64,
    id: String,
    from: &'a str,
    text: &'a str,
    /// Milliseconds since 1970-01-01 UTC.
    at: i64,
}

/// Writes what the log of `data` holds when this begins; how many messages.
///
/// # Errors
/// [`ExportError`]; what was written up to then is whole lines but for the last.
pub fn export(data: &Path, out: &mut impl Write) -> Result<u64, ExportError> {
    let mut log = store::open_to_read(data)?;
    let last = log.last()?;
    let (mut next, mut messages) = (1, 0);
    while next <= last {
        let events = log.tail(next, READ_EVENTS)?;
        let Some(read_to) = events.last().map(|event| event.number) else { break };
        for event in events.iter().take_while(|event| event.number <= last) {
            match &event.event {
                Event::MessageSent(message) => {
                    write_line(event.number, message, out)?;
                    messages += 1;
                }
                Event::Ruling(_) | Event::Expired(_) => {}
            }
        }
        next = read_to + 1;
    }
    out.flush()?;
    Ok(messages)
}

fn write_line(number: u64, message: &MessageSent, out: &mut impl Write) -> io::Result<()> {
    let line = Line {
        event: "message",
        number,
        conversation: match &message.to {
            Destination::Lobby => format!("#{LOBBY}"),
            Destination::Person(receiver) => format!("@{}", receiver.name),
            Destination::Room(room) => format!("#{}", room.name.spelling),
        },
        seq: message.seq,
        id: message.id.iter().map(|byte| format!("{byte:02x}")).collect(),
        from: &message.from.name,
        text: &message.text,
        at: message.at_ms,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
