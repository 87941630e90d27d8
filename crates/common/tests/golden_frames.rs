//! The wire as bytes: one frame of each kind, held against `golden/frames/*.hex` and against what
//! PROTOCOL.md shows. A round trip through our own encoder could not see a change that breaks old peers.
//!
//! A new kind of frame gets a line in [`frames`], a file and a place in PROTOCOL.md; the failing test
//! prints the bytes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

#[path = "golden/people.rs"]
mod people;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use common::framing::{self, FrameDecoder};
use common::wire::client_frame::Body as Ask;
use common::wire::conversation::Kind;
use common::wire::server_frame::Body as Tell;
use common::wire::*;
use prost::Message as _;

/// Bytes in one line of a golden file.
const BYTES_PER_LINE: usize = 32;
/// 2026-01-02 03:04:05.678 UTC.
const AT_MS: i64 = 1_767_323_045_678;

fn client(request_id: u64, body: Ask) -> Bytes {
    framing::encode(&ClientFrame { request_id, body: Some(body) }).unwrap()
}

fn server(in_reply_to: u64, body: Tell) -> Bytes {
    framing::encode(&ServerFrame { in_reply_to, body: Some(body) }).unwrap()
}

fn event(body: Tell) -> Bytes {
    server(0, body)
}

fn lobby() -> Option<Conversation> {
    Some(Conversation { kind: Some(Kind::Room("lobby".to_owned())) })
}

fn with(name: &str) -> Option<Conversation> {
    Some(Conversation { kind: Some(Kind::User(name.to_owned())) })
}

fn message_id(first: u8) -> Bytes {
    (first..first + 16).collect::<Vec<u8>>().into()
}

fn guide() -> Option<FileEntry> {
    Some(FileEntry { path: "docs/guide.pdf".to_owned(), size: 1_234_567, modified_ms: AT_MS })
}

/// Name of the golden file → frame, in the order of a session.
fn frames() -> Vec<(&'static str, Bytes)> {
    let (before, files) =
        ([greeting(), presence_and_files(), messages()], [downloads(), waiting()]);
    let people = [people::accounts(), people::order(), people::rooms(), people::invites()].concat();
    [before.concat(), history(), files.concat(), uploads(), people, connection()].concat()
}

fn greeting() -> Vec<(&'static str, Bytes)> {
    let hello = Hello { version_min: 1, version_max: 1, agent: "simple-chat/0.1.0".to_owned() };
    let server_hello =
        ServerHello { version: 1, server_name: "Office".to_owned(), access: Access::Open.into() };
    let log_in = |name: &str| LogIn { name: name.to_owned(), ..LogIn::default() };
    let taken = Refused {
        code: RefusalCode::NameTaken.into(),
        subject: "bob".to_owned(),
        ..Refused::default()
    };
    let logged_in = LoggedIn {
        name: "alice".to_owned(),
        resume_token: vec![0xa5; 32].into(),
        resumed: false,
        log_id: vec![0x5c; 16].into(),
        role: Role::Guest.into(),
    };
    vec![
        ("hello", client(1, Ask::Hello(hello))),
        ("server_hello", server(1, Tell::ServerHello(server_hello))),
        ("log_in_taken", client(2, Ask::LogIn(log_in("bob")))),
        ("refused_name_taken", server(2, Tell::Refused(taken))),
        ("log_in", client(3, Ask::LogIn(log_in("alice")))),
        ("logged_in", server(3, Tell::LoggedIn(logged_in))),
    ]
}

