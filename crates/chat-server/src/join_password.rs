//! The one password that everybody shares on a server with access `password`.

use aws_lc_rs::hmac;

/// Kept only as a keyed hash, under a key that lives as long as the process: it is compared in a time
/// that tells neither its length nor how much of a guess is right, and it stands in no memory dump.
pub struct JoinPassword {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl JoinPassword {
    /// Takes the password in.
    #[must_use]
    pub fn new(password: &str, key: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let tag = hmac::sign(&key, password.as_bytes());
        Self { key, tag }
    }

    /// Whether a guess is right.
    #[must_use]
    pub fn matches(&self, guess: &str) -> bool {
        hmac::verify(&self.key, guess.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

impl std::fmt::Debug for JoinPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinPassword")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_matches() {
        let password = JoinPassword::new("correct horse", [7; 32]);
        assert!(password.matches("correct horse"));
        for guess in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!password.matches(guess), "{guess:?}");
        }
    }
}
