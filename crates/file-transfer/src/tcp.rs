//! File bytes over TCP: the protocol `simplechat-file/1`, for networks that let no UDP through.
//!
//! It runs over TLS 1.3 with the ALPN name `simplechat-file/1`, on the port of the chat or of a
//! transfer node. The client knows the node's key beforehand ([`crate::pinned_tls`]). Then frames ([`frame`]):
//! HELLO from the client, WELCOME and the bytes (DATA…, END) from the node, DONE from the client; of an
//! upload WELCOME and WANT from the node, the bytes from the client, DONE from the node; or CLOSE with a
//! code, from the node, at any point. A client that gives up just closes the connection.
//!
//! A ticket alone opens nothing, because whoever listened to a UDP HELLO has seen it: the client also
//! proves that it knows the secret, on this very TLS connection ([`proof`]). Of a download
//! [`serve`] is the node's side and [`fetch`] the client's; of an upload [`take`] and [`put`]. What comes in
//! goes through [`incoming`].

pub(crate) mod fetch;
pub(crate) mod frame;
mod incoming;
pub(crate) mod proof;
pub(crate) mod put;
pub(crate) mod serve;
pub(crate) mod take;

pub use frame::CloseCode;
pub use serve::TcpServeError;

/// The ALPN name.
pub const ALPN: &[u8] = b"simplechat-file/1";
