//! Downloads into folders where things are in the way.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

mod left_over;

const BYTES: &[u8] = b"some bytes";
const SOURCE: SourceId = SourceId([1; 32]);

fn hash() -> [u8; 32] {
    *blake3::hash(BYTES).as_bytes()
}

/// The state of a file of some bytes.
fn version(size: u64) -> FileVersion {
    FileVersion { size, modified_ns: 7 }
}

fn create(dir: &TempDir, name: &str) -> PartFile {
    PartFile::open(&dir.path().join(name), &version(BYTES.len() as u64), &SOURCE).unwrap()
}

/// Waits for the hashing and gives the final name.
fn finish(mut part: PartFile, hash: &[u8; 32]) -> Result<PathBuf, PartFileError> {
    part.settle(&CancellationToken::new())?;
    part.finish(hash)
}

/// Downloads to `name` and returns what it was called in the end.
#[track_caller]
fn download(dir: &TempDir, name: &str) -> String {
    let mut part = create(dir, name);
    part.write_at(0, BYTES).unwrap();
    let path = finish(part, &hash()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), BYTES);
    assert!(path.symlink_metadata().unwrap().is_file());
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn bytes_in_any_order_become_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "file");
    part.write_at(5, b"bytes").unwrap();
    assert_eq!(part.missing(), RangeSet::of(0..5));
    assert_eq!(names(&dir), [".file.part.state", "file.part"]);
    part.write_at(0, b"some ").unwrap();
    part.write_at(2, b"me").unwrap();
    assert!(part.missing().is_empty());
    assert_eq!(part.received_bytes().load(Ordering::Relaxed), 10);
    let path = finish(part, &hash()).unwrap();
    assert_eq!((path, names(&dir)), (dir.path().join("file"), vec!["file".to_owned()]));
}

#[test]
fn what_has_been_received_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "file");
    part.write_at(2, b"me b").unwrap();
    part.write_at(0, b"so??????es").unwrap();
    part.write_at(0, b"??????????").unwrap();
    let result = finish(part, &hash());
    let expected = *blake3::hash(b"some b??es").as_bytes();
    assert!(matches!(result, Err(PartFileError::Mismatch { found }) if found == expected));
}

#[test]
fn a_file_of_no_bytes_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let part = PartFile::open(&dir.path().join("empty"), &version(0), &SOURCE).unwrap();
    finish(part, blake3::hash(b"").as_bytes()).unwrap();
    assert_eq!(fs::read(dir.path().join("empty")).unwrap(), b"");
}

#[test]
fn what_exists_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "mine").unwrap();
    fs::create_dir(dir.path().join("a (1).txt")).unwrap();
    symlink("/nowhere", dir.path().join("a (2).txt")).unwrap();
    symlink("a.txt", dir.path().join("a (3).txt")).unwrap();
    assert_eq!(download(&dir, "a.txt"), "a (4).txt");
    assert_eq!(download(&dir, "a.txt"), "a (5).txt");
    assert_eq!(fs::read(dir.path().join("a.txt")).unwrap(), b"mine");
}

#[test]
fn a_file_that_appears_meanwhile_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    part.write_at(0, BYTES).unwrap();
    fs::write(dir.path().join("a"), "mine").unwrap();
    assert_eq!(finish(part, &hash()).unwrap(), dir.path().join("a (1)"));
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"mine");
}

#[test]
fn a_read_only_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "mine").unwrap();
    fs::set_permissions(dir.path().join("a"), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(download(&dir, "a"), "a (1)");
    assert_eq!(fs::metadata(dir.path().join("a")).unwrap().mode() & 0o777, 0o400);
}

#[test]
fn a_link_in_place_of_the_part_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("victim"), "mine").unwrap();
    symlink("victim", dir.path().join("a.part")).unwrap();
    fs::hard_link(dir.path().join("victim"), dir.path().join("a (1).part")).unwrap();
    fs::create_dir(dir.path().join("a (2).part")).unwrap();
    assert_eq!(download(&dir, "a"), "a");
    assert_eq!(fs::read(dir.path().join("victim")).unwrap(), b"mine");
    assert_eq!(names(&dir), ["a", "a (1).part", "a (2).part", "a.part", "victim"]);
}

#[test]
fn two_downloads_of_one_name_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, mut second) = (create(&dir, "a"), create(&dir, "a"));
    let states = [".a (1).part.state", ".a.part.state"];
    assert_eq!(names(&dir), [states[0], states[1], "a (1).part", "a.part"]);
    first.write_at(0, BYTES).unwrap();
    second.write_at(0, BYTES).unwrap();
    assert_eq!(finish(second, &hash()).unwrap(), dir.path().join("a"));
    assert_eq!(finish(first, &hash()).unwrap(), dir.path().join("a (1)"));
}

/// What a killed download leaves: a marked file that nobody has locked.
fn leave_part(dir: &TempDir, name: &str) {
    let path = dir.path().join(name);
    fs::write(&path, "much longer than the file will be").unwrap();
    let file = File::open(path).unwrap();
    mark::set(&file, name.as_ref());
    assert!(
        mark::is_set(&file, name.as_ref()),
        "the folder for temporary files has extended attributes"
    );
}

