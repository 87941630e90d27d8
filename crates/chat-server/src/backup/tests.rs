//! Backups of small data folders, whole and spoilt.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use common::user_name::UserName;
use tempfile::TempDir;

use super::*;
use crate::log::event::{Destination, Event, Identity, MessageSent, Person};
use crate::log::store::SqliteLog;
use crate::log::{Log, Numbered};

fn event(seq: u64) -> Event {
    let name = UserName::parse("ann").unwrap();
    Event::MessageSent(Arc::new(MessageSent {
        to: Destination::Lobby,
        seq,
        id: [7; 16],
        from: Person { key: name.key(), name: "ann".into(), identity: Identity(1) },
        text: format!("message {seq}"),
        at_ms: 1,
    }))
}

fn events(folder: &Path) -> Vec<Numbered> {
    SqliteLog::open(folder).unwrap().reader().unwrap().tail(1, 1000).unwrap()
}

/// A data folder with three events and two keys, and a backup of it; the log is open meanwhile.
fn backed_up() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for name in ["ticket.key", "token.key"] {
        std::fs::write(data.join(name), name).unwrap();
    }
    std::fs::write(data.join("history.db"), "can be made anew").unwrap();
    let mut log = SqliteLog::open(&data).unwrap();
    log.append(&[event(1), event(2), event(3)]).unwrap();
    let target = folder.path().join("backup");
    assert_eq!(back_up(&data, &target).unwrap(), 3);
    (folder, target)
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_restored_folder_holds_what_was_backed_up_for_its_owner_alone() {
    let (folder, backup) = backed_up();
    let restored = folder.path().join("a/restored");
    assert_eq!(restore(&backup, &restored).unwrap(), 3);
    assert_eq!(names(&restored), ["log.db", "ticket.key", "token.key"]);
    for name in names(&restored) {
        assert_eq!(restored.join(&name).metadata().unwrap().mode() & 0o777, 0o600, "{name}");
        assert_eq!(backup.join(&name).metadata().unwrap().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::read_to_string(restored.join("token.key")).unwrap(), "token.key");
    assert_eq!(events(&restored), events(&folder.path().join("data")));
    let mut log = SqliteLog::open(&restored).unwrap();
    let before = SqliteLog::open(&folder.path().join("data")).unwrap().id();
    assert_ne!(log.id(), before, "clients know higher numbers of the one that it was");
    assert_eq!(log.append(&[event(4)]).unwrap(), 4);
    assert_eq!(names(folder.path()), ["a", "backup", "data"], "nothing unfinished is left");
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let (folder, backup) = backed_up();
    let data = folder.path().join("data");
    let before = names(&data);
    assert!(matches!(restore(&backup, &data), Err(BackupError::Occupied(_))));
    assert!(matches!(back_up(&data, &backup), Err(BackupError::Occupied(_))));
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(matches!(back_up(&data, &file), Err(BackupError::Occupied(_))));
    std::os::unix::fs::symlink("elsewhere", folder.path().join("link")).unwrap();
    assert!(matches!(back_up(&data, &folder.path().join("link")), Err(BackupError::Occupied(_))));
    assert_eq!(names(&data), before);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    back_up(&data, &folder.path().join("empty")).unwrap();
}

#[test]
fn a_folder_without_a_log_is_not_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backup");
    let result = back_up(folder.path(), &target);
    assert!(matches!(result, Err(BackupError::NoData(_))), "{result:?}");
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Restoring is refused, and leaves nothing behind.
#[track_caller]
fn check_refused(spoil: impl FnOnce(&Path), expected: &str) {
    let (folder, backup) = backed_up();
    spoil(&backup);
    let error = restore(&backup, &folder.path().join("restored")).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(names(folder.path()), ["backup", "data"]);
}

#[test]
fn a_backup_that_is_not_as_it_was_written_is_refused() {
    let resize = |bytes: i64| {
        move |backup: &Path| {
            let path = backup.join("log.db");
            let length = path.metadata().unwrap().len().checked_add_signed(bytes).unwrap();
            OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
        }
    };
    check_refused(resize(-1), "log.db is not as it was written");
    check_refused(resize(1), "log.db is not as it was written");
    let flip = |backup: &Path| {
        let mut bytes = std::fs::read(backup.join("log.db")).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(backup.join("log.db"), bytes).unwrap();
    };
    check_refused(flip, "log.db is not as it was written");
    let remove =
        |name: &'static str| move |backup: &Path| std::fs::remove_file(backup.join(name)).unwrap();
    check_refused(remove("token.key"), "token.key: No such file");
    check_refused(remove("backup.json"), "there is no backup.json");
}

#[test]
fn a_manifest_that_names_other_files_is_refused() {
    let replace = |what: &'static str, by: &'static str| {
        move |backup: &Path| {
            let path = backup.join("backup.json");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(what), "{text}");
            std::fs::write(path, text.replace(what, by)).unwrap();
        }
    };
    check_refused(replace("token.key", "../../token.key"), "is no file of a backup");
    check_refused(replace("token.key", "ticket.key"), "ticket.key is in it twice");
    check_refused(replace("log.db", "token.key"), "there is no log.db");
    check_refused(replace("\"format\": 1", "\"format\": 2"), "format 2");
    check_refused(replace("\"events\": 3", "\"events\": 4"), "3 events instead of 4");
    check_refused(replace("{", ""), "backup.json");
}
