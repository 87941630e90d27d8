//! UDP around the protocol's state machines: sockets, threads, the disk on the sender's side.
//! Either end may be the client: it receives a download, and sends an upload.
//!
//! Nothing is decided here; what to send, when and to whom is the business of [`proto`](crate::proto).
//!
//! * the sending end: `server` (all of it) → `front_door` (one thread for each listen address) →
//!   `sender_thread` (one for each session), with `source_file` (the disk)
//! * the receiving end: `client` (a whole transfer) → `receive_loop` (the flow) → `run_buffer`, with
//!   `receive_window` and `drop_counter` (what the kernel could not hold)
//! * uploads: `send` (a client, on the sending end above) and `receiver_thread` (a node's session, on
//!   the receiving end above); who may end either from outside is its `supervisor`
//! * between the two: `mailboxes`, for a client whose address has changed, and `network_change`, by which
//!   it finds out
//! * under both: `socket`, `datagram_io` (segmentation offload and its fallbacks), `wakeup`

mod client;
mod datagram_io;
mod drop_counter;
mod front_door;
pub(crate) mod mailboxes;
mod network_change;
mod receive_loop;
mod receive_window;
mod receiver_thread;
mod run_buffer;
mod send;
mod send_options;
mod sender_thread;
mod server;
mod socket;
mod source_file;
mod supervisor;
pub(crate) mod wakeup;

pub use client::{
    ReceiveConfig, ReceiveError, Received, SILENCE_AT_START_MAX, SILENCE_MAX, answers, receive,
};
pub use receiver_thread::{OnUploadEnd, UploadReport, UploadService};
pub use send::{SendConfig, SendError, SendResult, send};
pub use send_options::{CongestionChoice, SendOptions};
pub use sender_thread::SessionReport;
pub use server::{OnSessionEnd, OpenError, OpenFile, UdpServer, UdpServerConfig};
pub use socket::bind_listener;

pub use crate::rate_share::RateLimits;
pub use crate::sessions::SessionLimits;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
