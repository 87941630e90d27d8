//! The catalogue on real folders, with everything in them that must not be offered.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use super::*;

/// Long enough for the slowest machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn names(catalogue: &Catalogue) -> Vec<String> {
    catalogue.list("", "", 1000).into_iter().map(|entry| entry.path.to_string()).collect()
}

/// A folder with a secret beside it and one of each thing that is no file.
fn hostile_folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("files");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(dir.path().join("secret"), "s").unwrap();
    fs::write(root.join("plain"), "27 bytes are in this file.\n").unwrap();
    fs::write(root.join("sub/inner"), "").unwrap();
    fs::write(root.join(".gitkeep"), "").unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"not\xffutf8")), "").unwrap();
    fs::write(root.join("two\nlines"), "").unwrap();
    fs::write(root.join("back\\slash"), "").unwrap();
    symlink("../secret", root.join("link-to-secret")).unwrap();
    symlink("..", root.join("sub/link-to-parent")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("plain", root.join("link-to-plain")).unwrap();
    mkfifoat(CWD, root.join("fifo"), Mode::RWXU).unwrap();
    drop(UnixListener::bind(root.join("socket")).unwrap());
    dir
}

fn open(dir: &TempDir) -> Catalogue {
    Catalogue::open(&dir.path().join("files")).unwrap()
}

#[test]
fn only_regular_files_with_sound_names_are_listed() {
    assert_eq!(names(&open(&hostile_folder())), ["plain", "sub/inner"]);
}

#[test]
fn a_missing_folder_is_made_and_empty() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(&dir.path().join("a/b")).unwrap();
    assert!(catalogue.is_empty());
    assert!(dir.path().join("a/b").is_dir());
}

#[test]
fn a_file_in_place_of_the_folder_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("files"), "").unwrap();
    assert!(Catalogue::open(&dir.path().join("files")).is_err());
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    for name in ["fifo", "socket", "link-to-secret", "loop", "link-to-plain", "sub"] {
        let result = catalogue.open_file(&path(name));
        assert!(matches!(result, Err(CatalogueError::NotAFile)), "{name}: {result:?}");
        assert!(catalogue.find(&path(name)).unwrap_err().is_gone(), "{name}");
    }
    let through_link = catalogue.open_file(&path("sub/link-to-parent/plain"));
    assert!(matches!(through_link, Err(CatalogueError::NotAFile)), "{through_link:?}");
    let nothing = catalogue.open_file(&path("nothing"));
    assert!(matches!(nothing, Err(CatalogueError::NotFound)), "{nothing:?}");
    let below_a_file = catalogue.open_file(&path("plain/x"));
    assert!(matches!(below_a_file, Err(CatalogueError::NotAFile)), "{below_a_file:?}");
}

#[test]
fn a_file_swapped_for_a_link_after_listing_is_refused() {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    fs::remove_file(dir.path().join("files/plain")).unwrap();
    symlink("../secret", dir.path().join("files/plain")).unwrap();
    let result = catalogue.open_file(&path("plain"));
    assert!(matches!(result, Err(CatalogueError::NotAFile)), "{result:?}");
}

#[test]
fn a_folder_swapped_for_a_link_after_listing_is_refused() {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    fs::rename(dir.path().join("files/sub"), dir.path().join("outside")).unwrap();
    symlink("../outside", dir.path().join("files/sub")).unwrap();
    let result = catalogue.open_file(&path("sub/inner"));
    assert!(matches!(result, Err(CatalogueError::NotAFile)), "{result:?}");
}

#[test]
fn an_opened_file_has_its_bytes_and_version() {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    let open = catalogue.open_file(&path("plain")).unwrap();
    assert_eq!(open.version.size, 27);
    assert_eq!(open.version, catalogue.find(&path("plain")).unwrap().version);
    assert_eq!(std::io::read_to_string(open.file).unwrap(), "27 bytes are in this file.\n");
}

#[test]
fn a_sparse_file_of_absurd_size_is_not_offered() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = File::create(dir.path().join("huge")).unwrap();
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    let catalogue = Catalogue::open(dir.path()).unwrap();
    assert!(catalogue.is_empty());
    let result = catalogue.open_file(&path("huge"));
    assert!(matches!(result, Err(CatalogueError::TooLarge { .. })), "{result:?}");
    file.set_len(FILE_BYTES_MAX).unwrap();
    assert!(catalogue.open_file(&path("huge")).is_ok());
}

#[test]
fn pages_follow_each_other_without_gap() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("b")).unwrap();
    for name in ["a", "b/1", "b/2", "b/3", "b.txt", "c"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let catalogue = Catalogue::open(dir.path()).unwrap();
    let page = |prefix: &str, after: &str, max| -> Vec<String> {
        let entries = catalogue.list(prefix, after, max);
        entries.into_iter().map(|entry| entry.path.to_string()).collect()
    };
    assert_eq!(page("", "", 2), ["a", "b.txt"]);
    assert_eq!(page("", "b.txt", 2), ["b/1", "b/2"]);
    assert_eq!(page("", "b/2", 9), ["b/3", "c"]);
    assert_eq!(page("b/", "", 9), ["b/1", "b/2", "b/3"]);
    assert_eq!(page("b/", "b/2", 9), ["b/3"]);
    assert_eq!(page("b/", "c", 9), Vec::<String>::new());
    assert_eq!(page("", "a", 0), Vec::<String>::new());
    assert_eq!(page("zzz", "", 9), Vec::<String>::new());
}

