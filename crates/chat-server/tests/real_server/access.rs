//! Who may come in: the join password, given by the operator or made by the server.

use std::os::unix::fs::PermissionsExt;

use common::wire::server_frame::Body;
use common::wire::{self, RefusalCode};

use crate::support::{Client, ServerProcess, check_refused, refusal};

fn log_in_with(client: &mut Client, name: &str, password: &str) -> Body {
    let (name, password) = (name.to_owned(), password.to_owned());
    client.ask(wire::client_frame::Body::LogIn(wire::LogIn {
        name,
        password,
        ..Default::default()
    }))
}

#[test]
fn a_join_password_is_asked_for_and_guessing_is_slowed_down() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "correct horse\n").unwrap();
    let config = "access = \"password\"\njoin_password_file = \"password\"";
    let server = ServerProcess::in_folder(folder, config, &[]);
    let mut client = server.connect();
    let hello = wire::Hello { version_min: 1, version_max: 1, agent: String::new() };
    let Body::ServerHello(hello) = client.ask(wire::client_frame::Body::Hello(hello)) else {
        panic!("no hello")
    };
    assert_eq!(hello.access(), wire::Access::Password);
    let mut log_in = |name: &str, password: &str| log_in_with(&mut client, name, password);
    // None is no guess.
    assert_eq!(refusal(&log_in("ann", "")), RefusalCode::PasswordNeeded);
    for guess in ["horse", "correct"] {
        assert_eq!(refusal(&log_in("ann", guess)), RefusalCode::WrongPassword);
    }
    let Body::Refused(refused) = log_in("ann", "correct horse") else { panic!("no delay") };
    assert_eq!(refused.code(), RefusalCode::TooManyAttempts);
    assert!(refused.time_ms > 0);
    assert!(matches!(log_in("bob", "correct horse"), Body::LoggedIn(_)));
}

#[test]
fn a_join_password_that_is_named_must_be_readable() {
    let missing = ["--access", "password", "--join-password-file", "/nonexistent/password"];
    check_refused("", &missing, "/nonexistent/password: No such file");
}

/// What a start says of a password that it made.
fn told_password(log: &str) -> Option<&str> {
    let (_, told) = log.split_once("The join password is ")?;
    told.split_once(':').map(|(password, _)| password)
}

#[test]
fn a_server_for_others_makes_a_password_and_tells_it_once() {
    let arguments = ["--listen", "0.0.0.0:0"];
    let server = ServerProcess::with_config_and_arguments("", &arguments);
    let file = server.data().join("join-password");
    let password = std::fs::read_to_string(&file).unwrap().trim_end().to_owned();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(refusal(&server.greet().try_log_in("ann")), RefusalCode::PasswordNeeded);
    assert!(matches!(log_in_with(&mut server.greet(), "ann", &password), Body::LoggedIn(_)));
    let (_, log, folder) = server.terminate();
    assert_eq!(told_password(&log), Some(password.as_str()));

    let server = ServerProcess::in_folder(folder, "", &arguments);
    assert!(matches!(log_in_with(&mut server.greet(), "ann", &password), Body::LoggedIn(_)));
    let (_, log, _) = server.terminate();
    assert_eq!(told_password(&log), None);
    assert!(log.contains("join-password") && !log.contains(&password), "{log}");
}

#[test]
fn everybody_on_the_network_is_let_in_only_when_said_so() {
    let open = ["--listen", "0.0.0.0:0", "--access", "open"];
    check_refused("", &open, "--allow-open-network");
    ServerProcess::with_config_and_arguments(
        "",
        &["--listen", "0.0.0.0:0", "--allow-open-network"],
    );
}
