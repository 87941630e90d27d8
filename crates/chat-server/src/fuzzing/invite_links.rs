//! Invite links: what is read is written so that it is read the same.

use common::invite_link::{HostPort, InviteLink};

use super::text;

/// Reads the bytes as a link, and as an address that somebody typed.
pub fn invite_links(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(link) = text.parse::<InviteLink>() {
        assert!(link.server.port > 0 && !link.server.host.is_empty());
        assert_eq!(link.to_string().parse().as_ref(), Ok(&link), "{link}");
    }
    if let Ok(address) = text.parse::<HostPort>() {
        assert_eq!(address.to_string().parse().as_ref(), Ok(&address), "{address}");
    }
}
