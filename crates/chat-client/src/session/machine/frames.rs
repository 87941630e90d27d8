//! What the server says.

use std::time::{Duration, Instant};

use common::conversation::Conversation;
use common::user_name::NameKey;
use common::wire::server_frame::Body;
use common::wire::{self, GoodbyeReason, RefusalCode, client_frame};
use file_transfer::upload::Verdict;

use crate::command::{DownloadId, MessageId, UploadId};
use crate::error::{EndReason, Refusal, SessionError};
use crate::event::{Event, FilesChange, RoomChange, ServerFile, StoredMessage};
use crate::question::{Answer, NoAnswer, QuestionId};
use crate::resume_token::ResumeToken;
use crate::session::backoff;
use crate::session::history::{self, Heard, Reader};
use crate::session::machine::{Machine, Output, Phase};
use crate::session::paged_list::PageStep;
use crate::session::requests::Request;
use crate::session::uploads::Answer as UploadAnswer;

/// A frame that no honest server sends; the connection is given up.
type Offence = String;

impl Machine {
    /// A frame arrived on the connection.
    pub(crate) fn handle_frame(&mut self, now: Instant, frame: wire::ServerFrame) {
        let Some(liveness) = &mut self.liveness else { return };
        liveness.heard(now);
        if let Err(offence) = self.dispatch(now, frame) {
            self.handle_broken(now, SessionError::Protocol(offence));
        }
        self.settle(now);
    }

