//! The real server as a child process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};

use super::{PATIENCE, lines_of};

/// A server with folders of its own. Killed when dropped.
pub(crate) struct Server {
    pub(crate) link: String,
    folder: TempDir,
    /// What it writes on standard error: somewhere else, as its own disk may be full.
    log: NamedTempFile,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With a configuration file of that text.
    pub(crate) fn start_with(config: &str) -> Self {
        Self::start_at(&std::env::temp_dir(), "127.0.0.1:0", config)
    }

    /// The same with its folders in `place`, and listening there.
    pub(crate) fn start_at(place: &Path, listen: &str, config: &str) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let log = NamedTempFile::new().unwrap();
        let (child, link) = spawn(command(folder.path(), log.path(), listen), log.path());
        Self { link, folder, log, child }
    }

    /// The folder of server files.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The file that everything is stored in.
    pub(crate) fn stored(&self) -> PathBuf {
        self.folder.path().join("data/log.db")
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        let rest = self.link.strip_prefix("simplechat://").unwrap();
        rest.split('/').next().unwrap().to_owned()
    }

    /// Another key from the next start on.
    pub(crate) fn lose_key(&self) {
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// From the next start on its certificate has expired long ago; the key stays.
    pub(crate) fn let_certificate_expire(&self) {
        let data = self.folder.path().join("data");
        let key = std::fs::read_to_string(data.join("tls-key.pem")).unwrap();
        let key = rcgen::KeyPair::from_pem(&key).unwrap();
        let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(2001, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let certificate = wanted.self_signed(&key).unwrap();
        std::fs::write(data.join("tls-cert.pem"), certificate.pem()).unwrap();
    }

    /// What it finds messages by is gone; it must be down.
    pub(crate) fn lose_search_index(&self) {
        std::fs::remove_file(self.folder.path().join("data/search.db")).unwrap();
    }

    /// Another log from the next start on, under the same key.
    pub(crate) fn lose_log(&self) {
        for name in ["log.db", "log.db-wal", "log.db-shm"] {
            let _ = std::fs::remove_file(self.folder.path().join("data").join(name));
        }
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// Ends it as an administrator does.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
    }

    /// The same; gives how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Does nothing any more until [`go_on`](Self::go_on).
    pub(crate) fn sleep(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// Bytes that it has read from files since it began. What comes over sockets does not count.
    pub(crate) fn bytes_read(&self) -> u64 {
        rchar(&format!("/proc/{}/io", self.child.id()))
    }

    /// Starts it again on the same port after [`kill`](Self::kill) or [`stop`](Self::stop).
    pub(crate) fn start_again(&mut self) {
        (self.child, self.link) = spawn(self.command(), self.log.path());
    }

    /// The same where that may fail: says how it ended, and its last words.
    pub(crate) fn try_start_again(&mut self) -> Result<(), (ExitStatus, String)> {
        self.child = self.command().spawn().unwrap();
        let link = lines_of(self.child.stdout.take().unwrap()).recv_timeout(PATIENCE);
        let Ok(link) = link else {
            let status = self.child.wait().unwrap();
            let log = std::fs::read_to_string(self.log.path()).unwrap();
            return Err((status, log.lines().last().unwrap_or_default().to_owned()));
        };
        self.link = link;
        Ok(())
    }

    /// The same, but it is killed while it starts: when it has read so many bytes from files, or serves.
    pub(crate) fn start_and_kill(&mut self, bytes_read: u64) {
        let mut child = self.command().spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let (counters, begun) = (format!("/proc/{}/io", child.id()), Instant::now());
        self.child = child;
        while lines.try_recv() == Err(TryRecvError::Empty) && rchar(&counters) < bytes_read {
            assert!(begun.elapsed() < PATIENCE, "it neither serves nor ends");
        }
        self.kill();
    }

    /// What `chat-server export` writes.
    pub(crate) fn export(&self) -> String {
        self.order(&["export"])
    }

    /// What who runs the server says to it, and hears.
    #[track_caller]
    pub(crate) fn order(&self, words: &[&str]) -> String {
        let mut order = Command::new(program("chat-server", "chat-server"));
        let data = self.folder.path().join("data");
        let done = order.args(words).arg("--data").arg(data).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn command(&self) -> Command {
        command(self.folder.path(), self.log.path(), &self.address())
    }

    fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that a process has read from files.
fn rchar(counters: &str) -> u64 {
    let counters = std::fs::read_to_string(counters).unwrap();
    let read = counters.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    read.parse().unwrap()
}

fn command(folder: &Path, log: &Path, listen: &str) -> Command {
    let log = std::fs::File::options().append(true).open(log).unwrap();
    let mut command = Command::new(program("chat-server", "chat-server"));
    command
        .arg("--config")
        .arg(folder.join("config.toml"))
        .args(["--listen", listen])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--files")
        .arg(folder.join("files"))
        .stdout(Stdio::piped())
        .stderr(log);
    command
}

fn spawn(mut command: Command, log: &Path) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let link = lines_of(child.stdout.take().unwrap()).recv_timeout(PATIENCE);
    let Ok(link) = link else {
        let _ = child.kill();
        let _ = child.wait();
        let log = std::fs::read_to_string(log).unwrap_or_default();
        panic!("the server printed no link; its log:\n{log}");
    };
    (child, link)
}

/// Beside the command line in the target folder. Tests of this package do not make cargo build it, so
/// that is done here where it is missing.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    // One at a time: several tests start at once.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock();
    let path = Path::new(env!("CARGO_BIN_EXE_simple-chat-cli")).with_file_name(name);
    if !path.exists() {
        let built = Command::new(env!("CARGO")).args(["build", "-p", package]).status();
        let is_built = built.is_ok_and(|status| status.success()) && path.exists();
        assert!(is_built, "run `cargo build -p {package}` first: no {}", path.display());
    }
    path
}
