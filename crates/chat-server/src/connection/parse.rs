//! From frames to requests: the one place that deals in raw strings and bytes of a client. What it
//! lets through is well-formed.

mod accounts;

mod rooms;

use bytes::Bytes;
use common::conversation::Conversation;
use common::limits::{
    HISTORY_PAGE_MESSAGES_MAX, PASSWORD_BYTES_MAX, SEARCH_TEXT_BYTES_MAX, TEXT_BYTES_MAX,
};
use common::user_name::UserName;
use common::wire::client_frame::Body;
use common::wire::{self, ClientFrame};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;
use file_transfer::upload::PIECE_HASHES_MAX;
use prost::Message;

use crate::state::accounts::requests::AccountRequest;
use crate::state::refusal::Refusal;
use crate::state::request::{
    Asked, DownloadDone, Hello, HistoryRange, HistoryWanted, LogIn, MemberRequest, MessageId,
    NoFile, PiecesWanted, Request, ResumeToken, SearchWanted, SendMessage,
};
use crate::state::uploads::UploadRequest;

/// Longest name of a client program that is kept for the log.
const AGENT_BYTES_MAX: usize = 64;

/// Of any frame, well-formed or not, the number that its answer must carry.
#[derive(Clone, PartialEq, Message)]
struct AnyFrame {
    #[prost(uint64, tag = "1")]
    request_id: u64,
}

/// Parses one frame. `fresh_token` becomes the session's if the frame is a login that succeeds, and the salt of a
/// password that is chosen.
pub(crate) fn parse(frame: Bytes, fresh_token: impl FnOnce() -> ResumeToken) -> Asked {
    match ClientFrame::decode(frame.clone()) {
        Ok(ClientFrame { request_id, body }) => {
            Asked { request_id, request: request(request_id, body, fresh_token) }
        }
        Err(_) => {
            let request_id = AnyFrame::decode(frame).map(|any| any.request_id).unwrap_or_default();
            Asked { request_id, request: Err(Refusal::Malformed) }
        }
    }
}

