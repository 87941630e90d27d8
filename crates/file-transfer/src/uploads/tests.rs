//! Uploads on a real disk: what lands where, what goes on after a restart, and what is refused.

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
    assert!(catalogue.find(upload.part_path()).is_none() && bench.names().len() == 1);
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
fn after_a_restart_whole_pieces_are_kept() {
    let mut bench = Bench::new();
    let bytes = bytes(4 * PIECE_BYTES + 5);
    let wish = wish("ann", "sub/a", &bytes);
    let upload = bench.begin(&wish);
    let half = usize::try_from(2 * PIECE_BYTES).unwrap();
    write(&upload, 0, &bytes[..half + 99]).unwrap();
    write(&upload, 4 * PIECE_BYTES, &bytes[2 * half..]).unwrap();
    drop(upload);
    bench.restart();
    let again = UploadWish { attempt: [9; 16], ..wish };
    let upload = bench.begin(&again);
    assert_eq!(upload.kept(), 2 * PIECE_BYTES + 5);
    assert_eq!(upload.part.writer().missing(), RangeSet::of(2 * PIECE_BYTES..4 * PIECE_BYTES));
    write(&upload, 2 * PIECE_BYTES, &bytes[half..2 * half]).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(&bytes)).unwrap(), stored("sub/a", &bytes));
    assert_eq!(bench.names(), ["sub/", "sub/a"]);
}

#[test]
fn a_part_that_was_damaged_meanwhile_is_found_out() {
    let mut bench = Bench::new();
    let bytes = bytes(2 * PIECE_BYTES);
    let wish = wish("ann", "a", &bytes);
    let upload = bench.begin(&wish);
    write(&upload, 0, &bytes).unwrap();
    let part = bench.files().join(upload.part_path().as_str());
    drop(upload);
    bench.restart();
    fs::OpenOptions::new().write(true).open(&part).unwrap().set_len(PIECE_BYTES + 1).unwrap();
    let upload = bench.begin(&wish);
    assert_eq!(upload.kept(), PIECE_BYTES, "what cannot be there is not believed");
    write(&upload, PIECE_BYTES, &vec![0; usize::try_from(PIECE_BYTES).unwrap()]).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(&bytes)).unwrap(), Settled::Differs);
}

#[test]
fn an_attempt_whose_end_was_not_heard_is_answered_and_stored_once() {
    let mut bench = Bench::new();
    let wish = wish("ann", "a", b"bytes");
    bench.upload(&wish, b"bytes");
    for _ in 0..2 {
        match bench.store.begin(&wish).unwrap() {
            Begun::Stored(upload) => {
                assert_eq!((upload.path, upload.root), (path("a"), root(b"bytes")))
            }
            Begun::Part(upload) => panic!("{upload:?}"),
        }
        bench.restart();
    }
    // Whoever asks anew gets another file.
    let anew = UploadWish { attempt: [9; 16], ..wish };
    assert_eq!(bench.upload(&anew, b"bytes"), stored("a (1)", b"bytes"));
}

#[test]
fn a_crash_right_before_the_rename_leaves_a_part_and_right_after_it_a_file() {
    let mut bench = Bench::new();
    let wish = wish("ann", "a", b"bytes");
    let upload = bench.begin(&wish);
    write(&upload, 0, b"bytes").unwrap();
    let record = bench.store.state().ledger.record(upload.id).cloned().unwrap();
    let about_to = Stored { path: path("a"), root: root(b"bytes") };
    let record = Record { stored: Some(about_to), ..record };
    bench.store.records.save(upload.id, &record).unwrap();
    let part = bench.files().join(upload.part_path().as_str());
    drop(upload);

    bench.restart();
    assert!(matches!(bench.store.begin(&wish), Ok(Begun::Part(upload)) if upload.kept() == 5));
    bench.restart();
    let id = bench.store.state().ledger.iter().next().unwrap().0;
    bench.store.records.save(id, &record).unwrap();
    fs::rename(part, bench.files().join("a")).unwrap();
    bench.restart();
    assert!(matches!(bench.store.begin(&wish), Ok(Begun::Stored(_))));
}

