//! Invites on the real program: made by who runs it, used once by one person, also when it is killed.

use common::invite_link::InviteLink;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode};

use crate::support::{Client, ServerProcess, logged_in, refusal};

const WITH_PASSWORD: &str = "access = \"password\"";

/// What a client sends that has no token of the server's yet, and whose own begins with `own`.
fn invited(name: &str, link: &InviteLink, own: u8) -> Ask {
    Ask::LogIn(wire::LogIn {
        name: name.into(),
        resume_token: vec![own; 32].into(),
        invite: link.token.unwrap().0.to_vec().into(),
        ..wire::LogIn::default()
    })
}

fn create(server: &ServerProcess, options: &[&str]) -> InviteLink {
    let line = server.order(&[&["invite", "create"], options].concat());
    line.trim_end().parse().unwrap()
}

/// Of the only invite that there is: its id, and how often it was used.
fn listed(server: &ServerProcess) -> (String, String) {
    let list = server.order(&["invite", "list"]);
    let fields: Vec<&str> = list.trim_end().split("  ").collect();
    (fields[0].to_owned(), fields[2].to_owned())
}

#[test]
fn a_link_is_made_listed_and_revoked_while_the_server_runs() {
    let server = ServerProcess::with_config(WITH_PASSWORD);
    assert_eq!(server.order(&["invite"]), format!("{}\n", server.link));
    let link = create(&server, &["--note", "tea\nparty", "--role", "moderator", "--uses", "3"]);
    let token = link.token;
    assert_eq!(InviteLink { token: None, ..link.clone() }, server.link);
    let list = server.order(&["invite", "list"]);
    assert!(list.contains("  moderator  0 of 3 used  until "), "{list}");
    assert!(list.contains("by the operator") && list.contains("(tea\\nparty)"), "{list}");
    let stored = std::fs::read(server.data().join("log.db-wal")).unwrap_or_default();
    let secret = &token.unwrap().0[8..];
    assert!(!stored.windows(16).any(|bytes| bytes == secret), "the log has the secret");

    let ann = logged_in(server.greet().ask(invited("ann", &link, 1)));
    let (id, used) = listed(&server);
    assert_eq!(used, "1 of 3 used");
    server.order(&["invite", "revoke", &id]);
    assert_eq!(server.order(&["invite", "list"]), "");
    let mut client = server.greet();
    assert_eq!(refusal(&client.ask(invited("bob", &link, 2))), RefusalCode::InviteUnknown);
    let server = server.kill_and_restart(WITH_PASSWORD);
    let answer = server.greet().resume("ann", &ann.resume_token);
    assert_eq!(refusal(&answer), RefusalCode::PasswordNeeded);
    let audit = server.order(&["audit"]);
    for told in [
        format!("the operator: made the invite {id}, moderator"),
        format!("ann: came in by an invite ({id})"),
        format!("the operator: revoked the invite {id}"),
    ] {
        assert!(audit.contains(&told), "{audit}");
    }
}

#[test]
fn what_makes_no_sense_is_said_in_one_line() {
    let server = ServerProcess::start();
    let check = |arguments: &[&str], expected: &str| {
        let (is_done, out, error) = server.operate(arguments);
        assert!(!is_done && out.is_empty(), "{arguments:?}: {out}");
        assert!(error.contains(expected), "{error}");
    };
    check(&["invite", "revoke", "tea"], "tea is no number of an invite");
    check(&["invite", "revoke", "01"], "no address, network, role or number");
    check(&["invite", "revoke", "0102030405060708"], "no invite 0102030405060708");
    check(&["invite", "create", "--note", &"x".repeat(257)], "at most 256 bytes");
    check(&["invite", "create", "--uses", "0"], "--uses");
    check(&["invite", "create", "--uses", "2", "--unlimited"], "--unlimited");
}

#[test]
fn a_server_killed_at_the_use_lets_the_same_person_in_and_nobody_else() {
    let mut server = ServerProcess::with_config(WITH_PASSWORD);
    // Before, while and after it is stored; whichever it is, the next start knows.
    for round in 0..4 {
        let (link, name) = (create(&server, &[]), format!("ann {round}"));
        let mut client = server.greet();
        let request = client.send(invited(&name, &link, round));
        if round % 2 == 1 {
            logged_in(client.answer_to(request));
        }
        server = server.kill_and_restart(WITH_PASSWORD);
        let again = logged_in(server.greet().ask(invited(&name, &link, round)));
        let (mut other, known) = (server.greet(), again.resume_token);
        assert_eq!(refusal(&other.ask(invited("bob", &link, 99))), RefusalCode::InviteUsedUp);
        server = server.kill_and_restart(WITH_PASSWORD);
        logged_in(server.greet().resume(&name, &known));
        let (id, used) = listed(&server);
        assert_eq!(used, "1 of 1 used");
        server.order(&["invite", "revoke", &id]);
    }
}

#[test]
fn of_many_who_come_for_the_last_use_one_is_let_in() {
    let server = ServerProcess::with_config(WITH_PASSWORD);
    let link = create(&server, &["--uses", "2", "--expires", "never"]);
    let mut clients: Vec<Client> = (0..8).map(|_| server.greet()).collect();
    let asked = clients.iter_mut().zip(0..);
    let asked: Vec<u64> =
        asked.map(|(it, n)| it.send(invited(&format!("guest {n}"), &link, n))).collect();
    let answers = clients.iter_mut().zip(asked).map(|(client, request)| client.answer_to(request));
    let (mut let_in, mut late) = (0, 0);
    for answer in answers {
        match answer {
            Body::LoggedIn(_) => let_in += 1,
            other => {
                assert_eq!(refusal(&other), RefusalCode::InviteUsedUp);
                late += 1;
            }
        }
    }
    assert_eq!((let_in, late), (2, 6));
    assert_eq!(listed(&server).1, "2 of 2 used");
}

#[test]
fn wrong_tokens_are_slowed_down_and_say_nothing() {
    let server = ServerProcess::with_config(WITH_PASSWORD);
    let link = create(&server, &[]);
    let mut wrong = link.clone();
    let mut client = server.greet();
    // The right invite with another secret, and one that there is not.
    for byte in [23, 0] {
        wrong.token.as_mut().unwrap().0[byte] ^= 1;
        assert_eq!(refusal(&client.ask(invited("ann", &wrong, 1))), RefusalCode::InviteUnknown);
    }
    assert_eq!(refusal(&client.ask(invited("ann", &link, 1))), RefusalCode::TooManyAttempts);
    logged_in(client.ask(invited("bob", &link, 1)));
}

#[test]
fn an_account_and_its_use_are_one_over_a_kill() {
    let config = "access = \"accounts\"\nregistration = false";
    let mut server = ServerProcess::with_config(config);
    let with_password = |link: &InviteLink, own| match invited("ann", link, own) {
        Ask::LogIn(log_in) => {
            Ask::LogIn(wire::LogIn { password: "correct horse".into(), ..log_in })
        }
        other => other,
    };
    let link = create(&server, &["--role", "moderator"]);
    let mut client = server.greet();
    let short = refusal(&client.ask(invited("ann", &link, 1)));
    assert_eq!(short, RefusalCode::PasswordTooShort);
    client.send(with_password(&link, 1));
    server = server.kill_and_restart(config);
    let ann = logged_in(server.greet().ask(with_password(&link, 1)));
    assert_eq!(ann.role(), wire::Role::Moderator);
    server = server.kill_and_restart(config);
    assert_eq!(server.order(&["user", "list"]), "ann  moderator\n");
    assert_eq!(listed(&server).1, "1 of 1 used");
}
