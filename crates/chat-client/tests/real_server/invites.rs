//! Links that invite: printed by the server's command or the command line's, and opened by somebody else.

use crate::support::{Person, Server};

const WITH_PASSWORD: &str = "access = \"password\"";

#[test]
fn the_operators_link_lets_one_person_in_who_then_needs_it_no_more() {
    let mut server = Server::start_with(WITH_PASSWORD);
    let link = server.order(&["invite", "create"]);
    let link = link.trim_end();
    let (bob, eve) = (Person::new("bob"), Person::new("eve"));
    bob.run(&server.link, &["online"]).check(3, &["password is needed"]);
    bob.run(link, &["send", "hello"]).check(0, &[]);
    eve.run(link, &["online"]).check(3, &["been used", "new link"]);
    bob.run(link, &["online"]).check(0, &["bob"]);
    server.kill();
    server.start_again();
    bob.run(&server.link, &["online"]).check(0, &["bob"]);
    // Who lost what the computer kept is somebody else.
    Person::new("bob").run(link, &["online"]).check(3, &["been used"]);
    let half = &link[..link.len() - 4];
    eve.run(half, &["online"]).check(2, &["no invite link", "whole link"]);
}

#[test]
fn a_client_that_is_killed_at_the_log_in_is_known_when_it_comes_again() {
    let server = Server::start_with(WITH_PASSWORD);
    let link = server.order(&["invite", "create"]);
    let bob = Person::new("bob");
    // Wherever it was by then: nothing said, the use asked for, or in.
    for _ in 0..4 {
        let mut child = bob.spawn(link.trim_end(), &["listen"]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    bob.listen(link.trim_end()).kill();
    bob.listen(link.trim_end()).kill();
    let list = server.order(&["invite", "list"]);
    assert!(list.contains("  1 of 1 used  "), "{list}");
}

#[test]
fn a_moderator_invites_and_the_link_makes_an_account() {
    let server = Server::start_with("access = \"accounts\"\nregistration = false");
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let secret = ann.home().join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let file = secret.to_str().unwrap();
    server.order(&["user", "add", "ann", "--role", "moderator", "--password-file", file]);
    let create = ["--password-file", file, "--json", "invite", "create", "--note", "for bob"];
    let made = ann.run(&server.link, &create);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let (link, id) = (made["link"].as_str().unwrap(), made["id"].as_str().unwrap());
    ann.run(&server.link, &["invite", "create", "--role", "admin"]).check(3, &["not allowed"]);

    let register = ["register", "--new-password-file", file];
    bob.run(link, &["online"]).check(3, &["password", "8 characters"]);
    bob.run(link, &register).check(0, &["an account now"]);
    assert_eq!(server.order(&["user", "list"]), "ann  moderator\nbob  member\n");
    // Said once more, it is done already.
    bob.run(link, &register).check(0, &["an account now"]);
    bob.run(&server.link, &["online"]).check(0, &["bob"]);
    bob.run(&server.link, &["invite", "list"]).check(3, &["not allowed"]);

    ann.run(&server.link, &["invite", "list"]).check(0, &["member  1 of 1 used", "(for bob)"]);
    Person::new("eve").run(link, &register).check(3, &["been used"]);
    ann.run(&server.link, &["invite", "revoke", id]).check(0, &["Done"]);
    ann.run(&server.link, &["invite", "revoke", id]).check(3, &["no invite", id]);
    Person::new("eve").run(link, &register).check(3, &["revoked", "new link"]);
}

#[test]
fn a_guest_becomes_what_the_invite_says() {
    let server = Server::start();
    let link = server.order(&["invite", "create", "--role", "moderator"]);
    let bob = Person::new("bob");
    let secret = bob.home().join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let file = secret.to_str().unwrap();
    bob.run(link.trim_end(), &["register", "--new-password-file", file]).check(0, &["an account"]);
    assert_eq!(server.order(&["user", "list"]), "bob  moderator\n");
}
