//! A transfer node in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::server::program;
use super::{PATIENCE, lines_of};

/// A `file-server` with a folder and a key of its own. Killed when dropped.
pub(crate) struct Node {
    folder: TempDir,
    child: Child,
    address: String,
    spki: String,
}

impl Node {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        let mut child = Command::new(program("file-server", "file-transfer"))
            .args(["--listen", "127.0.0.1:0", "--files"])
            .arg(folder.path().join("files"))
            .arg("--key-file")
            .arg(folder.path().join("node.key"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = lines_of(child.stdout.take().unwrap()).recv_timeout(PATIENCE);
        let line = line.expect("the node says where it is");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, address, spki] = words[..] else { panic!("unexpected: {line:?}") };
        let spki = spki.strip_prefix("spki=").unwrap().to_owned();
        Self { address: address.to_owned(), spki, folder, child }
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What a chat server's configuration says of it.
    pub(crate) fn config(&self) -> String {
        self.config_at(&self.address)
    }

    /// The same, as if it were at another address.
    pub(crate) fn config_at(&self, address: &str) -> String {
        let key_file = self.folder.path().join("node.key");
        node_config(address, &key_file, &self.spki)
    }
}

fn node_config(address: &str, key_file: &Path, spki: &str) -> String {
    let key_file = key_file.display();
    format!("[[node]]\naddress = \"{address}\"\nkey_file = \"{key_file}\"\nspki = \"{spki}\"\n")
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
