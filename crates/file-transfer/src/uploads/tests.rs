//! Uploads on a real disk: how a file appears. What is refused, what goes on after an interruption and
//! what a failing disk does stand below.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::record::Stored;
use super::*;
use crate::catalogue::Catalogue;
use crate::piece_hashes::{PIECE_BYTES, hash_piece, piece_count, piece_range};
use crate::range_set::RangeSet;
use crate::sink::Sink;

mod disk;
mod going_on;
mod refusals;

const QUOTA: u64 = 10 * PIECE_BYTES;
const HOUR: Duration = Duration::from_secs(3600);

/// A server's two folders.
struct Bench {
    dir: TempDir,
    store: UploadStore,
}

fn rules() -> UploadRules {
    UploadRules {
        folder: None,
        quota_bytes_per_user: QUOTA,
        file_bytes_max: 6 * PIECE_BYTES,
        parts_kept: HOUR,
    }
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn wish(user: &str, name: &str, bytes: &[u8]) -> UploadWish {
    let version = FileVersion { size: bytes.len() as u64, modified_ns: 1 };
    UploadWish { user: user.into(), attempt: rand::random(), path: path(name), version }
}

fn bytes(size: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn root(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

impl Bench {
    fn new() -> Self {
        Self::with(rules())
    }

    fn with(rules: UploadRules) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        let store = open(&dir, rules);
        Self { dir, store }
    }

    /// The server ends in the middle of whatever it does, and comes back.
    fn restart(&mut self) {
        self.store = open(&self.dir, self.store.rules.clone());
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    fn begin(&self, wish: &UploadWish) -> UploadHandle {
        match self.store.begin(wish).unwrap() {
            Begun::Part(handle) => handle,
            Begun::Stored(stored) => panic!("{stored:?}"),
        }
    }

    #[track_caller]
    fn upload(&self, wish: &UploadWish, bytes: &[u8]) -> Settled {
        let upload = self.begin(wish);
        write(&upload, 0, bytes).unwrap();
        self.store.settle(&upload, &root(bytes)).unwrap()
    }

    /// What is in the folder, whatever it is; a folder has a `/` behind it.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.files()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.files()).unwrap().to_str().unwrap();
                let is_folder = path.is_dir() && !path.is_symlink();
                names.push(format!("{name}{}", if is_folder { "/" } else { "" }));
                if is_folder {
                    folders.push(path);
                }
            }
        }
        names.sort();
        names
    }
}

fn open(dir: &TempDir, rules: UploadRules) -> UploadStore {
    UploadStore::open(&dir.path().join("files"), &dir.path().join("data"), rules).unwrap()
}

fn write(upload: &UploadHandle, offset: u64, bytes: &[u8]) -> io::Result<()> {
    upload.part.writer().write_at(offset, bytes)
}

fn stored(at: &str, bytes: &[u8]) -> Settled {
    Settled::Stored(StoredUpload { path: path(at), root: root(bytes) })
}

fn missing(missing: u64) -> Settled {
    Settled::Incomplete { missing }
}

#[test]
fn a_file_appears_when_it_is_whole_and_not_before() {
    let bench = Bench::new();
    let bytes = bytes(PIECE_BYTES + 5);
    let wish = wish("ann", "music/new/song.ogg", &bytes);
    let upload = bench.begin(&wish);
    write(&upload, 0, &bytes[..5000]).unwrap();
    let catalogue = Catalogue::open(&bench.files()).unwrap();
    assert!(catalogue.is_empty(), "half a file is nobody's");
    assert!(catalogue.find(upload.part_path()).is_err() && bench.names().len() == 1);
    assert!(catalogue.open_file(upload.part_path()).is_err());
    let missing = bytes.len() as u64 - 5000;
    let settled = bench.store.settle(&upload, &root(&bytes)).unwrap();
    assert_eq!(settled, Settled::Incomplete { missing });

    write(&upload, 0, &bytes).unwrap();
    let settled = bench.store.settle(&upload, &root(&bytes)).unwrap();
    assert_eq!(settled, stored("music/new/song.ogg", &bytes));
    assert_eq!(bench.names(), ["music/", "music/new/", "music/new/song.ogg"]);
    let file = bench.files().join("music/new/song.ogg");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o133, 0, "never executable");
}

