//! What scripts hear, as one short line each.

use common::conversation::Conversation;
use common::wire::server_frame::Body;
use common::wire::{OnlinePage, Role, ServerFrame};

use crate::log::event::ConversationKey;
use crate::state::action::{Action, Recipients};
use crate::state::history::HistorySubject;
use crate::state::request::ResumeToken;
use crate::state::script::{Run, START_MS, orders};
use crate::state::uploads::{UploadTask, UploadWork};

impl Run {
    pub(super) fn record(&mut self, actions: Vec<Action>) {
        for action in actions {
            let lines = match action {
                Action::Deliver(delivery) => self.heard(delivery.to, delivery.frame),
                Action::Admit(_) => vec![],
                Action::Close(connection) => vec![format!("* close {}", connection.0)],
                Action::CloseAndHold(connection) => vec![format!("* hold {}", connection.0)],
                Action::Forget(connection) => vec![format!("* forget {}", connection.0)],
                Action::MoveOutbox { from, to } => vec![format!("* move {} to {}", from.0, to.0)],
                Action::MintTicket(ticket) => vec![format!(
                    "* ticket {} for {} on {}: {} of {} bytes{}",
                    ticket.download,
                    ticket.user,
                    ticket.connection.0,
                    ticket.path,
                    ticket.version.size,
                    if ticket.request_id == 0 { ", at last" } else { "" }
                )],
                Action::HashFile { download, path, .. } => {
                    vec![format!("* hash {path} for {download}")]
                }
                Action::HashPieces { download, path, first, .. } => {
                    vec![format!("* pieces of {path} from {first} for {download}")]
                }
                Action::ForgetHash { download } => vec![format!("* no hash for {download}")],
                Action::Upload(work) => vec![describe_upload(&work)],
                Action::EndLogin(login) => vec![format!("* end login {}", login.0)],
                Action::ReadHistory(question) => {
                    let reader = question.reader.identity.0.to_be_bytes()[0];
                    let subject = describe_subject(&question.subject);
                    let line = format!("* read {subject} for {reader}");
                    self.questions.push_back(*question);
                    vec![line]
                }
                Action::Password(task) => {
                    let line = orders::describe_password(&task);
                    self.passwords.push_back(task);
                    vec![line]
                }
                Action::Record(event) => {
                    self.unstored.push(event);
                    vec![]
                }
            };
            self.transcript.extend(lines);
        }
        if !self.log_waits && !self.unstored.is_empty() {
            self.store(self.unstored.len());
        }
    }

    fn heard(&mut self, to: Recipients, frame: ServerFrame) -> Vec<String> {
        if let Some(Body::LoggedIn(it)) = &frame.body {
            let token: [u8; 32] = it.resume_token.as_ref().try_into().unwrap();
            self.tokens.insert(number_of(&token), ResumeToken(token));
        }
        let text = describe(frame.body.unwrap());
        let mut receivers: Vec<u64> = match to {
            Recipients::One(connection) => vec![connection.0],
            Recipients::Many(connections) => connections.iter().map(|it| it.0).collect(),
            Recipients::Everybody => self.state.connections().map(|it| it.0).collect(),
            Recipients::EverybodyBut(but) => {
                self.state.connections().filter(|it| *it != but).map(|it| it.0).collect()
            }
        };
        receivers.sort_unstable();
        receivers.iter().map(|receiver| format!("{receiver}< {text}")).collect()
    }
}

fn describe_subject(subject: &HistorySubject) -> String {
    match subject {
        HistorySubject::Messages { key, .. } => describe_key(key),
        HistorySubject::Conversations { after } => format!("conversations after {after}"),
        HistorySubject::Audit { .. } => "what was decided".into(),
        HistorySubject::Search(wanted) => format!("what holds {:?}", wanted.text),
    }
}

fn describe_key(key: &ConversationKey) -> String {
    match key {
        ConversationKey::Lobby => "lobby".into(),
        ConversationKey::Room(room) => format!("room {}", room.0),
        ConversationKey::Pair(one, other) => format!("{}+{}", one.as_str(), other.as_str()),
    }
}

fn describe_upload(work: &UploadWork) -> String {
    let task = match &work.task {
        UploadTask::Begin { wish, .. } => {
            format!("begin {} of {} bytes by {}", wish.path, wish.version.size, wish.user)
        }
        UploadTask::Settle { .. } => "settle".to_owned(),
        UploadTask::Compare { first, .. } => format!("compare from {first}"),
        UploadTask::Remove => "remove".to_owned(),
        UploadTask::Release => "release".to_owned(),
    };
    format!("* upload {}: {task}", work.upload)
}

/// Which login got a token: its randomness is that number.
fn number_of(token: &[u8]) -> u8 {
    token[8]
}

