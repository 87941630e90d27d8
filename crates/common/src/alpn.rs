//! Protocol names for TLS's application-layer protocol negotiation (RFC 7301): what a TLS connection
//! to the server's port is for.

/// Chat frames, see `proto/chat.proto`.
pub const CHAT: &[u8] = b"simplechat/1";

/// File bytes over TCP, see PROTOCOL.md.
pub const FILE: &[u8] = b"simplechat-file/1";
