//! What the session does next, as a state machine: commands, frames, reports and time go in, frames,
//! events and deeds come out. It holds no socket, file, clock or thread.
//!
//! Each input is a `handle_*` method with the time as first argument. After every one of them
//! [`Machine::poll_output`] is to be called until it has nothing more, and then
//! [`Machine::poll_timeout`] says when [`Machine::handle_timeout`] is due. What a frame means stands in
//! `machine/frames.rs`, what a command means in `machine/commands.rs`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use common::conversation::Conversation;
use common::spki_pin::SpkiPin;
use common::wire::{self, client_frame};
use rand::Rng;
use rand::rngs::StdRng;

use crate::command::{DownloadId, ServerAddress, UploadId};
use crate::dial::DialError;
use crate::error::{EndReason, SessionError};
use crate::event::{Event, ServerFile};
use crate::question::NoAnswer;
use crate::resume_token::{KeptToken, ResumeToken};
use crate::session::away::Away;
use crate::session::backoff;
use crate::session::downloads::{DownloadOutput, Downloads, TransferReport};
use crate::session::history::{History, Reader};
use crate::session::liveness::{Liveness, Silence};
use crate::session::outbox::Outbox;
use crate::session::paged_list::PagedList;
use crate::session::requests::{Request, Requests};
use crate::session::typing::Typing;
use crate::session::uploads::{UploadOutput, UploadReport, Uploads};

mod commands;
mod frames;
mod presence;
mod rooms;
#[cfg(test)]
mod tests;

/// How long the answer to Hello or LogIn may take: a password is checked slowly, behind others.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a log-out waits for the server's word and for transfers to clean up.
const LOG_OUT_TIME_MAX: Duration = Duration::from_secs(2);

/// Something to carry out, in order.
#[derive(Debug)]
pub(crate) enum Output {
    /// Tell the user interface.
    Event(Event),
    /// Connect, in place of an attempt under way. `pin`: the key to expect, where one is known here.
    Dial { server: ServerAddress, pin: Option<SpkiPin> },
    /// Send on the connection.
    Send(wire::ClientFrame),
    /// Close the connection, or stop dialling.
    HangUp,
    /// Remember that the server at this address has this key.
    RememberServer { server: ServerAddress, pin: SpkiPin },
    /// Keep a resume token.
    KeepToken { pin: SpkiPin, name: String, token: ResumeToken },
    /// Look up what was kept with `KeepPositions` and say it with [`Machine::handle_positions`], before
    /// anything else comes from the server.
    ReadPositions { reader: Reader },
    /// Keep up to where private conversations were told.
    KeepPositions { reader: Reader, positions: Vec<(Conversation, u64)> },
    /// Something about a transfer. Never what is for the server or the user interface.
    Transfer(DownloadOutput),
    /// Something about an upload. Never [`UploadOutput::Tell`], `Request` or `Abandon`.
    Upload(UploadOutput),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Before [`crate::command::Command::Connect`].
    Idle,
    Dialling,
    /// A person looks at the key.
    AskingTrust {
        pin: SpkiPin,
    },
    /// Hello is sent.
    Greeting {
        until: Instant,
    },
    /// Connected; a person types a name.
    AwaitingLogIn,
    /// The connection went while a person typed. It is made again when there is a name.
    Parked,
    LoggingIn {
        until: Instant,
    },
    /// The server has no place for us now. It had, before the connection broke.
    PostponedLogIn {
        until: Instant,
    },
    LoggedIn,
    LoggingOut {
        until: Instant,
    },
    /// Between two attempts.
    Waiting {
        until: Instant,
    },
    Ended,
}