#[test]
fn a_file_of_no_bytes_appears_too() {
    let bench = Bench::new();
    assert_eq!(bench.upload(&wish("ann", "empty", b""), b""), stored("empty", b""));
    assert_eq!(bench.names(), ["empty"]);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let bench = Bench::new();
    fs::write(bench.files().join("a.txt"), "old").unwrap();
    symlink("/etc/passwd", bench.files().join("a (1).txt")).unwrap();
    assert_eq!(bench.upload(&wish("ann", "a.txt", b"new"), b"new"), stored("a (2).txt", b"new"));
    assert_eq!(fs::read(bench.files().join("a.txt")).unwrap(), b"old");
}

#[test]
fn two_uploads_of_one_name_at_once_both_land() {
    let bench = Bench::new();
    let (ann, bob) = (wish("ann", "a.txt", b"anns"), wish("bob", "a.txt", b"bobs"));
    let (anns, bobs) = (bench.begin(&ann), bench.begin(&bob));
    write(&anns, 0, b"anns").unwrap();
    write(&bobs, 0, b"bobs").unwrap();
    let settle = |upload, bytes| bench.store.settle(upload, &root(bytes)).unwrap();
    assert_eq!(settle(&bobs, b"bobs"), stored("a.txt", b"bobs"));
    assert_eq!(settle(&anns, b"anns"), stored("a (1).txt", b"anns"));
}

#[test]
fn other_bytes_than_the_client_has_do_not_become_a_file_and_only_those_come_again() {
    let bench = Bench::new();
    let good = bytes(3 * PIECE_BYTES + 5);
    let mut bad = good.clone();
    bad[usize::try_from(PIECE_BYTES).unwrap() + 9] ^= 1;
    let wish = wish("ann", "a", &good);
    let upload = bench.begin(&wish);
    write(&upload, 0, &bad).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(&good)).unwrap(), Settled::Differs);
    assert_eq!(bench.names().len(), 1, "the part");

    let size = good.len() as u64;
    let index = |at: u64| usize::try_from(at).unwrap();
    let hashes: Vec<PieceHash> = (0..piece_count(size))
        .map(|piece| {
            let range = piece_range(size, piece);
            hash_piece(size, piece, &good[index(range.start)..index(range.end)])
        })
        .collect();
    assert_eq!(bench.store.compare(&upload, 0, &hashes[..1]).unwrap(), 0);
    assert_eq!(bench.store.compare(&upload, 1, &hashes[1..]).unwrap(), 1);
    assert_eq!(bench.store.compare(&upload, 9, &hashes).unwrap(), 0, "there is no such piece");
    assert_eq!(upload.part.writer().missing(), RangeSet::of(PIECE_BYTES..2 * PIECE_BYTES));
    write(&upload, 0, &good).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(&good)).unwrap(), stored("a", &good));
    assert_eq!(bench.store.settle(&upload, &root(&good)).unwrap(), stored("a", &good), "again");
    assert!(matches!(bench.store.compare(&upload, 0, &hashes), Err(UploadError::Gone)));
}

#[test]
fn uploads_that_come_to_nothing_leave_no_folders() {
    let mut bench = Bench::new();
    fs::create_dir(bench.files().join("old")).unwrap();
    let given_up = bench.begin(&wish("ann", "a/b/c/x", b""));
    let abandoned = bench.begin(&wish("ann", "old/d/e/x", b"bytes"));
    assert!(abandoned.part_path().as_str().starts_with("old/.upload-"), "{abandoned:?}");
    assert_eq!(bench.store.settle(&abandoned, &root(b"bytes")).unwrap(), missing(5));
    bench.store.remove(&given_up);
    drop(abandoned);
    bench.restart();
    let later = SystemTime::now() + HOUR + Duration::from_secs(1);
    assert_eq!(bench.store.sweep(later), 1);
    assert_eq!(bench.names(), ["old/"]);
}

#[test]
fn a_landing_that_fails_takes_its_folders_back() {
    let bench = Bench::new();
    let upload = bench.begin(&wish("ann", "a/b/x", b"bytes"));
    write(&upload, 0, b"bytes").unwrap();
    let data = bench.dir.path().join("data/uploads");
    fs::rename(&data, bench.dir.path().join("gone")).unwrap();
    assert!(matches!(bench.store.settle(&upload, &root(b"bytes")), Err(UploadError::Disk(_))));
    assert_eq!(bench.names(), [upload.part_path().as_str()]);
    fs::rename(bench.dir.path().join("gone"), &data).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(b"bytes")).unwrap(), stored("a/b/x", b"bytes"));
}
