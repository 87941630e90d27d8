//! The transfer protocol as state machines: no socket, file, clock, thread or random source is
//! named here. Time and randomness come in as arguments, datagrams come in and go out as slices.
//!
//! The layout of every packet is in `PROTOCOL.md` ("The transfer protocol") and in the files below.
//! Read them in this order:
//!
//! * [`limits`]: every number of the protocol with its reason
//! * [`packet`]: the 16-byte header; [`data_frame`], [`ack_frame`], [`want_frame`], [`ping_frame`],
//!   [`close_frame`]: what is sealed behind it; [`hello`]: the two packets that stand before the keys
//! * [`keys`]: cipher suites, key schedule, sealing and opening
//! * [`handshake`] (client) and [`front_door`] (server): from a ticket to a session
//! * [`receiver`] and [`sender`]: the flow itself
//!
//! **Where is a lost chunk sent again?** [`sender`]'s `loss_detection` declares it lost, its bytes go
//! into the sender's set of lost ranges, and the next batch takes from that set first.

pub mod ack_frame;
mod address_change;
pub mod close_frame;
mod closing;
pub mod data_frame;
pub mod ecn;
pub mod front_door;
pub mod handshake;
pub mod hello;
pub mod keys;
pub mod limits;
mod liveness;
pub mod packet;
pub mod ping_frame;
pub mod received_numbers;
pub mod receiver;
pub mod rtt;
pub(crate) mod sealed_channel;
pub mod sender;
pub mod want_frame;
mod wire_bytes;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod ratchet_tests;
