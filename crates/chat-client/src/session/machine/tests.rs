//! The session's life as data: what goes in, and what has to come out.

use std::path::PathBuf;
use std::sync::Arc;

use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body as Say;
use common::wire::{GoodbyeReason, RefusalCode};
use file_transfer::download::{DownloadError, Finished, Progress, Transport};
use rand::SeedableRng;

use super::*;
use crate::command::{Command, MessageId, TransportChoice};
use crate::event::{DownloadChange, FilesChange, OnlineChange, UploadChange};

mod breaking;
mod connecting;
mod downloads;
mod leaving;
mod lists;
mod messages;
mod presence;

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
            machine: Machine::new("test".into(), true, StdRng::seed_from_u64(7)),
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
                // Whoever is tested never was here before.
                Output::ReadPositions { .. } | Output::KeepPositions { .. } => {}
                Output::Transfer(output) => self.deeds.push(spell_transfer(&output)),
                Output::Upload(output) => self.deeds.push(spell_upload(&output)),
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
        self.frame(
            id,
            Say::LoggedIn(wire::LoggedIn { name, resume_token, resumed, ..Default::default() }),
        );
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
        self.answer_history();
    }

    /// Nothing was missed.
    fn answer_history(&mut self) {
        let is_question =
            |frame: &wire::ClientFrame| matches!(frame.body, Some(Ask::ListConversations(_)));
        while let Some(position) = self.frames.iter().position(is_question) {
            let id = self.frames.remove(position).request_id;
            self.frame(id, Say::ConversationPage(wire::ConversationPage::default()));
        }
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
        let refused = wire::Refused { code: code.into(), allowed: 1, ..Default::default() };
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

    /// Answers the oldest request, which names the download `goes_on` of the server, with a ticket for
    /// a file of that many bytes.
    #[track_caller]
    fn ticket_again(&mut self, goes_on: u64, server_id: u64, size: u64) {
        let (id, body) = self.sent();
        let Ask::RequestDownload(asked) = body else { panic!("{body:?}") };
        assert_eq!(asked.download_id, goes_on);
        self.ticket_in_reply_to(id, server_id, size);
    }

    /// Answers the oldest request, which is for a new download.
    #[track_caller]
    fn ticket(&mut self, server_id: u64, size: u64) {
        self.ticket_again(0, server_id, size);
    }

    fn ticket_in_reply_to(&mut self, id: u64, server_id: u64, size: u64) {
        self.ticket_of_nodes(id, server_id, size, Vec::new());
    }

    fn ticket_of_nodes(
        &mut self,
        id: u64,
        server_id: u64,
        size: u64,
        nodes: Vec<wire::TransferNode>,
    ) {
        let file = wire::FileEntry { path: "x".into(), size, modified_ms: 0 };
        let ticket = wire::DownloadTicket {
            download_id: server_id,
            secret: vec![9; 32].into(),
            file: Some(file),
            nodes,
            ..Default::default()
        };
        self.frame(id, Say::DownloadTicket(ticket));
    }

    /// Answers the oldest request with a place in line.
    #[track_caller]
    fn queued(&mut self, goes_on: u64, server_id: u64, position: u32) {
        let (id, body) = self.sent();
        let Ask::RequestDownload(asked) = body else { panic!("{body:?}") };
        assert_eq!(asked.download_id, goes_on);
        self.queued_in_reply_to(id, server_id, position);
    }

    fn queued_in_reply_to(&mut self, id: u64, server_id: u64, position: u32) {
        let path = "x".into();
        let queued = wire::DownloadQueued { download_id: server_id, position, path };
        self.frame(id, Say::DownloadQueued(queued));
    }

    fn pieces(&mut self, id: u64, server_id: u64, first_piece: u64, count: usize) {
        let hashes = vec![vec![8; 32].into(); count];
        let pieces = wire::PieceHashes { download_id: server_id, first_piece, hashes, total: 9 };
        self.frame(id, Say::PieceHashes(pieces));
    }

    fn forget_events(&mut self) {
        self.events.clear();
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
            started_anew: false,
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

/// What is done about an upload, in few words.
fn spell_upload(output: &UploadOutput) -> String {
    match output {
        UploadOutput::Start { id, .. } => format!("upload {}", id.0),
        UploadOutput::Stop { id } => format!("stop upload {}", id.0),
        other => format!("{other:?}"),
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
        Event::LoggedIn { name, resumed, .. } => format!("logged in {name} {resumed}"),
        Event::Disconnected { .. } => "disconnected".into(),
        Event::Online(OnlineChange::Reset { names, away }) => {
            let mark = |name: &String| {
                if away.contains(name) { format!("{name} (away)") } else { name.clone() }
            };
            format!("online {}", names.iter().map(mark).collect::<Vec<_>>().join(","))
        }
        Event::Online(OnlineChange::Away { name, is_away: true }) => format!("{name} is away"),
        Event::Online(OnlineChange::Away { name, is_away: false }) => format!("{name} is back"),
        Event::Online(OnlineChange::Joined(name)) => format!("joined {name}"),
        Event::Online(OnlineChange::Left { name, connection_lost }) => {
            format!("left {name} {connection_lost}")
        }
        Event::Typing { conversation, names } => {
            format!("{conversation}: {} type", names.join(","))
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
        Event::History { messages, .. } => format!("history of {}", messages.len()),
        Event::Found { messages, .. } => format!("{} messages found", messages.len()),
        Event::SearchRefused(refusal) => format!("search {:?}", refusal.0.code()),
        Event::HistoryRefused { refusal, .. } => format!("no history {:?}", refusal.0.code()),
        Event::HistoryStalled { is_stalled } => format!("history stalled {is_stalled}"),
        Event::Notice { text } => format!("notice {text}"),
        Event::Room(change) => format!("room {change:?}"),
        Event::Answered { id, answer } => format!("answer {} {answer:?}", id.0),
        Event::Download { id, change } => format!("download {} {}", id.0, spell_change(change)),
        Event::Upload { id, change } => match change {
            UploadChange::Failed(_) => format!("upload {} failed", id.0),
            _ => format!("upload {}", id.0),
        },
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
        DownloadChange::Queued { position } => format!("queued as {position}"),
        DownloadChange::Progress { bytes, waiting: None, .. } => format!("at {bytes}"),
        DownloadChange::Progress { bytes, waiting: Some(waiting), .. } => {
            format!("at {bytes}, waiting: {waiting:?}")
        }
        DownloadChange::Paused => "paused".into(),
        DownloadChange::Resumed => "resumed".into(),
        DownloadChange::StartedAnew => "started anew".into(),
        DownloadChange::Verifying => "verifying".into(),
        DownloadChange::Finished { seconds, .. } => format!("finished in {seconds}"),
        DownloadChange::Failed(failure) => format!("failed: {failure}"),
    }
}

fn spell_transfer(output: &DownloadOutput) -> String {
    match output {
        DownloadOutput::Start(order) => format!("start {}", order.id.0),
        DownloadOutput::Discard { path, save_as } => {
            format!("discard {path} at {}", save_as.display())
        }
        DownloadOutput::TellRoot { id, root } => format!("root {} {}", id.0, root.is_some()),
        DownloadOutput::Renew { id, ticket } => format!("renew {} {}", id.0, ticket.is_some()),
        DownloadOutput::TellPieces { id, pieces } => {
            format!("pieces {} {:?}", id.0, pieces.as_ref().map(Vec::len))
        }
        DownloadOutput::SetPaused { id, paused: true } => format!("pause {}", id.0),
        DownloadOutput::SetPaused { id, paused: false } => format!("unpause {}", id.0),
        DownloadOutput::Stop { id, keep: false } => format!("stop {}", id.0),
        DownloadOutput::Stop { id, keep: true } => format!("interrupt {}", id.0),
        other => panic!("the machine keeps these: {other:?}"),
    }
}
