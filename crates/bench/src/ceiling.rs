//! The ceiling: sealed datagrams from file to file with segmentation offload and no protocol around them.
//!
//! What a transfer over UDP could reach on this machine if congestion control, acknowledgement ranges,
//! handshakes and lost packets cost nothing. It has none of them: a datagram that is lost ends the run,
//! and the key is known to everybody. Command line and output are those of the peers (`crates/bench/peers`).

mod datagrams;
mod receiving;
mod sending;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use aws_lc_rs::aead::{AES_128_GCM, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use clap::Subcommand;

/// A datagram, as Simple Chat sends it through a path of 1500 bytes.
const DATAGRAM_BYTES: usize = 1452;
/// Packet number and its padding, as long as Simple Chat's header; the associated data.
const HEADER_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// File bytes in a datagram.
const CHUNK_BYTES: usize = DATAGRAM_BYTES - HEADER_BYTES - TAG_BYTES;
/// As many datagrams as one send may hold (65,507 bytes).
const SEGMENTS_MAX: usize = 45;

/// Which end.
#[derive(Subcommand)]
pub(crate) enum End {
    /// Send one file to everybody who asks, until killed.
    Serve {
        /// The file.
        file: PathBuf,
        /// One datagram a system call.
        #[arg(long)]
        no_gso: bool,
    },
    /// Fetch it.
    Fetch {
        /// Where the other end listens.
        address: SocketAddr,
        /// The file's length.
        #[arg(long)]
        bytes: u64,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
    },
}

pub(crate) fn run(end: &End) -> Result<()> {
    match end {
        End::Serve { file, no_gso } => sending::serve(file, if *no_gso { 1 } else { SEGMENTS_MAX }),
        End::Fetch { address, bytes, out } => receiving::fetch(*address, *bytes, out),
    }
}

/// The number of chunks in a file of `bytes`.
const fn chunks(bytes: u64) -> u64 {
    bytes.div_ceil(CHUNK_BYTES as u64)
}

/// Both ends know it; nothing here is secret.
fn key() -> Result<LessSafeKey> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16])?))
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let (_, low) = bytes.split_at_mut(NONCE_LEN - size_of::<u64>());
    low.copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn header(number: u64) -> [u8; HEADER_BYTES] {
    u128::from(number).to_be_bytes()
}

/// The number in a header.
fn number_of(header: &[u8]) -> Option<u64> {
    let number = u128::from_be_bytes(header.try_into().ok()?);
    u64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_its_number() {
        assert_eq!(number_of(&header(7)), Some(7));
        assert_eq!(number_of(&[0xff; HEADER_BYTES]), None);
        assert_eq!(number_of(&[0; 3]), None);
    }

    #[test]
    fn the_last_chunk_may_be_short() {
        assert_eq!(chunks(0), 0);
        assert_eq!(chunks(CHUNK_BYTES as u64), 1);
        assert_eq!(chunks(CHUNK_BYTES as u64 + 1), 2);
    }

    #[test]
    fn a_file_arrives_as_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let contents: Vec<u8> = (0..1_000_003_u32).map(|i| i.to_le_bytes()[0] ^ 0x5a).collect();
        std::fs::write(&from, &contents).unwrap();
        for segments in [1, SEGMENTS_MAX] {
            let sender = sending::Sender::bind(&from, segments).unwrap();
            let address = sender.address().unwrap();
            let sending = std::thread::spawn(move || sender.serve_one());
            receiving::fetch(address, contents.len() as u64, &to).unwrap();
            sending.join().unwrap().unwrap();
            assert!(std::fs::read(&to).unwrap() == contents, "{segments} segments");
        }
    }
}
