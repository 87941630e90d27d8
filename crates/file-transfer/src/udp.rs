//! UDP around the protocol's state machines: sockets, threads, the disk on the sender's side.
//!
//! [`front_door`] is the server's end and [`client`] the other; both drive what `proto` decides.

mod datagram_io;
mod socket;
mod wakeup;

pub use socket::bind_listener;
