//! The name of a file below the server's folder, as proof that it is well-formed.
//!
//! A [`FilePath`] in hand cannot climb out of a folder: it is relative and has no `..` part. That it
//! leads through no symbolic link is the business of [`crate::catalogue`].

use std::borrow::Borrow;
use std::fmt;

/// Longest path in bytes, `/` included. Fits a ticket, which fits the first datagram.
pub const PATH_BYTES_MAX: usize = 512;
/// Longest part between two `/` in bytes: `NAME_MAX` of Linux.
pub const PART_BYTES_MAX: usize = 255;

/// A relative path: UTF-8 parts separated by `/`, none of them empty, `.` or `..`.
///
/// No control character, line separator or `\` is in it, so it is one line in every log and means
/// the same on every system.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FilePath(String);

/// Why a text is no [`FilePath`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FilePathError {
    /// Starts with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// Holds a `\`.
    #[error("the path holds a backslash")]
    Backslash,
    /// Holds a control character or a line separator.
    #[error("the path holds a control character")]
    Control,
    /// A part is `.` or `..`.
    #[error("the path has a \".\" or \"..\" in it")]
    Dots,
    /// Nothing at all, or nothing between two `/`.
    #[error("the path has an empty part")]
    EmptyPart,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path has {found} bytes, allowed are {PATH_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A part is longer than [`PART_BYTES_MAX`].
    #[error("a part of the path has {found} bytes, allowed are {PART_BYTES_MAX}")]
    PartTooLong {
        /// Its length in bytes.
        found: usize,
    },
}

impl FilePath {
    /// Checks a text from outside.
    pub fn parse(text: &str) -> Result<Self, FilePathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(FilePathError::TooLong { found: text.len() });
        }
        if text.starts_with('/') {
            return Err(FilePathError::Absolute);
        }
        text.split('/').try_for_each(check_part)?;
        Ok(FilePath(text.to_owned()))
    }

    /// The path with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the last `/`.
    pub fn base_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The file or folder `name` in this folder.
    pub fn join(&self, name: &str) -> Result<Self, FilePathError> {
        FilePath::parse(&format!("{}/{name}", self.0))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for FilePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Sorted maps keyed by path are searched by plain text.
impl Borrow<str> for FilePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn check_part(part: &str) -> Result<(), FilePathError> {
    match part {
        "" => return Err(FilePathError::EmptyPart),
        "." | ".." => return Err(FilePathError::Dots),
        _ => {}
    }
    if part.len() > PART_BYTES_MAX {
        return Err(FilePathError::PartTooLong { found: part.len() });
    }
    if part.contains('\\') {
        return Err(FilePathError::Backslash);
    }
    if part.chars().any(breaks_a_line) {
        return Err(FilePathError::Control);
    }
    Ok(())
}

/// Control characters, and the two separators that Unicode counts elsewhere.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: FilePathError) {
        assert_eq!(FilePath::parse(text), Err(why), "{text:?}");
    }

    #[track_caller]
    fn accepted(text: &str, base_name: &str) {
        let path = FilePath::parse(text).unwrap();
        assert_eq!((path.as_str(), path.base_name()), (text, base_name));
    }

    #[test]
    fn ordinary_names_are_accepted() {
        accepted("a", "a");
        accepted("notes.txt", "notes.txt");
        accepted("dir/sub/Grüße 🎉.pdf", "Grüße 🎉.pdf");
        accepted(".hidden", ".hidden");
        accepted("-rf", "-rf");
        accepted("...", "...");
        accepted("a..b/..c", "..c");
    }

    #[test]
    fn a_right_to_left_override_is_a_name_like_any_other() {
        accepted("photo\u{202E}gpj.exe", "photo\u{202E}gpj.exe");
    }

    #[test]
    fn climbing_out_is_refused() {
        refused("../x", FilePathError::Dots);
        refused("a/../../b", FilePathError::Dots);
        refused("a/..", FilePathError::Dots);
        refused("./a", FilePathError::Dots);
        refused("/etc/passwd", FilePathError::Absolute);
        refused("//etc/passwd", FilePathError::Absolute);
        refused("C:\\x", FilePathError::Backslash);
        refused("..\\x", FilePathError::Backslash);
    }

    #[test]
    fn empty_parts_are_refused() {
        refused("", FilePathError::EmptyPart);
        refused("a//b", FilePathError::EmptyPart);
        refused("a/", FilePathError::EmptyPart);
    }

    #[test]
    fn control_characters_are_refused() {
        for c in ['\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}'] {
            refused(&format!("a{c}b"), FilePathError::Control);
        }
    }

    #[test]
    fn lengths_end_where_they_should() {
        let longest_part = "p".repeat(PART_BYTES_MAX);
        accepted(&longest_part, &longest_part);
        refused(&format!("{longest_part}p"), FilePathError::PartTooLong { found: 256 });
        refused(&"p".repeat(4096), FilePathError::TooLong { found: 4096 });
        let longest = format!("{longest_part}/{longest_part}/");
        assert_eq!(longest.len(), PATH_BYTES_MAX);
        refused(&longest, FilePathError::EmptyPart);
        refused(&format!("{longest}x"), FilePathError::TooLong { found: 513 });
        accepted(&format!("{longest_part}/{}/x", "p".repeat(254)), "x");
    }
}
