//! The name of an upload that is not complete yet, and of its file: `.upload-<32 hex digits>.part`,
//! in the deepest folder on the way to where the upload is to go that there is.
//!
//! Files of such a name are never listed and never sent, so that nobody sees half a file; what the
//! upload is to be called stands in its [record](super::record).

use std::fmt;

use crate::file_path::{FilePath, FilePathError};

const PREFIX: &str = ".upload-";
const SUFFIX: &str = ".part";
const ID_BYTES: usize = 16;

/// Names one upload for as long as the server remembers it. Random.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PartId([u8; ID_BYTES]);

impl PartId {
    /// A fresh one.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// The one whose digits these are.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        parse_hex(digits).map(Self)
    }

    /// The upload whose part has this path, if it is the path of one.
    pub(crate) fn of_part(path: &FilePath) -> Option<Self> {
        let name = path.base_name();
        name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX).and_then(Self::parse)
    }

    /// Whether the path is that of an upload's part.
    pub(crate) fn is_part_of(path: &FilePath) -> bool {
        Self::of_part(path).is_some()
    }

    /// The base name of the part.
    pub(crate) fn part_name(self) -> String {
        format!("{PREFIX}{self}{SUFFIX}")
    }

    /// The path of the part in this folder, empty for the uppermost.
    ///
    /// # Errors
    /// If it would be too long.
    pub(crate) fn part_path(self, folder: &str) -> Result<FilePath, FilePathError> {
        let name = self.part_name();
        FilePath::parse(&if folder.is_empty() { name } else { format!("{folder}/{name}") })
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Exactly `N` bytes in lower-case hexadecimal.
pub(super) fn parse_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 2 * N || !digits.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, is_part: bool) {
        assert_eq!(PartId::is_part_of(&FilePath::parse(path).unwrap()), is_part, "{path}");
    }

    #[test]
    fn parts_are_known_by_their_name() {
        let id = PartId::random();
        check(&id.part_name(), true);
        check(&format!("dir/sub/{}", id.part_name()), true);
        assert_eq!(PartId::of_part(&id.part_path("dir").unwrap()), Some(id));
    }

    #[test]
    fn other_names_are_anybodys() {
        check("song.ogg.part", false);
        check(".upload-.part", false);
        check(".upload-0123456789abcdef0123456789abcdeF.part", false);
        check(".upload-0123456789abcdef0123456789abcdef0.part", false);
        check(".upload-0123456789abcdef0123456789abcdef.part/x", false);
        check(".upload-+123456789abcdef0123456789abcdef.part", false);
    }

    #[test]
    fn a_folder_that_leaves_no_room_for_the_part_is_too_long() {
        let deep = format!("{}/{}", "p".repeat(255), "q".repeat(254));
        assert!(PartId::random().part_path(&deep).is_err());
    }
}
