//! A disk that runs full or fails, and a server that goes down in the middle.

use std::sync::atomic::Ordering;

use super::*;

#[test]
fn what_the_others_are_still_to_get_is_spoken_for() {
    let bench = Bench::new();
    let whole = bytes(6 * PIECE_BYTES);
    let three = &whole[..usize::try_from(3 * PIECE_BYTES).unwrap()];
    bench.store.free_space.pretend(FREE_BYTES_MIN + 8 * PIECE_BYTES);
    let anns = bench.begin(&wish("ann", "a", &whole));
    let bobs = wish("bob", "b", three);
    assert!(matches!(bench.store.begin(&bobs), Err(UploadError::DiskFull)));
    assert_eq!(bench.names().len(), 1, "ann's part");

    // What is written of it takes room on the disk instead.
    write(&anns, 0, &whole[..three.len()]).unwrap();
    bench.store.free_space.pretend(FREE_BYTES_MIN + 5 * PIECE_BYTES);
    assert!(matches!(bench.store.begin(&bobs), Err(UploadError::DiskFull)));
    bench.store.free_space.pretend(FREE_BYTES_MIN + 6 * PIECE_BYTES);
    drop(bench.begin(&bobs));
    bench.store.free_space.pretend(FREE_BYTES_MIN + 5 * PIECE_BYTES);
    bench.store.remove(&anns);
    drop(anns);
    bench.begin(&bobs);
}

#[test]
fn an_upload_stops_before_the_disk_is_full_and_goes_on_with_room() {
    let bench = Bench::new();
    let whole = bytes(PIECE_BYTES);
    let upload = bench.begin(&wish("ann", "a", &whole));
    let mut session = upload.part.writer();
    let (first, rest) = whole.split_at(300 << 10);
    session.write_at(0, first).unwrap();
    bench.store.free_space.pretend(1 << 20);
    let error = session.write_at(first.len() as u64, rest).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(upload.kept(), first.len() as u64);
    bench.store.free_space.pretend(1 << 40);
    write(&upload, first.len() as u64, rest).unwrap();
    assert_eq!(bench.store.settle(&upload, &root(&whole)).unwrap(), stored("a", &whole));
}

#[test]
fn what_lacks_nothing_needs_no_room() {
    let bench = Bench::new();
    let whole = bytes(PIECE_BYTES);
    let wish = wish("ann", "a", &whole);
    let upload = bench.begin(&wish);
    write(&upload, 0, &whole).unwrap();
    drop(upload);
    bench.store.free_space.pretend(0);
    let upload = bench.begin(&wish);
    assert_eq!(bench.store.settle(&upload, &root(&whole)).unwrap(), stored("a", &whole));
}

#[test]
fn a_name_that_does_not_get_to_the_disk_is_not_acknowledged_and_given_once() {
    let mut bench = Bench::new();
    let wish = wish("ann", "sub/a", b"bytes");
    let upload = bench.begin(&wish);
    write(&upload, 0, b"bytes").unwrap();
    upload.faults().names_lost.store(2, Ordering::Relaxed);
    for _ in 0..2 {
        let settled = bench.store.settle(&upload, &root(b"bytes"));
        assert!(matches!(settled, Err(UploadError::Disk(_))), "{settled:?}");
    }
    assert_eq!(bench.store.settle(&upload, &root(b"bytes")).unwrap(), stored("sub/a", b"bytes"));
    drop(upload);
    for _ in 0..2 {
        assert!(matches!(bench.store.begin(&wish), Ok(Begun::Stored(_))));
        assert_eq!(bench.names(), ["sub/", "sub/a"]);
        bench.restart();
    }
}

#[test]
fn a_server_that_goes_down_waits_for_no_check() {
    let mut bench = Bench::new();
    let whole = bytes(2 * PIECE_BYTES);
    let wish = wish("ann", "a", &whole);
    let upload = bench.begin(&wish);
    write(&upload, 0, &whole).unwrap();
    bench.store.stop();
    let settled = bench.store.settle(&upload, &root(&whole));
    assert!(matches!(settled, Err(UploadError::Stopped)), "{settled:?}");
    let compared = bench.store.compare(&upload, 0, &[PieceHash([0; 32])]);
    assert!(matches!(compared, Err(UploadError::Stopped)), "{compared:?}");
    drop(upload);
    bench.restart();
    let upload = bench.begin(&wish);
    assert_eq!(upload.kept(), whole.len() as u64, "nothing was taken for wrong");
    assert_eq!(bench.store.settle(&upload, &root(&whole)).unwrap(), stored("a", &whole));
}
