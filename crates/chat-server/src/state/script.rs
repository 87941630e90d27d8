//! Scripts that the state is tested with: what happens, line by line, and what is heard of it.
//!
//! `1> login ann` is done on connection 1; the indented lines below it are everything that follows
//! from it: `1< …` a frame to connection 1, `* …` anything else for the hub to do. `wait 15s` lets
//! time pass. `restart` is a new server with what is stored of decisions. `password right` is the desk's answer to the first password that waits for it. `log waits` has messages wait for `log stores 2` or `log is full`. Tokens are named by the login that got them: the first login's is `t1`.

mod orders;
mod requests;
mod transcript;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::invite_link::InviteLink;
use common::spki_pin::SpkiPin;
use common::user_name::NameKey;
use common::wire::GoodbyeReason;
use file_transfer::catalogue::CatalogueEntry;
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;
use file_transfer::uploads::StoredUpload;

use crate::join_password::JoinPassword;
use crate::log::Log;
use crate::log::event::Event;
use crate::log::event::ruling::End;
use crate::log::follower::ruling;
use crate::log::memory::MemoryLog;
use crate::log::projection::Projection;
use crate::log::start::Past;
use crate::log::writer::StorageProblem;
use crate::state::State;
use crate::state::history::{
    ConversationsFound, HistoryFound, HistoryProblem, HistoryQuestion, HistorySubject,
    MessagesFound,
};
use crate::state::login_attempts::AttemptLimits;
use crate::state::now::Now;
use crate::state::passwords::PasswordTask;
use crate::state::policy::{Access, Bans, Policy};
use crate::state::rate_limit::Rate;
use crate::state::refusal::UploadRefusal;
use crate::state::request::{Asked, ConnectionId, LoginId, ResumeToken};
use crate::state::uploads::{UploadOutcome, UploadResult};
use crate::token_key::TokenKey;

/// 2026-01-01T00:00:00Z
const START_MS: i64 = 1_767_225_600_000;

/// Runs a script on an open server and compares everything that is heard.
#[track_caller]
pub(crate) fn check(script: &str) {
    check_with(policy(), script);
}

/// Runs a script under a policy of its own.
#[track_caller]
pub(crate) fn check_with(policy: Policy, script: &str) {
    let trimmed = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = trimmed(script);
    let mut run = Run::new(policy);
    for line in expected.iter().filter(|line| !is_heard(line)) {
        run.transcript.push(line.clone());
        run.step(line);
    }
    let found = run.transcript;
    if found != expected {
        let shown = found.iter().map(|line| match is_heard(line) {
            true => format!("    {line}\n"),
            false => format!("{line}\n"),
        });
        panic!("what really happens:\n{}", shown.collect::<String>());
    }
}

/// What the scripts run under unless they say otherwise.
pub(crate) fn policy() -> Policy {
    let mut bans = Bans::default();
    bans.insert(NameKey::of("mallory"), End::Never);
    bans.insert(NameKey::of("trudy"), End::At(START_MS + 60_000));
    Policy {
        server_name: "lab".into(),
        link: link(),
        access: Access::Open,
        bans,
        takes_registrations: true,
        accounts_max: 3,
        rooms_max: 2,
        token_key: TokenKey::new(&[5; 32]),
        sessions_max: 4,
        attempts: AttemptLimits { per_name: 5, per_address: 20 },
        messages: Rate { burst: 3, per_second: 2 },
        downloads_per_user_max: 2,
        downloads_max: 3,
        takes_uploads: true,
        downloads_waiting_per_user_max: 3,
        downloads_waiting_max: 4,
        ping_interval: Duration::from_secs(30),
        dead_after: Duration::from_secs(75),
        name_hold: Duration::from_secs(15),
        take_over_ping: Duration::from_secs(2),
    }
}

fn link() -> InviteLink {
    format!("simplechat://lab/?fp={}&name=lab", SpkiPin([0; 32])).parse().unwrap()
}

/// The same with a join password.
pub(crate) fn password_policy() -> Policy {
    let access = Access::Password(Box::new(JoinPassword::new("secret", [7; 32])));
    Policy { access, ..policy() }
}

fn is_heard(line: &str) -> bool {
    let mark = line.trim_start_matches(|c: char| c.is_ascii_digit());
    mark.starts_with("< ") || line.starts_with("* ")
}