/// Who logs in.
#[derive(Debug)]
struct Credentials {
    name: String,
    password: Option<String>,
    /// The server accepted them before.
    proven: bool,
    token: Option<ResumeToken>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Machine {
    phase: Phase,
    agent: String,
    server: Option<ServerAddress>,
    pin: Option<SpkiPin>,
    credentials: Option<Credentials>,
    kept_tokens: Vec<KeptToken>,
    password_needed: bool,
    server_name: String,
    /// Connections tried since the last login.
    attempt: u32,
    liveness: Option<Liveness>,
    requests: Requests,
    outbox: Outbox,
    history: History,
    /// Whether they are away.
    online: PagedList<bool>,
    away: Away,
    files: PagedList<ServerFile>,
    typing: Typing,
    downloads: Downloads,
    uploads: Uploads,
    random: StdRng,
    log_out_is_said: bool,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// `agent` introduces the program; `catches_up`: it wants to hear what was said while it was away;
    /// `random` decides the jitter of its reconnects, and what is shown to a server that gave nothing to show yet.
    pub(crate) fn new(agent: String, catches_up: bool, random: StdRng) -> Self {
        Self {
            phase: Phase::Idle,
            agent,
            server: None,
            pin: None,
            credentials: None,
            kept_tokens: Vec::new(),
            password_needed: false,
            server_name: String::new(),
            attempt: 0,
            liveness: None,
            requests: Requests::default(),
            outbox: Outbox::default(),
            history: History::new(catches_up),
            online: PagedList::default(),
            away: Away::default(),
            files: PagedList::default(),
            typing: Typing::default(),
            downloads: Downloads::default(),
            uploads: Uploads::default(),
            random,
            log_out_is_said: false,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing to carry out.
    #[must_use]
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, if ever.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let of_phase = match self.phase {
            Phase::Greeting { until }
            | Phase::LoggingIn { until }
            | Phase::PostponedLogIn { until }
            | Phase::LoggingOut { until }
            | Phase::Waiting { until } => Some(until),
            Phase::Idle
            | Phase::Dialling
            | Phase::AskingTrust { .. }
            | Phase::AwaitingLogIn
            | Phase::Parked
            | Phase::LoggedIn
            | Phase::Ended => None,
        };
        let of_silence = self.liveness.as_ref().map(Liveness::poll_timeout);
        let of_outbox = match self.phase {
            Phase::LoggedIn => self.outbox.poll_timeout(),
            _ => None,
        };
        let of_history = match self.phase {
            Phase::LoggedIn => self.history.poll_timeout(),
            _ => None,
        };
        let of_downloads = self.downloads.poll_timeout();
        let of_typing = self.typing.poll_timeout();
        let of_away = self.away.poll_timeout().filter(|_| self.phase == Phase::LoggedIn);
        let of_people = [of_silence, of_outbox, of_history, of_typing, of_away];
        [of_phase, of_downloads].into_iter().chain(of_people).flatten().min()
    }

    /// No event follows any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Time passed. Early calls do nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { until } if now >= until => self.dial(),
            Phase::PostponedLogIn { until } if now >= until => self.send_log_in(now),
            Phase::LoggingOut { until } if now >= until => self.log_out_at_once(),
            Phase::Greeting { until } | Phase::LoggingIn { until } if now >= until => {
                let address = self.address_text();
                self.lose(now, SessionError::TimedOut { address }, None);
            }
            _ => {}
        }
        self.downloads.handle_timeout(now);
        let unheard = self.typing.handle_timeout(now);
        self.tell_typing(unheard);
        self.say_away(now);
        match self.liveness.as_mut().and_then(|liveness| liveness.handle_timeout(now)) {
            Some(Silence::Ask) => {
                let id = self.requests.unanswered_id();
                self.send(id, client_frame::Body::Ping(wire::Ping { token: id }));
            }
            Some(Silence::Dead) => self.handle_broken(now, SessionError::Lost),
            None => {}
        }
        self.settle(now);
    }

    /// A connection stands, on which the server has proved to hold the key `pin`. `kept_tokens` are
    /// those of earlier sessions with it.
    pub(crate) fn handle_connected(
        &mut self,
        now: Instant,
        pin: SpkiPin,
        kept_tokens: Vec<KeptToken>,
    ) {
        if self.phase != Phase::Dialling {
            return;
        }
        self.pin = Some(pin);
        self.kept_tokens = kept_tokens;
        if let Some(server) = self.server.clone() {
            self.outputs.push_back(Output::RememberServer { server, pin });
        }
        self.liveness = Some(Liveness::new(now));
        self.phase = Phase::Greeting { until: now + ANSWER_TIME_MAX };
        let hello = wire::Hello {
            version_min: common::limits::PROTOCOL_VERSION,
            version_max: common::limits::PROTOCOL_VERSION,
            agent: self.agent.clone(),
        };
        self.request(Request::Hello, client_frame::Body::Hello(hello));
    }

