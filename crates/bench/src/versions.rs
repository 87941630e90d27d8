//! Which versions were measured, and when.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

/// The lock file of the QUIC peers.
const PEERS_LOCK: &str = include_str!("../peers/Cargo.lock");

/// Of what is measured with downloads: program → version, as far as they are there.
pub(crate) fn of_downloads() -> Result<BTreeMap<String, String>> {
    let mut versions = ours()?;
    for library in ["quinn", "s2n-quic"] {
        let version = locked(PEERS_LOCK, library).context("a peer that is not locked")?;
        versions.insert(library.to_owned(), version.to_owned());
    }
    versions.insert("curl".into(), words(&output("curl", &["--version"])?, 1));
    Ok(versions)
}

/// Of what is measured with chats.
pub(crate) fn of_chats() -> Result<BTreeMap<String, String>> {
    let mut versions = ours()?;
    for package in ["ngircd", "mumble-server"] {
        let version = output("dpkg-query", &["--show", "--showformat=${Version}", package])?;
        versions.insert(package.to_owned(), version);
    }
    Ok(versions)
}

fn ours() -> Result<BTreeMap<String, String>> {
    let commit = output("git", &["rev-parse", "--short", "HEAD"])?;
    let version = format!("{} ({commit})", env!("CARGO_PKG_VERSION"));
    let rustc = words(&output("rustc", &["--version"])?, 1);
    Ok(BTreeMap::from([("Simple Chat".into(), version), ("rustc".into(), rustc)]))
}

/// The day, YYYY-MM-DD, in UTC.
pub(crate) fn today() -> Result<String> {
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
