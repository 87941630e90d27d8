//! Steps of scripts that ask for something on a connection. About accounts, rooms and keeping order:
//! [`super::orders`].

use common::conversation::Conversation;
use common::user_name::UserName;
use common::wire::Transport;
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;

use crate::state::refusal::Refusal;
use crate::state::request::{
    DownloadDone, Hello, HistoryRange, HistoryWanted, LogIn, MemberRequest, MessageId, NoFile,
    PiecesWanted, Request, ResumeToken, SearchWanted, SendMessage,
};
use crate::state::script::{Run, orders};
use crate::state::uploads::UploadRequest;

impl Run {
    pub(super) fn request(&mut self, words: &[&str]) -> Result<Request, Refusal> {
        let member = |request| Ok(Request::Member(Ok(request)));
        match words {
            ["hello", min, max] => {
                let (version_min, version_max) = (min.parse().unwrap(), max.parse().unwrap());
                Ok(Request::Hello(Hello { version_min, version_max, agent: "x".into() }))
            }
            ["login", name, rest @ ..] => Ok(Request::LogIn(Box::new(self.log_in(name, rest)))),
            ["logout"] => member(MemberRequest::LogOut),
            ["ping"] => Ok(Request::Ping { token: 3 }),
            ["pong"] => Ok(Request::Pong),
            ["unknown"] => Err(Refusal::Unsupported),
            ["blank"] => Ok(Request::Member(Err(Refusal::TextEmpty))),
            ["say", to, id, text] => {
                let mut bytes = [0; 16];
                bytes[0] = id.trim_start_matches('m').parse().unwrap();
                let (id, to) = (MessageId(bytes), Conversation::from_text(to));
                member(MemberRequest::SendMessage(SendMessage { id, to, text: (*text).into() }))
            }
            ["away"] => member(MemberRequest::SetAway { is_away: true }),
            ["back"] => member(MemberRequest::SetAway { is_away: false }),
            ["typing", to] => {
                let to = Conversation::from_text(to);
                member(MemberRequest::Typing { to })
            }
            ["history", conversation] => {
                let conversation = Conversation::from_text(conversation);
                let range = HistoryRange { after: 0, before: None, limit: 2 };
                member(MemberRequest::ReadHistory(HistoryWanted { conversation, range }))
            }
            ["search", text @ ..] => {
                let wanted = SearchWanted { text: text.join(" "), before: None, limit: 2 };
                member(MemberRequest::SearchMessages(wanted))
            }
            ["conversations", after] => {
                member(MemberRequest::ListConversations { after: after.parse().unwrap() })
            }
            ["online", after @ ..] => member(MemberRequest::ListOnline { after: after.concat() }),
            ["files", prefix @ ..] => {
                let prefix = prefix.concat();
                member(MemberRequest::ListFiles { prefix, after: String::new() })
            }
            ["get", path, goes_on @ ..] => {
                let file = match self.unreadable.contains(*path) {
                    true => Err(NoFile::Unreadable),
                    false => self.on_disk.get(*path).cloned().ok_or(NoFile::Missing),
                };
                let goes_on = goes_on.first().map_or(0, |number| number.parse().unwrap());
                let path = (*path).into();
                member(MemberRequest::RequestDownload { path, file, goes_on })
            }
            ["pause", download] => {
                member(MemberRequest::PauseDownload { download: download.parse().unwrap() })
            }
            ["pieces", download, first] => {
                let (download, first) = (download.parse().unwrap(), first.parse().unwrap());
                member(MemberRequest::RequestPieceHashes(PiecesWanted { download, first }))
            }
            ["put", attempt, path, size] => {
                let version = FileVersion { size: size.parse().unwrap(), modified_ns: 1 };
                let path = FilePath::parse(path).map_err(|_| (*path).to_owned());
                let attempt = [attempt.parse().unwrap(); 16];
                member(MemberRequest::Upload(UploadRequest::Begin { attempt, path, version }))
            }
            ["sent", upload] => {
                let upload = upload.parse().unwrap();
                member(MemberRequest::Upload(UploadRequest::Sent { upload, root: [9; 32] }))
            }
            [word @ ("abandon" | "release"), upload] => {
                let (upload, keep) = (upload.parse().unwrap(), *word == "release");
                member(MemberRequest::Upload(UploadRequest::Abandon { upload, keep }))
            }
            ["done", download] => member(MemberRequest::DownloadDone(DownloadDone {
                download: download.parse().unwrap(),
                verified: true,
                bytes: 5,
                transport: Transport::Udp,
            })),
            order => Ok(orders::request(order)),
        }
    }

    fn log_in(&mut self, name: &str, rest: &[&str]) -> LogIn {
        self.logins_asked += 1;
        let token_of = |n: u8| ResumeToken([n; 32]);
        let token = rest.iter().find_map(|word| word.strip_prefix('t')?.parse().ok());
        let given = |n: u8| self.tokens.get(&n).copied().unwrap_or(token_of(n));
        let password = rest.iter().find_map(|word| word.strip_prefix("password="));
        let own = rest.iter().find_map(|word| word.strip_prefix("shows=")?.parse().ok());
        let own = own.map(|number: u8| ResumeToken([number; 32]));
        let invite = rest.iter().find_map(|word| word.strip_prefix("inv=")?.parse().ok());
        LogIn {
            name: UserName::parse(name).unwrap(),
            password: password.unwrap_or_default().to_owned(),
            resume_token: token.map(given).or(own),
            invite: invite.map(orders::invite_token),
            fresh_token: token_of(self.logins_asked),
        }
    }
}
