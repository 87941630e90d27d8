//! What an invite link carries for one who is invited: which invite, and the secret that proves it was handed
//! on. Written as unpadded base64url (RFC 4648, section 5): 32 characters.

use std::fmt;
use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::limits::{INVITE_ID_BYTES, INVITE_TOKEN_BYTES};

/// Opens what the invite opens, for whoever has it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct InviteToken(pub [u8; INVITE_TOKEN_BYTES]);

/// A text that is no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an invite token is 32 characters of base64url")]
pub struct NoInviteToken;

impl InviteToken {
    /// Names the invite; everybody may know it who may know of the invite.
    #[must_use]
    pub fn id(&self) -> [u8; INVITE_ID_BYTES] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// From what is sent.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for InviteToken {
    /// Leaves out what must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteToken(…)")
    }
}

impl fmt::Display for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for InviteToken {
    type Err = NoInviteToken;

    fn from_str(text: &str) -> Result<Self, NoInviteToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoInviteToken)?;
        Self::from_bytes(&bytes).ok_or(NoInviteToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
        let token: InviteToken = text.parse().unwrap();
        assert_eq!(token.0, std::array::from_fn(|i| u8::try_from(i).unwrap()));
        assert_eq!(token.to_string(), text);
        assert_eq!(token.id(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn other_lengths_and_alphabets_are_no_tokens() {
        for text in ["", "AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA", &"+".repeat(32)] {
            assert_eq!(text.parse::<InviteToken>(), Err(NoInviteToken), "{text}");
        }
    }

    #[test]
    fn a_token_is_not_printed_by_chance() {
        assert_eq!(format!("{:?}", InviteToken([0x41; 24])), "InviteToken(…)");
    }
}
