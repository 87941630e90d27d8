//! The session's life as data: what goes in, and what has to come out.

use std::path::PathBuf;
use std::sync::Arc;

use common::conversation::Conversation;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body as Say;
use common::wire::{GoodbyeReason, RefusalCode};
use file_transfer::download::{DownloadError, Finished, Progress, Transport};

use super::*;
use crate::command::{Command, MessageId, TransportChoice};
use crate::event::{DownloadChange, FilesChange, OnlineChange};

const PIN: SpkiPin = SpkiPin([1; 32]);

/// A machine with its clock, and what came out of it since somebody looked.
struct Bench {
    machine: Machine,
    now: Instant,
    events: Vec<String>,
    frames: Vec<wire::ClientFrame>,
    deeds: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self {
            machine: Machine::new("test".into(), 7),
            now: Instant::now(),
            events: Vec::new(),
            frames: Vec::new(),
            deeds: Vec::new(),
        }
    }

    /// Connected, logged in as bob, alone, no files.
    fn logged_in() -> Self {
        let mut bench = Self::new();
        bench.connect();
        bench.command(Command::LogIn { name: "bob".into(), password: None });
        bench.connected();
        bench.greet();
        bench.welcome(false);
        bench.forget();
        bench
    }

    fn collect(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Event(event) => self.events.push(spell(&event)),
                Output::Send(frame) => self.frames.push(frame),
                Output::Dial { pin, .. } => self.deeds.push(format!("dial {}", pin.is_some())),
                Output::HangUp => self.deeds.push("hang up".into()),
                Output::RememberServer { .. } => self.deeds.push("remember".into()),
                Output::KeepToken { name, token, .. } => {
                    self.deeds.push(format!("keep {name} {}", token.0[0]));
                }
                Output::ForgetToken { name, token, .. } => {
                    self.deeds.push(format!("forget {name} {}", token.0[0]));
                }
                Output::Transfer(output) => self.deeds.push(spell_transfer(&output)),
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.machine.handle_command(self.now, command);
        self.collect();
    }

    fn connect(&mut self) {
        let server = ServerAddress::Plain("chat.lan".parse().unwrap());
        self.command(Command::Connect { server });
    }

    fn connected(&mut self) {
        self.machine.handle_connected(self.now, PIN, Vec::new());
        self.collect();
    }

    fn broken(&mut self) {
        self.machine.handle_broken(self.now, SessionError::Lost);
        self.collect();
    }

    /// Lets time pass, doing everything that falls due.
    fn wait(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.machine.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    fn tell(&mut self, body: Say) {
        self.frame(0, body);
    }

    fn frame(&mut self, in_reply_to: u64, body: Say) {
        let frame = wire::ServerFrame { in_reply_to, body: Some(body) };
        self.machine.handle_frame(self.now, frame);
        self.collect();
    }

    /// Takes the oldest frame out that the server has not looked at, and the number of its request.
    #[track_caller]
    fn sent(&mut self) -> (u64, Ask) {
        assert!(!self.frames.is_empty(), "nothing was sent");
        let frame = self.frames.remove(0);
        (frame.request_id, frame.body.unwrap())
    }

    #[track_caller]
    fn greet(&mut self) {
        let (id, body) = self.sent();
        assert!(matches!(body, Ask::Hello(_)), "{body:?}");
        let version = common::limits::PROTOCOL_VERSION;
        let access = wire::Access::Open.into();
        let server_name = "Lab".into();
        self.frame(id, Say::ServerHello(wire::ServerHello { version, server_name, access }));
    }

    /// Accepts the login and answers both lists. Returns the token that the client showed.
    #[track_caller]
    fn welcome(&mut self, resumed: bool) -> Option<u8> {
        let (id, body) = self.sent();
        let Ask::LogIn(log_in) = body else { panic!("{body:?}") };
        let next = log_in.resume_token.first().map_or(1, |first| first + 1);
        let resume_token = vec![next; 32].into();
        let name = log_in.name;
        self.frame(id, Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed }));
        self.answer_lists();
        log_in.resume_token.first().copied()
    }

    fn answer_lists(&mut self) {
        let (id, body) = self.sent();
        assert!(matches!(body, Ask::ListOnline(_)), "{body:?}");
        self.frame(id, Say::OnlinePage(wire::OnlinePage::default()));
        let (id, body) = self.sent();
        assert!(matches!(body, Ask::ListFiles(_)), "{body:?}");
        self.frame(id, Say::FilePage(wire::FilePage::default()));
    }

    fn forget(&mut self) {
        self.events.clear();
        self.frames.clear();
        self.deeds.clear();
    }

    #[track_caller]
    fn check_events(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.events), expected);
    }

    #[track_caller]
    fn check_deeds(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.deeds), expected);
    }

    fn refuse(&mut self, request: u64, code: RefusalCode) {
        let refused = wire::Refused { code: code.into(), ..Default::default() };
        self.frame(request, Say::Refused(refused));
    }

    fn say(&mut self, number: u8, text: &str) {
        let id = MessageId([number; 16]);
        self.command(Command::Send { id, to: Conversation::lobby(), text: text.into() });
    }

    /// The texts of the messages on the wire, each with its request.
    fn messages(&mut self) -> Vec<(u64, String)> {
        let frames = std::mem::take(&mut self.frames).into_iter();
        frames
            .map(|frame| match frame.body {
                Some(Ask::SendMessage(message)) => (frame.request_id, message.text),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn texts(&mut self) -> Vec<String> {
        self.messages().into_iter().map(|(_, text)| text).collect()
    }

    fn download(&mut self, number: u64) {
        self.command(Command::Download {
            id: DownloadId(number),
            path: format!("file{number}"),
            save_as: PathBuf::from("x"),
            transport: TransportChoice::Auto,
        });
    }

    /// Answers the oldest request with a ticket for a file of that many bytes.
    #[track_caller]
    fn ticket(&mut self, server_id: u64, size: u64) {
        let (id, body) = self.sent();
        assert!(matches!(body, Ask::RequestDownload(_)), "{body:?}");
        let file = wire::FileEntry { path: "x".into(), size, modified_ms: 0 };
        let ticket = wire::DownloadTicket {
            download_id: server_id,
            secret: vec![9; 32].into(),
            file: Some(file),
            ..Default::default()
        };
        self.frame(id, Say::DownloadTicket(ticket));
    }

    fn root(&mut self, server_id: u64) {
        let root = vec![5; 32].into();
        self.tell(Say::FileHashes(wire::FileHashes {
            download_id: server_id,
            root,
            ..Default::default()
        }));
    }

    fn report(&mut self, number: u64, report: TransferReport) {
        self.machine.handle_report(self.now, DownloadId(number), report);
        self.collect();
    }

    fn finish(&mut self, number: u64) {
        let finished = Finished {
            path: "x".into(),
            bytes: 10,
            seconds: 99.0,
            transport: Transport::Udp,
            blake3: [5; 32],
            resumed_from: 0,
        };
        self.report(number, TransferReport::Finished(finished));
    }

    fn fail(&mut self, number: u64, error: DownloadError) {
        self.report(number, TransferReport::Failed(Arc::new(error)));
    }

    /// The numbers of downloads that the server was told the end of, and how.
    fn done(&mut self) -> Vec<(u64, bool)> {
        let frames = std::mem::take(&mut self.frames).into_iter();
        let done = frames.map(|frame| match frame.body {
            Some(Ask::DownloadDone(done)) => (done.download_id, done.verified),
            other => panic!("{other:?}"),
        });
        done.collect()
    }

    /// Takes out what the server is told of downloads that are over.
    fn forget_done(&mut self) {
        self.frames.retain(|frame| !matches!(frame.body, Some(Ask::DownloadDone(_))));
    }
}

/// An event in few words.
fn spell(event: &Event) -> String {
    match event {
        Event::Connecting { attempt } => format!("connecting {attempt}"),
        Event::FirstContact { .. } => "first contact".into(),
        Event::KeyChanged { .. } => "key changed".into(),
        Event::NeedsLogIn { server_name, .. } => format!("name? {server_name}"),
        Event::LogInRefused(refusal) => format!("refused {:?}", refusal.0.code()),
        Event::LoggedIn { name, resumed } => format!("logged in {name} {resumed}"),
        Event::Disconnected { .. } => "disconnected".into(),
        Event::Online(OnlineChange::Reset(names)) => format!("online {}", names.join(",")),
        Event::Online(OnlineChange::Joined(name)) => format!("joined {name}"),
        Event::Online(OnlineChange::Left { name, connection_lost }) => {
            format!("left {name} {connection_lost}")
        }
        Event::Files(FilesChange::Reset(files)) => {
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            format!("files {}", paths.join(","))
        }
        Event::Files(FilesChange::Changed(file)) => format!("file {}", file.path),
        Event::Files(FilesChange::Removed { path }) => format!("no file {path}"),
        Event::Message { from, text, .. } => format!("{from}: {text}"),
        Event::MessageAccepted { id, seq, .. } => format!("accepted {} as {seq}", id.0[0]),
        Event::MessageRefused { id, refusal } => {
            format!("message {} {:?}", id.0[0], refusal.0.code())
        }
        Event::Notice { text } => format!("notice {text}"),
        Event::Download { id, change } => format!("download {} {}", id.0, spell_change(change)),
        Event::Ended(reason) => match reason {
            EndReason::LoggedOut => "ended: logged out".into(),
            EndReason::KeyChanged => "ended: key changed".into(),
            EndReason::TakenOver => "ended: taken over".into(),
            EndReason::Failed(error) => format!("ended: {error}"),
        },
    }
}

fn spell_change(change: &DownloadChange) -> String {
    match change {
        DownloadChange::Started { size } => format!("started {size}"),
        DownloadChange::Progress { bytes, .. } => format!("at {bytes}"),
        DownloadChange::Verifying => "verifying".into(),
        DownloadChange::Finished { seconds, .. } => format!("finished in {seconds}"),
        DownloadChange::Failed(failure) => format!("failed: {failure}"),
    }
}

fn spell_transfer(output: &DownloadOutput) -> String {
    match output {
        DownloadOutput::Start(order) => format!("start {}", order.id.0),
        DownloadOutput::TellRoot { id, root } => format!("root {} {}", id.0, root.is_some()),
        DownloadOutput::Renew { id, ticket } => format!("renew {} {}", id.0, ticket.is_some()),
        DownloadOutput::Stop { id } => format!("stop {}", id.0),
        other => panic!("the machine keeps these: {other:?}"),
    }
}

// ---- Connecting and logging in ------------------------------------------------------------------

#[test]
fn first_contact_sends_nothing_and_waits_for_trust() {
    let mut bench = Bench::new();
    bench.connect();
    bench.machine.handle_dial_error(bench.now, DialError::FirstContact(PIN));
    bench.collect();
    bench.check_events(&["connecting 1", "first contact"]);
    bench.wait(3600.0);
    bench.command(Command::Trust { pin: SpkiPin([9; 32]) });
    bench.check_deeds(&["dial false"]);
    assert_eq!(bench.frames, []);

    bench.command(Command::Trust { pin: PIN });
    bench.check_deeds(&["dial true"]);
    bench.connected();
    bench.greet();
    bench.check_events(&["connecting 1", "name? Lab"]);
    bench.check_deeds(&["remember"]);
}

#[test]
fn a_changed_key_ends_the_session_before_anything_is_sent() {
    let mut bench = Bench::new();
    bench.connect();
    bench.command(Command::LogIn { name: "bob".into(), password: Some("secret".into()) });
    let error = DialError::KeyChanged { expected: PIN, found: SpkiPin([2; 32]) };
    bench.machine.handle_dial_error(bench.now, error);
    bench.collect();
    bench.check_events(&["connecting 1", "key changed", "ended: key changed"]);
    assert_eq!(bench.frames, []);
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_refused_name_may_be_replaced_on_the_same_connection() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    bench.greet();
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::NameTaken);
    bench.command(Command::LogIn { name: "rob".into(), password: None });
    bench.welcome(false);
    bench.check_events(&[
        "connecting 1",
        "name? Lab",
        "refused NameTaken",
        "logged in rob false",
        "online rob",
        "files ",
    ]);
    bench.check_deeds(&["dial false", "remember", "keep rob 1"]);
}

#[test]
fn a_kept_token_is_shown_for_a_name_that_looks_the_same() {
    let mut bench = Bench::new();
    bench.connect();
    bench.command(Command::LogIn { name: "BOB".into(), password: None });
    let kept = KeptToken { name: "bob".into(), token: ResumeToken([7; 32]) };
    let other = KeptToken { name: "eve".into(), token: ResumeToken([8; 32]) };
    bench.machine.handle_connected(bench.now, PIN, vec![kept, other]);
    bench.collect();
    bench.greet();
    assert_eq!(bench.welcome(true), Some(7));
    bench.check_deeds(&["dial false", "remember", "keep BOB 8"]);
}

#[test]
fn a_person_who_types_slowly_costs_the_server_nothing() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    bench.greet();
    bench.forget();
    bench.tell(Say::Goodbye(wire::Goodbye {
        reason: GoodbyeReason::Idle.into(),
        retry_after_ms: 0,
    }));
    bench.wait(3600.0);
    bench.check_events(&[]);
    bench.check_deeds(&["hang up"]);
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.check_deeds(&["dial true"]);
    bench.connected();
    bench.greet();
    bench.welcome(false);
    bench.check_events(&["connecting 1", "logged in bob false", "online bob", "files "]);
}

