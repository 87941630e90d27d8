//! The program itself: started in a folder of its own, ended with the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use common::invite_link::InviteLink;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use super::client::Client;

/// A running `chat-server` with a data folder and a files folder of its own.
pub(crate) struct ServerProcess {
    child: Child,
    folder: TempDir,
    pub(crate) link: InviteLink,
    log: Option<JoinHandle<String>>,
}

impl ServerProcess {
    /// With the defaults of the program.
    pub(crate) fn start() -> Self {
        Self::with_config("")
    }

    /// With a configuration file of this content.
    pub(crate) fn with_config(config: &str) -> Self {
        Self::with_config_and_arguments(config, &[])
    }

    pub(crate) fn with_config_and_arguments(config: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, config, arguments)
    }

    /// In a folder that is there already.
    pub(crate) fn in_folder(folder: TempDir, config: &str, arguments: &[&str]) -> Self {
        let command = command(folder.path(), config, arguments);
        Self::of_command(folder, command)
    }

    /// With a configuration file, and something in the environment.
    pub(crate) fn with_environment(config: &str, name: &str, value: &OsStr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path(), config, &[]);
        command.env(name, value);
        Self::of_command(folder, command)
    }

    /// One whose writes can be made to fail with [`Self::limit_files`]; otherwise the limit ends it.
    pub(crate) fn with_failing_disk(config: &str) -> Self {
        Self::in_shell("trap '' XFSZ; exec \"$@\"", config)
    }

    /// One whose log is on a disk without room.
    pub(crate) fn with_full_log(config: &str) -> Self {
        Self::in_shell("exec \"$@\" 2>/dev/full", config)
    }

    /// One that may have so many files open and cannot change it.
    pub(crate) fn with_few_files(files_max: u32) -> Self {
        Self::in_shell(&format!("ulimit -n {files_max}; exec \"$@\""), "")
    }

    /// One that systemd would watch over, with that patience.
    pub(crate) fn with_watchdog(notify_socket: &Path, patience_us: u32) -> Self {
        let socket = notify_socket.display();
        let environment = format!("NOTIFY_SOCKET={socket} WATCHDOG_USEC={patience_us}");
        Self::in_shell(&format!("export {environment} WATCHDOG_PID=$$; exec \"$@\""), "")
    }

    /// As a shell starts it whose script has the command in `$@`.
    fn in_shell(script: &str, config: &str) -> Self {
        Self::launched_by(&["sh", "-c", script, "sh"], config)
    }

    /// As another program starts it, which has the command behind its own arguments.
    pub(crate) fn launched_by(launcher: &[&str], config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = launched(launcher, folder.path(), config);
        Self::of_command(folder, command)
    }

    /// No file of the server may be longer than this; `None`: as long as it likes.
    pub(crate) fn limit_files(&self, bytes_max: Option<u64>) {
        let limit = Rlimit { current: bytes_max, maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, limit).unwrap();
    }

    /// How many files it may have open; those that are open stay so. Returns what was allowed before.
    pub(crate) fn limit_open_files(&self, files_max: Option<u64>) -> Option<u64> {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: files_max, maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap().current
    }

    fn of_command(folder: TempDir, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = drain(child.stderr.take().unwrap());
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let Ok(link) = link.trim_end().parse() else {
            child.kill().unwrap();
            panic!("the first line is {link:?}; the log: {}", log.join().unwrap());
        };
        Self { child, folder, link, log: Some(log) }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Memory of the process that is in use now, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// A connection that has not said anything.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.link, &[common::alpn::CHAT])
    }

    /// A connection that has said hello.
    pub(crate) fn greet(&self) -> Client {
        let mut client = self.connect();
        client.greet();
        client
    }

    /// Somebody logged in.
    pub(crate) fn log_in(&self, name: &str) -> Client {
        let mut client = self.greet();
        client.log_in(name);
        client
    }

    /// What who runs the server says to it, and hears: exit status, standard output, standard error.
    pub(crate) fn operate(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
        let output = command.args(arguments).arg("--data").arg(self.data()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    /// The same where it has to work; its standard output.
    #[track_caller]
    pub(crate) fn order(&self, arguments: &[&str]) -> String {
        let (is_done, out, error) = self.operate(arguments);
        assert!(is_done, "{arguments:?}: {error}");
        out
    }

    /// Ends it at once and starts it again in the same folder.
    pub(crate) fn kill_and_restart(mut self, config: &str) -> Self {
        self.child.kill().unwrap();
        let (_, _, folder) = self.wait();
        Self::in_folder(folder, config, &[])
    }

    /// Sends a signal without waiting for its effect.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end and returns how it ended and the whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, TempDir) {
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (status, log, folder)
    }

    /// SIGTERM, then [`Self::wait`].
    pub(crate) fn terminate(self) -> (ExitStatus, String, TempDir) {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the program with something wrong; returns its exit status and standard error. One that
/// serves all the same is a failure.
pub(crate) fn spawn_failing(
    folder: &Path,
    config: &str,
    arguments: &[&str],
) -> (ExitStatus, String) {
    failed(command(folder, config, arguments))
}

fn failed(mut command: Command) -> (ExitStatus, String) {
    let mut child = command.spawn().unwrap();
    let log = drain(child.stderr.take().unwrap());
    let mut first_line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    if !first_line.is_empty() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert_eq!(first_line, "", "it serves");
    (status, log.join().unwrap())
}

/// The program ends with an error, one line of it, that says `expected`.
#[track_caller]
pub(crate) fn check_refused(config: &str, arguments: &[&str], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    check_failed(command(folder.path(), config, arguments), expected);
}

/// The same, as another program starts it.
#[track_caller]
pub(crate) fn check_launch_refused(launcher: &[&str], config: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    check_failed(launched(launcher, folder.path(), config), expected);
}

#[track_caller]
fn check_failed(command: Command, expected: &str) {
    let (status, error) = failed(command);
    assert!(!status.success());
    assert!(error.contains(expected), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

fn launched(launcher: &[&str], folder: &Path, config: &str) -> Command {
    let plain = command(folder, config, &[]);
    let mut launched = Command::new(launcher[0]);
    launched.args(&launcher[1..]).arg(plain.get_program()).args(plain.get_args());
    launched.current_dir(folder).env_remove("STATE_DIRECTORY").env_remove("RUST_LOG");
    launched.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    launched
}

fn command(folder: &Path, config: &str, arguments: &[&str]) -> Command {
    let config_file = folder.join("config.toml");
    std::fs::write(&config_file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    let (subcommand, arguments) = match arguments {
        [first, rest @ ..] if !first.starts_with("--") => (Some(first), rest),
        all => (None, all),
    };
    command.args(subcommand);
    command.current_dir(folder).env_remove("STATE_DIRECTORY").env_remove("RUST_LOG");
    let mentions = |option| arguments.contains(&option);
    if !mentions("--config") {
        command.arg("--config").arg(config_file);
    }
    if !mentions("--listen") && !config.contains("listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if !mentions("--data") {
        command.arg("--data").arg(folder.join("data"));
    }
    if !mentions("--files") {
        command.arg("--files").arg(folder.join("files"));
    }
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}
