//! Connections that break: the server restarts, a client is killed.

use crate::support::{Person, Server};

#[test]
fn a_killed_server_that_comes_back_is_found_again() {
    let mut server = Server::start();
    let ann = Person::new("ann");
    let ann = ann.listen(&server.link);
    server.kill();
    ann.expect("disconnected");
    server.start_again();
    ann.expect("connected");
    Person::new("bob").run(&server.link, &["send", "welcome back"]).check(0, &[]);
    assert_eq!(ann.skip_to("message")["text"], "welcome back");
}

#[test]
fn a_server_that_says_goodbye_is_found_again() {
    let mut server = Server::start();
    let ann = Person::new("ann");
    let ann = ann.listen(&server.link);
    server.stop();
    let gone = ann.expect("disconnected");
    assert!(gone["reason"].as_str().unwrap().contains("shutting down"), "{gone}");
    server.start_again();
    ann.expect("connected");
    assert_eq!(ann.interrupt(), Some(130));
}

#[test]
fn a_ghost_keeps_nobody_from_their_own_name() {
    let server = Server::start();
    let ann = Person::new("ann");
    let watcher = Person::new("bob");
    let watcher = watcher.listen(&server.link);
    ann.listen(&server.link).kill();
    watcher.expect("joined");
    // The same person with the same home takes over at once, unseen by others.
    let again = ann.listen(&server.link);
    Person::new("ann").run(&server.link, &["online"]).check(3, &["taken"]);
    assert_eq!(again.interrupt(), Some(130));
    assert_eq!(watcher.expect("left")["connection_lost"], false);
}

#[test]
fn a_message_sent_while_the_server_is_away_arrives_once_it_is_back() {
    use std::io::Write;

    let mut server = Server::start();
    let bob = Person::new("bob");
    let (mut sender, mut input) = bob.start_with_input(&server.link, &["--json", "send", "-"]);
    writeln!(input, "before").unwrap();
    sender.expect("accepted");
    server.kill();
    writeln!(input, "while away").unwrap();
    drop(input);
    server.start_again();
    sender.expect("accepted");
    assert_eq!(sender.exit_code(), Some(0));
}