#[test]
fn another_protocol_version_ends_the_session() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::Version);
    bench.check_events(&["connecting 1", "ended: the server refused the connection"]);
}

#[test]
fn a_server_that_never_greets_is_given_up() {
    let mut bench = Bench::new();
    bench.connect();
    bench.connected();
    bench.forget();
    bench.wait(31.0);
    bench.check_events(&["disconnected"]);
    bench.check_deeds(&["hang up"]);
}

// ---- Losing the connection ----------------------------------------------------------------------

#[test]
fn a_lost_connection_is_made_again_within_a_second_and_taken_over() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.wait(1.0);
    bench.check_events(&["disconnected", "connecting 1"]);
    bench.check_deeds(&["hang up", "dial true"]);
    bench.connected();
    bench.greet();
    assert_eq!(bench.welcome(true), Some(1));
    bench.check_events(&["logged in bob true", "online bob", "files "]);
    bench.check_deeds(&["remember", "keep bob 2"]);
}

#[test]
fn attempts_become_rarer_but_never_stop() {
    let mut bench = Bench::logged_in();
    bench.broken();
    for attempt in 1..20 {
        bench.forget();
        bench.wait(30.0);
        bench.check_events(&[&format!("connecting {attempt}")]);
        let error = SessionError::TimedOut { address: String::new() };
        bench.machine.handle_dial_error(bench.now, DialError::Failed(error));
        bench.collect();
        let due = bench.machine.poll_timeout().unwrap() - bench.now;
        assert!(due <= Duration::from_secs(30), "{due:?}");
    }
}

