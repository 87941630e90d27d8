//! The key under which resume tokens are made. A token carries who its holder is and a proof that this
//! server said so: it is believed after a restart too, and nothing has to be stored for it.

use std::io;
use std::path::Path;

use aws_lc_rs::{constant_time, hmac};
use common::limits::RESUME_TOKEN_BYTES;
use common::user_name::NameKey;

use crate::log::event::Identity;
use crate::secret_file;
use crate::state::request::ResumeToken;

/// File name in the data folder.
pub(crate) const FILE_NAME: &str = "token.key";

const KEY_BYTES: usize = 32;
/// Who it is.
const IDENTITY_BYTES: usize = 8;
/// What makes the next token of the same person another one.
const NONCE_BYTES: usize = 8;
/// Half of a HMAC-SHA256 (RFC 2104, section 5).
const PROOF_BYTES: usize = 16;
const _: () = assert!(IDENTITY_BYTES + NONCE_BYTES + PROOF_BYTES == RESUME_TOKEN_BYTES);

/// Tells this use of the key from any other.
const CONTEXT: &[u8] = b"simple-chat resume token 1";

/// Makes tokens and knows its own.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

/// What a token says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Who its holder is.
    pub identity: Identity,
    /// What it was sealed with besides.
    pub nonce: [u8; NONCE_BYTES],
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key of a data folder, made if it is not there. One that is there and cannot be used is an
    /// error, never replaced.
    ///
    /// # Errors
    /// The system's, or `InvalidData` for a file of another length.
    pub(crate) fn load_or_create(folder: &Path) -> io::Result<Self> {
        let make = || rand::random::<[u8; KEY_BYTES]>().to_vec();
        let bytes = secret_file::load_or_create(folder, FILE_NAME, make)?.bytes;
        let bytes = bytes.as_slice().try_into().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "this is no key of 32 bytes")
        })?;
        Ok(Self::new(bytes))
    }

    /// A token that says who somebody of that name is. `nonce` must be random.
    #[must_use]
    pub fn seal(
        &self,
        identity: Identity,
        nonce: [u8; NONCE_BYTES],
        name: &NameKey,
    ) -> ResumeToken {
        let identity = identity.0.to_be_bytes();
        let proof = self.proof(&identity, &nonce, name);
        let mut token = [0; RESUME_TOKEN_BYTES];
        let parts = identity.iter().chain(&nonce).chain(&proof);
        token.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        ResumeToken(token)
    }

    /// What a token says, if it is one of ours for that name.
    #[must_use]
    pub fn open(&self, token: &ResumeToken, name: &NameKey) -> Option<Opened> {
        let (identity, rest) = token.0.split_first_chunk::<IDENTITY_BYTES>()?;
        let (nonce, proof) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let expected = self.proof(identity, nonce, name);
        constant_time::verify_slices_are_equal(proof, &expected).ok()?;
        let identity = Identity(u64::from_be_bytes(*identity));
        Some(Opened { identity, nonce: *nonce })
    }

    fn proof(&self, identity: &[u8], nonce: &[u8], name: &NameKey) -> [u8; PROOF_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        // All but the name have one length each.
        for part in [CONTEXT, identity, nonce, name.as_str().as_bytes()] {
            context.update(part);
        }
        let tag = context.sign();
        let mut proof = [0; PROOF_BYTES];
        proof.iter_mut().zip(tag.as_ref()).for_each(|(byte, part)| *byte = *part);
        proof
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_believed_for_its_name_and_unchanged_alone() {
        let (key, ann) = (TokenKey::new(&[7; 32]), NameKey::of("ann"));
        let token = key.seal(Identity(5), [1; 8], &ann);
        let opened = Opened { identity: Identity(5), nonce: [1; 8] };
        assert_eq!(key.open(&token, &ann), Some(opened));
        assert_eq!(key.open(&token, &NameKey::of("bob")), None);
        assert_eq!(TokenKey::new(&[8; 32]).open(&token, &ann), None);
        for byte in 0..RESUME_TOKEN_BYTES {
            let mut changed = token;
            changed.0[byte] ^= 1;
            assert_eq!(key.open(&changed, &ann), None, "byte {byte}");
        }
    }

    #[test]
    fn the_key_of_a_folder_stays_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let ann = NameKey::of("ann");
        let token =
            TokenKey::load_or_create(folder.path()).unwrap().seal(Identity(5), [1; 8], &ann);
        let again = TokenKey::load_or_create(folder.path()).unwrap();
        assert_eq!(again.open(&token, &ann).map(|it| it.identity), Some(Identity(5)));
        std::fs::write(folder.path().join(FILE_NAME), "junk").unwrap();
        let error = TokenKey::load_or_create(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
