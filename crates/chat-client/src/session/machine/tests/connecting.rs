//! Trust, greeting and login.

use super::*;
use crate::question::{Question, QuestionId};

#[test]
fn first_contact_sends_nothing_and_waits_for_trust() {
    let mut bench = Bench::new();
    bench.connect();
    bench.machine.handle_dial_error(bench.now, DialError::FirstContact(PIN));
    bench.collect();
    bench.check_events(&["connecting 1", "first contact"]);
    bench.wait(3600.0);
    bench.command(Command::Trust { pin: SpkiPin([9; 32]) });
    bench.check_deeds(&["dial false"]);
    assert_eq!(bench.frames, []);

    bench.command(Command::Trust { pin: PIN });
    bench.check_deeds(&["dial true"]);
    bench.connected();
    bench.greet();
    bench.check_events(&["connecting 1", "name? Lab"]);
    bench.check_deeds(&["remember"]);
}

#[test]
fn a_changed_key_ends_the_session_before_anything_is_sent() {
    let mut bench = Bench::new();
    bench.connect();
    bench.command(Command::LogIn { name: "bob".into(), password: Some("secret".into()) });
    let error = DialError::KeyChanged { expected: PIN, found: SpkiPin([2; 32]) };
    bench.machine.handle_dial_error(bench.now, error);
    bench.collect();
    bench.check_events(&["connecting 1", "key changed", "ended: key changed"]);
    assert_eq!(bench.frames, []);
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_refused_name_may_be_replaced_on_the_same_connection() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    bench.greet();
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::NameTaken);
    bench.command(Command::LogIn { name: "rob".into(), password: None });
    bench.welcome(false);
    bench.check_events(&[
        "connecting 1",
        "name? Lab",
        "refused NameTaken",
        "logged in rob false",
        "online rob",
        "files ",
    ]);
    bench.check_deeds(&["dial false", "remember", "keep rob 1"]);
}

#[test]
fn a_kept_token_is_shown_for_a_name_that_looks_the_same() {
    let mut bench = Bench::new();
    bench.connect();
    bench.command(Command::LogIn { name: "BOB".into(), password: None });
    let kept = KeptToken { name: "bob".into(), token: ResumeToken([7; 32]) };
    let other = KeptToken { name: "eve".into(), token: ResumeToken([8; 32]) };
    bench.machine.handle_connected(bench.now, PIN, vec![kept, other]);
    bench.collect();
    bench.greet();
    assert_eq!(bench.welcome(true), Some(7));
    bench.check_deeds(&["dial false", "remember", "keep BOB 8"]);
}

#[test]
fn a_person_who_types_slowly_costs_the_server_nothing() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    bench.greet();
    bench.forget();
    bench.tell(Say::Goodbye(wire::Goodbye {
        reason: GoodbyeReason::Idle.into(),
        retry_after_ms: 0,
        ..Default::default()
    }));
    bench.wait(3600.0);
    bench.check_events(&[]);
    bench.check_deeds(&["hang up"]);
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.check_deeds(&["dial true"]);
    bench.connected();
    bench.greet();
    bench.welcome(false);
    bench.check_events(&["connecting 1", "logged in bob false", "online bob", "files "]);
}

#[test]
fn another_protocol_version_ends_the_session() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::Version);
    bench.check_events(&["connecting 1", "ended: the server refused the connection"]);
}

#[test]
fn a_server_that_never_greets_is_given_up() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    bench.forget();
    bench.wait(31.0);
    bench.check_events(&["disconnected"]);
    bench.check_deeds(&["hang up"]);
}

/// What the next log-in shows: its invite, and what it shows as a resume token.
#[track_caller]
fn shown(bench: &mut Bench) -> (u64, Vec<u8>, Vec<u8>) {
    let (id, body) = bench.sent();
    let Ask::LogIn(log_in) = body else { panic!("{body:?}") };
    (id, log_in.invite.to_vec(), log_in.resume_token.to_vec())
}

fn invited(bench: &mut Bench) {
    let link = format!("simplechat://chat.lan/?fp={PIN}&inv=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
    bench.command(Command::Connect { server: link.parse().unwrap() });
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.connected();
    bench.greet();
}

#[test]
fn who_is_invited_shows_the_same_until_the_server_gives_something_to_show() {
    let mut bench = Bench::new();
    invited(&mut bench);
    let (_, invite, own) = shown(&mut bench);
    assert_eq!(invite, (0..24).collect::<Vec<u8>>());
    assert_eq!(own.len(), 32);
    // Kept before anything may break.
    bench.check_deeds(&["dial true", "remember", &format!("keep bob {}", own[0])]);
    bench.broken();
    bench.wait(60.0);
    bench.connected();
    bench.greet();
    let (_, invite_again, own_again) = shown(&mut bench);
    assert_eq!((invite_again, own_again), (invite, own));
}

#[test]
fn another_program_of_the_same_person_shows_what_was_kept() {
    let mut bench = Bench::new();
    let link = format!("simplechat://chat.lan/?fp={PIN}&inv=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
    bench.command(Command::Connect { server: link.parse().unwrap() });
    bench.command(Command::LogIn { name: "Bob".into(), password: None });
    let kept = KeptToken { name: "bob".into(), token: ResumeToken([7; 32]) };
    bench.machine.handle_connected(bench.now, PIN, vec![kept]);
    bench.collect();
    bench.greet();
    assert_eq!(shown(&mut bench).2, [7; 32]);
}

#[test]
fn who_registers_shows_the_invite_of_the_link() {
    let mut bench = Bench::new();
    invited(&mut bench);
    bench.welcome(false);
    bench.forget();
    let question = Question::Register { password: "secretive".into() };
    bench.command(Command::Ask { id: QuestionId(0), question });
    let (_, body) = bench.sent();
    let Ask::Register(register) = body else { panic!("{body:?}") };
    assert_eq!(register.invite.len(), 24);
}
