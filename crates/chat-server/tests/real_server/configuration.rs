//! `init` and `check-config`.

use std::path::Path;
use std::process::{Command, Output};

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command.args(arguments).current_dir(folder).env_remove("STATE_DIRECTORY").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_written_configuration_can_be_used_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat-server.toml");
    assert!(program(folder.path(), &["init"]).status.success());
    let written = std::fs::read_to_string(&path).unwrap();
    let checked = program(folder.path(), &["check-config", "--config", "chat-server.toml"]);
    assert!(checked.status.success(), "{checked:?}");
    let again = program(folder.path(), &["init"]);
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains("chat-server.toml is there already"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    assert!(program(folder.path(), &["init", "other.toml"]).status.success());
    assert_eq!(std::fs::read_to_string(folder.path().join("other.toml")).unwrap(), written);
}

#[test]
fn nothing_is_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.path().join("link.toml")).unwrap();
    assert!(!program(folder.path(), &["init", "link.toml"]).status.success());
    assert!(!folder.path().join("elsewhere").exists());
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = "nmae = 'lab'\n[limits]\nsessions = 'many'\n[uploads]\nenabled = 1\n";
    std::fs::write(folder.path().join("c.toml"), config).unwrap();
    let checked = program(folder.path(), &["check-config", "--config", "c.toml"]);
    assert_eq!(checked.status.code(), Some(1));
    let lines: Vec<_> = text(&checked.stderr).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(lines[0], "chat-server: c.toml:1:1: unknown key `nmae`, is `name` meant?");
    assert!(lines[1].starts_with("chat-server: c.toml:3:12: invalid type: string"), "{lines:#?}");
    assert!(lines[2].starts_with("chat-server: c.toml:5:11: invalid type: integer"), "{lines:#?}");
}

#[test]
fn values_that_make_no_sense_have_a_place_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = "name = ''\n[limits]\nsessions = 0\nping_seconds = 0\n[[ban]]\nname = ''\n";
    std::fs::write(folder.path().join("c.toml"), config).unwrap();
    let checked = program(folder.path(), &["check-config", "--config", "c.toml"]);
    let places: Vec<_> = text(&checked.stderr)
        .lines()
        .map(|line| line.split(':').skip(2).take(2).collect::<Vec<_>>().join(":"))
        .collect();
    assert_eq!(places, ["1:1", "3:1", "4:1", "6:1"], "{}", text(&checked.stderr));
}