    fn dispatch(&mut self, now: Instant, frame: wire::ServerFrame) -> Result<(), Offence> {
        // A kind of frame that this release does not know.
        let Some(body) = frame.body else { return Ok(()) };
        let request = match frame.in_reply_to {
            0 => None,
            id => self.requests.answered(id),
        };
        match (body, request) {
            (Body::ServerHello(hello), Some(Request::Hello)) => self.greeted(now, hello),
            (Body::LoggedIn(logged_in), Some(Request::LogIn)) => self.logged_in(now, logged_in),
            (Body::LoggedOut(_), Some(Request::LogOut)) => self.logged_out(),
            (Body::MessageAccepted(accepted), Some(Request::Message(id))) => {
                self.message_accepted(id, accepted)
            }
            (Body::HistoryPage(page), Some(Request::History)) => self.history_page(page),
            (Body::ConversationPage(page), Some(Request::History)) => self.conversation_page(page),
            (Body::SearchPage(page), Some(Request::History)) => self.search_page(page),
            (Body::OnlinePage(page), Some(Request::OnlinePage)) => self.online_page(page),
            (Body::Done(_), Some(Request::Away)) => Ok(()),
            (Body::FilePage(page), Some(Request::FilePage)) => self.file_page(page),
            (Body::DownloadTicket(ticket), Some(Request::Download(id))) => {
                self.downloads.handle_ticket(now, Some(id), ticket)
            }
            (Body::DownloadTicket(ticket), None) => self.downloads.handle_ticket(now, None, ticket),
            (Body::DownloadQueued(queued), Some(Request::Download(id))) => {
                self.downloads.handle_queued(Some(id), &queued);
                Ok(())
            }
            (Body::DownloadQueued(queued), None) => {
                self.downloads.handle_queued(None, &queued);
                Ok(())
            }
            (Body::PieceHashes(hashes), Some(Request::Pieces(id))) => {
                self.downloads.handle_pieces(id, &hashes)
            }
            (Body::DownloadRecorded(_), Some(Request::DownloadPaused)) => Ok(()),
            (Body::DownloadRecorded(_), Some(Request::DownloadDone(server_id))) => {
                self.downloads.handle_recorded(server_id);
                Ok(())
            }
            (Body::UploadTicket(ticket), Some(Request::Upload(id))) => {
                self.uploads.handle_reply(id, UploadAnswer::Ticket(Box::new(ticket)))
            }
            (Body::UploadQueued(queued), _) => {
                self.uploads.handle_queued(&queued);
                Ok(())
            }
            (Body::UploadStored(stored), Some(Request::Upload(id))) => {
                self.upload_stored(id, stored)
            }
            (Body::UploadIncomplete(it), Some(Request::Upload(id))) => {
                let verdict = if it.differs { Verdict::Differs } else { Verdict::Incomplete };
                self.uploads.handle_reply(id, UploadAnswer::Verdict(verdict))
            }
            (Body::UploadCompared(it), Some(Request::Upload(id))) => {
                self.uploads.handle_reply(id, UploadAnswer::Compared { differing: it.differing })
            }
            (Body::UploadAbandoned(_), Some(Request::UploadAbandoned(server_id))) => {
                self.uploads.handle_abandoned(server_id);
                Ok(())
            }
            (Body::Done(_), Some(Request::Question(id))) => self.answered(id, Ok(Answer::Done)),
            (Body::DevicePage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Devices(page)))
            }
            (Body::AccountPage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Accounts(page)))
            }
            (Body::SanctionPage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Sanctions(page)))
            }
            (Body::RoomJoined(joined), request) => self.room_joined(joined, request),
            (Body::RoomPage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Rooms(page)))
            }
            (Body::MemberPage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Members(page)))
            }
            (Body::AuditPage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Audit(page)))
            }
            (Body::InviteCreated(it), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Invite(it)))
            }
            (Body::InvitePage(page), Some(Request::Question(id))) => {
                self.answered(id, Ok(Answer::Invites(page)))
            }
            (Body::Refused(refused), Some(request)) => self.refused(now, request, refused),
            // About something that was never asked or is answered already.
            (Body::Refused(_), None) | (Body::Pong(_), _) => Ok(()),

            (Body::Message(message), _) => self.message(message),
            (Body::MessagesSkipped(_), _) => {
                self.history.fell_behind();
                Ok(())
            }
            (Body::UserJoined(joined), _) => self.user_joined(joined),
            (Body::UserLeft(left), _) => self.user_left(&left),
            (Body::UserTyping(typing), _) => self.user_typing(now, typing),
            (Body::AwayChanged(changed), _) => self.away_changed(changed),
            (Body::FileChanged(changed), _) => self.file_changed(changed),
            (Body::FileRemoved(removed), _) => self.file_removed(removed),
            (Body::FileHashes(hashes), _) => self.downloads.handle_hashes(&hashes),
            (Body::RoomChanged(it), _) => self.room_changed(it),
            (Body::RoomLeft(it), _) => self.room_left(it.room),
            (Body::MemberJoined(wire::MemberJoined { room, name }), _) => {
                self.room_event(RoomChange::MemberJoined { room, name })
            }
            (Body::MemberLeft(wire::MemberLeft { room, name }), _) => {
                self.room_event(RoomChange::MemberLeft { room, name })
            }
            (Body::Notice(notice), _) => self.notice(notice),
            (Body::Goodbye(goodbye), _) => self.goodbye(now, goodbye),
            (Body::Ping(ping), _) => self.pong(ping),

            (
                Body::ServerHello(_)
                | Body::LoggedIn(_)
                | Body::LoggedOut(_)
                | Body::MessageAccepted(_)
                | Body::HistoryPage(_)
                | Body::ConversationPage(_)
                | Body::SearchPage(_)
                | Body::OnlinePage(_)
                | Body::FilePage(_)
                | Body::DownloadTicket(_)
                | Body::DownloadQueued(_)
                | Body::PieceHashes(_)
                | Body::DownloadRecorded(_)
                | Body::UploadTicket(_)
                | Body::UploadStored(_)
                | Body::UploadIncomplete(_)
                | Body::UploadCompared(_)
                | Body::UploadAbandoned(_)
                | Body::Done(_)
                | Body::DevicePage(_)
                | Body::AccountPage(_)
                | Body::SanctionPage(_)
                | Body::RoomPage(_)
                | Body::MemberPage(_)
                | Body::InviteCreated(_)
                | Body::InvitePage(_)
                | Body::AuditPage(_),
                _,
            ) => Err("a reply to no such request".to_owned()),
        }
    }

    fn greeted(&mut self, now: Instant, hello: wire::ServerHello) -> Result<(), Offence> {
        if hello.version != common::limits::PROTOCOL_VERSION {
            return Err(format!("protocol version {}", hello.version));
        }
        self.password_needed = match hello.access() {
            wire::Access::Password | wire::Access::Accounts => true,
            wire::Access::Unspecified | wire::Access::Open => false,
        };
        self.server_name = hello.server_name;
        if self.credentials.is_some() {
            self.send_log_in(now);
        } else {
            self.ask_for_name();
        }
        Ok(())
    }

    fn ask_for_name(&mut self) {
        self.phase = Phase::AwaitingLogIn;
        self.tell(Event::NeedsLogIn {
            server_name: self.server_name.clone(),
            password_needed: self.password_needed,
        });
    }

    fn logged_in(&mut self, now: Instant, logged_in: wire::LoggedIn) -> Result<(), Offence> {
        let token = logged_in.resume_token.as_ref().try_into();
        let token = ResumeToken(token.map_err(|_| "a resume token that is not 32 bytes long")?);
        let role = logged_in.role();
        let wire::LoggedIn { name, resumed, log_id: log, .. } = logged_in;
        if let Some(credentials) = &mut self.credentials {
            credentials.name.clone_from(&name);
            credentials.proven = true;
            credentials.token = Some(token);
        }
        if let Some(pin) = self.pin {
            self.outputs.push_back(Output::KeepToken { pin, name: name.clone(), token });
        }
        self.attempt = 0;
        self.phase = Phase::LoggedIn;
        self.tell(Event::LoggedIn { name: name.clone(), resumed, role });
        let reader = Reader { server: self.pin, name: NameKey::of(&name), log };
        let heard = self.history.logged_in(reader);
        self.tell_heard(heard);
        if let Some(reader) = self.history.wants_positions().cloned() {
            self.outputs.push_back(Output::ReadPositions { reader });
        }
        self.online.insert(name, false);
        let first = wire::ListOnline::default();
        self.request(Request::OnlinePage, client_frame::Body::ListOnline(first));
        let first = wire::ListFiles::default();
        self.request(Request::FilePage, client_frame::Body::ListFiles(first));
        self.downloads.logged_in(now, resumed);
        self.uploads.logged_in(resumed);
        self.away.logged_in(resumed);
        self.say_away(now);
        Ok(())
    }

    fn logged_out(&mut self) -> Result<(), Offence> {
        self.end(EndReason::LoggedOut);
        Ok(())
    }

    fn refused(
        &mut self,
        now: Instant,
        request: Request,
        refused: wire::Refused,
    ) -> Result<(), Offence> {
        let code = refused.code();
        let refusal = Refusal(refused);
        match request {
            Request::Hello => self.end(EndReason::Failed(SessionError::Refused(refusal))),
            Request::LogIn => self.log_in_refused(now, refusal),
            Request::LogOut => self.end(EndReason::LoggedOut),
            Request::Message(id) if code == RefusalCode::SlowDown => self.outbox.slow_down(now, id),
            Request::Message(id) => self.message_refused(id, refusal),
            Request::History => {
                let heard = self.history.refused(now, refusal);
                self.tell_heard(heard);
            }
            Request::Question(id) => self.answered(id, Err(NoAnswer::Refused(refusal)))?,
            // An older server, or said faster than it lets pass: it is told with the next login.
            Request::Away => {}
            Request::OnlinePage => return Err("no list of people".to_owned()),
            Request::FilePage => return Err("no list of files".to_owned()),
            Request::Download(id) => self.download_refused(now, id, refusal),
            Request::Pieces(id) => self.downloads.handle_no_pieces(id),
            // An older server: it sees by itself that no bytes flow.
            Request::DownloadPaused => {}
            // It knows no such download any more; nothing is left to tell.
            Request::DownloadDone(server_id) => self.downloads.handle_recorded(server_id),
            Request::Upload(id) => self.uploads.handle_refusal(id, refusal),
            // There was nothing to give up.
            Request::UploadAbandoned(server_id) => self.uploads.handle_abandoned(server_id),
        }
        Ok(())
    }

    /// Who was logged in and comes back to a server that is full for the moment knocks again; everybody
    /// else decides for themselves.
    fn log_in_refused(&mut self, now: Instant, refusal: Refusal) {
        let is_for_now =
            matches!(refusal.0.code(), RefusalCode::ServerFull | RefusalCode::TooManyAttempts);
        let was_in = self.credentials.as_ref().is_some_and(|credentials| credentials.proven);
        // Nobody looked at the password yet.
        let is_unseen = refusal.0.code() == RefusalCode::ServerBusy;
        if is_for_now && was_in || is_unseen {
            self.attempt += 1;
            let wait = backoff::delay(self.attempt, rand::Rng::random(&mut self.random));
            self.phase = Phase::PostponedLogIn { until: now + wait };
            return;
        }
        self.credentials = None;
        self.phase = Phase::AwaitingLogIn;
        self.tell(Event::LogInRefused(refusal));
    }

    fn answered(
        &mut self,
        id: QuestionId,
        answer: Result<Answer, NoAnswer>,
    ) -> Result<(), Offence> {
        self.tell(Event::Answered { id, answer });
        Ok(())
    }

    fn message_accepted(
        &mut self,
        id: MessageId,
        accepted: wire::MessageAccepted,
    ) -> Result<(), Offence> {
        let Some(message) = self.outbox.answered(id) else { return Ok(()) };
        let named = accepted.conversation.and_then(Conversation::from_wire);
        let conversation = named.unwrap_or(message.to);
        let wire::MessageAccepted { seq, at_ms, receiver_is_away, .. } = accepted;
        let heard = self.history.accepted(&conversation, seq);
        self.tell(Event::MessageAccepted { id, conversation, seq, at_ms, receiver_is_away });
        self.tell_heard(heard);
        Ok(())
    }

    fn message_refused(&mut self, id: MessageId, refusal: Refusal) {
        if self.outbox.answered(id).is_some() {
            self.tell(Event::MessageRefused { id, refusal });
        }
    }

    fn download_refused(&mut self, now: Instant, id: DownloadId, refusal: Refusal) {
        self.downloads.handle_refusal(now, id, refusal);
    }

    fn upload_stored(&mut self, id: UploadId, stored: wire::UploadStored) -> Result<(), Offence> {
        let root = stored.root.as_ref().try_into();
        let root = root.map_err(|_| "a hash that is not 32 bytes long")?;
        self.uploads.handle_reply(id, UploadAnswer::Stored { path: stored.path, root })
    }

    fn file_page(&mut self, page: wire::FilePage) -> Result<(), Offence> {
        let files = page.files.into_iter().map(|file| (file.path.clone(), server_file(file)));
        match self.files.add_page(files, page.more) {
            PageStep::AskAfter(after) => {
                let next = wire::ListFiles { after, ..wire::ListFiles::default() };
                self.request(Request::FilePage, client_frame::Body::ListFiles(next));
            }
            PageStep::Complete => {
                let files = self.files.entries().values().cloned().collect();
                self.tell(Event::Files(FilesChange::Reset(files)));
            }
        }
        Ok(())
    }

    fn message(&mut self, message: wire::Message) -> Result<(), Offence> {
        let conversation = message.conversation.and_then(Conversation::from_wire);
        let conversation = conversation.ok_or("a message without a conversation")?;
        let message = history::stored(wire::Message { conversation: None, ..message });
        self.stopped_typing(&conversation, &message.from);
        let heard = self.history.message(conversation, message);
        self.tell_heard(heard);
        Ok(())
    }

    fn history_page(&mut self, page: wire::HistoryPage) -> Result<(), Offence> {
        let outbox = &self.outbox;
        let heard = self.history.page(page, |id| outbox.is_unanswered(id))?;
        self.tell_heard(heard);
        Ok(())
    }

    fn conversation_page(&mut self, page: wire::ConversationPage) -> Result<(), Offence> {
        let heard = self.history.listed(page)?;
        self.tell_heard(heard);
        Ok(())
    }

    fn search_page(&mut self, page: wire::SearchPage) -> Result<(), Offence> {
        let heard = self.history.found(page)?;
        self.tell_heard(heard);
        Ok(())
    }

    pub(super) fn tell_heard(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            self.tell(match heard {
                Heard::Message(conversation, StoredMessage { seq, from, text, at_ms }) => {
                    Event::Message { conversation, seq, from, text, at_ms }
                }
                Heard::Page { conversation, messages, more } => {
                    Event::History { conversation, messages, more }
                }
                Heard::Refused { conversation, refusal } => {
                    Event::HistoryRefused { conversation, refusal }
                }
                Heard::Found { messages, next } => Event::Found { messages, next },
                Heard::SearchRefused(refusal) => Event::SearchRefused(refusal),
                Heard::Stalled(is_stalled) => Event::HistoryStalled { is_stalled },
            });
        }
    }

    fn file_changed(&mut self, changed: wire::FileChanged) -> Result<(), Offence> {
        let file = server_file(changed.file.ok_or("a changed file without a name")?);
        if self.files.insert(file.path.clone(), file.clone()) {
            self.tell(Event::Files(FilesChange::Changed(file)));
        }
        Ok(())
    }

    fn file_removed(&mut self, removed: wire::FileRemoved) -> Result<(), Offence> {
        if self.files.remove(&removed.path) {
            self.tell(Event::Files(FilesChange::Removed { path: removed.path }));
        }
        Ok(())
    }

    fn notice(&mut self, notice: wire::Notice) -> Result<(), Offence> {
        self.tell(Event::Notice { text: notice.text });
        Ok(())
    }

    fn pong(&mut self, ping: wire::Ping) -> Result<(), Offence> {
        let id = self.requests.unanswered_id();
        self.send(id, client_frame::Body::Pong(wire::Pong { token: ping.token }));
        Ok(())
    }

    fn goodbye(&mut self, now: Instant, goodbye: wire::Goodbye) -> Result<(), Offence> {
        let reason = goodbye.reason();
        let named = match goodbye.retry_after_ms {
            0 => None,
            ms => Some(Duration::from_millis(ms.into())),
        };
        match (self.phase, reason, named) {
            (_, GoodbyeReason::TakenOver, _) => self.end(EndReason::TakenOver),
            (Phase::LoggingOut { .. }, ..) => self.end(EndReason::LoggedOut),
            (Phase::AwaitingLogIn, GoodbyeReason::Idle, _) => self.park(),
            (
                _,
                GoodbyeReason::AccountChanged | GoodbyeReason::Kicked | GoodbyeReason::Banned,
                _,
            ) => {
                self.end(EndReason::Failed(SessionError::SentAway(goodbye)));
            }
            // Sent away for the state of the network, not for what we are: whatever time is named.
            (_, GoodbyeReason::Idle | GoodbyeReason::TooSlow, _) | (_, _, Some(_)) => {
                self.lose(now, SessionError::Goodbye(reason), named)
            }
            (_, _, None) => self.end(EndReason::Failed(SessionError::Goodbye(reason))),
        }
        Ok(())
    }
}

fn server_file(entry: wire::FileEntry) -> ServerFile {
    ServerFile { path: entry.path, size: entry.size, modified_ms: entry.modified_ms }
}
