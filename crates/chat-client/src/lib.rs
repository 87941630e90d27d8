//! The headless client of Simple Chat: everything a client does except showing it.
//!
//! A program starts a [`session`], sends it [`command`]s and follows its [`event`]s. Failures are
//! typed ([`error`]); the sentence a person reads is made in [`error_text`] and nowhere else.
//!
//! Read `command`, `event` and `session` first; `session/machine.rs` takes every decision and holds
//! no socket, `session/driver.rs` carries them out.

pub mod command;
pub mod event;

pub mod question;

pub mod error;
pub mod error_text;
pub mod size_text;

pub mod session;

mod dial;
mod known_servers;
mod private_file;
mod read_positions;
mod resume_token;
