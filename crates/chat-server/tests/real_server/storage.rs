//! What was acknowledged outlives the server, however it ends.

use std::sync::Barrier;
use std::thread;

use common::conversation::Conversation;
use common::limits::TEXT_BYTES_MAX;
use common::wire;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Client, ServerProcess, logged_in, message, refusal, spawn_failing};

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

/// What gathers while the disk is waited for is more than an outbox holds.
#[test]
fn who_reads_is_not_too_slow_for_a_large_commit() {
    const WRITERS: u8 = 30;
    const EACH: u8 = 8;
    let server = ServerProcess::start();
    let mut bob = server.log_in("bob");
    let writers: Vec<Client> = (0..WRITERS).map(|n| server.log_in(&format!("ann{n}"))).collect();
    let start = Barrier::new(writers.len());
    let text = "x".repeat(TEXT_BYTES_MAX);
    let mut received = 0;
    thread::scope(|scope| {
        for mut writer in writers {
            let (start, text) = (&start, &text);
            scope.spawn(move || {
                start.wait();
                let sent = (0..EACH).map(|id| writer.send(message("bob", text, [id; 16])));
                let sent: Vec<u64> = sent.collect();
                for request in sent {
                    assert!(matches!(writer.answer_to(request), Body::MessageAccepted(_)));
                }
            });
        }
        while received < usize::from(WRITERS) * usize::from(EACH) {
            match bob.event() {
                Body::Message(_) => received += 1,
                Body::Goodbye(goodbye) => panic!("after {received} messages: {goodbye:?}"),
                _ => {}
            }
        }
    });
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

fn read(conversation: &str, after_seq: u64, before_seq: u64) -> Ask {
    let conversation = Conversation::from_text(conversation).to_wire();
    let conversation = Some(conversation);
    Ask::ReadHistory(wire::ReadHistory { conversation, after_seq, before_seq, limit: 0 })
}

/// The numbers and texts of a page of history.
#[track_caller]
fn page(client: &mut Client, conversation: &str, after_seq: u64) -> Vec<(u64, String)> {
    match client.ask(read(conversation, after_seq, 0)) {
        Body::HistoryPage(page) => {
            page.messages.into_iter().map(|message| (message.seq, message.text)).collect()
        }
        other => panic!("no history: {other:?}"),
    }
}

fn texts(texts: &[&str]) -> Vec<(u64, String)> {
    (1..).zip(texts.iter().map(|text| (*text).to_owned())).collect()
}

#[test]
fn history_is_everybodys_in_the_lobby_and_two_peoples_in_private() {
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.greet(), server.greet());
    let (ann_token, bob_token) = (ann.log_in("ann").resume_token, bob.log_in("bob").resume_token);
    ann.say("#lobby", "hello");
    ann.say("bob", "psst");
    bob.say("ann", "what?");
    let (_, _, folder) = server.terminate();
    let server = ServerProcess::in_folder(folder, "", &[]);
    let (mut again, mut thief) = (server.greet(), server.greet());
    logged_in(again.resume("ann", &ann_token));
    assert_eq!(page(&mut again, "#lobby", 0), texts(&["hello"]));
    assert_eq!(page(&mut again, "@bob", 0), texts(&["psst", "what?"]));
    assert_eq!(page(&mut again, "@bob", 1)[0], (2, "what?".to_owned()));
    // The name is free, and ann's token is no proof for it.
    logged_in(thief.resume("bob", &ann_token));
    assert_eq!(page(&mut thief, "@ann", 0), []);
    assert_eq!(page(&mut thief, "#lobby", 0), texts(&["hello"]));
    again.say("bob", "are you there?");
    assert_eq!(page(&mut thief, "@ann", 0), [(3, "are you there?".to_owned())]);
    thief.send(Ask::LogOut(wire::LogOut {}));
    thief.read_to_end();
    let mut bob = server.greet();
    logged_in(bob.resume("bob", &bob_token));
    assert_eq!(page(&mut bob, "@ann", 0), texts(&["psst", "what?"]));
}

#[test]
fn pages_are_bounded_and_add_up() {
    let server = ServerProcess::with_config("[limits]\nmessages_burst = 1000\n");
    let mut ann = server.log_in("ann");
    (0..450).for_each(|_| drop(ann.say("#lobby", "hello")));
    let (mut seen, mut more) = (Vec::new(), true);
    while more {
        let after = seen.last().copied().unwrap_or_default();
        let Body::HistoryPage(page) = ann.ask(read("#lobby", after, 0)) else { panic!() };
        assert!(page.messages.len() <= 200);
        seen.extend(page.messages.iter().map(|message| message.seq));
        more = page.more;
    }
    assert_eq!(seen, (1..=450).collect::<Vec<u64>>());
    let Body::HistoryPage(last) = ann.ask(read("#lobby", 0, u64::MAX)) else { panic!() };
    let last: Vec<u64> = last.messages.iter().map(|message| message.seq).collect();
    assert_eq!(last, (251..=450).collect::<Vec<u64>>());
}

#[test]
fn a_disk_that_takes_nothing_refuses_every_message_until_it_takes_them_again() {
    let server = ServerProcess::with_failing_disk("[limits]\nmessages_burst = 1000\n");
    let (mut ann, mut bob) = (server.log_in("ann"), server.log_in("bob"));
    assert_eq!(ann.events().len(), 1, "bob has joined");
    assert_eq!(accepted(&mut ann, "#lobby", 1), 1);
    assert_eq!(bob.events().len(), 1);
    server.limit_files(Some(1));
    // Several at once: those behind the first one fail with it.
    let requests: Vec<u64> =
        (2..=6).map(|id| ann.send(message("#lobby", "lost", [id; 16]))).collect();
    for request in requests {
        assert_eq!(refusal(&ann.answer_to(request)), wire::RefusalCode::StorageFailed);
    }
    assert_eq!(bob.events(), [], "what is not stored reaches nobody");
    server.limit_files(None);
    // The same message again is a new one: it was not stored.
    assert_eq!(accepted(&mut ann, "#lobby", 2), 2);
    assert_eq!(accepted(&mut bob, "#lobby", 7), 3);
    let server = ServerProcess::in_folder(kill(server), "", &[]);
    let seqs: Vec<u64> =
        page(&mut server.log_in("cy"), "#lobby", 0).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}
