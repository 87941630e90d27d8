//! Which versions were measured, and when.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

/// The lock file of the QUIC peers.
const PEERS_LOCK: &str = include_str!("../../peers/Cargo.lock");

/// Program → version, as far as they are there.
pub(super) fn all() -> Result<BTreeMap<String, String>> {
    let ours = format!(
        "{} ({})",
        env!("CARGO_PKG_VERSION"),
        output("git", &["rev-parse", "--short", "HEAD"])?
    );
    let mut versions = BTreeMap::from([("Simple Chat".to_owned(), ours)]);
    for library in ["quinn", "s2n-quic"] {
        let version = locked(PEERS_LOCK, library).context("a peer that is not locked")?;
        versions.insert(library.to_owned(), version.to_owned());
    }
    versions.insert("rustc".into(), words(&output("rustc", &["--version"])?, 1));
    versions.insert("curl".into(), words(&output("curl", &["--version"])?, 1));
    Ok(versions)
}

/// The day, YYYY-MM-DD, in UTC.
pub(super) fn today() -> Result<String> {
    output("date", &["--utc", "+%F"])
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let line = format!("name = \"{package}\"");
    let version = lock.lines().skip_while(|it| **it != line).nth(1)?;
    version.strip_prefix("version = \"")?.strip_suffix('"')
}

/// The word at `index`.
fn words(text: &str, index: usize) -> String {
    text.split_whitespace().nth(index).unwrap_or("unknown").to_owned()
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| program.to_owned())?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_tells_a_librarys_version() {
        let lock = "[[package]]\nname = \"quinn-udp\"\nversion = \"0.5\"\n\n\
                    [[package]]\nname = \"quinn\"\nversion = \"0.11\"\n";
        assert_eq!(locked(lock, "quinn"), Some("0.11"));
        assert_eq!(locked(lock, "s2n"), None);
    }

    #[test]
    fn the_peers_are_locked() {
        assert!(locked(PEERS_LOCK, "quinn").is_some_and(|version| version.starts_with("0.11.")));
        assert!(locked(PEERS_LOCK, "s2n-quic").is_some_and(|version| version.starts_with("1.")));
    }
}
