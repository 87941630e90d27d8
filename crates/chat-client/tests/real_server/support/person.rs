//! Somebody with a home folder who runs the command line.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, chunks_of, lines_of};

/// Remembers servers and tokens in a folder of their own.
pub(crate) struct Person {
    name: &'static str,
    home: TempDir,
}

/// What a program left when it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that runs and prints.
pub(crate) struct Listener {
    child: Child,
    lines: Receiver<String>,
}

/// Where a running program reads from.
pub(crate) type Input = std::process::ChildStdin;

impl Person {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run(&self, server: &str, words: &[&str]) -> Done {
        self.run_with_input(server, words, "")
    }

    /// Runs a command that reads `input`.
    #[track_caller]
    pub(crate) fn run_with_input(&self, server: &str, words: &[&str], input: &str) -> Done {
        use std::io::Write;
        let mut command = self.command(server, words);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let stdout = lines_of(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        let code = wait(&mut child).code();
        let all = |lines: Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        Done { code, stdout: all(stdout), stderr: all(stderr) }
    }

    /// Starts a command that reads nothing.
    pub(crate) fn spawn(&self, server: &str, words: &[&str]) -> Child {
        self.command(server, words).stdin(Stdio::null()).spawn().unwrap()
    }

    /// Starts a command whose lines are waited for.
    pub(crate) fn start(&self, server: &str, words: &[&str]) -> Listener {
        let mut child = self.spawn(server, words);
        let lines = lines_of(child.stdout.take().unwrap());
        Listener { child, lines }
    }

    /// The same for one whose remarks are waited for: what it writes on standard error.
    pub(crate) fn start_for_remarks(&self, server: &str, words: &[&str]) -> Listener {
        let mut command = self.command(server, words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stderr.take().unwrap());
        Listener { child, lines }
    }

    /// Starts a command on a terminal; what it shows there comes as it is written.
    pub(crate) fn start_on_terminal(&self, server: &str, words: &[&str]) -> Listener {
        let command = self.command(server, words);
        let quoted = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()));
        let line = quoted.collect::<Vec<_>>().join(" ");
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        for (name, value) in command.get_envs() {
            terminal.env(name, value.unwrap());
        }
        terminal.current_dir(self.home.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = terminal.spawn().unwrap();
        let lines = chunks_of(child.stdout.take().unwrap());
        Listener { child, lines }
    }

    /// The same for one that reads what is written meanwhile.
    pub(crate) fn start_with_input(&self, server: &str, words: &[&str]) -> (Listener, Input) {
        let mut child = self.command(server, words).stdin(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let input = child.stdin.take().unwrap();
        (Listener { child, lines }, input)
    }

    /// Listens as JSON, and is connected on return.
    #[track_caller]
    pub(crate) fn listen(&self, server: &str) -> Listener {
        let listener = self.start(server, &["--json", "listen"]);
        listener.expect("connected");
        listener
    }

    fn command(&self, server: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simple-chat-cli"));
        command
            .args(["--server", server, "--name", self.name])
            .args(words)
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .current_dir(self.home.path())
            .stdout(Stdio::piped());
        command
    }
}

impl Done {
    #[track_caller]
    pub(crate) fn check(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in says {
            let is_said = self.stdout.contains(part) || self.stderr.contains(part);
            assert!(is_said, "{part:?} is missing: {self:?}");
        }
    }

    /// The JSON objects that were printed.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Listener {
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line was expected")
    }

    /// The next event, which has to be of this kind.
    #[track_caller]
    pub(crate) fn expect(&self, kind: &str) -> Value {
        let event = self.next();
        assert_eq!(event["event"], kind, "{event}");
        event
    }

    /// The next event of this kind, whatever comes before it.
    #[track_caller]
    pub(crate) fn skip_to(&self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["event"] == kind {
                return event;
            }
        }
    }

    #[track_caller]
    fn next(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Waits until this is shown on its terminal; gives all that was shown by then.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(text) {
            let chunk = self.lines.recv_timeout(PATIENCE);
            shown += &chunk.unwrap_or_else(|_| panic!("no {text:?} in {shown:?}"));
        }
        shown
    }

    /// What was printed and not waited for.
    pub(crate) fn lines_so_far(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Ctrl-C, and the exit code.
    #[track_caller]
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        wait(&mut self.child).code()
    }

    /// Does nothing any more until [`go_on`](Self::go_on): its machine sleeps.
    pub(crate) fn sleep(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// Ends without a chance to say goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the program ends by itself.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        wait(&mut self.child).code()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the program did not end");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