/// A frame as one short line.
pub(super) fn describe(body: Body) -> String {
    let conversation = |it: Option<common::wire::Conversation>| {
        Conversation::from_wire(it.unwrap()).unwrap().to_string()
    };
    match body {
        Body::ServerHello(it) => format!("hello {} {}", it.server_name, it.access().as_str_name()),
        Body::LoggedIn(it) => {
            let resumed = if it.resumed { " again" } else { "" };
            let role = match it.role() {
                Role::Guest => String::new(),
                role => format!(" as {}", orders::role_name(role)),
            };
            format!("logged in {} t{}{resumed}{role}", it.name, number_of(&it.resume_token))
        }
        Body::LoggedOut(_) => "logged out".into(),
        Body::MessageAccepted(it) => {
            let away = if it.receiver_is_away { " away" } else { "" };
            format!("accepted {} {}{away}", conversation(it.conversation), it.seq)
        }
        Body::HistoryPage(it) => {
            let more = if it.more { " and more" } else { "" };
            let texts = it.messages.iter().map(|it| format!(" {}:{}", it.seq, it.text));
            let texts = texts.collect::<String>();
            format!("history of {}{texts}{more}", conversation(it.conversation))
        }
        Body::ConversationPage(it) => {
            format!("{} conversations, next {}", it.conversations.len(), it.next)
        }
        Body::SearchPage(it) => format!("{} found, next {}", it.messages.len(), it.next),
        Body::OnlinePage(it) => online(&it),
        Body::AwayChanged(it) if it.away => format!("{} is away", it.name),
        Body::AwayChanged(it) => format!("{} is back", it.name),
        Body::FilePage(it) => {
            let files = it.files.iter().map(|file| format!(" {}={}", file.path, file.size));
            format!("files{}", files.collect::<String>())
        }
        Body::DownloadRecorded(it) => format!("recorded {}", it.download_id),
        Body::Pong(it) => format!("pong {}", it.token),
        Body::Refused(it) => {
            let code = it.code().as_str_name().trim_start_matches("REFUSAL_CODE_").to_lowercase();
            let subject =
                if it.subject.is_empty() { String::new() } else { format!(" {}", it.subject) };
            let allowed = if it.allowed == 0 { String::new() } else { format!(" {}", it.allowed) };
            let time = match it.time_ms {
                0 => String::new(),
                ms => format!(" at {}ms", ms - START_MS),
            };
            format!("refused {code}{subject}{allowed}{time}")
        }
        Body::Message(it) => {
            format!("{} {} {}: {}", conversation(it.conversation), it.seq, it.from, it.text)
        }
        Body::UserTyping(it) => format!("{} {} types", conversation(it.conversation), it.name),
        Body::UserJoined(it) => format!("joined {}", it.name),
        Body::UserLeft(it) => {
            let reason =
                it.reason().as_str_name().trim_start_matches("LEAVE_REASON_").to_lowercase();
            format!("left {} {reason}", it.name)
        }
        Body::FileChanged(it) => {
            let file = it.file.unwrap();
            format!("file {} {}", file.path, file.size)
        }
        Body::FileRemoved(it) => format!("file {} removed", it.path),
        Body::UploadQueued(it) => {
            format!("upload {} (attempt {}) queued as {}", it.upload_id, it.attempt[0], it.position)
        }
        Body::UploadTicket(_) => "upload ticket".to_owned(),
        Body::UploadStored(it) => format!("upload {} stored as {}", it.upload_id, it.path),
        Body::UploadIncomplete(it) => format!("upload {} misses {}", it.upload_id, it.missing),
        Body::UploadCompared(it) => format!("upload {} differs in {}", it.upload_id, it.differing),
        Body::UploadAbandoned(it) => format!("upload {} abandoned", it.upload_id),
        Body::DownloadQueued(it) => {
            format!("queued {} {} as {}", it.download_id, it.path, it.position)
        }
        Body::PieceHashes(it) => {
            let (first, count, total) = (it.first_piece, it.hashes.len(), it.total);
            format!("pieces {} from {first}: {count} of {total}", it.download_id)
        }
        Body::FileHashes(it) => format!("hashes {} {} {}", it.download_id, it.path, it.root.len()),
        Body::Goodbye(it) => {
            let reason =
                it.reason().as_str_name().trim_start_matches("GOODBYE_REASON_").to_lowercase();
            let back = match it.retry_after_ms {
                0 => String::new(),
                ms => format!(", back in {ms}ms"),
            };
            let why = if it.text.is_empty() { String::new() } else { format!(": {}", it.text) };
            format!("goodbye {reason}{back}{why}")
        }
        Body::Ping(_) => "ping".into(),
        Body::Notice(it) => format!("notice {}", it.text),
        body => orders::describe(body),
    }
}

fn online(page: &OnlinePage) -> String {
    let mut text = "online".to_owned();
    for (place, name) in (0..).zip(&page.names) {
        let away = if page.away.contains(&place) { " (away)" } else { "" };
        text += &format!(" {name}{away}");
    }
    text
}
