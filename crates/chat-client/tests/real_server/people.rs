//! Accounts, rooms and keeping order, on the command line and by the session behind it.

use std::path::{Path, PathBuf};

use crate::support::{Person, Server};

/// A file with a password in the person's home.
fn password(person: &Person, text: &str) -> PathBuf {
    let path = person.home().join(format!("password of {text}"));
    std::fs::write(&path, format!("{text}\n")).unwrap();
    path
}

/// The same words behind a password.
fn with<'a>(password: &'a Path, words: &[&'a str]) -> Vec<&'a str> {
    [&["--password-file", password.to_str().unwrap()], words].concat()
}

#[test]
fn an_account_is_made_used_elsewhere_and_its_password_changed() {
    let server = Server::start();
    let (ann, elsewhere) = (Person::new("ann"), Person::new("Ann"));
    let (old, new) = (password(&ann, "correct horse"), password(&ann, "battery staple"));
    let register = |file: &PathBuf| file.to_str().unwrap().to_owned();
    let short = password(&ann, "short");
    ann.run(&server.link, &["register", "--new-password-file", &register(&short)])
        .check(3, &["at least 8"]);
    ann.run(&server.link, &["register", "--new-password-file", &register(&old)])
        .check(0, &["needs its password"]);
    // This computer is known.
    ann.run(&server.link, &["send", "hi"]).check(0, &[]);
    elsewhere.run(&server.link, &["send", "hi"]).check(3, &["A password is needed"]);
    elsewhere.run(&server.link, &with(&new, &["send", "hi"])).check(3, &["password is wrong"]);
    elsewhere.run(&server.link, &with(&old, &["send", "hi"])).check(0, &[]);
    let devices = ann.run(&server.link, &["--json", "devices"]).events();
    assert_eq!(devices.len(), 2);
    assert_eq!((&devices[0]["this"], &devices[1]["this"]), (&true.into(), &false.into()));

    let change = ["passwd", "--new-password-file", &register(&new)].map(str::to_owned);
    let change: Vec<&str> = change.iter().map(String::as_str).collect();
    ann.run(&server.link, &change).check(2, &["--password-file"]);
    ann.run(&server.link, &with(&old, &change)).check(0, &["is changed"]);
    elsewhere.run(&server.link, &["send", "hi"]).check(3, &["A password is needed"]);
    elsewhere.run(&server.link, &with(&new, &["send", "hi"])).check(0, &[]);
    let devices = ann.run(&server.link, &["--json", "devices"]).events();
    let other = devices.iter().find(|it| it["this"] == false).unwrap()["id"].as_str().unwrap();
    ann.run(&server.link, &["remove-device", other]).check(0, &["forgotten"]);
    ann.run(&server.link, &["remove-device", other]).check(4, &["not known"]);
    elsewhere.run(&server.link, &["send", "hi"]).check(3, &["A password is needed"]);
}

/// Two programs of one account: both hear everything once, what the other one writes too.
#[test]
fn two_devices_of_one_person_hear_the_same_each_message_once() {
    let mut server = Server::start();
    let (ann, laptop, bob) = (Person::new("ann"), Person::new("ann"), Person::new("bob"));
    let secret = password(&ann, "correct horse");
    let register = ["register", "--new-password-file", secret.to_str().unwrap()];
    ann.run(&server.link, &register).check(0, &[]);
    laptop.run(&server.link, &with(&secret, &["online"])).check(0, &["ann"]);
    let bob_hears = bob.listen(&server.link);
    let (here, there) = (ann.listen(&server.link), laptop.listen(&server.link));
    let texts = |text: &str| {
        for listener in [&here, &there] {
            assert_eq!(listener.skip_to("message")["text"], text);
        }
    };
    let say = |server: &Server, words: &[&str]| {
        let words = [&["send"], words].concat();
        laptop.run(&server.link, &words).check(0, &[]);
    };
    // A third program, beside those two: what it writes comes to both.
    say(&server, &["--to", "bob", "one"]);
    texts("one");
    assert_eq!(bob_hears.skip_to("message")["conversation"], "@ann");
    say(&server, &["two"]);
    texts("two");
    server.kill();
    server.start_again();
    for listener in [&here, &there, &bob_hears] {
        listener.skip_to("disconnected");
        listener.skip_to("connected");
    }
    say(&server, &["--to", "bob", "three"]);
    texts("three");
    let everything = laptop.run(&server.link, &["--json", "history", "@bob", "--all"]).events();
    let numbers: Vec<_> = everything.iter().map(|it| it["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_room_begins_where_one_comes_in_and_its_past_is_read_on_demand() {
    let server = Server::start();
    let (ann, bob, eve) = (Person::new("ann"), Person::new("bob"), Person::new("eve"));
    ann.run(&server.link, &["room", "create", "#attic", "--private", "--topic", "Dust"])
        .check(0, &["#attic  1 person  private  moderator  Dust"]);
    ann.run(&server.link, &["send", "--to", "#attic", "before"]).check(0, &[]);
    bob.run(&server.link, &["room", "join", "attic"]).check(4, &["no room “attic”"]);
    let hears = bob.listen(&server.link);
    ann.run(&server.link, &["room", "add", "attic", "bob"]).check(0, &["Done"]);
    assert_eq!(hears.skip_to("room_joined")["room"], "#attic");
    ann.run(&server.link, &["send", "--to", "#attic", "after"]).check(0, &[]);
    let message = hears.skip_to("message");
    assert_eq!((&message["text"], &message["seq"]), (&"after".into(), &2.into()));
    assert_eq!(hears.interrupt(), Some(130));
    bob.run(&server.link, &["history", "#attic"]).check(0, &["before", "after"]);
    bob.run(&server.link, &["rooms"]).check(0, &["#attic  2 people  private  joined  Dust"]);
    bob.run(&server.link, &["room", "members", "attic"])
        .check(0, &["ann  moderator", "bob  online"]);
    eve.run(&server.link, &["rooms"]).check(0, &[]);
    eve.run(&server.link, &["history", "#attic"]).check(4, &["no room"]);
    bob.run(&server.link, &["room", "change", "attic", "--topic", "x"]).check(3, &["not allowed"]);
    ann.run(&server.link, &["room", "change", "attic", "--private", "false"]).check(0, &[]);
    eve.run(&server.link, &["send", "--to", "#attic", "hi"]).check(3, &["Join it first"]);
    eve.run(&server.link, &["room", "join", "attic"]).check(0, &["#attic  3 people  joined"]);
    eve.run(&server.link, &["send", "--to", "#attic", "hi"]).check(0, &[]);
    eve.run(&server.link, &["room", "leave", "attic"]).check(0, &["Done"]);
    eve.run(&server.link, &["room", "leave", "attic"]).check(3, &["not in the room"]);
    ann.run(&server.link, &["room", "remove", "attic"]).check(0, &["Done"]);
    ann.run(&server.link, &["history", "#attic"]).check(4, &["no room"]);
}
