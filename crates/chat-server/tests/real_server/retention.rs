//! Messages that grow too old go, from all that is stored, while people talk; everything else stays.

use std::path::Path;
use std::time::{Duration, SystemTime};

use common::conversation::Conversation;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, HistoryPage};
use rusqlite::Connection;

use crate::support::{Client, ServerProcess, check_refused, logged_in, wait_until};

const KEEPS_A_DAY: &str = "[limits]\nmessages_burst = 100\n[history]\nretention = '1d'";

/// More than the log's thread removes at once, several times.
const OLD: u64 = 3000;

/// Two days in milliseconds.
const AGE_MS: i64 = 2 * 24 * 3600 * 1000;

fn history(client: &mut Client, conversation: &str, after_seq: u64) -> HistoryPage {
    let conversation = Some(Conversation::from_text(conversation).to_wire());
    let wanted = wire::ReadHistory { conversation, after_seq, before_seq: 0, limit: 0 };
    match client.ask(Ask::ReadHistory(wanted)) {
        Body::HistoryPage(page) => page,
        other => panic!("no history: {other:?}"),
    }
}

fn found(client: &mut Client, text: &str) -> usize {
    let search = wire::SearchMessages { text: text.into(), before: 0, limit: 0 };
    loop {
        match client.ask(Ask::SearchMessages(search.clone())) {
            Body::SearchPage(page) => return page.messages.len(),
            // The index is being caught up.
            Body::Refused(refused) if refused.code() == wire::RefusalCode::SlowDown => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => panic!("not searched: {other:?}"),
        }
    }
}

/// Makes all messages of a log older, as if the clock had gone on; more of them than people would write. Of what
/// is made of the log there is nothing then.
fn age(data: &Path) {
    let log = Connection::open(data.join("log.db")).unwrap();
    let template: Vec<u8> =
        log.query_row("SELECT event FROM events WHERE number = 1", [], |row| row.get(0)).unwrap();
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let then = i64::try_from(since_epoch.as_millis()).unwrap() - AGE_MS;
    let last: i64 = log.query_row("SELECT max(number) FROM events", [], |row| row.get(0)).unwrap();
    log.execute_batch("BEGIN").unwrap();
    for seq in 2..=OLD {
        let event = aged(&template, seq, then);
        let number = last + i64::try_from(seq).unwrap() - 1;
        log.execute("INSERT INTO events VALUES (?1, ?2)", (number, event)).unwrap();
    }
    log.execute("UPDATE events SET event = ?1 WHERE number = 1", [aged(&template, 1, then)])
        .unwrap();
    log.execute_batch("COMMIT").unwrap();
    for file in ["history.db", "search.db"] {
        std::fs::remove_file(data.join(file)).unwrap();
    }
}

/// The event of a message with another number, and another time: fields that come later win.
fn aged(template: &[u8], seq: u64, at_ms: i64) -> Vec<u8> {
    let varint = |mut value: u64| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    };
    // The message follows the tag of its field and a length of one byte.
    assert!(template[0] == 0x0a && usize::from(template[1]) == template.len() - 2, "{template:x?}");
    let message =
        [&template[2..], &[0x18], &varint(seq), &[0x38], &varint(at_ms.cast_unsigned())].concat();
    [vec![0x0a], varint(message.len() as u64), message].concat()
}

/// A folder with a ban, and with messages that are two days old.
fn old_folder() -> tempfile::TempDir {
    let server = ServerProcess::start();
    let mut ann = server.log_in("ann");
    assert!(matches!(ann.say("#lobby", "zebra"), Body::MessageAccepted(_)));
    ann.close();
    server.order(&["ban", "mallory"]);
    let (_, _, folder) = server.terminate();
    age(&folder.path().join("data"));
    folder
}

/// Waits until nothing below that number is kept.
fn wait_for_beginning(client: &mut Client, first_kept: u64) {
    wait_until("old messages go", || history(client, "#lobby", OLD).first_kept_seq == first_kept);
}

fn stored_texts(data: &Path) -> usize {
    let log = Connection::open(data.join("log.db")).unwrap();
    let mut events = log.prepare("SELECT event FROM events").unwrap();
    let events = events.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    events.filter(|it| it.as_ref().unwrap().windows(5).any(|bytes| bytes == b"zebra")).count()
}

