//! Simple Chat's file transfer: the bytes of one file in one direction, over a UDP protocol of its own
//! or over TLS. It knows nothing of the chat; the only seam between the two is the [`ticket`].
//!
//! In reading order:

pub mod file_path;
pub mod file_version;
pub mod source_id;
pub mod ticket;

pub mod catalogue;

pub mod piece_hashes;
pub mod range_set;

pub mod proto;

pub mod pinned_tls;
pub mod tcp;
pub mod tls_identity;

pub mod udp;

pub mod node;

pub mod download;

pub mod part_file;

pub mod upload;

pub mod uploads;

pub mod sink;

// The tests' laboratory speaks of the crate by its name.
#[cfg(test)]
extern crate self as file_transfer;

mod rate_share;
mod secret_file;
mod sessions;

#[cfg(any(test, fuzzing))]
#[expect(clippy::panic, reason = "a broken promise is to be noticed")]
pub mod fuzzing;
