//! The one password that everybody shares on a server with access `password`.

use std::io;
use std::path::Path;

use aws_lc_rs::hmac;
use rand::seq::IndexedRandom;

use crate::secret_file;

/// File name in the data folder of the password that the server makes itself.
pub(crate) const FILE_NAME: &str = "join-password";

/// What it is made of: nothing that is taken for something else when it is read out or written down.
const LETTERS: &[u8; 28] = b"abcdefghjkmnpqrstuvwxyz34679";

/// In so many groups …
const GROUPS: usize = 4;
/// … of so many letters: 76 bits.
const GROUP_LETTERS: usize = 4;

/// The password of a server whose operator named none.
pub(crate) struct OwnPassword {
    pub(crate) text: String,
    /// It was made just now.
    pub(crate) is_new: bool,
}

impl OwnPassword {
    /// The password of a data folder, made if it is not there. The operator may write another one there.
    ///
    /// # Errors
    /// The system's, or `InvalidData` where there is nothing in the first line.
    pub(crate) fn load_or_create(folder: &Path) -> io::Result<Self> {
        let make = || format!("{}\n", random_password()).into_bytes();
        let secret = secret_file::load_or_create(folder, FILE_NAME, make)?;
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let text = String::from_utf8(secret.bytes).map_err(|_| invalid("this is no text"))?;
        let text = first_line(&text).ok_or_else(|| invalid("the first line is empty"))?.to_owned();
        Ok(Self { text, is_new: secret.is_new })
    }
}

/// The password in the text of a file.
pub(crate) fn first_line(text: &str) -> Option<&str> {
    text.lines().next().filter(|line| !line.is_empty())
}

/// One that nobody guesses and everybody can read out.
pub(crate) fn random_password() -> String {
    let mut rng = rand::rng();
    let letters = std::iter::repeat_with(|| LETTERS.choose(&mut rng).copied().map(char::from));
    let letters: Vec<char> = letters.flatten().take(GROUPS * GROUP_LETTERS).collect();
    let groups: Vec<String> = letters.chunks(GROUP_LETTERS).map(String::from_iter).collect();
    groups.join("-")
}

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
    fn a_password_of_its_own_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = OwnPassword::load_or_create(folder.path()).unwrap();
        assert_eq!((first.is_new, first.text.len()), (true, GROUPS * (GROUP_LETTERS + 1) - 1));
        let again = OwnPassword::load_or_create(folder.path()).unwrap();
        assert_eq!((again.is_new, again.text), (false, first.text));
        std::fs::write(folder.path().join(FILE_NAME), "\nsecond line").unwrap();
        let empty = OwnPassword::load_or_create(folder.path()).map(|it| it.text).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn only_the_password_itself_matches() {
        let password = JoinPassword::new("correct horse", [7; 32]);
        assert!(password.matches("correct horse"));
        for guess in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!password.matches(guess), "{guess:?}");
        }
    }
}