    /// What was kept of earlier programs.
    pub(crate) fn handle_positions(&mut self, positions: Vec<(Conversation, u64)>) {
        self.history.begin_at(positions);
    }

    /// There is no connection.
    pub(crate) fn handle_dial_error(&mut self, now: Instant, error: DialError) {
        if self.phase != Phase::Dialling {
            return;
        }
        match error {
            DialError::FirstContact(pin) => {
                self.phase = Phase::AskingTrust { pin };
                self.tell(Event::FirstContact { pin });
            }
            DialError::KeyChanged { expected, found } => {
                self.tell(Event::KeyChanged { expected, found });
                self.end(EndReason::KeyChanged);
            }
            DialError::Failed(error) => self.lose(now, error, None),
        }
        self.settle(now);
    }

    /// The connection broke.
    pub(crate) fn handle_broken(&mut self, now: Instant, error: SessionError) {
        match self.phase {
            // Nothing to break.
            Phase::Idle
            | Phase::Dialling
            | Phase::AskingTrust { .. }
            | Phase::Parked
            | Phase::Waiting { .. }
            | Phase::Ended => {}
            Phase::LoggingOut { .. } => self.end(EndReason::LoggedOut),
            Phase::AwaitingLogIn => self.park(),
            Phase::Greeting { .. }
            | Phase::LoggingIn { .. }
            | Phase::PostponedLogIn { .. }
            | Phase::LoggedIn => self.lose(now, error, None),
        }
        self.settle(now);
    }

    /// A transfer tells something.
    pub(crate) fn handle_report(&mut self, now: Instant, id: DownloadId, report: TransferReport) {
        self.downloads.handle_report(now, id, report);
        self.settle(now);
    }

    /// An upload tells something.
    pub(crate) fn handle_upload_report(
        &mut self,
        now: Instant,
        id: UploadId,
        report: UploadReport,
    ) {
        self.uploads.handle_report(id, report);
        self.settle(now);
    }

    fn dial(&mut self) {
        let Some(server) = self.server.clone() else { return };
        self.attempt += 1;
        self.phase = Phase::Dialling;
        self.tell(Event::Connecting { attempt: self.attempt });
        self.outputs.push_back(Output::Dial { server, pin: self.pin });
    }

    /// Gives the connection up and plans the next one. `named`: when the server wants us back.
    fn lose(&mut self, now: Instant, error: SessionError, named: Option<Duration>) {
        self.forget_connection();
        let chance = self.random.random();
        let retry_in = match named {
            Some(named) => backoff::delay_after(named, self.attempt + 1, chance),
            None => backoff::delay(self.attempt + 1, chance),
        };
        self.phase = Phase::Waiting { until: now + retry_in };
        self.tell(Event::Disconnected { error, retry_in });
    }

    /// Nobody needs the connection until a person has typed a name.
    fn park(&mut self) {
        self.forget_connection();
        self.phase = Phase::Parked;
    }

    fn forget_connection(&mut self) {
        self.outputs.push_back(Output::HangUp);
        self.liveness = None;
        for id in self.requests.clear() {
            self.tell(Event::Answered { id, answer: Err(NoAnswer::NotConnected) });
        }
        self.outbox.connection_lost();
        self.keep_positions(None);
        self.history.connection_lost();
        self.downloads.connection_lost();
        self.uploads.connection_lost();
        self.away.connection_lost();
        let unheard = self.typing.connection_lost();
        self.tell_typing(unheard);
        self.online.restart();
        self.files.restart();
    }

