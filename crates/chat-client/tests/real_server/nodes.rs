//! Downloads from a `file-server`: a process that shares a key with the chat server and nothing else.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use crate::files::{hash_of, wait_for_file, write_random};
use crate::support::{Node, Person, Server};

const BYTES: usize = 8 * 1024 * 1024 + 1;

/// The same version in both folders, as a mirror keeps it: equal bytes and equal time.
fn put_same_file(server: &Server, node: &Node) -> String {
    let here = server.files().join("data.bin");
    let hash = write_random(&here, BYTES);
    let there = node.files().join("data.bin");
    std::fs::copy(&here, &there).unwrap();
    let modified: SystemTime = here.metadata().unwrap().modified().unwrap();
    File::options().write(true).open(&there).unwrap().set_modified(modified).unwrap();
    hash
}

#[track_caller]
fn check_download_from(server: &Server, hash: &str, transport: &str) {
    let bob = Person::new("bob");
    wait_for_file(&bob, server, "data.bin");
    let got = bob.run(&server.link, &["--json", "get", "data.bin", "--transport", transport]);
    got.check(0, &[]);
    let finished = got.events().pop().unwrap();
    assert_eq!(finished["transport"], transport);
    assert_eq!(finished["blake3"], hash);
    assert_eq!(hash_of(Path::new(finished["path"].as_str().unwrap())), hash);
}

#[test]
fn a_node_of_its_own_serves_over_udp_and_over_tcp() {
    let node = Node::start();
    let server = Server::start_with(&node.config());
    let hash = put_same_file(&server, &node);
    check_download_from(&server, &hash, "udp");
    check_download_from(&server, &hash, "tcp");
}

#[test]
fn a_node_with_another_version_of_the_file_sends_nothing_of_it() {
    let node = Node::start();
    let server = Server::start_with(&node.config());
    put_same_file(&server, &node);
    write_random(&node.files().join("data.bin"), BYTES + 1);
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "data.bin");
    let got = bob.run(&server.link, &["--json", "get", "data.bin"]);
    assert_ne!(got.code, Some(0));
    assert_eq!(got.events().pop().unwrap()["event"], "failed");
    let left: Vec<_> =
        std::fs::read_dir(bob.home()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("data.bin")), "{left:?}");
}

#[test]
fn a_node_with_another_key_gets_no_trust() {
    let node = Node::start();
    let stranger = Node::start();
    let server = Server::start_with(&node.config_at(stranger.address()));
    put_same_file(&server, &stranger);
    let bob = Person::new("bob");
    wait_for_file(&bob, &server, "data.bin");
    let got = bob.run(&server.link, &["--json", "get", "data.bin", "--transport", "tcp"]);
    assert_ne!(got.code, Some(0));
    assert_eq!(got.events().pop().unwrap()["event"], "failed");
}
