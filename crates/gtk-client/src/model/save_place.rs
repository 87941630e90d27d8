//! Where a download ends up: the folder for downloads, and the *save as* name in it.

use std::path::{Path, PathBuf};

use gtk::glib;

/// Longest file name of Linux file systems (NAME_MAX), less ` (999)` for a name that is taken and
/// `.part` with its state beside it.
pub const NAME_BYTES_MAX: usize = 255 - 24;

/// Why a *save as* name cannot be one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SaveNameProblem {
    /// Nothing, `.` or `..`.
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    TooLong,
    /// A slash: a name is asked for, the folder is chosen apart from it.
    Slash,
    /// A control character.
    Control,
}

impl SaveNameProblem {
    /// What a person reads.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "Enter a name for the file",
            Self::TooLong => "This name is too long",
            Self::Slash => "A name cannot contain “/”; choose the folder below",
            Self::Control => "A name cannot contain control characters",
        }
    }
}

/// A base name that a file may be saved under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SaveName(String);

impl SaveName {
    /// Takes what a person typed; blanks round it are dropped.
    pub fn parse(typed: &str) -> Result<Self, SaveNameProblem> {
        let name = typed.trim();
        match name {
            "" | "." | ".." => Err(SaveNameProblem::Empty),
            _ if name.len() > NAME_BYTES_MAX => Err(SaveNameProblem::TooLong),
            _ if name.contains('/') => Err(SaveNameProblem::Slash),
            _ if name.chars().any(char::is_control) => Err(SaveNameProblem::Control),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// The name that the server's `path` suggests: its last part, shortened where it must be.
    #[must_use]
    pub fn suggested(path: &str) -> Self {
        let base = path.rsplit('/').next().unwrap_or(path);
        let mut end = base.len().min(NAME_BYTES_MAX);
        while !base.is_char_boundary(end) {
            end -= 1;
        }
        base.get(..end)
            .and_then(|name| Self::parse(name).ok())
            .unwrap_or_else(|| Self("download".to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of this name in `folder`.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

/// The person's folder for downloads: `$XDG_DOWNLOAD_DIR`, else the one of `user-dirs.dirs`, else
/// `Downloads` in the home folder. It may not exist yet.
#[must_use]
pub fn downloads_folder() -> PathBuf {
    std::env::var_os("XDG_DOWNLOAD_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| glib::user_special_dir(glib::UserDirectory::Downloads))
        .unwrap_or_else(|| glib::home_dir().join("Downloads"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Result<&str, SaveNameProblem>) {
        assert_eq!(
            SaveName::parse(typed).as_ref().map(SaveName::as_str).map_err(|problem| *problem),
            expected
        );
    }

    #[test]
    fn blanks_round_it_are_dropped() {
        check("  report 2.pdf ", Ok("report 2.pdf"));
    }

    #[test]
    fn no_way_out_of_the_folder() {
        check("..", Err(SaveNameProblem::Empty));
        check("../x", Err(SaveNameProblem::Slash));
        check("/etc/passwd", Err(SaveNameProblem::Slash));
    }

    #[test]
    fn control_characters_are_refused() {
        check("a\0b", Err(SaveNameProblem::Control));
    }

    #[test]
    fn longest_name_fits() {
        check(&"x".repeat(NAME_BYTES_MAX), Ok(&"x".repeat(NAME_BYTES_MAX)));
        check(&"x".repeat(NAME_BYTES_MAX + 1), Err(SaveNameProblem::TooLong));
    }

    #[test]
    fn suggestion_is_the_last_part() {
        assert_eq!(SaveName::suggested("docs/2024/report.pdf").as_str(), "report.pdf");
    }

    #[test]
    fn suggestion_is_cut_between_characters() {
        assert_eq!(SaveName::suggested(&"é".repeat(200)).as_str(), "é".repeat(115));
    }
}