    fn end(&mut self, reason: EndReason) {
        self.forget_connection();
        self.downloads.abandon_all();
        self.pass_on_downloads();
        self.uploads.abandon_all();
        self.pass_on_uploads();
        self.phase = Phase::Ended;
        self.tell(Event::Ended(reason));
    }

    /// Carries on whatever an input made possible.
    fn settle(&mut self, now: Instant) {
        self.pass_on_downloads();
        self.pass_on_uploads();
        match self.phase {
            Phase::LoggedIn => {
                self.send_messages(now);
                self.ask_history(now);
                self.keep_positions(Some(now));
            }
            Phase::LoggingOut { .. } => self.say_log_out_when_quiet(),
            _ => {}
        }
    }

    fn send_messages(&mut self, now: Instant) {
        while let Some(message) = self.outbox.next_to_send(now) {
            let body = wire::SendMessage {
                message_id: message.id.0.to_vec().into(),
                conversation: Some(message.to.to_wire()),
                text: message.text,
            };
            self.request(Request::Message(message.id), client_frame::Body::SendMessage(body));
        }
    }

    fn ask_history(&mut self, now: Instant) {
        if let Some(wanted) = self.history.next_request(now) {
            self.request(Request::History, wanted);
        }
    }

    fn keep_positions(&mut self, now: Option<Instant>) {
        if let Some((reader, positions)) = self.history.positions_to_keep(now) {
            self.outputs.push_back(Output::KeepPositions { reader, positions });
        }
    }

    fn pass_on_downloads(&mut self) {
        while let Some(output) = self.downloads.poll_output() {
            match output {
                DownloadOutput::Ask { id, path, goes_on: download_id } => {
                    let body = wire::RequestDownload { path, download_id };
                    let body = client_frame::Body::RequestDownload(body);
                    self.request(Request::Download(id), body);
                }
                DownloadOutput::AskPieces { id, server_id: download_id, first: first_piece } => {
                    let body = wire::RequestPieceHashes { download_id, first_piece };
                    let body = client_frame::Body::RequestPieceHashes(body);
                    self.request(Request::Pieces(id), body);
                }
                DownloadOutput::SayPaused { server_id: download_id } => {
                    let body = wire::PauseDownload { download_id };
                    self.request(Request::DownloadPaused, client_frame::Body::PauseDownload(body));
                }
                DownloadOutput::Done(done) => {
                    let request = Request::DownloadDone(done.download_id);
                    self.request(request, client_frame::Body::DownloadDone(done));
                }
                DownloadOutput::Tell { id, change } => self.tell(Event::Download { id, change }),
                DownloadOutput::Start(_)
                | DownloadOutput::Discard { .. }
                | DownloadOutput::TellRoot { .. }
                | DownloadOutput::TellPieces { .. }
                | DownloadOutput::Renew { .. }
                | DownloadOutput::SetPaused { .. }
                | DownloadOutput::Stop { .. } => self.outputs.push_back(Output::Transfer(output)),
            }
        }
    }

    fn pass_on_uploads(&mut self) {
        while let Some(output) = self.uploads.poll_output() {
            match output {
                UploadOutput::Request { id, body } => self.request(Request::Upload(id), body),
                UploadOutput::Abandon(abandoned) => {
                    let request = Request::UploadAbandoned(abandoned.upload_id);
                    self.request(request, client_frame::Body::AbandonUpload(abandoned));
                }
                UploadOutput::Tell { id, change } => self.tell(Event::Upload { id, change }),
                UploadOutput::Start { .. }
                | UploadOutput::Answer { .. }
                | UploadOutput::Stop { .. } => self.outputs.push_back(Output::Upload(output)),
            }
        }
    }

    fn request(&mut self, request: Request, body: client_frame::Body) {
        let id = self.requests.expect_reply(request);
        self.send(id, body);
    }

    fn send(&mut self, request_id: u64, body: client_frame::Body) {
        self.outputs.push_back(Output::Send(wire::ClientFrame { request_id, body: Some(body) }));
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn address_text(&self) -> String {
        self.server.as_ref().map(|server| server.host_port().to_string()).unwrap_or_default()
    }
}
