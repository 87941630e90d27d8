//! The command line and the session against the real `chat-server`, over real sockets on loopback.

#![cfg(test)]

mod support;

mod away;
mod chaos;
mod files;
mod invites;
mod kills;
mod nodes;
mod people;
mod restart;
mod search;
mod session;
mod talk;

mod history;
mod trust;
mod upload_kills;
mod upload_settling;
mod uploads;