fn request(
    request_id: u64,
    body: Option<Body>,
    fresh_token: impl FnOnce() -> ResumeToken,
) -> Result<Request, Refusal> {
    let body = body.ok_or(Refusal::Unsupported)?;
    // A pong answers a request of the server's; everything else needs a number of its own.
    if request_id == 0 && !matches!(body, Body::Pong(_)) {
        return Err(Refusal::Malformed);
    }
    let member = |request| Ok(Request::Member(request));
    let upload = |request: Result<_, _>| member(request.map(MemberRequest::Upload));
    let account = |request: Result<_, _>| member(request.map(MemberRequest::Account));
    let room = |asked, fresh| member(rooms::room_request(asked, fresh).map(MemberRequest::Room));
    match body {
        Body::Hello(it) => Ok(Request::Hello(hello(it))),
        Body::LogIn(it) => log_in(it, fresh_token).map(|it| Request::LogIn(Box::new(it))),
        Body::Ping(wire::Ping { token }) => Ok(Request::Ping { token }),
        Body::Pong(wire::Pong { .. }) => Ok(Request::Pong),
        Body::LogOut(wire::LogOut {}) => member(Ok(MemberRequest::LogOut)),
        Body::SendMessage(it) => member(send_message(it).map(MemberRequest::SendMessage)),
        Body::Typing(wire::Typing { conversation }) => {
            let to = conversation.and_then(Conversation::from_wire).ok_or(Refusal::Malformed);
            member(to.map(|to| MemberRequest::Typing { to }))
        }
        Body::SetAway(wire::SetAway { away: is_away }) => {
            member(Ok(MemberRequest::SetAway { is_away }))
        }
        Body::ReadHistory(it) => member(read_history(it).map(MemberRequest::ReadHistory)),
        Body::SearchMessages(it) => member(search(it).map(MemberRequest::SearchMessages)),
        Body::ListConversations(wire::ListConversations { after }) => {
            member(Ok(MemberRequest::ListConversations { after }))
        }
        Body::ListOnline(wire::ListOnline { after }) => {
            member(Ok(MemberRequest::ListOnline { after }))
        }
        Body::ListFiles(wire::ListFiles { prefix, after }) => {
            member(Ok(MemberRequest::ListFiles { prefix, after }))
        }
        Body::RequestDownload(wire::RequestDownload { path, download_id: goes_on }) => {
            // Looked up by the reader, which may wait for the disk.
            member(Ok(MemberRequest::RequestDownload { path, file: Err(NoFile::Missing), goes_on }))
        }
        Body::PauseDownload(wire::PauseDownload { download_id: download }) => {
            member(Ok(MemberRequest::PauseDownload { download }))
        }
        Body::RequestPieceHashes(it) => {
            let wanted = PiecesWanted { download: it.download_id, first: it.first_piece };
            member(Ok(MemberRequest::RequestPieceHashes(wanted)))
        }
        Body::RequestUpload(it) => upload(request_upload(it)),
        Body::UploadSent(it) => upload(upload_sent(&it)),
        Body::UploadPieces(it) => upload(upload_pieces(&it)),
        Body::AbandonUpload(wire::AbandonUpload { upload_id: upload, keep }) => {
            member(Ok(MemberRequest::Upload(UploadRequest::Abandon { upload, keep })))
        }
        Body::Administer(it) => Ok(Request::Administer(accounts::command(it, fresh_token()))),
        Body::Register(it) => account(accounts::register(it, fresh_token())),
        Body::ChangePassword(it) => account(accounts::change_password(it, fresh_token())),
        Body::ListDevices(wire::ListDevices {}) => account(Ok(AccountRequest::ListDevices)),
        Body::RemoveDevice(it) => account(accounts::remove_device(&it)),
        Body::CreateRoom(it) => room(rooms::Asked::Create(it), fresh_token()),
        Body::JoinRoom(it) => room(rooms::Asked::Join(it), fresh_token()),
        Body::LeaveRoom(it) => room(rooms::Asked::Leave(it), fresh_token()),
        Body::ChangeRoom(it) => room(rooms::Asked::Change(it), fresh_token()),
        Body::RemoveRoom(it) => room(rooms::Asked::Remove(it), fresh_token()),
        Body::AddToRoom(it) => room(rooms::Asked::Add(it), fresh_token()),
        Body::RemoveFromRoom(it) => room(rooms::Asked::TakeOut(it), fresh_token()),
        Body::ListRooms(it) => room(rooms::Asked::List(it), fresh_token()),
        Body::ListMembers(it) => room(rooms::Asked::ListMembers(it), fresh_token()),
        Body::DownloadDone(it) => member(Ok(MemberRequest::DownloadDone(download_done(&it)))),
    }
}

fn hello(hello: wire::Hello) -> Hello {
    let wire::Hello { version_min, version_max, mut agent } = hello;
    agent.truncate(agent.floor_char_boundary(AGENT_BYTES_MAX));
    Hello { version_min, version_max, agent }
}

fn log_in(
    log_in: wire::LogIn,
    fresh_token: impl FnOnce() -> ResumeToken,
) -> Result<LogIn, Refusal> {
    let name = UserName::parse(&log_in.name).map_err(Refusal::NameMalformed)?;
    if log_in.password.len() > PASSWORD_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let resume_token = match log_in.resume_token.as_ref() {
        [] => None,
        bytes => Some(ResumeToken(bytes.try_into().map_err(|_| Refusal::Malformed)?)),
    };
    let invite = accounts::invite(&log_in.invite)?;
    let (password, fresh_token) = (log_in.password, fresh_token());
    Ok(LogIn { name, password, resume_token, invite, fresh_token })
}

