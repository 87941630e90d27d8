//! Simple Chat's server.
//!
//! The way of a frame: [`listener`] accepts a connection, [`connection`] reads its frames and parses
//! them into requests, [`hub`] hands each to [`state`], which decides who receives what, and puts the
//! encoded deliveries into the outboxes of the receivers' connections; what is to last goes into the
//! [`log`] first. Bytes of files take another
//! way: the [`file_desk`] mints a ticket that a transfer node honours, the [`upload_desk`] one for the other
//! direction.

pub mod server;

pub mod config;

mod listener;

mod waiting_room;

mod stranger_log;

mod connection;

mod hub;

pub mod state;

pub mod log;

mod file_desk;

mod upload_desk;

mod history_desk;

mod password_desk;

mod retention;

mod watchdog;

mod operator_door;

pub mod operator;

mod local_socket;

mod metrics;

pub mod backup;

pub mod export;

pub mod reload;

pub mod join_password;

pub mod token_key;

mod secret_file;

pub mod sockets;

mod invite;

pub mod log_output;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

#[cfg(test)]
mod test_clock;