#[test]
fn paths_deeper_than_their_limit_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut at = rustix::fs::openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..1000 {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        rustix::fs::openat(&at, "f", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
    }
    let catalogue = Catalogue::open(dir.path()).unwrap();
    assert_eq!(catalogue.len(), 255, "\"d/\" 255 times and \"f\" have 511 bytes");
}

#[test]
fn a_hash_is_for_the_version_that_was_asked_for() {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    let version = catalogue.find(&path("plain")).unwrap().version;
    let hash = catalogue.root_hash(&path("plain"), &version).unwrap();
    assert_eq!(hash, *blake3::hash(b"27 bytes are in this file.\n").as_bytes());
    let other = FileVersion { size: 28, ..version };
    let result = catalogue.root_hash(&path("plain"), &other);
    assert!(matches!(result, Err(HashError::Changed)), "{result:?}");
    let result = catalogue.root_hash(&path("fifo"), &version);
    assert!(matches!(result, Err(HashError::File(CatalogueError::NotAFile))), "{result:?}");
    catalogue.stop_hashing();
    let result = catalogue.root_hash(&path("plain"), &version);
    assert!(matches!(result, Err(HashError::Stopped)), "{result:?}");
}

/// A watched folder and the changes told about it.
struct Watched {
    dir: TempDir,
    catalogue: Catalogue,
    changes: mpsc::Receiver<CatalogueChange>,
    _watch: CatalogueWatch,
}

fn watched() -> Watched {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    let (told, changes) = mpsc::channel();
    let watch = catalogue.watch(move |change| told.send(change).unwrap()).unwrap();
    Watched { dir, catalogue, changes, _watch: watch }
}

impl Watched {
    fn place(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("files").join(name)
    }

    #[track_caller]
    fn expect_changed(&self, name: &str, size: u64) {
        match self.changes.recv_timeout(PATIENCE).unwrap() {
            CatalogueChange::Changed(entry) => {
                assert_eq!((entry.path.as_str(), entry.version.size), (name, size));
                assert_eq!(self.catalogue.list(name, "", 1), [entry]);
            }
            change @ CatalogueChange::Removed(_) => panic!("{change:?}"),
        }
    }

    #[track_caller]
    fn expect_removed(&self, name: &str) {
        let change = self.changes.recv_timeout(PATIENCE).unwrap();
        assert_eq!(change, CatalogueChange::Removed(path(name)));
        assert!(self.catalogue.list(name, "", 1).is_empty());
    }
}

#[test]
fn a_file_appears_changes_and_goes() {
    let watched = watched();
    fs::write(watched.place("new"), "1").unwrap();
    watched.expect_changed("new", 1);
    fs::write(watched.place("new"), "22").unwrap();
    watched.expect_changed("new", 2);
    fs::remove_file(watched.place("new")).unwrap();
    watched.expect_removed("new");
}

#[test]
fn a_renamed_file_goes_and_appears() {
    let watched = watched();
    fs::rename(watched.place("plain"), watched.place("zzz")).unwrap();
    watched.expect_removed("plain");
    watched.expect_changed("zzz", 27);
}

#[test]
fn folders_appear_with_what_is_in_them_and_are_watched() {
    let watched = watched();
    let prepared = watched.dir.path().join("prepared");
    fs::create_dir_all(prepared.join("deep")).unwrap();
    fs::write(prepared.join("deep/file"), "123").unwrap();
    fs::rename(&prepared, watched.place("moved")).unwrap();
    watched.expect_changed("moved/deep/file", 3);
    fs::write(watched.place("moved/deep/other"), "4444").unwrap();
    watched.expect_changed("moved/deep/other", 4);
    fs::rename(watched.place("moved"), &prepared).unwrap();
    watched.expect_removed("moved/deep/file");
    watched.expect_removed("moved/deep/other");
    fs::write(prepared.join("deep/file"), "no longer watched").unwrap();
    fs::write(watched.place("after"), "5").unwrap();
    watched.expect_changed("after", 1);
}

#[test]
fn links_and_odd_names_appear_nowhere() {
    let watched = watched();
    symlink("plain", watched.place("another-link")).unwrap();
    fs::write(watched.place("a\tb"), "").unwrap();
    mkfifoat(CWD, watched.place("another-fifo"), Mode::RWXU).unwrap();
    fs::write(watched.place("last"), "1").unwrap();
    watched.expect_changed("last", 1);
    assert_eq!(names(&watched.catalogue), ["last", "plain", "sub/inner"]);
}

#[test]
fn what_changed_before_watching_is_told() {
    let dir = hostile_folder();
    let catalogue = open(&dir);
    fs::remove_file(dir.path().join("files/plain")).unwrap();
    let (told, changes) = mpsc::channel();
    let watch = catalogue.watch(move |change| told.send(change).unwrap()).unwrap();
    assert_eq!(changes.recv().unwrap(), CatalogueChange::Removed(path("plain")));
    let second = catalogue.watch(|_| {}).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
    drop(watch);
    assert!(changes.recv().is_err(), "the thread has ended");
    assert!(catalogue.watch(|_| {}).is_ok());
}
