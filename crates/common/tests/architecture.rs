//! The rules of ARCHITECTURE.md as tests over the whole workspace: who may import whom, which folders name
//! no socket, file, clock, thread, random source or widget, how files are laid out, and that the
//! documents only speak of what is there.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs;
use std::path::{Path, PathBuf};

/// Crate → crates of ours that it may import. What is not listed is not allowed.
const IMPORTS: &[(&str, &[&str])] = &[
    ("common", &[]),
    ("file-transfer", &[]),
    ("chat-server", &["common", "file-transfer"]),
    ("chat-client", &["common", "file-transfer"]),
    ("gtk-client", &["common", "chat-client"]),
    ("bench", &["common", "file-transfer", "chat-client"]),
];

/// What decides, and is told what the world is like.
const PURE: &[&str] = &[
    "crates/chat-server/src/state",
    "crates/file-transfer/src/proto",
    "crates/chat-client/src/session/machine",
];
/// Sockets, files, clocks, threads, random sources. Types that only carry data are fine: addresses, instants.
const WORLD: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "socket2",
    "quinn_udp",
    "rustix",
    "tokio",
    "std::fs",
    "fs::File",
    "OpenOptions",
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "thread::spawn",
    "thread::sleep",
    "thread_rng",
    "rand::rng",
    "rand::random",
    "OsRng",
    "from_os_rng",
    "SystemRandom",
    "RandomState",
];

/// What the window shows, without a widget in it.
const MODEL: &str = "crates/gtk-client/src/model";
/// All of GTK that a model may name.
const GTK_WITHOUT_WIDGETS: &[&str] = &["gio", "glib", "prelude", "subclass"];

/// The window's widgets.
const UI: &str = "crates/gtk-client/src/ui";
/// What widgets leave to the session.
const NETWORK: &[&str] = &[
    "std::net",
    "TcpStream",
    "UdpSocket",
    "tokio::net",
    "rustls",
    "file_transfer",
    "common::wire",
];

/// Longest source file, the tests in it included: what is longer holds more than one idea.
const FILE_LINES_MAX: usize = 500;
/// Longest file of tests alone: a list of cases may be longer than what it checks.
const TEST_FILE_LINES_MAX: usize = 1000;

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "PROTOCOL.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/BENCHMARKS.md",
    "packaging/README.md",
];
/// Where the paths that documents speak of start.
const TREES: &[&str] =
    &["crates/", "packaging/", "scripts/", "tests/", "docs/", ".ci/", "ServerFiles/"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `folder` that end in `.rs`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The sources of module `folder`, without its tests: `folder.rs`, if there, and everything in the folder.
fn module(folder: &str) -> Vec<PathBuf> {
    let folder = project().join(folder);
    let mut files = sources(&folder);
    assert!(!files.is_empty(), "{} holds no source", folder.display());
    let root = folder.with_extension("rs");
    files.extend(root.exists().then_some(root));
    files.retain(|file| !is_test(file.strip_prefix(&folder).unwrap_or(file)));
    files
}

/// Whether a file holds tests alone: `tests.rs`, `golden_tests.rs`, or anything below `tests/`.
fn is_test(file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem == "tests"
        || stem.ends_with("_tests")
        || file.components().any(|part| part.as_os_str() == "tests")
}

/// Line number and text of each line, without comments and without the tests at the end.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests]
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `line` names `path`, and not only something longer.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + path.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word)
    })
}

#[track_caller]
fn check_names_none(folder: &str, forbidden: &[&str]) {
    for file in module(folder) {
        let text = read(&file);
        for (number, line) in code(&text) {
            let found = forbidden.iter().find(|path| names(line, path));
            assert_eq!(found, None, "{}:{number}: {line}", file.display());
        }
    }
}

