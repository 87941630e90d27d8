//! Small text files that belong to one person and that several programs of theirs change: one line
//! per entry, `#` starts a comment, mode 0600.
//!
//! A change holds a lock beside the file, writes a new file and renames it over the old one, so a
//! reader sees the old or the new lines and a crash leaves one of them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest file that is read: thousands of entries. A larger one is none of ours.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// One file of lines.
#[derive(Clone, Debug)]
pub(crate) struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    /// Nothing is touched until the first call.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All lines; none where there is no file.
    pub(crate) fn lines(&self) -> io::Result<Vec<String>> {
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "too large for what it should hold",
            )),
            Ok(_) => Ok(fs::read_to_string(&self.path)?.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the lines by what `edit` makes of them. No other program changes them meanwhile.
    pub(crate) fn update(&self, edit: impl FnOnce(&mut Vec<String>)) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = private_options().truncate(false).open(self.beside("lock"))?;
        lock.lock()?;

        let before = self.lines()?;
        let mut lines = before.clone();
        edit(&mut lines);
        if lines != before {
            self.replace(&lines, folder)?;
        }
        Ok(())
    }

    fn replace(&self, lines: &[String], folder: &Path) -> io::Result<()> {
        let fresh = self.beside("new");
        // Left over by a crash, perhaps with another mode; the lock says that nobody writes it now.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_options().create_new(true).open(&fresh)?;
        for line in lines {
            writeln!(file, "{line}")?;
        }
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(folder)?.sync_all()
    }

    /// `known_servers` → `known_servers.lock`.
    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(extension);
        PathBuf::from(name)
    }
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(folder: &tempfile::TempDir) -> PrivateFile {
        PrivateFile::new(folder.path().join("deep").join("names"))
    }

    #[test]
    fn no_file_has_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(file(&folder).lines().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_change_is_kept_and_is_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        file.update(|lines| lines.push("one".into())).unwrap();
        file.update(|lines| lines.push("two".into())).unwrap();
        assert_eq!(file.lines().unwrap(), ["one", "two"]);
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_crashed_change_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        file.update(|lines| lines.push("one".into())).unwrap();
        fs::write(file.beside("new"), "half").unwrap();
        file.update(|lines| lines.push("two".into())).unwrap();
        assert_eq!(file.lines().unwrap(), ["one", "two"]);
    }

    #[test]
    fn changes_by_many_at_once_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        std::thread::scope(|scope| {
            for number in 0..16 {
                let file = file.clone();
                scope.spawn(move || file.update(|lines| lines.push(number.to_string())).unwrap());
            }
        });
        assert_eq!(file.lines().unwrap().len(), 16);
    }
}
