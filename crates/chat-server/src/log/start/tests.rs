//! Starting from what earlier runs left, and refusing to.

use super::*;
use crate::log::event::{Destination, Identity, Person};
use common::user_name::NameKey;

fn message(seq: u64) -> Event {
    let from = Person { key: NameKey::of("ann"), name: "ann".into(), identity: Identity(1) };
    let (id, text) = (u128::from(seq).to_be_bytes(), "hi".to_owned());
    Event::MessageSent(Arc::new(MessageSent {
        to: Destination::Lobby,
        seq,
        id,
        from,
        text,
        at_ms: 5,
    }))
}

fn store(folder: &Path, seqs: std::ops::RangeInclusive<u64>) {
    let events: Vec<Event> = seqs.map(message).collect();
    SqliteLog::open(folder).unwrap().append(&events).unwrap();
}

#[track_caller]
fn check_past(folder: &Path, last: u64) {
    let past = open(folder).unwrap().past;
    assert_eq!(past.last_numbers, [(ConversationKey::Lobby, last)]);
    let seqs: Vec<u64> = past.recent.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=last).collect::<Vec<u64>>());
}

#[test]
fn what_was_stored_is_known_again() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path()).unwrap().past.last_numbers.is_empty());
    store(folder.path(), 1..=5);
    check_past(folder.path(), 5);
    store(folder.path(), 6..=6);
    check_past(folder.path(), 6);
}

#[test]
fn a_history_that_is_lost_damaged_or_ahead_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), 1..=5);
    check_past(folder.path(), 5);
    let history = folder.path().join(projection::FILE_NAME);
    std::fs::remove_file(&history).unwrap();
    check_past(folder.path(), 5);
    // A log that was put back from a backup.
    for name in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    store(folder.path(), 1..=3);
    check_past(folder.path(), 3);
}

/// A folder with five messages whose history was changed so since.
fn with_history(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), 1..=5);
    check_past(folder.path(), 5);
    change(&folder.path().join(projection::FILE_NAME));
    folder
}

/// Overwrites everything in it from `offset` on.
fn spoil(history: &Path, offset: usize) {
    let mut contents = std::fs::read(history).unwrap();
    contents[offset..].fill(0xa5);
    std::fs::write(history, contents).unwrap();
}

#[test]
fn a_history_that_is_damaged_or_of_another_format_is_made_anew() {
    let sql = |sql: &'static str| {
        move |path: &Path| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap()
    };
    for folder in [
        with_history(|path| spoil(path, 0)),
        with_history(|path| spoil(path, 4096)),
        with_history(sql("PRAGMA user_version = 99")),
        with_history(sql("DROP TABLE messages")),
    ] {
        check_past(folder.path(), 5);
        check_past(folder.path(), 5);
        assert!(!folder.path().join(NEW_HISTORY_FOLDER).exists());
    }
}

#[test]
fn a_history_whose_making_was_interrupted_is_made_anew() {
    let folder = with_history(|path| spoil(path, 0));
    let half = folder.path().join(NEW_HISTORY_FOLDER);
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join(projection::FILE_NAME), "half of it").unwrap();
    check_past(folder.path(), 5);
    assert!(!half.exists());
}

#[test]
fn a_history_that_somebody_else_put_there_is_moved_aside() {
    let folder = with_history(|path| std::fs::write(path, "notes ".repeat(1000)).unwrap());
    check_past(folder.path(), 5);
    let aside = std::fs::read(folder.path().join("history.db.foreign")).unwrap();
    assert!(aside.starts_with(b"notes notes"));
}

/// The good history of a server that does not start for want of room is there when there is room again.
#[test]
fn a_history_that_cannot_be_written_now_is_left_as_it_is() {
    let folder = with_history(|_| {});
    store(folder.path(), 6..=6);
    let path = folder.path().join(projection::FILE_NAME);
    let reader = rusqlite::Connection::open(&path).unwrap();
    // Somebody holds it.
    reader.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = open(folder.path()).err().expect("it starts").to_string();
    assert!(error.starts_with("history.db: "), "{error}");
    reader.execute_batch("ROLLBACK").unwrap();
    assert!(path.exists());
    check_past(folder.path(), 6);
}

