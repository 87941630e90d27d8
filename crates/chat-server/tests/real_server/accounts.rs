//! Accounts on the real program: made by the operator or by oneself, over restarts, on several devices.

use common::conversation::Conversation;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode, Role};

use crate::support::{Client, ServerProcess, logged_in, refusal};

fn log_in(client: &mut Client, name: &str, password: &str, token: &[u8]) -> Body {
    client.ask(Ask::LogIn(wire::LogIn {
        name: name.into(),
        password: password.into(),
        resume_token: token.to_vec().into(),
        ..wire::LogIn::default()
    }))
}

/// The password that `user add` made.
fn made_password(told: &str) -> String {
    let (_, password) = told.trim_end().rsplit_once(' ').unwrap();
    password.to_owned()
}

#[test]
fn an_account_outlives_the_server_and_its_token_is_the_devices() {
    let server = ServerProcess::start();
    let password = made_password(&server.order(&["user", "add", "ann", "--role", "moderator"]));
    let mut client = server.greet();
    assert_eq!(refusal(&log_in(&mut client, "ann", "", &[])), RefusalCode::PasswordNeeded);
    assert_eq!(refusal(&log_in(&mut client, "Ann", "guess", &[])), RefusalCode::WrongPassword);
    let first = logged_in(log_in(&mut client, "ANN", &password, &[]));
    assert_eq!((first.name.as_str(), first.role()), ("ann", Role::Moderator));

    // Stored before anybody hears of what is said afterwards.
    assert!(matches!(client.say("#lobby", "hi"), Body::MessageAccepted(_)));
    let server = server.kill_and_restart("");
    let again = logged_in(log_in(&mut server.greet(), "ann", "", &first.resume_token));
    assert_eq!((again.role(), &again.resume_token), (Role::Moderator, &first.resume_token));
    assert_eq!(server.order(&["user", "list"]), "ann  moderator  online\n");

    server.order(&["user", "role", "ann", "admin"]);
    server.order(&["user", "passwd", "ann"]);
    let server = server.kill_and_restart("");
    let answer = log_in(&mut server.greet(), "ann", "", &first.resume_token);
    assert_eq!(refusal(&answer), RefusalCode::PasswordNeeded);
    assert_eq!(server.order(&["user", "list"]), "ann  admin\n");

    server.order(&["user", "remove", "ann"]);
    let server = server.kill_and_restart("");
    assert_eq!(logged_in(log_in(&mut server.greet(), "ann", "", &[])).role(), Role::Guest);
}

#[test]
fn a_guest_registers_and_keeps_what_was_written_to_them() {
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    assert!(matches!(bob.say("ann", "before"), Body::MessageAccepted(_)));
    let register = wire::Register { password: "correct horse".into(), ..Default::default() };
    assert!(matches!(ann.ask(Ask::Register(register.clone())), Body::Done(_)));
    assert_eq!(refusal(&ann.ask(Ask::Register(register))), RefusalCode::AccountExists);
    drop(ann);

    // Away, and then on another machine, which has no token.
    assert!(matches!(bob.say("ann", "after"), Body::MessageAccepted(_)));
    let server = server.kill_and_restart("");
    let mut ann = server.greet();
    assert_eq!(logged_in(log_in(&mut ann, "ann", "correct horse", &[])).role(), Role::Member);
    let wanted = wire::ReadHistory {
        conversation: Some(Conversation::User("bob".into()).to_wire()),
        ..wire::ReadHistory::default()
    };
    let Body::HistoryPage(page) = ann.ask(Ask::ReadHistory(wanted)) else { panic!("no page") };
    let texts: Vec<_> = page.messages.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["before", "after"]);
}

#[test]
fn where_accounts_are_needed_nobody_else_comes_in() {
    let config = "access = \"accounts\"";
    let server = ServerProcess::with_config(config);
    let password = made_password(&server.order(&["user", "add", "ann"]));
    let mut client = server.greet();
    assert_eq!(refusal(&log_in(&mut client, "bob", "", &[])), RefusalCode::PasswordNeeded);
    assert_eq!(refusal(&log_in(&mut client, "bob", &password, &[])), RefusalCode::WrongPassword);
    logged_in(log_in(&mut client, "ann", &password, &[]));
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let server = ServerProcess::start();
    server.order(&["user", "add", "ann"]);
    let check = |arguments: &[&str], expected: &str| {
        let (is_done, out, error) = server.operate(arguments);
        assert!(!is_done && out.is_empty(), "{arguments:?}: {out}");
        assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "{error}");
    };
    check(&["user", "add", "Ann"], "there is an account “ann” already");
    check(&["user", "add", "admin"], "reserved");
    check(&["user", "passwd", "bob"], "no account “bob”");
    check(&["kick", "bob"], "nobody called “bob” is there");
    check(&["unban", "bob"], "no such ban or mute of “bob”");
    check(&["ban", "10.0.0.0/99"], "no address");
    let folder = server.terminate().2;
    let nowhere = std::process::Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["user", "list", "--data"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let error = String::from_utf8(nowhere.stderr).unwrap();
    assert!(!nowhere.status.success() && error.contains("no server runs"), "{error}");
}

#[test]
fn only_the_operator_is_heard_at_the_socket() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let server = ServerProcess::start();
    let socket = server.data().join("admin.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become another user");
        return;
    }
    // Even where the file's mode lets others connect.
    for (path, mode) in [(server.folder(), 0o755), (server.data(), 0o755), (socket, 0o666)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let program = server.folder().join("chat-server");
    std::fs::copy(env!("CARGO_BIN_EXE_chat-server"), &program).unwrap();
    let mut as_nobody = std::process::Command::new(program);
    as_nobody.args(["user", "add", "mallory", "--role", "admin", "--data"]).arg(server.data());
    let output = as_nobody.uid(65534).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(server.order(&["user", "list"]), "");
}

#[test]
fn many_wrong_passwords_at_once_leave_the_chat_alive() {
    let server = ServerProcess::start();
    let password = made_password(&server.order(&["user", "add", "ann"]));
    let mut bob = server.log_in("bob");
    let mut crowd: Vec<Client> = (0..20).map(|_| server.greet()).collect();
    let mut asked = Vec::new();
    for client in &mut crowd {
        let log_in =
            wire::LogIn { name: "ann".into(), password: "guess".into(), ..wire::LogIn::default() };
        asked.push(client.send(Ask::LogIn(log_in)));
    }
    // One guess is looked at; the others are asked to wait.
    assert!(matches!(bob.say("#lobby", "hi"), Body::MessageAccepted(_)));
    let answers: Vec<_> =
        crowd.iter_mut().zip(asked).map(|(it, asked)| refusal(&it.answer_to(asked))).collect();
    let looked_at = answers.iter().filter(|code| **code == RefusalCode::WrongPassword).count();
    assert!((1..=2).contains(&looked_at), "{answers:?}");
    drop(crowd);
    let mut ann = server.greet();
    let answer = log_in(&mut ann, "ann", &password, &[]);
    assert!(matches!(answer, Body::LoggedIn(_) | Body::Refused(_)));
}
