//! An upload by the command line to a server that is killed again and again on the way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::support::{Listener, PATIENCE, Person, Server};

const SIZE: u64 = 256 << 20;
const SEED: u64 = 20_261_123;

/// Kills while bytes arrive, each at a chance moment of its own share of the file.
const KILLS_ON_THE_WAY: u64 = 16;
/// Kills with every byte there: while the file is checked, named or acknowledged.
const KILLS_AT_THE_END: u64 = 3;

/// Bytes on the server's disk at which it is killed.
fn moments() -> impl Iterator<Item = u64> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let share = SIZE / KILLS_ON_THE_WAY;
    let on_the_way = (0..KILLS_ON_THE_WAY).map(move |number| {
        let into_it = random.next_u64() % (share - 1);
        number * share + into_it + 1
    });
    on_the_way.chain((0..KILLS_AT_THE_END).map(|_| SIZE))
}

#[test]
fn a_server_killed_again_and_again_stores_the_upload_once() {
    let mut server = Server::start_with("[uploads]\nenabled = true\n");
    let bob = Person::new("bob");
    let mut bytes = vec![0; usize::try_from(SIZE).unwrap()];
    SmallRng::seed_from_u64(SEED).fill_bytes(&mut bytes);
    fs::write(bob.home().join("big"), &bytes).unwrap();
    let mut putting = bob.start(&server.link, &["--json", "put", "big"]);
    for moment in moments() {
        wait_for_bytes(&server.files(), moment, &putting);
        server.kill();
        let is_stored = server.files().join("big").exists();
        assert!(moment == SIZE || !is_stored, "seed {SEED}: whole at {moment} bytes");
        server.start_again();
    }
    let finished = putting.skip_to("finished");
    assert_eq!(putting.exit_code(), Some(0), "seed {SEED}");
    assert_eq!(finished["path"], "big", "seed {SEED}: {finished}");
    assert_eq!(finished["blake3"], blake3::hash(&bytes).to_hex().as_str(), "seed {SEED}");
    assert!(fs::read(server.files().join("big")).unwrap() == bytes, "seed {SEED}");
    assert_eq!(names(&server.files()), ["big"], "seed {SEED}: neither a second one nor a part");
}

/// Until so much of the only upload is on the disk. A part may have holes, so what counts is the room
/// that it takes.
fn wait_for_bytes(files: &Path, bytes: u64, putting: &Listener) {
    let begun = Instant::now();
    while room_taken(files) < bytes {
        assert!(begun.elapsed() < PATIENCE, "no {bytes} bytes: {:?}", putting.lines_so_far());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn room_taken(files: &Path) -> u64 {
    /// What `st_blocks` counts in, whatever the file system has.
    const BLOCK_BYTES: u64 = 512;
    let entries = fs::read_dir(files).unwrap();
    // A part that gets its name meanwhile is counted the next time.
    let found = entries.filter_map(|entry| fs::symlink_metadata(entry.unwrap().path()).ok());
    found.map(|file| file.blocks() * BLOCK_BYTES).sum()
}

fn names(files: &Path) -> Vec<String> {
    let entries = fs::read_dir(files).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
