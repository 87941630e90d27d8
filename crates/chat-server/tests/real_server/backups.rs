//! `backup`, `restore` and `export` beside a server that is written to.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::wire::server_frame::Body;
use serde_json::Value;

use crate::support::{Client, ServerProcess, message, spawn_failing};

const FAST: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000";

const WRITERS: u8 = 3;

const BACKUPS: usize = 4;

fn program(arguments: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command.args(arguments).arg("--data").arg(data).env_remove("STATE_DIRECTORY").output().unwrap()
}

/// Text → the number that it was told to have.
type Accepted = BTreeMap<String, u64>;

/// Writes until told to stop, and notes what is acknowledged.
fn write_on(client: &mut Client, writer: u8, accepted: &Mutex<Accepted>, stop: &AtomicBool) {
    for n in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut id = [writer; 16];
        id[8..].copy_from_slice(&n.to_be_bytes());
        let text = format!("{writer} says\n{n}");
        match client.ask(message("#lobby", &text, id)) {
            Body::MessageAccepted(it) => {
                assert_eq!(accepted.lock().unwrap().insert(text, it.seq), None);
            }
            other => panic!("not accepted: {other:?}"),
        }
    }
}

/// What is stored, by text.
fn exported(data: &Path) -> Accepted {
    let output = program(&["export"], data);
    assert!(output.status.success(), "{output:?}");
    let mut stored = Accepted::new();
    for (index, line) in std::str::from_utf8(&output.stdout).unwrap().lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["number"], index + 1, "dense, oldest first");
        let text = line["text"].as_str().unwrap().to_owned();
        let before = stored.insert(text, line["seq"].as_u64().unwrap());
        assert_eq!(before, None, "stored twice: {line}");
    }
    stored
}

#[test]
fn what_was_acknowledged_before_a_backup_is_in_it_once() {
    let server = ServerProcess::with_config(FAST);
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let stop = AtomicBool::new(false);
    let accepted = Mutex::new(Accepted::new());
    let mut clients: Vec<Client> = (0..WRITERS).map(|n| server.log_in(&format!("w{n}"))).collect();
    let before = thread::scope(|scope| {
        for (client, n) in clients.iter_mut().zip(0..) {
            let (accepted, stop) = (&accepted, &stop);
            scope.spawn(move || write_on(client, n, accepted, stop));
        }
        // Several while they write: each copy is of one moment.
        let mut before = Accepted::new();
        for n in 0..BACKUPS {
            while accepted.lock().unwrap().len() <= before.len() {
                thread::yield_now();
            }
            before = accepted.lock().unwrap().clone();
            let target =
                if n + 1 == BACKUPS { &backup } else { &folder.path().join(n.to_string()) };
            let output = program(&["backup", target.to_str().unwrap()], &server.data());
            assert!(output.status.success(), "{output:?}");
        }
        stop.store(true, Ordering::Relaxed);
        before
    });
    let all = accepted.into_inner().unwrap();
    let restored = folder.path().join("restored");
    let output = program(&["restore", backup.to_str().unwrap()], &restored);
    assert!(output.status.success(), "{output:?}");
    let stored = exported(&restored);
    assert!(before.keys().all(|text| stored.contains_key(text)), "acknowledged before it began");
    for (text, seq) in &stored {
        assert_eq!(all.get(text), Some(seq), "{text}");
    }
    let pin = server.link.pin;
    drop(server);
    // It is a data folder like any other, with the same key, and goes on where it was.
    let home = tempfile::tempdir().unwrap();
    let server = ServerProcess::in_folder(home, "", &["--data", restored.to_str().unwrap()]);
    assert_eq!(server.link.pin, pin);
    let next = match server.log_in("bob").ask(message("#lobby", "next", [98; 16])) {
        Body::MessageAccepted(accepted) => accepted.seq,
        other => panic!("not accepted: {other:?}"),
    };
    assert_eq!(next, stored.len() as u64 + 1);
}

#[test]
fn a_backup_that_is_cut_short_makes_no_data_folder() {
    let server = ServerProcess::start();
    server.log_in("ann").say("#lobby", "hello");
    let folder = tempfile::tempdir().unwrap();
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("restored"));
    assert!(program(&["backup", backup.to_str().unwrap()], &server.data()).status.success());
    let log = std::fs::OpenOptions::new().write(true).open(backup.join("log.db")).unwrap();
    log.set_len(log.metadata().unwrap().len() - 4096).unwrap();
    let output = program(&["restore", backup.to_str().unwrap()], &restored);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("log.db is not as it was written"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!restored.exists());
}

#[test]
fn a_folder_in_use_is_not_restored_into() {
    let server = ServerProcess::start();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    assert!(program(&["backup", backup.to_str().unwrap()], &server.data()).status.success());
    let output = program(&["restore", backup.to_str().unwrap()], &server.data());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is something already"));
    server.log_in("ann");
}

#[test]
fn private_messages_are_exported_with_their_receiver_and_a_file_is_not_overwritten() {
    let server = ServerProcess::start();
    let (mut ann, _bob) = (server.log_in("ann"), server.log_in("bob"));
    ann.say("bob", "psst");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.jsonl");
    assert!(program(&["export", file.to_str().unwrap()], &server.data()).status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["conversation"], "@bob");
    assert_eq!((&line["from"], &line["text"]), (&"ann".into(), &"psst".into()));
    assert_eq!(program(&["export", file.to_str().unwrap()], &server.data()).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_log_that_is_none_is_neither_backed_up_nor_exported() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("log.db"), "x".repeat(5000)).unwrap();
    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("backup");
    for arguments in [&["backup", target.to_str().unwrap()][..], &["export"]] {
        let output = program(arguments, data.path());
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("log.db: it is no file of this server"), "{error}");
    }
    assert!(!target.exists());
    let (status, _) = spawn_failing(data.path(), "", &["--data", data.path().to_str().unwrap()]);
    assert!(!status.success());
}