struct Run {
    state: State,
    start: Instant,
    elapsed: Duration,
    logins_asked: u8,
    transcript: Vec<String>,
    /// The tokens that were given out, by the number of the login that got them.
    tokens: BTreeMap<u8, ResumeToken>,
    on_disk: BTreeMap<String, CatalogueEntry>,
    unreadable: BTreeSet<String>,
    /// Whether the log stores what comes at once, or waits to be told.
    log_waits: bool,
    unstored: Vec<Event>,
    log: MemoryLog,
    questions: VecDeque<HistoryQuestion>,
    passwords: VecDeque<PasswordTask>,
}

impl Run {
    fn new(policy: Policy) -> Self {
        Self {
            state: State::new(policy, LoginId(0)),
            start: crate::test_clock::start(),
            elapsed: Duration::ZERO,
            logins_asked: 0,
            transcript: Vec::new(),
            tokens: BTreeMap::new(),
            on_disk: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            log_waits: false,
            unstored: Vec::new(),
            log: MemoryLog::default(),
            questions: VecDeque::new(),
            passwords: VecDeque::new(),
        }
    }

    fn now(&self) -> Now {
        let elapsed_ms = i64::try_from(self.elapsed.as_millis()).unwrap();
        Now { instant: self.start + self.elapsed, unix_ms: START_MS + elapsed_ms }
    }

    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["wait", span] => self.wait(span),
            ["file", path, size] => {
                let version = FileVersion { size: size.parse().unwrap(), modified_ns: 5_000_000 };
                let file = CatalogueEntry { path: FilePath::parse(path).unwrap(), version };
                self.on_disk.insert((*path).to_owned(), file.clone());
                let actions = self.state.file_changed(file);
                self.record(actions);
            }
            ["unreadable", path] => {
                self.unreadable.insert((*path).to_owned());
            }
            ["unfile", path] => {
                let actions = self.state.file_removed(&FilePath::parse(path).unwrap());
                self.record(actions);
            }
            ["hashed", download] => {
                let actions = self.state.file_hashed(download.parse().unwrap(), Ok([9; 32]));
                self.record(actions);
            }
            ["upload", upload, outcome @ ..] => {
                let actions = self.state.upload_result(
                    self.now(),
                    UploadResult {
                        upload: upload.parse().unwrap(),
                        outcome: upload_outcome(outcome),
                    },
                );
                self.record(actions);
            }
            ["pieces", download, first, count] => {
                let pieces = vec![PieceHash([9; 32]); count.parse().unwrap()];
                let (download, first) = (download.parse().unwrap(), first.parse().unwrap());
                let actions = self.state.pieces_hashed(download, first, Ok(pieces));
                self.record(actions);
            }
            ["transferring", uploads @ ..] => {
                let served = uploads.iter().map(|number| number.parse().unwrap()).collect();
                let actions = self.state.uploads_served(self.now(), &served);
                self.record(actions);
            }
            ["served", downloads @ ..] => {
                let served = downloads.iter().map(|number| number.parse().unwrap()).collect();
                let actions = self.state.downloads_served(self.now(), &served);
                self.record(actions);
            }
            ["read", what] => {
                let HistoryQuestion { asker, subject, .. } = self.questions.pop_front().unwrap();
                let result = match *what {
                    "busy" => Err(HistoryProblem::Busy),
                    "failed" => Err(HistoryProblem::Failed),
                    "too_broad" => Err(HistoryProblem::TooBroad),
                    "no_word" => Err(HistoryProblem::NoWord),
                    _ => Ok(found_nothing(subject)),
                };
                let actions = self.state.history_read(self.now(), asker, result);
                self.record(actions);
            }
            ["password", result] => {
                let PasswordTask { ticket, .. } = self.passwords.pop_front().unwrap();
                let result = orders::password_result(result);
                let actions = self.state.password_done(self.now(), ticket, result);
                self.record(actions);
            }
            ["log", "waits"] => self.log_waits = true,
            ["log", "stores", events] => {
                let events: usize = events.parse().unwrap();
                self.store(events);
            }
            ["log", "is", problem] => {
                let problem = match *problem {
                    "full" => StorageProblem::Full,
                    _ => StorageProblem::Failed,
                };
                self.unstored.clear();
                let actions = self.state.not_recorded(self.now(), problem);
                self.record(actions);
            }
            ["restart"] => self.restart(),
            ["shutdown"] => {
                let actions = self.state.shut_down();
                self.record(actions);
            }
            [who, what @ ..] => {
                let connection = who.strip_suffix('>').and_then(|n| n.parse().ok());
                self.on_connection(ConnectionId(connection.expect("N> …")), what);
            }
            [] => {}
        }
    }

    /// The log has the next so many.
    fn store(&mut self, events: usize) {
        let stored: Vec<Event> = self.unstored.drain(..events).collect();
        self.log.append(&stored).unwrap();
        let actions = self.state.recorded(self.now(), events);
        self.record(actions);
    }

    /// As after `kill -9`: what is not stored is lost, and nobody is there.
    fn restart(&mut self) {
        let policy = std::mem::replace(&mut self.state.policy, policy());
        self.state = State::new(policy, LoginId(100));
        (self.unstored, self.log_waits) = (Vec::new(), false);
        let (folder, mut log) = (tempfile::tempdir().unwrap(), self.log.clone());
        let mut projection = Projection::open(folder.path()).unwrap();
        projection.catch_up(&mut log).unwrap();
        let rulings = projection.standing().unwrap();
        let rulings = rulings.into_iter().map(|it| ruling(&mut log, it).unwrap()).collect();
        self.state.remember(self.now(), Past { rulings, ..Past::default() });
    }

    /// Time passes in steps of a quarter of a second, as the hub lets it.
    fn wait(&mut self, span: &str) {
        let (number, unit) = span.split_at(span.find(|c: char| !c.is_ascii_digit()).unwrap());
        let unit_ms = if unit == "ms" { 1 } else { 1000 };
        let until = self.elapsed + Duration::from_millis(number.parse::<u64>().unwrap() * unit_ms);
        while self.elapsed < until {
            self.elapsed = until.min(self.elapsed + Duration::from_millis(250));
            let actions = self.state.tick(self.now());
            self.record(actions);
        }
    }

    fn on_connection(&mut self, connection: ConnectionId, words: &[&str]) {
        let now = self.now();
        let actions = match words {
            ["open"] => {
                let address = IpAddr::from([10, 0, 0, 1]);
                self.state.connection_opened(connection, address);
                let request = Ok(orders::hello());
                // The greeting is always the same; scripts that are about it say `hello`.
                drop(self.state.handle(now, connection, Asked { request_id: 1, request }));
                Vec::new()
            }
            ["operator"] => {
                self.state.operator_connected(connection);
                Vec::new()
            }
            ["connect", "from", address] => {
                self.state.connection_opened(connection, address.parse().unwrap());
                let request = Ok(orders::hello());
                drop(self.state.handle(now, connection, Asked { request_id: 1, request }));
                Vec::new()
            }
            ["connect"] => {
                self.state.connection_opened(connection, IpAddr::from([10, 0, 0, 1]));
                Vec::new()
            }
            ["close"] => self.state.connection_closed(now, connection),
            ["overflow"] => self.state.end_connection(now, connection, GoodbyeReason::TooSlow),
            ["idle"] => self.state.end_connection(now, connection, GoodbyeReason::Idle),
            ["displaced"] => self.state.place_lost(now, connection),
            ["nonsense"] => {
                self.state.end_connection(now, connection, GoodbyeReason::ProtocolError)
            }
            words => {
                let request = self.request(words);
                self.state.handle(now, connection, Asked { request_id: 1, request })
            }
        };
        self.record(actions);
    }
}

