//! What the user interface asks for.

use std::time::Instant;

use bytes::Bytes;
use common::conversation::Conversation;
use common::user_name::NameKey;
use common::wire::{self, RefusalCode, client_frame};

use crate::command::{Command, MessageId, ServerAddress};
use crate::error::{DownloadFailure, EndReason, Refusal};
use crate::event::{DownloadChange, Event};
use crate::question::{NoAnswer, Question, QuestionId};
use crate::resume_token::ResumeToken;
use crate::session::downloads::Wish;
use crate::session::history::{self, HistoryWish, SearchWish};
use crate::session::machine::{
    ANSWER_TIME_MAX, Credentials, LOG_OUT_TIME_MAX, Machine, Output, Phase,
};
use crate::session::outbox::Outgoing;
use crate::session::precheck;
use crate::session::requests::Request;

impl Machine {
    /// The user interface wants something. What makes no sense in the present state is ignored.
    pub(crate) fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Connect { server } => self.connect(server),
            Command::Trust { pin } => self.trust(pin),
            Command::LogIn { name, password } => self.log_in(now, name, password),
            Command::Send { id, to, text } => self.queue_message(id, to, text),
            Command::Typing { to } => self.types(now, &to),
            Command::SetAway { is_away } => {
                self.away.set(is_away);
                self.say_away(now);
            }
            Command::ReadHistory { conversation, after, before, limit } => {
                self.wish(history::Wish::Read(HistoryWish { conversation, after, before, limit }));
            }
            Command::Search { text, before, limit } => {
                self.wish(history::Wish::Search(SearchWish { text, before, limit }));
            }
            Command::Ask { id, question } => self.ask(id, question),
            Command::Download { id, path, save_as, transport } => {
                self.download(now, id, Wish { path, save_as, transport });
            }
            Command::PauseDownload { id } => self.downloads.pause(now, id),
            Command::ResumeDownload { id } => self.downloads.resume(now, id),
            Command::CancelDownload { id } => self.downloads.cancel(now, id),
            Command::Upload { id, file, path, transport } => {
                self.uploads.add(id, file, path, transport);
            }
            Command::CancelUpload { id } => self.uploads.cancel(id),
            Command::LogOut => self.log_out(now),
        }
        self.settle(now);
    }

    /// Also "try again now" while the next attempt is waited for.
    fn connect(&mut self, server: ServerAddress) {
        match self.phase {
            Phase::Idle | Phase::AskingTrust { .. } | Phase::Parked | Phase::Waiting { .. } => {}
            Phase::Dialling
            | Phase::Greeting { .. }
            | Phase::AwaitingLogIn
            | Phase::LoggingIn { .. }
            | Phase::PostponedLogIn { .. }
            | Phase::LoggedIn
            | Phase::LoggingOut { .. }
            | Phase::Ended => return,
        }
        if self.server.as_ref() != Some(&server) {
            self.pin = None;
            self.attempt = 0;
            if self.server.is_some() {
                let heard = self.history.server_chosen();
                self.tell_heard(heard);
            }
            if let Some(credentials) = &mut self.credentials {
                credentials.token = None;
                credentials.proven = false;
            }
        }
        if let ServerAddress::Invite(link) = &server {
            self.pin = Some(link.pin);
        }
        self.server = Some(server);
        self.dial();
    }

    fn trust(&mut self, pin: common::spki_pin::SpkiPin) {
        if self.phase == (Phase::AskingTrust { pin }) {
            self.pin = Some(pin);
            // Not a new attempt for the person who waits.
            self.attempt = self.attempt.saturating_sub(1);
            self.dial();
        }
    }

    fn log_in(&mut self, now: Instant, name: String, password: Option<String>) {
        match self.phase {
            Phase::LoggingIn { .. } | Phase::LoggedIn | Phase::LoggingOut { .. } | Phase::Ended => {
                return;
            }
            Phase::Idle
            | Phase::Dialling
            | Phase::AskingTrust { .. }
            | Phase::Greeting { .. }
            | Phase::AwaitingLogIn
            | Phase::Parked
            | Phase::PostponedLogIn { .. }
            | Phase::Waiting { .. } => {}
        }
        if let Some(refusal) = precheck::log_in(&name, password.as_deref()) {
            self.tell(Event::LogInRefused(refusal));
            return;
        }
        let heard = self.history.name_chosen(&NameKey::of(&name));
        self.tell_heard(heard);
        self.credentials = Some(Credentials { name, password, proven: false, token: None });
        match self.phase {
            Phase::AwaitingLogIn | Phase::PostponedLogIn { .. } => self.send_log_in(now),
            Phase::Parked => {
                self.attempt = 0;
                self.dial();
            }
            _ => {}
        }
    }

    /// Logs in with what is known, the token of an earlier session included.
    pub(super) fn send_log_in(&mut self, now: Instant) {
        let Some(credentials) = &self.credentials else {
            self.phase = Phase::AwaitingLogIn;
            return;
        };
        let key = NameKey::of(&credentials.name);
        let kept = self.kept_tokens.iter().rev().find(|kept| NameKey::of(&kept.name) == key);
        let token = credentials.token.or(kept.map(|kept| kept.token));
        let (name, password) = (credentials.name.clone(), credentials.password.clone());
        let invite = self.invite();
        let token = token.or_else(|| (!invite.is_empty()).then(|| self.token_of_our_own(&name)));
        let body = wire::LogIn {
            name,
            password: password.unwrap_or_default(),
            resume_token: token.map(|token| token.0.to_vec()).unwrap_or_default().into(),
            invite,
        };
        self.phase = Phase::LoggingIn { until: now + ANSWER_TIME_MAX };
        self.request(Request::LogIn, client_frame::Body::LogIn(body));
    }

    /// What is shown with an invite where the server gave nothing to show yet. Kept before it is sent: whatever
    /// breaks afterwards, the next attempt is known to be the same person's, and the invite is used once.
    fn token_of_our_own(&mut self, name: &str) -> ResumeToken {
        let token = ResumeToken(rand::Rng::random(&mut self.random));
        if let Some(credentials) = &mut self.credentials {
            credentials.token = Some(token);
        }
        if let Some(pin) = self.pin {
            self.outputs.push_back(Output::KeepToken { pin, name: name.to_owned(), token });
        }
        token
    }

    /// The token of the link by which the server was found; empty where it has none.
    fn invite(&self) -> Bytes {
        let Some(ServerAddress::Invite(link)) = &self.server else { return Bytes::new() };
        link.token.map(|token| Bytes::copy_from_slice(&token.0)).unwrap_or_default()
    }

    fn queue_message(&mut self, id: MessageId, to: Conversation, text: String) {
        let no_room = || {
            let code = RefusalCode::SlowDown.into();
            Refusal(wire::Refused { code, ..wire::Refused::default() })
        };
        let refusal =
            precheck::message(&to, &text).or_else(|| (!self.outbox.has_room()).then(no_room));
        match refusal {
            Some(refusal) => self.tell(Event::MessageRefused { id, refusal }),
            None => {
                self.typing.sent();
                self.outbox.push(Outgoing { id, to, text });
            }
        }
    }

    fn ask(&mut self, id: QuestionId, question: Question) {
        if self.phase == Phase::LoggedIn {
            self.request(Request::Question(id), question.into_wire(self.invite()));
        } else {
            self.tell(Event::Answered { id, answer: Err(NoAnswer::NotConnected) });
        }
    }

    fn wish(&mut self, wish: history::Wish) {
        if !self.history.ask(wish.clone()) {
            let code = RefusalCode::SlowDown.into();
            let refusal = Refusal(wire::Refused { code, ..wire::Refused::default() });
            self.tell_heard(vec![wish.refused(refusal)]);
        }
    }

    fn download(&mut self, now: Instant, id: crate::command::DownloadId, wish: Wish) {
        match precheck::download(&wish.path) {
            Some(refusal) => {
                let change = DownloadChange::Failed(DownloadFailure::Refused(refusal));
                self.tell(Event::Download { id, change });
            }
            None => self.downloads.add(now, id, wish),
        }
    }

    fn log_out(&mut self, now: Instant) {
        match self.phase {
            Phase::LoggedIn => {
                // What was written before goes out before, as far as the server lets it.
                self.send_messages(now);
                self.phase = Phase::LoggingOut { until: now + LOG_OUT_TIME_MAX };
                self.downloads.interrupt_all(now);
                self.uploads.stop_all();
                self.say_log_out_when_quiet();
            }
            Phase::LoggingOut { .. } | Phase::Ended => {}
            Phase::Idle
            | Phase::Dialling
            | Phase::AskingTrust { .. }
            | Phase::Greeting { .. }
            | Phase::AwaitingLogIn
            | Phase::Parked
            | Phase::LoggingIn { .. }
            | Phase::PostponedLogIn { .. }
            | Phase::Waiting { .. } => self.end(EndReason::LoggedOut),
        }
    }

    /// The last frame is only sent when all transfers have cleaned up: what they still had to say to the
    /// server goes before it.
    pub(super) fn say_log_out_when_quiet(&mut self) {
        self.pass_on_downloads();
        self.pass_on_uploads();
        if !self.downloads.any_running() && !self.uploads.any_running() {
            self.say_log_out();
        }
    }

    /// A transfer that does not clean up in time keeps nobody from leaving.
    pub(super) fn log_out_at_once(&mut self) {
        self.say_log_out();
        self.end(EndReason::LoggedOut);
    }

    fn say_log_out(&mut self) {
        if !self.log_out_is_said {
            self.log_out_is_said = true;
            self.request(Request::LogOut, client_frame::Body::LogOut(wire::LogOut {}));
        }
    }
}
