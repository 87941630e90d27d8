//! What was acknowledged outlives the server, however it ends.

use common::wire::server_frame::Body;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Client, ServerProcess, message, spawn_failing};

/// Sends a message under an id of that number; its number in the conversation.
#[track_caller]
fn accepted(client: &mut Client, to: &str, id: u8) -> u64 {
    match client.ask(message(to, "hello", [id; 16])) {
        Body::MessageAccepted(accepted) => accepted.seq,
        other => panic!("not accepted: {other:?}"),
    }
}

/// Ends the server as a power cut does, as far as a process can.
fn kill(server: ServerProcess) -> TempDir {
    server.signal(Signal::KILL);
    let (_, _, folder) = server.wait();
    folder
}

#[test]
fn numbers_go_on_after_a_kill_and_a_message_sent_again_is_recognised() {
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    assert_eq!(accepted(&mut ann, "#lobby", 1), 1);
    assert_eq!(accepted(&mut ann, "bob", 2), 1);
    assert_eq!(accepted(&mut bob, "ann", 3), 2);
    let server = ServerProcess::in_folder(kill(server), "", &[]);
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    ann.events();
    assert_eq!(accepted(&mut ann, "#lobby", 1), 1);
    assert_eq!(accepted(&mut bob, "ann", 3), 2);
    assert_eq!(ann.events(), [], "nothing appears twice");
    assert_eq!(accepted(&mut ann, "#lobby", 4), 2);
    assert_eq!(accepted(&mut ann, "bob", 5), 3);
}

#[test]
fn what_was_written_right_before_the_end_is_stored_and_answered() {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    let requests: Vec<u64> =
        (1..=5).map(|id| ann.send(message("#lobby", "hello", [id; 16]))).collect();
    // Until the server has read them.
    assert!(matches!(ann.answer_to(requests[0]), Body::MessageAccepted(_)));
    let (_, _, folder) = server.terminate();
    let answered: Vec<Body> = ann.read_to_end();
    let accepted_too =
        answered.iter().filter(|body| matches!(body, Body::MessageAccepted(_))).count() as u64;
    assert!(matches!(answered.last(), Some(Body::Goodbye(_))), "{answered:?}");
    let server = ServerProcess::in_folder(folder, "", &[]);
    let next = accepted(&mut server.log_in("bob"), "#lobby", 9);
    assert_eq!(next, accepted_too + 2, "stored is what was answered, and nothing else");
}

#[test]
fn one_data_folder_has_one_server() {
    let server = ServerProcess::start();
    let data = server.data();
    let folder = tempfile::tempdir().unwrap();
    let (status, error) = spawn_failing(folder.path(), "", &["--data", data.to_str().unwrap()]);
    assert!(!status.success());
    assert!(error.contains("another server uses this folder"), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    server.log_in("ann");
}

#[test]
fn a_log_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let log = folder.path().join("data/log.db");
    std::fs::write(&log, "x".repeat(5000)).unwrap();
    let (status, error) = spawn_failing(folder.path(), "", &[]);
    assert!(!status.success());
    assert!(error.contains("log.db: it is no file of this server"), "{error}");
    assert_eq!(std::fs::read(&log).unwrap().len(), 5000);
}