#[test]
fn a_server_that_goes_away_names_the_time_of_return() {
    let mut bench = Bench::logged_in();
    let reason = GoodbyeReason::Shutdown.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 4000 }));
    bench.check_events(&["disconnected"]);
    bench.wait(3.9);
    bench.check_events(&[]);
    bench.wait(1.2);
    bench.check_events(&["connecting 1"]);
}

#[test]
fn a_server_that_does_not_want_us_back_is_left_alone() {
    let mut bench = Bench::logged_in();
    let reason = GoodbyeReason::ProtocolError.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 0 }));
    bench.check_events(&["ended: the server closed the connection"]);
    assert_eq!(bench.machine.poll_timeout(), None);
}

#[test]
fn a_session_that_was_taken_over_does_not_fight_for_its_name() {
    let mut bench = Bench::logged_in();
    let reason = GoodbyeReason::TakenOver.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 1000 }));
    bench.check_events(&["ended: taken over"]);
}

#[test]
fn a_connect_while_waiting_means_now() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.forget();
    bench.connect();
    bench.check_deeds(&["dial true"]);
}

#[test]
fn silence_is_asked_about_and_then_ends_the_connection() {
    let mut bench = Bench::logged_in();
    bench.wait(30.0);
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::Ping(_)), "{body:?}");
    bench.wait(46.0);
    bench.check_events(&["disconnected", "connecting 1"]);
}

