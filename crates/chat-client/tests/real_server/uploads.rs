//! Uploads by the command line to a server that takes them, and to one that does not.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::files::{hash_of, wait_for_file, write_random};
use crate::support::{Listener, Person, Server};

const MIB: usize = 1024 * 1024;

const ON: &str = "[uploads]\nenabled = true\n";

/// What is in the folder of server files, folders left out.
fn names(server: &Server) -> Vec<String> {
    let (mut names, mut folders) = (Vec::new(), vec![server.files()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(server.files()).unwrap();
                names.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

/// Uploads random bytes and compares what the server has.
#[track_caller]
fn check_upload(size: usize) {
    let server = Server::start_with(ON);
    let bob = Person::new("bob");
    let hash = write_random(&bob.home().join("data.bin"), size);
    let put = bob.run(&server.link, &["--json", "put", "data.bin", "--to", "in/box"]);
    put.check(0, &[]);
    let events = put.events();
    let (finished, progress) = events.split_last().unwrap();
    assert_eq!(finished["event"], "finished", "{finished}");
    assert_eq!(finished["file"], "data.bin");
    assert_eq!(finished["path"], "in/box/data.bin");
    assert_eq!(finished["bytes"], size);
    assert_eq!(finished["transport"], "udp");
    assert_eq!(finished["blake3"], hash);
    assert_eq!(finished["resumed_from"], 0);
    assert!(finished["seconds"].as_f64().unwrap() > 0.0);
    assert!(!progress.is_empty() && progress.iter().all(|event| event["event"] == "progress"));
    assert_eq!(hash_of(&server.files().join("in/box/data.bin")), hash);
    assert_eq!(names(&server), ["in/box/data.bin"], "nothing else is left");
    wait_for_file(&Person::new("ann"), &server, "in/box/data.bin");
}

#[test]
fn files_of_odd_sizes_arrive_whole() {
    for size in [0, 1, 27, MIB, MIB + 1] {
        check_upload(size);
    }
}

#[test]
fn a_large_file_arrives_whole() {
    check_upload(64 * MIB + 27);
}

#[test]
fn it_goes_the_way_that_is_asked_for() {
    let server = Server::start_with(ON);
    let bob = Person::new("bob");
    write_random(&bob.home().join("data.bin"), 3 * MIB);
    for transport in ["udp", "tcp"] {
        let words = ["--json", "put", "data.bin", "--to", transport, "--transport", transport];
        let put = bob.run(&server.link, &words);
        // Where nothing else is allowed, nothing is said to be blocked.
        assert!(!put.stderr.contains("blocked"), "{put:?}");
        let finished = put.events().pop().unwrap();
        assert_eq!(
            (&finished["event"], &finished["transport"]),
            (&"finished".into(), &transport.into())
        );
    }
}

#[test]
fn it_appears_live_and_can_be_downloaded() {
    let server = Server::start_with(ON);
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let hash = write_random(&bob.home().join("song.ogg"), MIB);
    bob.run(&server.link, &["put", "song.ogg"]).check(0, &["Stored", "song.ogg"]);
    wait_for_file(&ann, &server, "song.ogg");
    ann.run(&server.link, &["get", "song.ogg"]).check(0, &[]);
    assert_eq!(hash_of(&ann.home().join("song.ogg")), hash);
}

#[test]
fn a_server_that_was_not_told_otherwise_takes_none() {
    let server = Server::start();
    let bob = Person::new("bob");
    fs::write(bob.home().join("a.txt"), "mine").unwrap();
    bob.run(&server.link, &["put", "a.txt"]).check(3, &["takes no uploads"]);
    let events = bob.run(&server.link, &["--json", "put", "a.txt"]).events();
    assert_eq!(events.last().unwrap()["event"], "failed");
    assert_eq!(names(&server), [""; 0]);
}

#[test]
fn a_missing_local_file_is_a_local_failure() {
    let server = Server::start_with(ON);
    let bob = Person::new("bob");
    bob.run(&server.link, &["put", "nothing.txt"]).check(7, &["nothing.txt"]);
    bob.run(&server.link, &["put", "/"]).check(7, &[]);
    bob.run(&server.link, &["put", "config"]).check(7, &["is no file"]);
    assert_eq!(names(&server), [""; 0]);
}

#[test]
fn what_exists_is_not_overwritten() {
    let server = Server::start_with(ON);
    fs::write(server.files().join("a.txt"), "theirs").unwrap();
    let bob = Person::new("bob");
    fs::write(bob.home().join("a.txt"), "mine").unwrap();
    for name in ["a (1).txt", "a (2).txt"] {
        bob.run(&server.link, &["put", "a.txt"]).check(0, &[name]);
        assert_eq!(fs::read_to_string(server.files().join(name)).unwrap(), "mine");
    }
    assert_eq!(fs::read_to_string(server.files().join("a.txt")).unwrap(), "theirs");
}

#[test]
fn quota_and_size_are_kept_over_a_restart() {
    let config = format!("{ON}quota_bytes_per_user = 3000\nfile_bytes_max = 2000\n");
    let mut server = Server::start_with(&config);
    let bob = Person::new("bob");
    for (name, size) in [("large", 2001), ("most", 2000), ("rest", 1000), ("one", 1)] {
        write_random(&bob.home().join(name), size);
    }
    bob.run(&server.link, &["put", "large"]).check(3, &["too large", "2.0 kB"]);
    bob.run(&server.link, &["put", "most"]).check(0, &[]);
    bob.run(&server.link, &["put", "most"]).check(3, &["1.0 kB are left"]);
    server.kill();
    server.start_again();
    bob.run(&server.link, &["put", "rest"]).check(0, &[]);
    bob.run(&server.link, &["put", "one"]).check(3, &["0 bytes are left"]);
    let ann = Person::new("ann");
    write_random(&ann.home().join("hers"), 2000);
    ann.run(&server.link, &["put", "hers"]).check(0, &[]);
    fs::remove_file(server.files().join("most")).unwrap();
    bob.run(&server.link, &["put", "one"]).check(0, &[]);
    assert_eq!(names(&server), ["hers", "one", "rest"]);
}

#[test]
fn a_server_without_room_for_a_file_says_so_before_anything_is_sent() {
    let most = i64::MAX;
    let limits = format!("quota_bytes_per_user = {most}\nfile_bytes_max = {most}\n");
    let server = Server::start_with(&format!("{ON}{limits}"));
    let bob = Person::new("bob");
    // Whatever others free meanwhile.
    let disk = statvfs(server.files()).unwrap();
    let path = bob.home().join("larger than the disk");
    File::create(&path).unwrap().set_len(disk.f_blocks * disk.f_frsize).unwrap();
    let words = ["put", "larger than the disk"];
    bob.run(&server.link, &words).check(3, &["The disk of the server is full."]);
    let events = bob.run(&server.link, &["--json", words[0], words[1]]).events();
    let reason = events.last().unwrap()["reason"].as_str().unwrap();
    assert_eq!(reason, "The disk of the server is full. Tell its administrator.");
    assert_eq!(names(&server), [""; 0]);
}

#[test]
fn names_and_links_that_lead_elsewhere_are_refused() {
    let server = Server::start_with(ON);
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), server.files().join("link")).unwrap();
    fs::write(server.files().join("file"), "f").unwrap();
    let bob = Person::new("bob");
    fs::write(bob.home().join("a.txt"), "mine").unwrap();
    fs::write(bob.home().join("tab\there"), "mine").unwrap();
    let part = ".upload-0123456789abcdef0123456789abcdef.part";
    fs::write(bob.home().join(part), "mine").unwrap();
    for (file, folder) in [
        ("a.txt", ".."),
        ("a.txt", "/etc"),
        ("a.txt", "a/../../b"),
        ("a.txt", "a//b"),
        ("a.txt", "C:\\x"),
        ("tab\there", "a"),
        (part, "a"),
    ] {
        let put = bob.run(&server.link, &["put", file, "--to", folder]);
        put.check(3, &["cannot be called"]);
    }
    for folder in ["link", "link/deep", "file"] {
        let put = bob.run(&server.link, &["put", "a.txt", "--to", folder]);
        put.check(3, &["cannot be used", folder]);
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(server.files()).unwrap().count(), 2, "nothing was made");
}

#[test]
fn uploads_go_below_their_folder() {
    let server = Server::start_with(&format!("{ON}folder = \"inbox\"\n"));
    let bob = Person::new("bob");
    fs::write(bob.home().join("a.txt"), "mine").unwrap();
    bob.run(&server.link, &["put", "a.txt", "--to", "sub"]).check(0, &["inbox/sub/a.txt"]);
    assert_eq!(names(&server), ["inbox/sub/a.txt"]);
}

#[test]
fn uploads_do_not_go_together_with_other_nodes() {
    let server = std::panic::catch_unwind(|| {
        Server::start_with(&format!(
            "{ON}\n[[node]]\naddress = \"10.0.0.1:5051\"\nkey_file = \"k\"\nspki = \"{}\"\n",
            "A".repeat(43)
        ))
    });
    assert!(server.is_err(), "it must not start");
}

/// A file that takes a while, and its hash.
fn large(bob: &Person) -> (PathBuf, String) {
    let path = bob.home().join("large.bin");
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let hash = hash_of(&path);
    (path, hash)
}

/// Enough for some whole pieces of 1 MiB to be kept: pieces arrive side by side, and one that is not
/// whole is sent again.
const SOME: u64 = 8 << 20;

/// Waits until some of it is there, and not all.
#[track_caller]
fn wait_for_some(putting: &Listener) {
    loop {
        let bytes = putting.expect("progress")["bytes"].as_u64().unwrap();
        assert!(bytes < 1 << 30, "too quick to be interrupted");
        if bytes >= SOME {
            return;
        }
    }
}

#[track_caller]
fn check_stored(server: &Server, finished: &serde_json::Value, hash: &str) {
    assert_eq!(finished["blake3"], hash);
    assert_eq!(finished["path"], "large.bin");
    assert_eq!(hash_of(&server.files().join("large.bin")), hash);
    assert_eq!(names(server), ["large.bin"]);
}

#[test]
fn an_upload_goes_on_after_its_client_was_killed() {
    let server = Server::start_with(ON);
    let bob = Person::new("bob");
    let (_, hash) = large(&bob);
    let putting = bob.start(&server.link, &["--json", "put", "large.bin"]);
    wait_for_some(&putting);
    putting.kill();
    let part = names(&server);
    assert!(part.len() == 1 && part[0].starts_with(".upload-"), "{part:?}");
    assert_eq!(bob.run(&server.link, &["--json", "files"]).stdout, "", "half a file is nobody's");
    bob.run(&server.link, &["get", &part[0]]).check(4, &[]);

    let mut again = bob.start(&server.link, &["--json", "put", "large.bin"]);
    let finished = again.skip_to("finished");
    assert_eq!(again.exit_code(), Some(0));
    assert!(finished["resumed_from"].as_u64().unwrap() > 0, "{finished}");
    check_stored(&server, &finished, &hash);
}

#[test]
fn an_upload_goes_on_after_the_server_was_killed() {
    let mut server = Server::start_with(ON);
    let bob = Person::new("bob");
    let (_, hash) = large(&bob);
    let mut putting = bob.start(&server.link, &["--json", "put", "large.bin"]);
    wait_for_some(&putting);
    server.kill();
    server.start_again();
    let finished = putting.skip_to("finished");
    assert_eq!(putting.exit_code(), Some(0));
    check_stored(&server, &finished, &hash);
}

#[test]
fn an_interrupted_upload_can_be_gone_on_with() {
    let server = Server::start_with(ON);
    let bob = Person::new("bob");
    let (_, hash) = large(&bob);
    let putting = bob.start(&server.link, &["--json", "put", "large.bin"]);
    wait_for_some(&putting);
    assert_eq!(putting.interrupt(), Some(130));
    let mut again = bob.start(&server.link, &["--json", "put", "large.bin"]);
    let finished = again.skip_to("finished");
    assert_eq!(again.exit_code(), Some(0));
    assert!(finished["resumed_from"].as_u64().unwrap() > 0, "{finished}");
    check_stored(&server, &finished, &hash);
}

#[test]
fn one_too_many_waits_for_its_turn_and_says_where() {
    let server = Server::start_with(&format!("{ON}\n[limits]\ndownloads = 1\n"));
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(Person::new);
    let (_, hash) = large(&ann);
    fs::write(bob.home().join("b.txt"), "his").unwrap();
    fs::write(carl.home().join("c.txt"), "his").unwrap();
    let mut first = ann.start(&server.link, &["--json", "put", "large.bin"]);
    wait_for_some(&first);
    first.sleep();
    let mut second = bob.start(&server.link, &["--json", "put", "b.txt"]);
    assert_eq!(second.skip_to("queued")["position"], 1);
    let mut third = carl.start_for_remarks(&server.link, &["put", "c.txt"]);
    assert_eq!(third.line(), "The server is busy: waiting, 2nd in line.");
    assert_eq!(second.lines_so_far(), [""; 0], "what was told holds");
    first.go_on();
    assert_eq!(first.skip_to("finished")["blake3"], hash);
    assert_eq!(second.skip_to("finished")["path"], "b.txt");
    let codes = [&mut first, &mut second, &mut third].map(Listener::exit_code);
    assert_eq!(codes, [Some(0); 3]);
    assert_eq!(names(&server), ["b.txt", "c.txt", "large.bin"]);
}

#[test]
fn a_file_that_changes_meanwhile_is_told_and_begins_anew() {
    let server = Server::start_with(ON);
    let bob = Person::new("bob");
    let (path, _) = large(&bob);
    let mut putting = bob.start(&server.link, &["--json", "put", "large.bin"]);
    wait_for_some(&putting);
    fs::write(&path, "another, much shorter one").unwrap();
    putting.skip_to("restarted");
    let finished = putting.skip_to("finished");
    assert_eq!(putting.exit_code(), Some(0));
    check_stored(&server, &finished, &hash_of(Path::new(&path)));
}

#[test]
fn two_of_one_name_at_once_both_land() {
    let server = Server::start_with(ON);
    let people = [Person::new("ann"), Person::new("bob")];
    for (person, size) in people.iter().zip([8 * MIB, 8 * MIB + 1]) {
        write_random(&person.home().join("same.bin"), size);
    }
    let mut putting =
        people.each_ref().map(|person| person.start(&server.link, &["--json", "put", "same.bin"]));
    let mut paths = Vec::new();
    for (person, putting) in people.iter().zip(&mut putting) {
        let path = putting.skip_to("finished")["path"].as_str().unwrap().to_owned();
        let (there, here) = (server.files().join(&path), person.home().join("same.bin"));
        assert_eq!(hash_of(&there), hash_of(&here), "{path}");
        assert_eq!(putting.exit_code(), Some(0));
        paths.push(path);
    }
    paths.sort();
    assert_eq!(paths, ["same (1).bin", "same.bin"]);
}
