//! Tickets: whatever differs from a minted one in a single bit opens nothing, and what stands in one is
//! read without harm.

use super::input::{Input, disturbed};
use crate::file_path::FilePath;
use crate::file_version::FileVersion;
use crate::ticket::{self, Grant, TicketId, TicketKey};

/// When all tickets here expire, in seconds since 1970.
const EXPIRES_AT: u64 = 1_000;

/// Opens the bytes, a minted ticket that they disturb, and reads them as what is sealed in one.
pub fn tickets(bytes: &[u8]) {
    let Ok(key) = TicketKey::from_bytes([7; 32]) else { return };
    assert!(key.open(bytes, EXPIRES_AT).is_err(), "nobody has minted that");
    assert!(TicketId::of(bytes).is_none() || bytes.len() == ticket::TICKET_BYTES);
    check_disturbed(&key, Input(bytes));
    check_sealed_content(bytes);
}

fn check_disturbed(key: &TicketKey, mut noise: Input<'_>) {
    let Ok(file) = FilePath::parse("folder/file") else { return };
    let version = FileVersion { size: 1_000_000, modified_ns: -1 };
    let grant = Grant {
        secret: [3; 32],
        user: "bob".into(),
        login: 42,
        file,
        version,
        bytes_max: Grant::bytes_max_for(version.size),
        expires_at: EXPIRES_AT,
    };
    let Ok(minted) = key.mint(&grant, [9; 32]) else { panic!("a small grant can be minted") };
    let offset = usize::from(noise.u16());
    let shown = disturbed(minted.as_bytes(), offset, noise.0);
    let opened = key.open(&shown, EXPIRES_AT);
    assert_eq!(opened.is_ok(), shown == minted.as_bytes());
}

fn check_sealed_content(plain: &[u8]) {
    let Some(grant) = ticket::decode(plain) else { return };
    if let Ok(encoded) = ticket::encode(&grant) {
        assert_eq!(ticket::decode(&encoded), Some(grant));
    }
}