#[test]
fn a_ping_is_answered_at_once() {
    let mut bench = Bench::logged_in();
    bench.tell(Say::Ping(wire::Ping { token: 77 }));
    let (_, body) = bench.sent();
    assert_eq!(body, Ask::Pong(wire::Pong { token: 77 }));
}

#[test]
fn a_full_server_is_asked_again_by_those_who_were_in() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    bench.forget();
    bench.refuse(id, RefusalCode::ServerFull);
    bench.check_events(&[]);
    bench.wait(4.0);
    assert_eq!(bench.welcome(false), Some(1));
    bench.check_events(&["logged in bob false", "online bob", "files "]);
}

#[test]
fn a_name_that_was_lost_meanwhile_is_told() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    bench.forget();
    bench.refuse(id, RefusalCode::NameTaken);
    bench.check_events(&["refused NameTaken"]);
    bench.command(Command::LogIn { name: "rob".into(), password: None });
    assert_eq!(bench.welcome(false), None);
}

#[test]
fn a_reply_to_nothing_breaks_the_connection() {
    let mut bench = Bench::logged_in();
    bench.frame(999, Say::LoggedOut(wire::LoggedOut {}));
    bench.check_events(&["disconnected"]);
    bench.check_deeds(&["hang up"]);
}

#[test]
fn a_frame_of_a_later_version_is_ignored() {
    let mut bench = Bench::logged_in();
    let frame = wire::ServerFrame { in_reply_to: 0, body: None };
    bench.machine.handle_frame(bench.now, frame);
    bench.collect();
    bench.check_events(&[]);
    bench.check_deeds(&[]);
}

