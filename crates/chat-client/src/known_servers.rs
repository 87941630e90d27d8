//! The keys of servers this person has trusted: `$XDG_CONFIG_HOME/simple-chat/known_servers`, one
//! line `host:port pin` each.
//!
//! Whoever wants a server forgotten deletes its line; [`crate::error_text`] says so where it matters.

use std::io;
use std::path::PathBuf;

use common::invite_link::HostPort;
use common::spki_pin::SpkiPin;

use crate::private_file::PrivateFile;

const FILE_NAME: &str = "known_servers";

/// What is remembered of servers.
#[derive(Clone, Debug)]
pub(crate) struct KnownServers {
    file: PrivateFile,
}

impl KnownServers {
    /// In the folder of Simple Chat's settings.
    pub(crate) fn in_folder(folder: &std::path::Path) -> Self {
        Self { file: PrivateFile::new(path_in(folder)) }
    }

    /// The key of the server at `address`, if it was trusted before.
    pub(crate) fn pin(&self, address: &HostPort) -> io::Result<Option<SpkiPin>> {
        let lines = self.file.lines()?;
        Ok(lines.iter().filter_map(|line| parse(line)).find_map(|(host_port, pin)| {
            let is_it = host_port == spelled(address);
            is_it.then_some(pin)
        }))
    }

    /// Remembers the key of the server at `address` in place of another one.
    pub(crate) fn remember(&self, address: &HostPort, pin: SpkiPin) -> io::Result<()> {
        let host_port = spelled(address);
        self.file.update(|lines| {
            if lines.iter().any(|line| parse(line) == Some((host_port.clone(), pin))) {
                return;
            }
            lines.retain(|line| parse(line).is_none_or(|(other, _)| other != host_port));
            lines.push(format!("{host_port} {pin}"));
        })
    }
}

/// Where the keys of trusted servers are, below the folder of Simple Chat's settings.
pub(crate) fn path_in(folder: &std::path::Path) -> PathBuf {
    folder.join(FILE_NAME)
}

/// Host names are the same in any case (RFC 4343).
fn spelled(address: &HostPort) -> String {
    address.to_string().to_lowercase()
}

/// `None` for comments and for lines of another make, which are kept as they are.
fn parse(line: &str) -> Option<(String, SpkiPin)> {
    let (host_port, pin) = line.split_once(' ')?;
    let is_comment = host_port.starts_with('#');
    if is_comment {
        return None;
    }
    Some((host_port.to_owned(), pin.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    #[test]
    fn a_remembered_key_is_found_again_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let servers = KnownServers::in_folder(folder.path());
        assert_eq!(servers.pin(&address("chat.lan:5050")).unwrap(), None);
        servers.remember(&address("Chat.lan:5050"), SpkiPin([7; 32])).unwrap();
        assert_eq!(servers.pin(&address("chat.LAN:5050")).unwrap(), Some(SpkiPin([7; 32])));
        assert_eq!(servers.pin(&address("chat.lan:5051")).unwrap(), None);
    }

    #[test]
    fn a_new_key_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let servers = KnownServers::in_folder(folder.path());
        servers.remember(&address("a:1"), SpkiPin([1; 32])).unwrap();
        servers.remember(&address("b:1"), SpkiPin([2; 32])).unwrap();
        servers.remember(&address("a:1"), SpkiPin([3; 32])).unwrap();
        assert_eq!(servers.pin(&address("a:1")).unwrap(), Some(SpkiPin([3; 32])));
        assert_eq!(servers.pin(&address("b:1")).unwrap(), Some(SpkiPin([2; 32])));
        assert_eq!(servers.file.lines().unwrap().len(), 2);
    }

    #[test]
    fn comments_and_junk_survive_and_mean_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let junk = "# a:1 is the lab's\na:1 no-pin\nnonsense\n";
        std::fs::write(path_in(folder.path()), junk).unwrap();
        let servers = KnownServers::in_folder(folder.path());
        assert_eq!(servers.pin(&address("a:1")).unwrap(), None);
        servers.remember(&address("a:1"), SpkiPin([1; 32])).unwrap();
        let text = std::fs::read_to_string(path_in(folder.path())).unwrap();
        assert!(text.starts_with(junk), "{text}");
    }
}