#[test]
fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let open = open(folder.path()).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name());
    }
    assert!(names.contains(&"log.db".into()), "{names:?}");
    drop(open);
}

/// Starting ends with a sentence that has this in it, and the file holds what it held.
#[track_caller]
fn check_refused(prepare: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(prepare).unwrap();
    let contents = || {
        let file = rusqlite::Connection::open(&path).unwrap();
        let tables = "SELECT name || sql FROM sqlite_schema";
        let tables: String = file.query_row(tables, [], |row| row.get(0)).unwrap();
        let version: i32 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        (tables, version)
    };
    let before = contents();
    let error = open(folder.path()).err().expect("it starts").to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(contents(), before);
}

#[test]
fn a_file_of_a_later_version_or_of_others_is_refused() {
    let ours = "CREATE TABLE events (number INTEGER PRIMARY KEY, event BLOB NOT NULL);
        PRAGMA application_id = 0x73636c67;";
    check_refused(&format!("{ours} PRAGMA user_version = 2"), "a later version");
    check_refused("CREATE TABLE t (x)", "no file of this server");
    check_refused(
        &format!("{ours} PRAGMA user_version = 1; INSERT INTO events VALUES (1, x'c23e020801')"),
        "event 1: its kind is unknown",
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log.db"), "x".repeat(5000)).unwrap();
    let error = open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("log.db: it is no file of this server"), "{error}");
}

#[test]
fn a_folder_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let lock = DataLock::take(folder.path()).unwrap();
    assert!(matches!(DataLock::take(folder.path()), Err(LogStartError::InUse)));
    drop(lock);
    DataLock::take(folder.path()).unwrap();
}

#[test]
fn a_full_disk_refuses_the_batch_as_a_whole_and_takes_the_next_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(folder.path()).unwrap();
    log.append(&[message(1)]).unwrap();
    log.limit_pages(4);
    let large: Vec<Event> = (2..1000).map(message).collect();
    assert_eq!(log.append(&large), Err(crate::log::AppendError::Full));
    let mut reader = log.reader().unwrap();
    assert_eq!(reader.last().unwrap(), 1);
    log.limit_pages(100_000);
    assert_eq!(log.append(&[message(2)]), Ok(2));
    assert_eq!(reader.tail(2, 10).unwrap().len(), 1);
}

#[test]
fn a_history_of_another_log_is_made_anew_even_where_that_is_as_long() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), 1..=5);
    check_past(folder.path(), 5);
    let id = open(folder.path()).unwrap().past.log;
    assert_eq!(open(folder.path()).unwrap().past.log, id, "it stays");
    for name in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    // In the same conversation others wrote, and more.
    let to = Destination::Person(Person {
        key: NameKey::of("bob"),
        name: "bob".into(),
        identity: Identity(2),
    });
    let Event::MessageSent(private) = message(1) else { panic!("no message") };
    let private = MessageSent { to, ..Arc::unwrap_or_clone(private) };
    let mut log = SqliteLog::open(folder.path()).unwrap();
    log.append(&[Event::MessageSent(Arc::new(private))]).unwrap();
    drop(log);
    store(folder.path(), 1..=5);
    let past = open(folder.path()).unwrap().past;
    assert_ne!(past.log, id);
    assert_eq!(past.last_numbers.len(), 2, "{past:?}");
}

#[test]
fn a_log_that_was_put_back_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), 1..=5);
    check_past(folder.path(), 5);
    let id = open(folder.path()).unwrap().past.log;
    let mut log = SqliteLog::open(folder.path()).unwrap();
    log.renew_id().unwrap();
    let renewed = log.id();
    assert_ne!(renewed, id);
    drop(log);
    assert_eq!(open(folder.path()).unwrap().past.log, renewed);
    check_past(folder.path(), 5);
}

#[test]
fn a_log_of_an_earlier_version_gets_an_id() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), 1..=5);
    let log = rusqlite::Connection::open(folder.path().join(store::FILE_NAME)).unwrap();
    log.execute_batch("DROP TABLE identity").unwrap();
    drop(log);
    check_past(folder.path(), 5);
    let id = open(folder.path()).unwrap().past.log;
    assert_ne!(id, LogId::default());
    assert_eq!(open(folder.path()).unwrap().past.log, id);
}