#[test]
fn old_messages_go_while_people_talk_and_what_was_decided_stays() {
    let server = ServerProcess::in_folder(old_folder(), "", &[]);
    let mut bob = server.log_in("bob");
    // For ever, unless it is said.
    assert!(found(&mut bob, "zebra") > 0);
    assert_eq!(history(&mut bob, "#lobby", 0).first_kept_seq, 0);
    std::fs::write(server.config_file(), KEEPS_A_DAY).unwrap();
    server.signal(rustix::process::Signal::HUP);
    let said = bob.say("#lobby", "while it goes");
    assert!(matches!(said, Body::MessageAccepted(ref it) if it.seq == OLD + 1), "{said:?}");
    wait_for_beginning(&mut bob, OLD + 1);
    // Whoever was away for longer than that is told where it begins now, with what is there.
    let page = history(&mut bob, "#lobby", 7);
    assert_eq!((page.messages.len(), page.more, page.first_kept_seq), (1, false, OLD + 1));
    assert_eq!(found(&mut bob, "zebra"), 0);
    assert!(matches!(server.greet().try_log_in("mallory"), Body::Refused(_)));
    let (_, log, folder) = server.terminate();
    assert!(log.contains(&format!("removed={OLD}")), "{log}");
    assert_eq!(stored_texts(&folder.path().join("data")), 0);
    // What is made of the log says the same when it is made anew.
    std::fs::remove_file(folder.path().join("data/history.db")).unwrap();
    let server = ServerProcess::in_folder(folder, KEEPS_A_DAY, &[]);
    let mut bob = server.log_in("bob");
    assert_eq!(history(&mut bob, "#lobby", 7).first_kept_seq, OLD + 1);
    let said = bob.say("#lobby", "on it goes");
    assert!(matches!(said, Body::MessageAccepted(ref it) if it.seq == OLD + 2), "{said:?}");
}

#[test]
fn a_server_that_is_killed_in_the_middle_goes_on_with_it() {
    let mut server = ServerProcess::in_folder(old_folder(), KEEPS_A_DAY, &[]);
    for attempt in 0..4 {
        // Each time a little later.
        std::thread::sleep(Duration::from_millis(5 * attempt));
        server = server.kill_and_restart(KEEPS_A_DAY);
        let mut ann = server.log_in("ann");
        let said = ann.say("#lobby", "still here");
        let Body::MessageAccepted(accepted) = said else { panic!("{said:?}") };
        assert_eq!(accepted.seq, OLD + 1 + attempt);
        ann.close();
    }
    let mut bob = server.log_in("bob");
    wait_for_beginning(&mut bob, OLD + 1);
    let seqs: Vec<u64> = history(&mut bob, "#lobby", 0).messages.iter().map(|it| it.seq).collect();
    assert_eq!(seqs, (OLD + 1..=OLD + 4).collect::<Vec<u64>>());
    assert_eq!(found(&mut bob, "zebra"), 0);
    // Backups are of what is left, and whole.
    let backup = server.folder().join("backup");
    server.order(&["backup", backup.to_str().unwrap()]);
    let restored = server.folder().join("restored");
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["restore", backup.to_str().unwrap(), "--data", restored.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(program.status.success(), "{program:?}");
    assert_eq!(stored_texts(&restored), 0);
}

#[test]
fn a_private_conversation_that_went_shows_nothing_and_goes_on() {
    let server = ServerProcess::start();
    let (mut ann, mut bob) = (server.greet(), server.greet());
    let (token, _) = (ann.log_in("ann").resume_token, bob.log_in("bob"));
    ann.say("bob", "psst");
    ann.close();
    let (_, _, folder) = server.terminate();
    let data = folder.path().join("data");
    let log = Connection::open(data.join("log.db")).unwrap();
    let event: Vec<u8> =
        log.query_row("SELECT event FROM events WHERE number = 1", [], |row| row.get(0)).unwrap();
    log.execute("UPDATE events SET event = ?1", [aged(&event, 1, 1)]).unwrap();
    drop(log);
    let server = ServerProcess::in_folder(folder, KEEPS_A_DAY, &[]);
    let mut ann = server.greet();
    logged_in(ann.resume("ann", &token));
    wait_until("old messages go", || history(&mut ann, "@bob", 0).messages.is_empty());
    let said = ann.say("bob", "again");
    // Numbers are not given twice; of bob it is still known who he is, or nobody is.
    assert!(!matches!(said, Body::MessageAccepted(ref it) if it.seq != 2), "{said:?}");
}

#[test]
fn what_is_no_time_is_an_error_with_its_line() {
    let config = "[history]\nretention = '90'\n";
    check_refused(config, &[], "config.toml:2:1: history.retention is \"90\"");
    check_refused("[history]\nretention = '0d'\n", &[], "from 1h to 36600d");
    check_refused("[history]\nkeep = '9d'\n", &[], "config.toml:2:1: unknown key `keep`");
}