fn presence_and_files() -> Vec<(&'static str, Bytes)> {
    let names = vec!["alice".to_owned(), "bob".to_owned()];
    let page = OnlinePage { names, more: false, away: vec![] };
    let bob_is_away = AwayChanged { name: "bob".to_owned(), away: true };
    let left = UserLeft { name: "carol".to_owned(), reason: LeaveReason::LoggedOut.into() };
    let removed = FileRemoved { path: "docs/guide.pdf".to_owned() };
    let files = vec![FileEntry { path: "Welcome.txt".to_owned(), size: 0, modified_ms: AT_MS }];
    let typing = Typing { conversation: with("bob") };
    let bob_types = UserTyping { conversation: with("bob"), name: "bob".to_owned() };
    vec![
        ("list_online", client(4, Ask::ListOnline(ListOnline::default()))),
        ("online_page", server(4, Tell::OnlinePage(page.clone()))),
        ("online_page_away", server(4, Tell::OnlinePage(OnlinePage { away: vec![1], ..page }))),
        ("list_files", client(5, Ask::ListFiles(ListFiles::default()))),
        ("file_page", server(5, Tell::FilePage(FilePage { files, more: false }))),
        ("user_joined", event(Tell::UserJoined(UserJoined { name: "carol".to_owned() }))),
        ("user_left", event(Tell::UserLeft(left))),
        ("typing", client(29, Ask::Typing(typing))),
        ("user_typing", event(Tell::UserTyping(bob_types))),
        ("set_away", client(30, Ask::SetAway(SetAway { away: true }))),
        ("away_changed", event(Tell::AwayChanged(bob_is_away))),
        ("file_changed", event(Tell::FileChanged(FileChanged { file: guide() }))),
        ("file_removed", event(Tell::FileRemoved(removed))),
    ]
}

fn messages() -> Vec<(&'static str, Bytes)> {
    let public = SendMessage {
        message_id: message_id(0),
        conversation: lobby(),
        text: "good morning".to_owned(),
    };
    let accepted =
        MessageAccepted { conversation: lobby(), seq: 7, at_ms: AT_MS, receiver_is_away: false };
    let private = SendMessage {
        message_id: message_id(16),
        conversation: with("bob"),
        text: "psst".to_owned(),
    };
    let away =
        MessageAccepted { conversation: with("bob"), seq: 1, at_ms: AT_MS, receiver_is_away: true };
    let received = Message {
        conversation: with("bob"),
        seq: 2,
        from: "bob".to_owned(),
        text: "yes? 🙂".to_owned(),
        at_ms: AT_MS,
        message_id: message_id(32),
    };
    let unknown = Refused {
        code: RefusalCode::UnknownUser.into(),
        subject: "dave".to_owned(),
        ..Refused::default()
    };
    let full = Refused { code: RefusalCode::StorageFull.into(), ..Refused::default() };
    let notice = Notice { text: "The server restarts at noon.".to_owned() };
    vec![
        ("send_public", client(6, Ask::SendMessage(public))),
        ("message_accepted", server(6, Tell::MessageAccepted(accepted))),
        ("send_private", client(7, Ask::SendMessage(private))),
        ("message_accepted_away", server(7, Tell::MessageAccepted(away))),
        ("message_private", event(Tell::Message(received))),
        ("refused_unknown_user", server(8, Tell::Refused(unknown))),
        ("refused_storage_full", server(24, Tell::Refused(full))),
        ("notice", event(Tell::Notice(notice))),
        ("messages_skipped", event(Tell::MessagesSkipped(MessagesSkipped {}))),
    ]
}

fn history() -> Vec<(&'static str, Bytes)> {
    let wanted = ReadHistory { conversation: with("bob"), after_seq: 1, before_seq: 0, limit: 50 };
    let last = ReadHistory { conversation: lobby(), after_seq: 0, before_seq: 7, limit: 2 };
    let message = Message {
        conversation: None,
        seq: 2,
        from: "bob".to_owned(),
        text: "yes? 🙂".to_owned(),
        at_ms: AT_MS,
        message_id: message_id(32),
    };
    let found = Message { conversation: with("bob"), ..message.clone() };
    let page = HistoryPage {
        conversation: with("bob"),
        messages: vec![message],
        more: true,
        first_kept_seq: 0,
    };
    let late = HistoryPage { first_kept_seq: 3, messages: Vec::new(), more: false, ..page.clone() };
    let search = SearchMessages { text: "yes".to_owned(), before: 0, limit: 50 };
    let found = SearchPage { messages: vec![found], next: 1011 };
    let list = ListConversations { after: 500 };
    let entry = |conversation, last_seq| ConversationEntry { conversation, last_seq, at_ms: AT_MS };
    let conversations = vec![entry(lobby(), 7), entry(with("bob"), 2)];
    let conversations = ConversationPage { conversations, next: 1017 };
    vec![
        ("read_history", client(25, Ask::ReadHistory(wanted))),
        ("history_page", server(25, Tell::HistoryPage(page))),
        ("history_page_that_begins_late", server(25, Tell::HistoryPage(late))),
        ("read_history_before", client(26, Ask::ReadHistory(last))),
        ("list_conversations", client(27, Ask::ListConversations(list))),
        ("conversation_page", server(27, Tell::ConversationPage(conversations))),
        ("search_messages", client(28, Ask::SearchMessages(search))),
        ("search_page", server(28, Tell::SearchPage(found))),
    ]
}

