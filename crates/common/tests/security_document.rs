//! SECURITY.md promises nothing without a test: each promise names some, and there are such tests.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs;
use std::path::{Path, PathBuf};

const PROMISES: &str = "## What is promised, and against whom\n";
const TESTED: &str = "Tested: ";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The promises, each with what follows it up to the next.
fn promises() -> Vec<String> {
    let document = fs::read_to_string(project().join("SECURITY.md")).unwrap();
    let (_, rest) = document.split_once(PROMISES).unwrap();
    let part = rest.split("\n## ").next().unwrap();
    let sections = part.split("\n### ").skip(1);
    sections.flat_map(|it| it.split("\n- ").skip(1)).map(str::to_owned).collect()
}

/// All that is written in Rust.
fn sources(folder: &Path) -> String {
    let mut found = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found += &fs::read_to_string(path).unwrap();
        }
    }
    found
}

/// Whether a test of that name stands there.
fn is_test(sources: &str, name: &str) -> bool {
    let head = format!("fn {name}() ");
    sources.match_indices(&head).any(|(at, _)| {
        let before = sources.get(..at).unwrap_or_default().trim_end();
        before.lines().rev().take(4).any(|line| line.trim_start().starts_with("#[test]"))
    })
}

#[test]
fn each_promise_names_tests_and_there_are_such_tests() {
    let (promises, sources) = (promises(), sources(&project().join("crates")));
    assert!(promises.len() > 20, "only {} promises were found", promises.len());
    for promise in promises {
        let (_, tests) = promise.split_once(TESTED).unwrap_or_else(|| panic!("no test: {promise}"));
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {promise}");
        for name in names {
            assert!(is_test(&sources, name), "there is no test {name}");
        }
    }
}