#[test]
fn a_part_file_of_another_program_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.part"), "mine").unwrap();
    assert_eq!(download(&dir, "a"), "a");
    assert_eq!(fs::read(dir.path().join("a.part")).unwrap(), b"mine");
}

#[test]
fn a_copy_of_a_part_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    leave_part(&dir, "b.part");
    let copy = dir.path().join("a.part");
    fs::write(&copy, "mine").unwrap();
    // As `cp --preserve=xattr` does.
    let original = File::open(dir.path().join("b.part")).unwrap();
    let mut value = [0; 24];
    rustix::fs::fgetxattr(original, "user.simplechat.part", &mut value[..]).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&copy, "user.simplechat.part", &value, flags).unwrap();
    download(&dir, "a");
    assert_eq!(fs::read(copy).unwrap(), b"mine");
}

#[test]
fn a_finished_file_is_never_taken_for_a_part() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(download(&dir, "a.part"), "a.part");
    assert_eq!(download(&dir, "a"), "a");
    assert_eq!(names(&dir), ["a", "a.part"]);
    assert_eq!(fs::read(dir.path().join("a.part")).unwrap(), BYTES);
}

#[test]
fn a_download_given_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    part.write_at(0, b"some").unwrap();
    drop(part);
    assert!(names(&dir).is_empty());
}

#[test]
fn wrong_bytes_never_get_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    part.write_at(0, b"some bytez").unwrap();
    part.settle(&CancellationToken::new()).unwrap();
    let error = part.finish(&hash()).unwrap_err();
    part.discard();
    let found = *blake3::hash(b"some bytez").as_bytes();
    assert!(matches!(error, PartFileError::Mismatch { found: f } if f == found), "{error:?}");
    assert!(names(&dir).is_empty());
}

#[test]
fn an_incomplete_file_never_gets_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    part.write_at(0, b"some byte").unwrap();
    assert!(finish(part, &hash()).is_err());
    assert!(names(&dir).is_empty());
}

#[test]
fn a_part_that_was_swapped_never_gets_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    part.write_at(0, BYTES).unwrap();
    fs::remove_file(dir.path().join("a.part")).unwrap();
    fs::write(dir.path().join("a.part"), "evil").unwrap();
    assert!(finish(part, &hash()).is_err());
    assert_eq!(names(&dir), ["a.part"], "and what is not ours is not removed");
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    for offset in [1, 10, u64::MAX] {
        let error = part.write_at(offset, BYTES).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}

#[test]
fn a_downloaded_file_is_never_executable() {
    let dir = tempfile::tempdir().unwrap();
    download(&dir, "run.sh");
    let mode = fs::metadata(dir.path().join("run.sh")).unwrap().mode();
    assert_eq!(mode & 0o777 & !0o644, 0, "mode {mode:o}");
}

#[track_caller]
fn refused(save_as: &Path, size: u64) -> PartFileError {
    PartFile::open(save_as, &version(size), &SOURCE).unwrap_err()
}

#[test]
fn a_folder_is_no_place_to_save_as() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["", ".", "x/", "x/.", ".."] {
        let error = refused(&dir.path().join(path), 1);
        assert!(matches!(error, PartFileError::NotAFileName { .. }), "{path:?}: {error}");
    }
}

#[test]
fn a_missing_folder_is_named() {
    let error = refused(Path::new("/nowhere/at/all/file"), 1);
    assert!(error.to_string().starts_with("/nowhere/at/all: No such file"), "{error}");
}

#[test]
fn a_folder_that_takes_no_files_is_named() {
    // The kernel's own file system: read-only even for root.
    let error = refused(Path::new("/sys/kernel/file"), 0);
    assert!(error.to_string().starts_with("/sys/kernel/file: "), "{error}");
}

#[test]
fn a_disk_that_is_too_small_is_told_before_the_first_byte() {
    let dir = tempfile::tempdir().unwrap();
    let version = FileVersion { size: 1 << 60, modified_ns: 0 };
    let part = PartFile::open(&dir.path().join("a"), &version, &SOURCE).unwrap();
    let error = part.check_space().unwrap_err();
    // The file system has some petabytes less than that.
    let PartFileError::DiskFull { needed, .. } = error else { panic!("{error}") };
    assert!((1 << 59..1 << 60).contains(&needed), "{needed}");
    let part = part.on_disk(Arc::new(SmallDisk::new(100, true)));
    let error = part.check_space().unwrap_err();
    assert!(matches!(error, PartFileError::DiskFull { needed, .. } if needed == (1 << 60) - 100));
    drop(part);
    assert!(names(&dir).is_empty());
}

#[test]
fn a_disk_that_runs_full_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let mut part = create(&dir, "a");
    part.write_at(0, b"some").unwrap();
    let error = part.write_error(io::ErrorKind::StorageFull.into());
    let full = matches!(&error, PartFileError::DiskFull { path, needed: 6 } if path == dir.path());
    assert!(full, "{error:?}");
}
