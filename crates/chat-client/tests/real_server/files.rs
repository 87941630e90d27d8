//! Server files: the list, and downloads over both ways.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use rand::{RngCore, SeedableRng};

use crate::support::{Done, Person, Server};

const MIB: usize = 1024 * 1024;

#[test]
fn an_empty_folder_says_so() {
    let server = Server::start();
    let bob = Person::new("bob");
    bob.run(&server.link, &["files"]).check(0, &["The server has no files."]);
    assert_eq!(bob.run(&server.link, &["files", "--json"]).stdout, "");
}

#[test]
fn files_are_listed_with_their_folders_and_sizes() {
    let server = Server::start();
    fs::create_dir(server.files().join("music")).unwrap();
    fs::write(server.files().join("music/a.ogg"), vec![0; 2048]).unwrap();
    fs::write(server.files().join("report.pdf"), "27 bytes of a fine report..").unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "report.pdf");
    bob.run(&server.link, &["files"]).check(0, &["2.0 kB", "music/a.ogg", "27 bytes"]);
    let events = bob.run(&server.link, &["files", "--json"]).events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["event"], "file");
    assert_eq!(events[0]["name"], "music/a.ogg");
    assert_eq!(events[0]["size"], 2048);
    assert!(events[0]["modified"].as_i64().unwrap() > 1_600_000_000_000);
    let only = bob.run(&server.link, &["files", "music/", "--json"]).events();
    assert_eq!(only.len(), 1, "{only:?}");
    bob.run(&server.link, &["files", "x"]).check(0, &["No file of the server starts like this."]);
}

#[test]
fn a_large_file_arrives_whole_over_udp() {
    check_download("udp", 256 * MIB + 27);
}

#[test]
fn a_large_file_arrives_whole_over_tcp() {
    check_download("tcp", 256 * MIB + 27);
}

#[test]
fn files_of_odd_sizes_arrive_whole_over_both_ways() {
    for size in [0, 1, 27, 1411, 1412, 1413, MIB - 1, MIB + 1] {
        check_download("udp", size);
        check_download("tcp", size);
    }
}

#[track_caller]
fn check_download(transport: &str, size: usize) {
    let server = Server::start();
    let hash = write_random(&server.files().join("data.bin"), size);
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "data.bin");
    let words = ["--json", "get", "data.bin", "-o", "out.bin", "--transport", transport];
    let got = bob.run(&server.link, &words);
    got.check(0, &[]);
    let events = got.events();
    let (finished, progress) = events.split_last().unwrap();
    assert_eq!(finished["event"], "finished", "{finished}");
    assert_eq!(finished["file"], "data.bin");
    assert_eq!(finished["bytes"], size);
    assert_eq!(finished["transport"], transport);
    assert_eq!(finished["blake3"], hash);
    assert_eq!(finished["resumed_from"], 0);
    assert!(finished["seconds"].as_f64().unwrap() > 0.0);
    check_progress(progress, size, transport);
    let path = finished["path"].as_str().unwrap();
    assert_eq!(Path::new(path), bob.home().join("out.bin"));
    assert_eq!(hash_of(Path::new(path)), hash);
    assert_eq!(names_in(bob.home()), ["config", "out.bin", "state"]);
}

#[track_caller]
fn check_progress(progress: &[serde_json::Value], size: usize, transport: &str) {
    assert!(!progress.is_empty(), "no progress was told");
    let mut before = 0;
    for event in progress {
        assert_eq!(event["event"], "progress");
        assert_eq!(event["transport"], transport);
        let bytes = event["bytes"].as_u64().unwrap();
        assert!(before <= bytes && bytes <= size as u64, "{event}");
        before = bytes;
    }
}

#[test]
fn a_missing_file_does_not_exist() {
    let server = Server::start();
    let bob = Person::new("bob");
    for name in ["nothing.txt", "../secret", "/etc/passwd", "a//b"] {
        let missing = bob.run(&server.link, &["get", name]);
        missing.check(4, &["File does not exist", name]);
    }
    let events = bob.run(&server.link, &["--json", "get", "nothing.txt"]).events();
    assert_eq!(events.last().unwrap()["event"], "failed");
    assert_eq!(names_in(bob.home()), ["config", "state"]);
}

