//! What is not taken: too much, too large, or to a place where nothing may land.

use super::*;

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