fn downloads() -> Vec<(&'static str, Bytes)> {
    let request = RequestDownload { path: "docs/guide.pdf".to_owned(), download_id: 0 };
    let node = TransferNode { address: ":5050".to_owned(), spki_sha256: vec![0x11; 32].into() };
    let ticket = DownloadTicket {
        download_id: 1,
        ticket: vec![0x77; 40].into(),
        secret: vec![0x22; 32].into(),
        nodes: vec![node],
        file: guide(),
        modified_ns: AT_MS * 1_000_000 + 901_234,
    };
    let hashes = FileHashes {
        download_id: 1,
        root: vec![0x33; 32].into(),
        path: "docs/guide.pdf".to_owned(),
        problem: DownloadProblem::Unspecified.into(),
    };
    let done = DownloadDone {
        download_id: 1,
        verified: true,
        bytes: 1_234_567,
        transport: Transport::Udp.into(),
    };
    let unknown = Refused {
        code: RefusalCode::UnknownFile.into(),
        subject: "gone.txt".to_owned(),
        ..Refused::default()
    };
    let recorded = DownloadRecorded { download_id: 1 };
    vec![
        ("request_download", client(9, Ask::RequestDownload(request))),
        ("download_ticket", server(9, Tell::DownloadTicket(ticket))),
        ("file_hashes", event(Tell::FileHashes(hashes))),
        ("download_done", client(10, Ask::DownloadDone(done))),
        ("download_recorded", server(10, Tell::DownloadRecorded(recorded))),
        ("refused_unknown_file", server(11, Tell::Refused(unknown))),
    ]
}

fn uploads() -> Vec<(&'static str, Bytes)> {
    let request = RequestUpload {
        attempt: message_id(0x30),
        path: "in/notes.txt".to_owned(),
        size: 1_234_567,
        modified_ns: AT_MS * 1_000_000 + 901_234,
    };
    let node = TransferNode { address: ":5050".to_owned(), spki_sha256: vec![0x11; 32].into() };
    let ticket = UploadTicket {
        upload_id: 1,
        ticket: vec![0x77; 40].into(),
        secret: vec![0x22; 32].into(),
        nodes: vec![node],
        kept: 1_048_576,
    };
    let queued = UploadQueued { upload_id: 1, position: 2, attempt: message_id(0x30) };
    let sent = UploadSent { upload_id: 1, root: vec![0x33; 32].into() };
    let incomplete = UploadIncomplete { upload_id: 1, missing: 0, differs: true };
    let pieces = UploadPieces { upload_id: 1, first_piece: 1, hashes: vec![vec![0x44; 32].into()] };
    let compared = UploadCompared { upload_id: 1, differing: 1 };
    let stored = UploadStored {
        upload_id: 1,
        path: "in/notes (1).txt".to_owned(),
        root: vec![0x33; 32].into(),
    };
    let over =
        Refused { code: RefusalCode::QuotaExceeded.into(), allowed: 4096, ..Refused::default() };
    let abandon = AbandonUpload { upload_id: 2, keep: false };
    vec![
        ("request_upload", client(14, Ask::RequestUpload(request))),
        ("upload_queued", event(Tell::UploadQueued(queued))),
        ("upload_ticket_frame", server(14, Tell::UploadTicket(ticket))),
        ("upload_sent", client(15, Ask::UploadSent(sent.clone()))),
        ("upload_incomplete", server(15, Tell::UploadIncomplete(incomplete))),
        ("upload_pieces", client(16, Ask::UploadPieces(pieces))),
        ("upload_compared", server(16, Tell::UploadCompared(compared))),
        ("upload_sent_again", client(17, Ask::UploadSent(sent))),
        ("upload_stored", server(17, Tell::UploadStored(stored))),
        ("abandon_upload", client(18, Ask::AbandonUpload(abandon))),
        ("upload_abandoned", server(18, Tell::UploadAbandoned(UploadAbandoned { upload_id: 2 }))),
        ("release_upload", client(18, Ask::AbandonUpload(AbandonUpload { keep: true, ..abandon }))),
        ("refused_quota_exceeded", server(19, Tell::Refused(over))),
    ]
}

