//! Whether the written file is true.

use serde::Deserialize;
use toml::Table;

use super::*;
use crate::config::arguments::Options;
use crate::config::file::ConfigFile;
use crate::config::merge::load;

/// Keys that have no default, or one that depends on the machine: what stands behind them is an example.
const EXAMPLES: [&str; 12] = [
    "data",
    "name",
    "join_password_file",
    "certificate",
    "key",
    "metrics",
    "transfer.bytes_per_second",
    "transfer.bytes_per_second_per_user",
    "uploads.folder",
    "history.retention",
    "node",
    "ban",
];

/// The keys that the parser takes at this place, in its own words.
fn parsed_keys(before: &str) -> Vec<String> {
    let text = format!("{before}\nno_such_key = 1\n");
    let error = toml::from_str::<ConfigFile>(&text).unwrap_err();
    let (_, keys) = error
        .message()
        .split_once("expected one of ")
        .or_else(|| {
            error.message().split_once("expected ") // two of them: "expected `a` or `b`"
        })
        .unwrap();
    let keys: Vec<_> = keys.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!keys.is_empty(), "{error}");
    keys
}

fn written_keys(table: &Table) -> Vec<String> {
    table.keys().cloned().collect()
}

#[track_caller]
fn check_same(mut written: Vec<String>, mut parsed: Vec<String>) {
    written.sort();
    parsed.sort();
    assert_eq!(written, parsed);
}

fn everything() -> Table {
    with_every_key().parse().unwrap()
}

#[test]
fn every_key_that_the_parser_knows_is_written() {
    let all = everything();
    check_same(written_keys(&all), parsed_keys(""));
    let sub_tables = all.iter().filter_map(|(key, value)| Some((key, value.as_table()?)));
    for (key, table) in sub_tables {
        check_same(written_keys(table), parsed_keys(&format!("[{key}]")));
    }
    let lists = all.iter().filter_map(|(key, value)| Some((key, value.as_array()?.first()?)));
    for (key, first) in lists {
        if let Some(table) = first.as_table() {
            check_same(written_keys(table), parsed_keys(&format!("[[{key}]]")));
        }
    }
}

/// What the server makes of a file, as text, but for the addresses: those that nobody asked for may be absent.
fn meaning(text: &str) -> (String, Vec<std::net::SocketAddr>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat-server.toml");
    std::fs::write(&path, text).unwrap();
    let mut config = load(Options { config: Some(path), ..Options::default() }).unwrap();
    let listen = config.listen.drain(..).map(|listen| listen.address).collect();
    if let Ok(below) = config.files.strip_prefix(folder.path()) {
        config.files = below.to_owned();
    }
    (format!("{config:?}"), listen)
}

#[test]
fn what_is_written_are_the_defaults() {
    let mut all = everything();
    for example in EXAMPLES {
        let removed = match example.split_once('.') {
            Some((table, key)) => all[table].as_table_mut().unwrap().remove(key),
            None => all.remove(example),
        };
        assert!(removed.is_some(), "{example}");
    }
    let text = toml::to_string(&all).unwrap();
    assert_eq!(meaning(&text), meaning(""));
    assert_eq!(meaning(TEMPLATE), meaning(""), "as it is written nothing is in force");
}

#[test]
fn the_examples_are_of_the_right_type() {
    let text = with_every_key();
    ConfigFile::deserialize(toml::Deserializer::parse(&text).unwrap()).unwrap();
}

#[test]
fn each_key_is_explained() {
    let lines: Vec<_> = TEMPLATE.lines().collect();
    let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    for pair in lines.windows(2) {
        if is_key(pair[1]) {
            assert!(pair[0].starts_with("# ") || is_key(pair[0]), "{}", pair[1]);
        }
    }
}

#[test]
fn a_file_that_is_there_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat-server.toml");
    write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), TEMPLATE);
    std::fs::write(&path, "name = 'mine'").unwrap();
    assert_eq!(write(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "name = 'mine'");
}
