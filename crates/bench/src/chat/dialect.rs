//! What the load generator must know of a chat: how to come in, how to say something, how to understand what
//! is heard. Bytes in, bytes out; [`session`](super::session) has the socket.

use std::ops::Range;

use anyhow::Result;

/// Bytes of text in each message.
pub(super) const TEXT_BYTES: usize = 200;

/// A chat's protocol, from a client's side.
pub(super) trait Dialect: Send + Sync {
    /// What a client says first to be logged in, and in the room if that is wanted.
    fn come_in(&self, who: &Who, out: &mut Vec<u8>) -> Result<()>;

    /// A message; `number` is another one each time.
    fn say(&self, number: u64, to: &To, text: &str, out: &mut Vec<u8>) -> Result<()>;

    /// Takes what stands at the front of `input`: how many bytes, and what it is. `None`: not all of it is
    /// there yet. What the server has to hear in return goes to `reply`.
    ///
    /// # Errors
    /// Where the server refuses something, or is not understood.
    fn hear(&self, input: &[u8], reply: &mut Vec<u8>) -> Result<Option<(usize, Heard)>>;
}

/// Who comes in.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) name: String,
    /// From the [`Welcome`] before, where there was one.
    pub(super) token: Vec<u8>,
}

impl Who {
    /// Somebody who was not there before.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), token: Vec::new() }
    }
}

/// What is told to somebody who is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Welcome {
    /// What others write to, to reach this one.
    pub(super) address: String,
    /// Shows later that this is the same person; empty where a chat knows no such thing.
    pub(super) token: Vec<u8>,
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub(super) enum To {
    /// Everybody in the one room.
    Room,
    /// Who is [ready](Heard::Ready) under this address.
    Person(String),
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// One's own message is taken care of: where the chat has such a thing.
    Accepted,
    /// A message of the load, with these bytes of the input.
    Message(Range<usize>),
    /// Nothing that the load cares about.
    Other,
    /// Logged in, and in the room if that was wanted.
    Ready(Welcome),
}
