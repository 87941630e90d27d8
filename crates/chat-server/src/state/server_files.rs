//! The list of server files as clients see it: pages of it, and each change told to everybody.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use common::limits::FILE_PAGE_ENTRIES_MAX;
use common::wire::server_frame::Body;
use common::wire::{FileChanged, FileEntry, FilePage, FileRemoved};
use file_transfer::catalogue::CatalogueEntry;
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;

use crate::state::State;
use crate::state::action::{Action, Actions, Recipients};

/// Bytes of one page: a fraction of an outbox, so that a page never overflows one.
pub(crate) const PAGE_BYTES_MAX: usize = 96 * 1024;

/// Bytes of a file's entry besides its path: two numbers and their tags.
const ENTRY_OVERHEAD_BYTES: usize = 32;

/// Every file that is offered, by path. Fed by the catalogue's watch; a file is in it exactly if
/// everybody was told so.
#[derive(Debug, Default)]
pub(crate) struct ServerFiles {
    versions: BTreeMap<FilePath, FileVersion>,
}

impl ServerFiles {
    /// The files behind `after` whose paths start with `prefix`, as many as one page holds.
    pub(crate) fn page(&self, prefix: &str, after: &str) -> FilePage {
        let from = if after < prefix { Included(prefix) } else { Excluded(after) };
        let range = self.versions.range::<str, _>((from, Unbounded));
        let mut page = FilePage::default();
        let mut bytes = 0;
        for (path, version) in range.take_while(|(path, _)| path.as_str().starts_with(prefix)) {
            bytes += path.as_str().len() + ENTRY_OVERHEAD_BYTES;
            let is_full = page.files.len() == FILE_PAGE_ENTRIES_MAX || bytes > PAGE_BYTES_MAX;
            if is_full {
                page.more = true;
                break;
            }
            page.files.push(entry(path, version));
        }
        page
    }

    /// The version of a file that is offered now.
    pub(crate) fn version(&self, path: &FilePath) -> Option<FileVersion> {
        self.versions.get(path).copied()
    }
}

/// A file as the wire tells it.
pub(crate) fn entry(path: &FilePath, version: &FileVersion) -> FileEntry {
    FileEntry {
        path: path.as_str().to_owned(),
        size: version.size,
        modified_ms: version.modified_ms(),
    }
}

impl State {
    /// A file is there, or has another version.
    #[must_use]
    pub fn file_changed(&mut self, file: CatalogueEntry) -> Vec<Action> {
        let CatalogueEntry { path, version } = file;
        let mut out = Actions::default();
        if self.files.versions.get(&path) != Some(&version) {
            let file = Some(entry(&path, &version));
            out.tell(Recipients::Everybody, Body::FileChanged(FileChanged { file }));
            self.files.versions.insert(path, version);
        }
        out.into_vec()
    }

    /// A file is gone.
    #[must_use]
    pub fn file_removed(&mut self, path: &FilePath) -> Vec<Action> {
        let mut out = Actions::default();
        if self.files.versions.remove(path).is_some() {
            let path = path.as_str().to_owned();
            out.tell(Recipients::Everybody, Body::FileRemoved(FileRemoved { path }));
        }
        out.into_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: FileVersion = FileVersion { size: 1, modified_ns: 0 };

    #[track_caller]
    fn check(files: &[&str], prefix: &str, after: &str, listed: &[&str]) {
        let mut all = ServerFiles::default();
        for path in files {
            all.versions.insert(FilePath::parse(path).unwrap(), VERSION);
        }
        let page = all.page(prefix, after);
        let paths: Vec<&str> = page.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!((paths.as_slice(), page.more), (listed, false));
    }

    #[test]
    fn an_empty_folder_is_an_empty_page() {
        check(&[], "", "", &[]);
    }

    #[test]
    fn everything_in_order() {
        check(&["b", "a/x", "c"], "", "", &["a/x", "b", "c"]);
    }

    #[test]
    fn a_page_goes_on_behind_a_path_that_may_be_gone() {
        check(&["a", "c", "d"], "", "b", &["c", "d"]);
        check(&["a", "c", "d"], "", "c", &["d"]);
    }

    #[test]
    fn a_prefix_cuts_both_ends() {
        check(&["a", "dir/1", "dir/2", "dirty", "e"], "dir/", "", &["dir/1", "dir/2"]);
        check(&["a", "dir/1", "dir/2", "dirty", "e"], "dir/", "dir/1", &["dir/2"]);
        check(&["a", "dir/1"], "dir/", "z", &[]);
    }

    #[test]
    fn long_lists_come_in_pages_without_gap_or_repeat() {
        let mut all = ServerFiles::default();
        let long = "x".repeat(240);
        for n in 0..2000 {
            let path = FilePath::parse(&format!("{n:04}/{long}")).unwrap();
            all.versions.insert(path, VERSION);
        }
        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed.last().cloned().unwrap_or_default();
            let page = all.page("", &after);
            assert!(prost::Message::encoded_len(&page) <= PAGE_BYTES_MAX);
            listed.extend(page.files.into_iter().map(|file| file.path));
            if !page.more {
                break;
            }
        }
        let all: Vec<String> = all.versions.keys().map(|path| path.as_str().to_owned()).collect();
        assert_eq!(listed, all);
    }
}