fn send_message(message: wire::SendMessage) -> Result<SendMessage, Refusal> {
    let id = message.message_id.as_ref().try_into().map_err(|_| Refusal::Malformed)?;
    let to = message.conversation.and_then(Conversation::from_wire).ok_or(Refusal::Malformed)?;
    if message.text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::TextTooLong { allowed: TEXT_BYTES_MAX });
    }
    if message.text.trim().is_empty() {
        return Err(Refusal::TextEmpty);
    }
    Ok(SendMessage { id: MessageId(id), to, text: message.text })
}

fn read_history(wanted: wire::ReadHistory) -> Result<HistoryWanted, Refusal> {
    let wire::ReadHistory { conversation, after_seq: after, before_seq, limit } = wanted;
    let conversation = conversation.and_then(Conversation::from_wire).ok_or(Refusal::Malformed)?;
    let before = (before_seq > 0).then_some(before_seq);
    let range = HistoryRange { after, before, limit: page_limit(limit) };
    Ok(HistoryWanted { conversation, range })
}

fn search(wanted: wire::SearchMessages) -> Result<SearchWanted, Refusal> {
    let wire::SearchMessages { text, before, limit } = wanted;
    if text.len() > SEARCH_TEXT_BYTES_MAX {
        return Err(Refusal::TextTooLong { allowed: SEARCH_TEXT_BYTES_MAX });
    }
    if text.trim().is_empty() {
        return Err(Refusal::TextEmpty);
    }
    let before = (before > 0).then_some(before);
    Ok(SearchWanted { text, before, limit: page_limit(limit) })
}

fn page_limit(limit: u32) -> usize {
    match limit {
        0 => HISTORY_PAGE_MESSAGES_MAX,
        limit => HISTORY_PAGE_MESSAGES_MAX.min(limit as usize),
    }
}

fn download_done(done: &wire::DownloadDone) -> DownloadDone {
    DownloadDone {
        download: done.download_id,
        verified: done.verified,
        bytes: done.bytes,
        transport: done.transport(),
    }
}

fn request_upload(wanted: wire::RequestUpload) -> Result<UploadRequest, Refusal> {
    let wire::RequestUpload { attempt, path, size, modified_ns } = wanted;
    let attempt = attempt.as_ref().try_into().map_err(|_| Refusal::Malformed)?;
    let version = FileVersion { size, modified_ns };
    // Told apart from what is malformed: a person chose the name.
    let path = FilePath::parse(&path).map_err(|_| path);
    Ok(UploadRequest::Begin { attempt, path, version })
}

fn upload_sent(sent: &wire::UploadSent) -> Result<UploadRequest, Refusal> {
    let root = sent.root.as_ref().try_into().map_err(|_| Refusal::Malformed)?;
    Ok(UploadRequest::Sent { upload: sent.upload_id, root })
}

