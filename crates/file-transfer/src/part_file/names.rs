//! The names a download tries: pure text.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// `NAME_MAX` of Linux.
const NAME_BYTES_MAX: usize = 255;
/// What goes around the name of a part for the name of its state.
const STATE_AROUND: (&[u8], &[u8]) = (b".", b".state");
/// Longest name of a part, so that its state has one too, and no other part's state has the same.
const PART_BYTES_MAX: usize = NAME_BYTES_MAX - STATE_AROUND.0.len() - STATE_AROUND.1.len();

/// The base name that a path ends in, if it ends in one: not in `/`, `.` or `..`.
pub(super) fn file_name(save_as: &Path) -> Option<&OsStr> {
    let name = save_as.file_name()?;
    save_as.as_os_str().as_bytes().ends_with(name.as_bytes()).then_some(name)
}

/// `NAME.EXT`, `NAME (1).EXT`, `NAME (2).EXT` …
pub(crate) fn numbered(name: &OsStr, number: u32) -> OsString {
    if number == 0 {
        return name.to_owned();
    }
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or(name).as_bytes();
    let extension = path.extension().map(OsStr::as_bytes).unwrap_or_default();
    let dot: &[u8] = if extension.is_empty() { b"" } else { b"." };
    let end = [format!(" ({number})").as_bytes(), dot, extension].concat();
    joined(stem, &end, NAME_BYTES_MAX)
}

/// `NAME.EXT.part`, `NAME.EXT (1).part` …
pub(super) fn part(name: &OsStr, number: u32) -> OsString {
    let end = if number == 0 { ".part".to_owned() } else { format!(" ({number}).part") };
    joined(name.as_bytes(), end.as_bytes(), PART_BYTES_MAX)
}

/// `.NAME.part.state`: what is said about a part.
pub(super) fn state(part: &OsStr) -> OsString {
    let (before, after) = STATE_AROUND;
    OsString::from_vec([before, part.as_bytes(), after].concat())
}

/// Both, the first one cut (between characters) so that the whole has at most `bytes_max` bytes.
fn joined(start: &[u8], end: &[u8], bytes_max: usize) -> OsString {
    let mut length = start.len().min(bytes_max.saturating_sub(end.len()));
    while start.get(length).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
        length -= 1;
    }
    let mut name = start.get(..length).unwrap_or_default().to_vec();
    name.extend_from_slice(end);
    OsString::from_vec(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, number: u32, expected: &str, expected_part: &str) {
        assert_eq!(numbered(name.as_ref(), number), expected);
        assert_eq!(part(name.as_ref(), number), expected_part);
    }

    #[test]
    fn the_number_goes_before_the_extension() {
        check("a.txt", 0, "a.txt", "a.txt.part");
        check("a.txt", 1, "a (1).txt", "a.txt (1).part");
        check("a.tar.gz", 12, "a.tar (12).gz", "a.tar.gz (12).part");
        check("README", 1, "README (1)", "README (1).part");
        check(".hidden", 1, ".hidden (1)", ".hidden (1).part");
        check("dot.", 1, "dot (1)", "dot. (1).part");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = format!("{}.txt", "ä".repeat(125));
        let second = numbered(name.as_ref(), 1);
        assert_eq!(second.to_str().unwrap(), format!("{} (1).txt", "ä".repeat(123)));
        let part = part(name.as_ref(), 0);
        assert_eq!(part.to_str().unwrap(), format!("{}.part", "ä".repeat(121)));
        assert!(state(&part).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn a_state_is_hidden_beside_its_part() {
        assert_eq!(state("a.txt (1).part".as_ref()), ".a.txt (1).part.state");
    }

    #[test]
    fn only_a_path_that_ends_in_a_name_has_one() {
        for none in ["", "/", ".", "..", "a/", "a/.", "a/..", "a//"] {
            assert_eq!(file_name(Path::new(none)), None, "{none:?}");
        }
        for (path, name) in [("a", "a"), ("/x/a b", "a b"), ("./-rf", "-rf"), ("..a", "..a")] {
            assert_eq!(file_name(Path::new(path)), Some(OsStr::new(name)));
        }
    }
}