// ---- Logging out --------------------------------------------------------------------------------

#[test]
fn a_log_out_is_said_and_answered() {
    let mut bench = Bench::logged_in();
    bench.command(Command::LogOut);
    let (id, body) = bench.sent();
    assert!(matches!(body, Ask::LogOut(_)), "{body:?}");
    bench.check_events(&[]);
    bench.frame(id, Say::LoggedOut(wire::LoggedOut {}));
    bench.check_events(&["ended: logged out"]);
    bench.check_deeds(&["forget bob 1", "hang up"]);
}

#[test]
fn a_server_that_does_not_answer_keeps_nobody() {
    let mut bench = Bench::logged_in();
    bench.command(Command::LogOut);
    bench.wait(2.0);
    bench.check_events(&["ended: logged out"]);
}

#[test]
fn a_log_out_without_a_connection_is_immediate() {
    let mut bench = Bench::logged_in();
    bench.broken();
    bench.forget();
    bench.command(Command::LogOut);
    bench.check_events(&["ended: logged out"]);
    bench.check_deeds(&["forget bob 1", "hang up"]);
}

#[test]
fn a_log_out_waits_for_transfers_to_clean_up() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    bench.command(Command::LogOut);
    bench.check_deeds(&["forget bob 1", "stop 1"]);
    assert_eq!(bench.frames, []);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 failed: cancelled"]);
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::DownloadDone(_)), "{body:?}");
    let (_, body) = bench.sent();
    assert!(matches!(body, Ask::LogOut(_)), "{body:?}");
}

// ---- Messages -----------------------------------------------------------------------------------

#[test]
fn an_unanswered_message_is_sent_again_under_its_id_and_accepted_once() {
    let mut bench = Bench::logged_in();
    bench.say(1, "one");
    assert_eq!(bench.texts(), ["one"]);
    bench.broken();
    bench.say(2, "two");
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    let resume_token = vec![2; 32].into();
    let name = "bob".into();
    bench.frame(id, Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed: true }));
    bench.answer_lists();
    bench.events.clear();
    let sent = bench.messages();
    let texts: Vec<&str> = sent.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    for (seq, (id, _)) in sent.into_iter().enumerate() {
        let accepted = wire::MessageAccepted { seq: seq as u64 + 5, ..Default::default() };
        bench.frame(id, Say::MessageAccepted(accepted));
    }
    bench.check_events(&["accepted 1 as 5", "accepted 2 as 6"]);
}

#[test]
fn messages_written_before_the_login_go_out_after_it() {
    let mut bench = Bench::new();
    bench.say(1, "early");
    bench.connect();
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.connected();
    bench.greet();
    bench.welcome(false);
    assert_eq!(bench.texts(), ["early"]);
}