fn upload_pieces(pieces: &wire::UploadPieces) -> Result<UploadRequest, Refusal> {
    if pieces.hashes.len() > PIECE_HASHES_MAX {
        return Err(Refusal::Malformed);
    }
    let hash = |bytes: &Bytes| bytes.as_ref().try_into().map(PieceHash).ok();
    let hashes = pieces.hashes.iter().map(hash).collect::<Option<_>>();
    let hashes = hashes.ok_or(Refusal::Malformed)?;
    Ok(UploadRequest::Pieces { upload: pieces.upload_id, first: pieces.first_piece, hashes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::user_name::NameProblem;

    fn parse_bytes(bytes: &[u8]) -> Asked {
        parse(Bytes::copy_from_slice(bytes), || ResumeToken([1; 32]))
    }

    fn encode(request_id: u64, body: Body) -> Vec<u8> {
        ClientFrame { request_id, body: Some(body) }.encode_to_vec()
    }

    #[track_caller]
    fn check_refused(body: Body, refusal: &Refusal) {
        let asked = parse_bytes(&encode(7, body));
        let found = match asked.request {
            Err(found) | Ok(Request::Member(Err(found))) => found,
            Ok(request) => panic!("let through: {request:?}"),
        };
        assert_eq!((asked.request_id, &found), (7, refusal));
    }

    fn message(id_bytes: usize, text: &str) -> Body {
        Body::SendMessage(wire::SendMessage {
            message_id: vec![1; id_bytes].into(),
            conversation: Some(Conversation::lobby().to_wire()),
            text: text.into(),
        })
    }

    fn named(name: &str) -> wire::LogIn {
        wire::LogIn { name: name.into(), ..Default::default() }
    }

    #[test]
    fn junk_is_malformed_and_carries_no_number() {
        for junk in [&[0xff; 40][..], &[0x08], &[0x12, 0x7f, 1], b"GET / HTTP/1.1\r\n\r\n"] {
            let asked = parse_bytes(junk);
            assert_eq!(asked.request.unwrap_err(), Refusal::Malformed, "{junk:?}");
        }
    }

    #[test]
    fn text_that_is_no_utf8_is_refused_under_its_number() {
        let mut frame = encode(9, Body::LogIn(named("bob")));
        let at = frame.windows(3).position(|three| three == b"bob").unwrap();
        frame[at] = 0xff;
        let asked = parse_bytes(&frame);
        assert_eq!((asked.request_id, asked.request.unwrap_err()), (9, Refusal::Malformed));
    }

    #[test]
    fn a_later_versions_request_is_unsupported() {
        // Field 1000 of the frame: a body that this version does not know.
        let asked = parse_bytes(&[0x08, 5, 0xc2, 0x3e, 2, 0x08, 1]);
        assert_eq!((asked.request_id, asked.request.unwrap_err()), (5, Refusal::Unsupported));
    }

    #[test]
    fn a_request_needs_a_number_and_a_pong_does_not() {
        let ping = parse_bytes(&encode(0, Body::Ping(wire::Ping { token: 1 })));
        assert_eq!(ping.request.unwrap_err(), Refusal::Malformed);
        let pong = parse_bytes(&encode(0, Body::Pong(wire::Pong { token: 1 })));
        assert!(matches!(pong.request, Ok(Request::Pong)));
    }

    #[test]
    fn messages_are_bounded_and_not_blank() {
        check_refused(message(15, "hi"), &Refusal::Malformed);
        check_refused(message(16, ""), &Refusal::TextEmpty);
        check_refused(message(16, " \n\t"), &Refusal::TextEmpty);
        check_refused(
            message(16, &"x".repeat(TEXT_BYTES_MAX + 1)),
            &Refusal::TextTooLong { allowed: TEXT_BYTES_MAX },
        );
        let longest = parse_bytes(&encode(1, message(16, &"x".repeat(TEXT_BYTES_MAX))));
        assert!(matches!(longest.request, Ok(Request::Member(Ok(_)))));
    }

    #[test]
    fn a_message_to_nowhere_is_malformed() {
        let nowhere = wire::SendMessage {
            message_id: vec![1; 16].into(),
            conversation: None,
            text: "hi".into(),
        };
        check_refused(Body::SendMessage(nowhere), &Refusal::Malformed);
    }

    #[test]
    fn names_and_tokens_are_checked() {
        check_refused(Body::LogIn(named("")), &Refusal::NameMalformed(NameProblem::Empty));
        check_refused(Body::LogIn(named("a\nb")), &Refusal::NameMalformed(NameProblem::Control));
        let token = wire::LogIn { resume_token: vec![1; 31].into(), ..named("bob") };
        check_refused(Body::LogIn(token), &Refusal::Malformed);
        let invite = wire::LogIn { invite: vec![1; 23].into(), ..named("bob") };
        check_refused(Body::LogIn(invite), &Refusal::Malformed);
        let password = wire::LogIn { password: "x".repeat(2000), ..named("bob") };
        check_refused(Body::LogIn(password), &Refusal::Malformed);
    }
}