fn found_nothing(subject: HistorySubject) -> HistoryFound {
    match subject {
        HistorySubject::Messages { conversation, .. } => {
            HistoryFound::Messages { conversation, page: MessagesFound::default() }
        }
        HistorySubject::Conversations { .. } => {
            HistoryFound::Conversations(ConversationsFound::default())
        }
        HistorySubject::Search(_) => HistoryFound::Search { messages: Vec::new(), next: None },
        HistorySubject::Audit { .. } => HistoryFound::Audit { rulings: Vec::new(), next: None },
    }
}

fn upload_outcome(words: &[&str]) -> UploadOutcome {
    match words {
        ["ready"] => UploadOutcome::Ready(Box::default()),
        ["stored", path] => UploadOutcome::Stored(StoredUpload {
            path: FilePath::parse(path).unwrap(),
            root: [9; 32],
        }),
        ["removed"] => UploadOutcome::Removed,
        ["misses", missing] => {
            let missing = missing.parse().unwrap();
            UploadOutcome::Incomplete { missing, differs: missing == 0 }
        }
        ["full"] => UploadOutcome::Refused(UploadRefusal::DiskFull),
        ["failed"] => UploadOutcome::Refused(UploadRefusal::DiskFailed),
        other => panic!("no such outcome: {other:?}"),
    }
}