#[test]
fn what_exists_is_not_overwritten() {
    let server = Server::start();
    fs::write(server.files().join("a.txt"), "theirs").unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "a.txt");
    fs::write(bob.home().join("a.txt"), "mine").unwrap();
    get(&bob, &server, &["a.txt"]).check(0, &["a (1).txt"]);
    assert_eq!(fs::read_to_string(bob.home().join("a.txt")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(bob.home().join("a (1).txt")).unwrap(), "theirs");
}

#[test]
fn a_folder_takes_the_file_under_its_own_name() {
    let server = Server::start();
    fs::create_dir(server.files().join("deep")).unwrap();
    fs::write(server.files().join("deep/a.txt"), "theirs").unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "deep/a.txt");
    fs::create_dir(bob.home().join("here")).unwrap();
    get(&bob, &server, &["deep/a.txt", "-o", "here"]).check(0, &["here/a.txt"]);
    assert_eq!(fs::read_to_string(bob.home().join("here/a.txt")).unwrap(), "theirs");
    get(&bob, &server, &["deep/a.txt"]).check(0, &[]);
    assert_eq!(fs::read_to_string(bob.home().join("a.txt")).unwrap(), "theirs");
}

#[test]
fn a_folder_that_is_not_there_is_a_local_failure() {
    let server = Server::start();
    fs::write(server.files().join("a.txt"), "theirs").unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "a.txt");
    get(&bob, &server, &["a.txt", "-o", "nowhere/a.txt"]).check(7, &["nowhere"]);
}

#[test]
fn an_interrupted_download_keeps_what_has_arrived_and_the_same_command_goes_on() {
    // Slow enough to be interrupted in the middle.
    let server = Server::start_with("[transfer]\nbytes_per_second = 40_000_000\n");
    let size = 64_u64 << 20;
    File::create(server.files().join("large.bin")).unwrap().set_len(size).unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "large.bin");
    let getting = bob.start(&server.link, &["--json", "get", "large.bin"]);
    // Only complete pieces of 1 MiB are kept.
    while getting.expect("progress")["bytes"].as_u64().unwrap() < 8 << 20 {}
    assert_eq!(getting.interrupt(), Some(130));
    assert!(bob.home().join("large.bin.part").exists(), "{:?}", names_in(bob.home()));
    let got = bob.run(&server.link, &["--json", "get", "large.bin"]);
    got.check(0, &[]);
    let finished = got.events().pop().unwrap();
    assert!(finished["resumed_from"].as_u64().unwrap() > 0, "{finished}");
    assert_eq!(finished["bytes"].as_u64(), Some(size));
}

/// A server that is slow enough to be interrupted in the middle, and a part of one of its files.
fn interrupted(bob: &Person, path: &str, size: u64) -> Server {
    let server = Server::start_with("[transfer]\nbytes_per_second = 40_000_000\n");
    fs::create_dir(server.files().join("b")).unwrap();
    for name in [path, "b/large.bin"] {
        File::create(server.files().join(name)).unwrap().set_len(size).unwrap();
    }
    wait_for_file(bob, &server, path);
    let getting = bob.start(&server.link, &["--json", "get", path]);
    // Only complete pieces of 1 MiB are kept.
    while getting.expect("progress")["bytes"].as_u64().unwrap() < 8 << 20 {}
    assert_eq!(getting.interrupt(), Some(130));
    server
}

#[test]
fn a_file_that_changed_since_it_was_interrupted_begins_again_and_says_so() {
    let bob = Person::new("bob");
    let server = interrupted(&bob, "large.bin", 64 << 20);
    let hash = write_random(&server.files().join("large.bin"), 8 * MIB);
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while !bob.run(&server.link, &["files"]).stdout.contains("8.4 MB") {
        assert!(std::time::Instant::now() < deadline, "the server does not notice the change");
    }
    let kept = bob.home().join("large.bin.part");
    assert!(kept.exists(), "{:?}", names_in(bob.home()));
    get(&bob, &server, &["large.bin"])
        .check(0, &["The file changed on the server", "Saved 8.4 MB"]);
    assert_eq!(hash_of(&bob.home().join("large.bin")), hash);
    assert!(!kept.exists(), "{:?}", names_in(bob.home()));
}