fn waiting() -> Vec<(&'static str, Bytes)> {
    let path = || "docs/guide.pdf".to_owned();
    let again = RequestDownload { path: path(), download_id: 1 };
    let queued = DownloadQueued { download_id: 1, position: 2, path: path() };
    let pieces_wanted = RequestPieceHashes { download_id: 1, first_piece: 1 };
    let hashes = vec![vec![0x44; 32].into()];
    let pieces = PieceHashes { download_id: 1, first_piece: 1, hashes, total: 2 };
    let pause = PauseDownload { download_id: 1 };
    let unknown = Refused { code: RefusalCode::UnknownDownload.into(), ..Refused::default() };
    vec![
        ("request_download_again", client(20, Ask::RequestDownload(again))),
        ("download_queued", server(20, Tell::DownloadQueued(queued))),
        ("request_piece_hashes", client(21, Ask::RequestPieceHashes(pieces_wanted))),
        ("piece_hashes", server(21, Tell::PieceHashes(pieces))),
        ("pause_download", client(22, Ask::PauseDownload(pause))),
        ("refused_unknown_download", server(23, Tell::Refused(unknown))),
    ]
}

fn connection() -> Vec<(&'static str, Bytes)> {
    let goodbye = Goodbye {
        reason: GoodbyeReason::Shutdown.into(),
        retry_after_ms: 2000,
        ..Goodbye::default()
    };
    vec![
        ("ping", client(12, Ask::Ping(Ping { token: 99 }))),
        ("pong", server(12, Tell::Pong(Pong { token: 99 }))),
        ("goodbye", event(Tell::Goodbye(goodbye))),
        ("log_out", client(13, Ask::LogOut(LogOut {}))),
        ("logged_out", server(13, Tell::LoggedOut(LoggedOut {}))),
    ]
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/frames")
}

fn golden(name: &str) -> String {
    std::fs::read_to_string(golden_folder().join(format!("{name}.hex"))).unwrap_or_default()
}

/// The header in a group of its own, then lines of [`BYTES_PER_LINE`].
fn hex(frame: &[u8]) -> String {
    let (header, body) = frame.split_at(4);
    let mut text = String::new();
    for line in std::iter::once(header).chain(body.chunks(BYTES_PER_LINE)) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn frames_are_the_golden_bytes() {
    for (name, frame) in frames() {
        assert_eq!(hex(&frame), golden(name), "{name}.hex");
    }
}

#[test]
fn golden_bytes_are_read_as_those_frames() {
    for (name, frame) in frames() {
        let mut decoder = FrameDecoder::default();
        decoder.extend(&bytes_of(&golden(name)));
        let body = decoder.next_frame().unwrap().unwrap();
        assert_eq!(decoder.buffered(), 0, "{name}.hex has more than one frame");
        assert_eq!(body, frame.slice(4..), "{name}.hex");
        let known = ClientFrame::decode(body.clone()).is_ok_and(|frame| frame.body.is_some())
            || ServerFrame::decode(body).is_ok_and(|frame| frame.body.is_some());
        assert!(known, "{name}.hex is no known frame");
    }
}

#[test]
fn every_golden_file_is_checked() {
    let files: BTreeSet<String> = std::fs::read_dir(golden_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let checked = frames().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(files, checked);
}

#[test]
fn protocol_document_shows_the_golden_bytes() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../PROTOCOL.md");
    let document = std::fs::read_to_string(document).unwrap();
    for (name, _) in frames() {
        let shown = golden(name).trim_end().replace('\n', "\n    ");
        assert!(document.contains(&format!("`{name}`")), "PROTOCOL.md does not name {name}");
        assert!(
            document.contains(&shown),
            "PROTOCOL.md shows other bytes for {name}:\n    {shown}"
        );
    }
}
