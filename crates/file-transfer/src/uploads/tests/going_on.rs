//! What is there of an upload that was interrupted, given up or begun once more.

use super::*;

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