#[test]
fn slow_down_is_obeyed_and_nothing_is_lost() {
    let mut bench = Bench::logged_in();
    bench.say(1, "one");
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::SlowDown);
    bench.wait(0.4);
    assert_eq!(bench.texts(), Vec::<String>::new());
    bench.wait(0.2);
    assert_eq!(bench.texts(), ["one"]);
    bench.check_events(&[]);
}

#[test]
fn a_refused_message_is_told_and_not_sent_again() {
    let mut bench = Bench::logged_in();
    bench.say(1, "hello?");
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownUser);
    bench.check_events(&["message 1 UnknownUser"]);
    bench.wait(5.0);
    assert_eq!(bench.frames, []);
}

#[test]
fn a_text_that_no_frame_holds_never_reaches_the_wire() {
    let mut bench = Bench::logged_in();
    bench.say(1, &"x".repeat(300_000));
    bench.check_events(&["message 1 TextTooLong"]);
    assert_eq!(bench.frames, []);
}

#[test]
fn messages_beyond_what_is_kept_are_refused() {
    let mut bench = Bench::new();
    for _ in 0..256 {
        bench.say(1, "x");
    }
    bench.check_events(&[]);
    bench.say(2, "x");
    bench.check_events(&["message 2 SlowDown"]);
}

// ---- Lists --------------------------------------------------------------------------------------

#[test]
fn pages_are_read_to_the_end_and_changes_on_the_way_are_in_the_list() {
    let mut bench = Bench::new();
    bench.connect();
    bench.command(Command::LogIn { name: "bob".into(), password: None });
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    let resume_token = vec![1; 32].into();
    let name = "bob".into();
    bench.frame(id, Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed: false }));
    bench.events.clear();

    let (id, _) = bench.sent();
    let names = vec!["amy".into(), "bob".into()];
    bench.frame(id, Say::OnlinePage(wire::OnlinePage { names, more: true }));
    bench.tell(Say::UserJoined(wire::UserJoined { name: "abe".into() }));
    bench.tell(Say::UserLeft(wire::UserLeft { name: "amy".into(), reason: 1 }));
    bench.check_events(&[]);
    bench.frames.remove(0);
    let (id, body) = bench.sent();
    assert_eq!(body, Ask::ListOnline(wire::ListOnline { after: "bob".into() }));
    let names = vec!["eve".into()];
    bench.frame(id, Say::OnlinePage(wire::OnlinePage { names, more: false }));
    bench.check_events(&["online abe,bob,eve"]);
}

#[test]
fn changes_are_told_while_they_happen() {
    let mut bench = Bench::logged_in();
    let file = Some(wire::FileEntry { path: "a/b".into(), size: 1, modified_ms: 2 });
    bench.tell(Say::UserJoined(wire::UserJoined { name: "eve".into() }));
    bench.tell(Say::UserLeft(wire::UserLeft { name: "eve".into(), reason: 2 }));
    bench.tell(Say::FileChanged(wire::FileChanged { file }));
    bench.tell(Say::FileRemoved(wire::FileRemoved { path: "a/b".into() }));
    bench.tell(Say::Notice(wire::Notice { text: "hi".into() }));
    bench.check_events(&["joined eve", "left eve true", "file a/b", "no file a/b", "notice hi"]);
}

// ---- Downloads ----------------------------------------------------------------------------------

#[test]
fn a_download_runs_from_the_ticket_to_the_verified_file() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.root(11);
    bench.check_deeds(&["start 1", "root 1 true"]);
    let progress = |bytes, verifying| {
        TransferReport::Progress(Progress { bytes, transport: Transport::Udp, verifying })
    };
    bench.report(1, progress(5, false));
    bench.report(1, progress(10, true));
    bench.report(1, progress(10, true));
    bench.now += Duration::from_secs(3);
    bench.finish(1);
    bench.check_events(&[
        "download 1 started 10",
        "download 1 at 5",
        "download 1 at 10",
        "download 1 verifying",
        "download 1 at 10",
        "download 1 finished in 3",
    ]);
    assert_eq!(bench.done(), [(11, true)]);
}