#[test]
fn what_is_left_of_another_file_of_the_same_name_is_kept() {
    let bob = Person::new("bob");
    let size = 64_u64 << 20;
    let server = interrupted(&bob, "large.bin", size);
    wait_for_file(&bob, &server, "b/large.bin");
    let other = bob.run(&server.link, &["--json", "get", "b/large.bin"]).events().pop().unwrap();
    assert_eq!((&other["event"], &other["resumed_from"]), (&"finished".into(), &0.into()));
    assert!(bob.home().join("large.bin.part").exists(), "{:?}", names_in(bob.home()));
    let first = bob.run(&server.link, &["--json", "get", "large.bin"]).events().pop().unwrap();
    assert!(first["resumed_from"].as_u64().unwrap() > 0, "{first}");
    let names = ["config", "large (1).bin", "large.bin", "state"];
    assert_eq!(names_in(bob.home()), names);
}

#[test]
fn a_download_that_was_killed_goes_on() {
    let server = Server::start();
    let size = 1_u64 << 30;
    File::create(server.files().join("large.bin")).unwrap().set_len(size).unwrap();
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "large.bin");
    let getting = bob.start(&server.link, &["--json", "get", "large.bin"]);
    // Only complete pieces of 1 MiB are kept.
    while getting.expect("progress")["bytes"].as_u64().unwrap() < 8 << 20 {}
    getting.kill();
    let got = bob.run(&server.link, &["--json", "get", "large.bin"]);
    got.check(0, &[]);
    let finished = got.events().pop().unwrap();
    assert!(finished["resumed_from"].as_u64().unwrap() > 0, "{finished}");
    assert_eq!(
        (finished["bytes"].as_u64(), finished["event"].as_str()),
        (Some(size), Some("finished"))
    );
    let got = hash_of(&bob.home().join("large.bin"));
    assert_eq!(got, finished["blake3"]);
    assert_eq!(names_in(bob.home()), ["config", "large.bin", "state"]);
}

#[test]
fn who_waits_in_line_is_told_the_place() {
    let server = Server::start_with("[limits]\ndownloads = 1\n");
    File::create(server.files().join("large.bin")).unwrap().set_len(8 << 30).unwrap();
    fs::write(server.files().join("small.txt"), "small").unwrap();
    let (bob, eve) = (Person::new("bob"), Person::new("eve"));
    wait_for_file(&bob, &server, "small.txt");
    let first = bob.start(&server.link, &["--json", "get", "large.bin"]);
    first.expect("progress");
    let second = eve.start(&server.link, &["--json", "get", "small.txt"]);
    assert_eq!(second.expect("queued")["position"], 1);
    assert_eq!(first.interrupt(), Some(130));
    second.skip_to("finished");
}

fn get(bob: &Person, server: &Server, words: &[&str]) -> Done {
    let words: Vec<&str> = ["get"].iter().chain(words).copied().collect();
    bob.run(&server.link, &words)
}

/// The server notices new files by itself; this is asked until it did.
#[track_caller]
pub(crate) fn wait_for_file(person: &Person, server: &Server, name: &str) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < crate::support::PATIENCE {
        if person.run(&server.link, &["files"]).stdout.contains(name) {
            return;
        }
    }
    panic!("the server does not offer {name}");
}

/// Random bytes, and their hash.
pub(crate) fn write_random(path: &Path, size: usize) -> String {
    let mut random = rand::rngs::StdRng::seed_from_u64(size as u64);
    let beside = path.with_extension("being-written");
    let mut file = File::create(&beside).unwrap();
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; MIB];
    let mut left = size;
    while left > 0 {
        let now = left.min(MIB);
        random.fill_bytes(&mut piece[..now]);
        hasher.update(&piece[..now]);
        file.write_all(&piece[..now]).unwrap();
        left -= now;
    }
    fs::rename(beside, path).unwrap();
    hasher.finalize().to_hex().to_string()
}

pub(crate) fn hash_of(path: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).unwrap()).unwrap();
    hasher.finalize().to_hex().to_string()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