/// What stands behind each `gtk::` of a text: one name, or those of a braced list.
fn gtk_names(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, rest) in code.match_indices("gtk::").map(|(at, path)| (at, &code[at + path.len()..])) {
        let list = rest.strip_prefix('{').map(|list| list.split('}').next().unwrap_or_default());
        for item in
            list.unwrap_or(rest).split(',').take(if list.is_some() { usize::MAX } else { 1 })
        {
            found.push(item.trim().chars().take_while(|c| is_word(*c)).collect());
        }
    }
    found
}

/// Names of our crates in the `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let ours: Vec<&str> = IMPORTS.iter().map(|(name, _)| *name).collect();
    manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| ours.contains(name))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn crates_import_only_whom_they_may() {
    for (name, allowed) in IMPORTS {
        let manifest = read(&project().join("crates").join(name).join("Cargo.toml"));
        for import in dependencies(&manifest) {
            assert!(allowed.contains(&import.as_str()), "{name} must not import {import}");
        }
    }
}

#[test]
fn every_crate_has_its_rule() {
    for entry in fs::read_dir(project().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(IMPORTS.iter().any(|(known, _)| *known == name), "{name} is not in IMPORTS");
    }
}

#[test]
fn state_machines_name_nothing_of_the_world() {
    PURE.iter().for_each(|folder| check_names_none(folder, WORLD));
}

#[test]
fn models_name_no_widget() {
    check_names_none(MODEL, &["adw"]);
    for file in module(MODEL) {
        let text = read(&file);
        let code: String = code(&text).map(|(_, line)| format!("{line}\n")).collect();
        for name in gtk_names(&code) {
            let known = name.is_empty() || GTK_WITHOUT_WIDGETS.contains(&name.as_str());
            assert!(known, "{}: gtk::{name}", file.display());
        }
    }
}

#[test]
fn widgets_name_no_network() {
    check_names_none(UI, NETWORK);
}

#[test]
fn every_source_says_what_lives_in_it() {
    for file in sources(&project().join("crates")) {
        assert!(read(&file).starts_with("//! "), "{} does not open with //!", file.display());
    }
}

#[test]
fn modules_are_named_after_themselves() {
    for file in sources(&project().join("crates")) {
        assert!(!file.ends_with("mod.rs"), "{}: x.rs beside x/, never mod.rs", file.display());
    }
}

#[test]
fn no_source_is_long() {
    for file in sources(&project().join("crates")) {
        let lines = read(&file).lines().count();
        let lines_max = if is_test(&file) { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
        assert!(lines <= lines_max, "{} has {lines} lines", file.display());
    }
}

/// The targets of Markdown links that stay in the project, and everything that looks like a path in it.
fn paths_spoken_of(document: &str) -> Vec<String> {
    let links = document
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"));
    let quoted = document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| TREES.iter().any(|tree| word.starts_with(tree)))
        .filter(|word| !word.contains(['*', ' ', '{', '<']));
    let links: Vec<String> = links.map(|target| format!("./{target}")).collect();
    links.into_iter().chain(quoted.map(ToOwned::to_owned)).collect()
}

#[test]
fn documents_speak_of_what_is_there() {
    for name in DOCUMENTS {
        let document = project().join(name);
        for path in paths_spoken_of(&read(&document)) {
            let base = if path.starts_with("./") { document.parent().unwrap() } else { &project() };
            assert!(base.join(&path).exists(), "{name} speaks of {path}, which is not there");
        }
    }
}

#[test]
fn a_missing_folder_fails() {
    let checked = std::panic::catch_unwind(|| check_names_none("crates/common/src/missing", WORLD));
    assert!(checked.is_err());
}

#[test]
fn names_are_found_whole() {
    assert!(names("let a = Instant::now();", "Instant::now"));
    assert!(names("use tokio::net;", "tokio"));
    assert!(!names("let b = MyInstant::nowhere();", "Instant::now"));
}

#[test]
fn gtk_is_taken_apart() {
    assert_eq!(gtk_names("use gtk::{gio, Widget};"), ["gio", "Widget"]);
    assert_eq!(gtk_names("let a: gtk::Label = gtk::glib::Object::new(), 1"), ["Label", "glib"]);
}
