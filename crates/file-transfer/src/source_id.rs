//! Which file a download is of, whatever its bytes are at the moment: which server, and which name there.

/// What the hash is of, so that it is equal to no other hash of the same bytes.
const CONTEXT: &str = "simple-chat 2026-11 source of a part file";

/// Names one file of one server, without saying which. It stands in the state of a part file
/// (PROTOCOL.md, section 6), so that nobody takes the part of one file for that of another which is to
/// be saved under the same name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceId(pub [u8; 32]);

impl SourceId {
    /// Of the file that the chat server with this key (SHA-256 of its SubjectPublicKeyInfo) lists under
    /// this path. A server that gets another key is another server.
    #[must_use]
    pub fn of(server_spki_sha256: &[u8; 32], path: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(server_spki_sha256).update(path.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}