#[test]
fn four_run_at_once_and_the_fifth_waits_for_a_place() {
    let mut bench = Bench::logged_in();
    (1..=5).for_each(|number| bench.download(number));
    (11..=14).for_each(|server_id| bench.ticket(server_id, 10));
    assert_eq!(bench.frames, []);
    bench.finish(2);
    assert!(matches!(bench.sent().1, Ask::DownloadDone(_)));
    bench.ticket(15, 10);
    bench.check_deeds(&["start 1", "start 2", "start 3", "start 4", "start 5"]);
}

#[test]
fn a_missing_file_is_told() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_events(&["download 1 failed: refused"]);
}

#[test]
fn a_cancelled_download_is_stopped_and_its_place_given_back() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.command(Command::CancelDownload { id: DownloadId(1) });
    bench.check_deeds(&["start 1", "stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&["download 1 started 10", "download 1 failed: cancelled"]);
    assert_eq!(bench.done(), [(11, false)]);
}

#[test]
fn a_ticket_for_a_download_that_was_cancelled_is_given_back() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.command(Command::CancelDownload { id: DownloadId(1) });
    bench.check_events(&["download 1 failed: cancelled"]);
    bench.ticket(11, 10);
    bench.check_deeds(&[]);
    assert_eq!(bench.done(), [(11, false)]);
}

#[test]
fn a_download_runs_on_while_the_chat_reconnects() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.broken();
    bench.forget();
    bench.finish(1);
    bench.check_events(&["download 1 finished in 0"]);
    assert_eq!(bench.frames, []);
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    let (id, _) = bench.sent();
    let resume_token = vec![2; 32].into();
    let name = "bob".into();
    bench.frame(id, Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed: true }));
    bench.answer_lists();
    assert_eq!(bench.done(), [(11, true)]);
}

#[test]
fn a_download_that_was_asked_for_is_asked_for_again_after_a_loss() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.broken();
    bench.frames.clear();
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    bench.welcome(true);
    bench.ticket(11, 10);
    bench.deeds.retain(|deed| deed.starts_with("start"));
    bench.check_deeds(&["start 1"]);
}

#[test]
fn after_a_restart_of_the_server_a_broken_download_begins_anew() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.broken();
    bench.fail(1, DownloadError::Ended);
    bench.wait(1.0);
    bench.connected();
    bench.greet();
    bench.welcome(false);
    bench.forget_done();
    bench.ticket(1, 10);
    bench.deeds.retain(|deed| deed.starts_with("start"));
    bench.check_deeds(&["start 1", "start 1"]);
}

#[test]
fn a_download_that_fails_by_itself_is_not_begun_anew() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.fail(1, DownloadError::Rejected);
    bench.check_events(&[
        "download 1 started 10",
        "download 1 failed: the transfer node refuses the ticket",
    ]);
}

#[test]
fn a_file_that_changed_on_the_server_stops_the_download() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.tell(Say::FileHashes(wire::FileHashes { download_id: 11, ..Default::default() }));
    bench.check_deeds(&["start 1", "stop 1"]);
    bench.fail(1, DownloadError::Cancelled);
    bench.check_events(&[
        "download 1 started 10",
        "download 1 failed: the file changed on the server",
    ]);
}

#[test]
fn a_transfer_gets_another_ticket_when_it_wants_one() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::TicketWanted);
    assert!(matches!(bench.sent().1, Ask::DownloadDone(_)));
    bench.ticket(12, 10);
    bench.root(12);
    bench.check_deeds(&["start 1", "renew 1 true", "root 1 true"]);
}

#[test]
fn a_ticket_that_is_refused_is_told_to_the_transfer() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.report(1, TransferReport::TicketWanted);
    bench.frames.remove(0);
    let (id, _) = bench.sent();
    bench.refuse(id, RefusalCode::UnknownFile);
    bench.check_deeds(&["start 1", "renew 1 false"]);
}

#[test]
fn a_session_that_ends_by_force_fails_its_downloads_first() {
    let mut bench = Bench::logged_in();
    bench.download(1);
    bench.ticket(11, 10);
    bench.forget();
    let reason = GoodbyeReason::TakenOver.into();
    bench.tell(Say::Goodbye(wire::Goodbye { reason, retry_after_ms: 0 }));
    bench.check_events(&["download 1 failed: no connection to the server", "ended: taken over"]);
    bench.check_deeds(&["hang up", "stop 1"]);
}