#[test]
fn quota_counts_over_restarts_and_is_given_back() {
    let mut bench = Bench::new();
    let most = bytes(5 * PIECE_BYTES);
    bench.upload(&wish("ann", "a", &most), &most);
    let unfinished =
        bench.begin(&wish("ann", "b", &most[..usize::try_from(4 * PIECE_BYTES).unwrap()]));
    bench.restart();
    let two = &most[..usize::try_from(2 * PIECE_BYTES).unwrap()];
    let over = |bench: &Bench| match bench.store.begin(&wish("ann", "c", two)) {
        Err(UploadError::Quota { left }) => Some(left),
        Ok(_) => None,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(over(&bench), Some(PIECE_BYTES));
    assert!(bench.store.begin(&wish("bob", "c", two)).is_ok(), "each has their own");
    fs::remove_file(bench.files().join("a")).unwrap();
    assert_eq!(over(&bench), None, "a file that is gone counts no more");
    drop(unfinished);
}

#[test]
fn a_given_up_upload_leaves_nothing() {
    let mut bench = Bench::new();
    let whole = bytes(6 * PIECE_BYTES);
    let upload = bench.begin(&wish("ann", "a", &whole));
    let mut session = upload.part.writer();
    session.write_at(0, b"some").unwrap();
    bench.store.remove(&upload);
    assert_eq!(session.write_at(9, b"x").unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert_eq!(bench.names(), [""; 0]);
    assert_eq!(fs::read_dir(bench.dir.path().join("data/uploads")).unwrap().count(), 0);
    bench.restart();
    bench.begin(&wish("ann", "b", &whole));
}

#[test]
fn abandoned_parts_go_after_their_time_and_not_before() {
    let mut bench = Bench::new();
    let upload = bench.begin(&wish("ann", "sub/a", b"bytes"));
    bench.upload(&wish("ann", "kept", b"stored"), b"stored");
    let later = SystemTime::now() + HOUR + Duration::from_secs(1);
    assert_eq!(bench.store.sweep(later), 0, "it is held");
    drop(upload);
    bench.restart();
    assert_eq!(bench.store.sweep(SystemTime::now()), 0);
    assert_eq!(bench.store.sweep(SystemTime::UNIX_EPOCH), 0, "a clock that was set back");
    assert_eq!(bench.names().len(), 2);
    assert_eq!(bench.store.sweep(later), 1);
    assert_eq!(bench.names(), ["kept"]);
}

#[test]
fn a_newer_session_takes_the_part_over() {
    let bench = Bench::new();
    let upload = bench.begin(&wish("ann", "a", b"bytes"));
    let (mut older, mut newer) = (upload.part.writer(), upload.part.writer());
    assert_eq!(older.write_at(0, b"b").unwrap_err().kind(), io::ErrorKind::Interrupted);
    newer.write_at(0, b"bytes").unwrap();
    assert_eq!(newer.write_at(4, b"xx").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    newer.write_at(0, b"other").unwrap();
    assert_eq!(
        bench.store.settle(&upload, &root(b"bytes")).unwrap(),
        stored("a", b"bytes"),
        "what is there stays"
    );
    assert_eq!(
        newer.write_at(0, b"b").unwrap_err().kind(),
        io::ErrorKind::Interrupted,
        "and for ever"
    );
}

#[track_caller]
fn check_refused(rules: UploadRules, wish: &UploadWish, is_why: impl Fn(&UploadError) -> bool) {
    let bench = Bench::with(rules);
    symlink("..", bench.files().join("link")).unwrap();
    fs::write(bench.files().join("file"), "f").unwrap();
    let error = bench.store.begin(wish).unwrap_err();
    assert!(is_why(&error), "{error}");
    assert_eq!(bench.names(), ["file", "link"], "nothing was made");
    let kept = fs::read_dir(bench.dir.path().join("data/uploads")).unwrap().count();
    assert_eq!(kept, 0, "nothing is remembered");
}

#[test]
fn no_upload_goes_through_a_link_or_a_file() {
    let folder = |error: &UploadError| matches!(error, UploadError::Folder);
    check_refused(rules(), &wish("ann", "link/a", b"x"), folder);
    check_refused(rules(), &wish("ann", "link/files/a", b"x"), folder);
    check_refused(rules(), &wish("ann", "file/a", b"x"), folder);
}

#[test]
fn names_that_are_never_offered_are_refused() {
    let hidden = |error: &UploadError| matches!(error, UploadError::Hidden);
    check_refused(rules(), &wish("ann", &PartId::random().part_name(), b"x"), hidden);
    check_refused(rules(), &wish("ann", "sub/.gitkeep", b"x"), hidden);
    let deep = format!("{}/{}/x", "p".repeat(255), "q".repeat(254));
    let too_long = |error: &UploadError| matches!(error, UploadError::Path(_));
    check_refused(rules(), &wish("ann", &deep, b"x"), too_long);
}

#[test]
fn a_file_lies_only_so_deep() {
    let deep = |folders: usize| format!("{}x", "a/".repeat(folders));
    let folder = |error: &UploadError| matches!(error, UploadError::Folder);
    check_refused(rules(), &wish("ann", &deep(FOLDERS_DEEP_MAX + 1), b""), folder);
    let bench = Bench::new();
    let deepest = deep(FOLDERS_DEEP_MAX);
    assert_eq!(bench.upload(&wish("ann", &deepest, b""), b""), stored(&deepest, b""));
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

#[test]
fn a_part_is_found_when_folders_were_made_meanwhile() {
    let mut bench = Bench::new();
    let whole = bytes(2 * PIECE_BYTES);
    let wanted = wish("ann", "a/b/x", &whole);
    let upload = bench.begin(&wanted);
    let half = usize::try_from(PIECE_BYTES).unwrap();
    write(&upload, 0, &whole[..half]).unwrap();
    drop(upload);
    assert_eq!(bench.upload(&wish("ann", "a/b/y", b"y"), b"y"), stored("a/b/y", b"y"));
    bench.restart();
    let upload = bench.begin(&wanted);
    assert_eq!(upload.kept(), PIECE_BYTES);
    write(&upload, PIECE_BYTES, &whole[half..]).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(&whole)).unwrap(), stored("a/b/x", &whole));
    assert_eq!(bench.names(), ["a/", "a/b/", "a/b/x", "a/b/y"]);
}

#[test]
fn given_up_and_at_once_begun_again() {
    let bench = Bench::new();
    for _ in 0..50 {
        let wish = wish("ann", "a", b"bytes");
        let given_up = bench.begin(&wish);
        let again = std::thread::scope(|scope| {
            let removing = scope.spawn(|| bench.store.remove(&given_up));
            let again = bench.begin(&wish);
            removing.join().unwrap();
            again
        });
        // Whichever came first: an upload that goes on can end well, or its client hears of it.
        let is_there = again.part.is_named();
        let is_known = bench.store.state().ledger.record(again.id).is_some();
        assert_eq!(is_there, is_known);
        bench.store.remove(&again);
    }
}

#[test]
fn files_that_are_too_large_are_refused() {
    let mut large = wish("ann", "a", b"");
    large.version.size = 6 * PIECE_BYTES + 1;
    check_refused(
        rules(),
        &large,
        |error| matches!(error, UploadError::TooLarge { allowed } if *allowed == 6 * PIECE_BYTES),
    );
    large.version.size = 1 << 60;
    let no_limits =
        UploadRules { quota_bytes_per_user: u64::MAX, file_bytes_max: u64::MAX, ..rules() };
    check_refused(no_limits, &large, |error| matches!(error, UploadError::DiskFull));
}

#[test]
fn uploads_go_to_their_folder_where_there_is_one() {
    let bench = Bench::with(UploadRules { folder: Some(path("in/box")), ..rules() });
    assert_eq!(bench.upload(&wish("ann", "a/b", b"x"), b"x"), stored("in/box/a/b", b"x"));
    assert_eq!(bench.names(), ["in/", "in/box/", "in/box/a/", "in/box/a/b"]);
}

#[test]
fn something_else_in_the_parts_place_is_not_written_to() {
    let mut bench = Bench::new();
    let wish = wish("ann", "a", b"bytes");
    let upload = bench.begin(&wish);
    let part = bench.files().join(upload.part_path().as_str());
    fs::remove_file(&part).unwrap();
    fs::write(&part, "other").unwrap();
    assert!(matches!(bench.store.settle(&upload, &root(b"bytes")), Ok(Settled::Incomplete { .. })));
    write(&upload, 0, b"bytes").unwrap();
    assert!(matches!(bench.store.settle(&upload, &root(b"bytes")), Err(UploadError::Gone)));
    assert!(bench.store.begin(&wish).is_err());
    drop(upload);
    bench.restart();
    bench.begin(&wish);
    assert_eq!(fs::read(&part).unwrap(), b"other");
    assert_eq!(fs::metadata(&part).unwrap().nlink(), 1);
}
