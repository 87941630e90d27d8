//! What the server offers: a live list in the order of the paths.

use chat_client::event::FilesChange;
use gtk::gio;
use gtk::prelude::*;

use crate::model::server_file::ServerFile;

/// All files of the server. Clones share one list.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    store: gio::ListStore,
}

impl Default for ServerFiles {
    fn default() -> Self {
        Self { store: gio::ListStore::new::<ServerFile>() }
    }
}

impl ServerFiles {
    /// The list for widgets: items are [`ServerFile`]s.
    #[must_use]
    pub fn list(&self) -> &gio::ListStore {
        &self.store
    }

    /// Follows the server.
    pub fn apply(&self, change: &FilesChange) {
        match change {
            FilesChange::Reset(files) => {
                let mut files: Vec<_> = files.iter().collect();
                files.sort_by(|a, b| a.path.cmp(&b.path));
                let files: Vec<ServerFile> = files.into_iter().map(ServerFile::from).collect();
                self.store.splice(0, self.store.n_items(), &files);
            }
            FilesChange::Changed(file) => match self.place(&file.path) {
                Ok(position) => self.store.splice(position, 1, &[ServerFile::from(file)]),
                Err(position) => self.store.insert(position, &ServerFile::from(file)),
            },
            FilesChange::Removed { path } => {
                if let Ok(position) = self.place(path) {
                    self.store.remove(position);
                }
            }
        }
    }

    /// Where `path` is, or where it belongs.
    fn place(&self, path: &str) -> Result<u32, u32> {
        let (mut low, mut high) = (0, self.store.n_items());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(found) = self.store.item(middle).and_downcast::<ServerFile>() else {
                return Err(low);
            };
            match found.path().as_str().cmp(path) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

#[cfg(test)]
mod tests {
    use chat_client::event;

    use super::*;

    fn file(path: &str, size: u64) -> event::ServerFile {
        event::ServerFile { path: path.to_owned(), size, modified_ms: 0 }
    }

    #[track_caller]
    fn check(changes: &[FilesChange], expected: &[(&str, u64)]) {
        let files = ServerFiles::default();
        for change in changes {
            files.apply(change);
        }
        let found: Vec<(String, u64)> = files
            .list()
            .iter::<ServerFile>()
            .map(|file| file.unwrap())
            .map(|file| (file.path(), file.size()))
            .collect();
        let expected: Vec<(String, u64)> =
            expected.iter().map(|&(path, size)| (path.to_owned(), size)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn new_file_takes_its_place() {
        check(
            &[
                FilesChange::Reset(vec![file("a", 1), file("c", 3)]),
                FilesChange::Changed(file("b", 2)),
            ],
            &[("a", 1), ("b", 2), ("c", 3)],
        );
    }

    #[test]
    fn changed_file_stays_in_its_place() {
        check(
            &[
                FilesChange::Reset(vec![file("a", 1), file("b", 2)]),
                FilesChange::Changed(file("a", 9)),
            ],
            &[("a", 9), ("b", 2)],
        );
    }

    #[test]
    fn removed_file_is_gone() {
        let removed = |path: &str| FilesChange::Removed { path: path.to_owned() };
        check(
            &[FilesChange::Reset(vec![file("a", 1), file("b", 2)]), removed("a"), removed("x")],
            &[("b", 2)],
        );
    }
}
