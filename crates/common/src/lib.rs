//! What both ends of the Simple Chat protocol must agree on: the wire schema, its framing, names,
//! conversations, limits, invite links and certificate pins.
//!
//! No thread, no clock, no socket lives here: everything is a value or a pure function. The protocol
//! itself is `proto/chat.proto`; PROTOCOL.md adds the order of messages and golden bytes.

pub mod wire;

pub mod framing;

pub mod limits;

pub mod user_name;

pub mod conversation;

pub mod spki_pin;

pub mod invite_link;

pub mod invite_token;

pub mod alpn;

pub mod orders;

pub mod terminal_text;

pub mod date_text;
