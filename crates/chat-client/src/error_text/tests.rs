//! Each sentence says what happened and what to do, and speaks of the thing in question.

use std::path::PathBuf;
use std::sync::Arc;

use common::wire::Refused;

use super::*;

/// A sentence ends as one, and says what the test expects.
#[track_caller]
fn check(sentence: &str, says: &[&str]) {
    assert!(sentence.ends_with(['.', '”']), "no full stop: {sentence}");
    assert!(!sentence.contains("os error"), "a number for nobody: {sentence}");
    for part in says {
        assert!(sentence.contains(part), "“{part}” is missing: {sentence}");
    }
}

fn refused(code: RefusalCode) -> Refused {
    Refused { code: code.into(), subject: "report.pdf".into(), allowed: 7, ..Refused::default() }
}

#[test]
fn refusals_say_what_and_what_now() {
    use RefusalCode as Code;
    let table: &[(Code, &[&str])] = &[
        (Code::Unspecified, &["does not know"]),
        (Code::Unsupported, &["does not know", "version"]),
        (Code::Version, &["version", "Update"]),
        (Code::Malformed, &["could not read"]),
        (Code::NotLoggedIn, &["Log in first"]),
        (Code::AlreadyLoggedIn, &["Log out first"]),
        (Code::NameTaken, &["taken", "Choose another name"]),
        (Code::NameTooSimilar, &["too much like “report.pdf”", "Choose another name"]),
        (Code::NameReserved, &["reserved", "Choose another name"]),
        (Code::NameMalformed, &["Choose another"]),
        (Code::WrongPassword, &["password is wrong"]),
        (Code::Banned, &["banned", "administrator"]),
        (Code::ServerFull, &["full", "Try again"]),
        (Code::TooManyAttempts, &["Too many", "Wait"]),
        (Code::UnknownUser, &["no user “report.pdf”", "who is online"]),
        (Code::UnknownRoom, &["no room “report.pdf”", "#lobby"]),
        (Code::TextEmpty, &["empty"]),
        (Code::TextTooLong, &["too long", "at most 7 bytes"]),
        (Code::SlowDown, &["Wait"]),
        (Code::FileUnreadable, &["cannot read", "“report.pdf”", "later"]),
        (Code::TooBroad, &["too many messages", "more"]),
        (Code::UnknownFile, &["File does not exist", "“report.pdf”"]),
        (Code::TooManyDownloads, &["7 are allowed", "Wait"]),
    ];
    let uploads: &[(Code, &[&str])] = &[
        (Code::UploadsOff, &["no uploads", "administrator"]),
        (Code::UploadName, &["“report.pdf”", "Choose another"]),
        (Code::UploadFolder, &["“report.pdf”", "another folder"]),
        (Code::UploadTooLarge, &["too large", "at most 7 bytes"]),
        (Code::QuotaExceeded, &["7 bytes are left", "administrator"]),
        (Code::TooManyUploads, &["7 are allowed", "Wait"]),
        (Code::UnknownUpload, &["Start it again"]),
        (Code::ServerDiskFull, &["full", "administrator"]),
        (Code::ServerDiskFailed, &["cannot store", "administrator"]),
    ];
    let invites: &[(Code, &[&str])] = &[
        (Code::InviteUnknown, &["no invite “report.pdf”", "which there are"]),
        (Code::InviteUsedUp, &["been used", "Ask for a new link", "password"]),
        (Code::InviteExpired, &["expired", "Ask for a new link", "password"]),
        (Code::InvitesFull, &["at most 7", "administrator"]),
    ];
    for (code, says) in table.iter().chain(uploads).chain(invites) {
        check(&refusal(&Refusal(refused(*code))), says);
    }
}

#[test]
fn an_invite_that_was_shown_is_the_links() {
    let shown = Refused { subject: String::new(), ..refused(RefusalCode::InviteUnknown) };
    check(&refusal(&Refusal(shown)), &["revoked", "Ask for a new link", "password"]);
}

#[test]
fn a_ban_with_an_end_says_so() {
    let until = Refused { time_ms: 1_700_000_000_000, ..refused(RefusalCode::Banned) };
    check(&refusal(&Refusal(until)), &["for now", "later"]);
}

#[test]
fn each_problem_of_a_name_has_its_own_sentence() {
    let problems = [
        NameProblem::Empty,
        NameProblem::TooLong,
        NameProblem::Blanks,
        NameProblem::Control,
        NameProblem::Invisible,
        NameProblem::Marks,
        NameProblem::Prefix,
    ];
    let mut sentences: Vec<&str> = problems.into_iter().map(name_problem).collect();
    sentences.iter().for_each(|sentence| check(sentence, &["name"]));
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(sentences.len(), problems.len());
}

#[test]
fn connection_errors_name_the_address() {
    let io_error = |kind: io::ErrorKind| Arc::new(io::Error::from(kind));
    let address = "chat.lan:5050".to_owned();
    let refused = io_error(io::ErrorKind::ConnectionRefused);
    let unreachable = Arc::new(io::Error::from_raw_os_error(113));
    let table: &[(SessionError, &[&str])] = &[
        (SessionError::UnknownHost { host: "chta".into() }, &["“chta”", "spelling"]),
        (
            SessionError::Unreachable { address: address.clone(), error: refused },
            &["No server is running at chat.lan:5050", "port"],
        ),
        (
            SessionError::Unreachable { address: address.clone(), error: unreachable },
            &["chat.lan:5050", "No route to host", "network"],
        ),
        (SessionError::TimedOut { address: address.clone() }, &["chat.lan:5050", "firewall"]),
        (
            SessionError::NotAChatServer { address, detail: "x".into() },
            &["chat.lan:5050", "no Simple Chat server", "port"],
        ),
        (SessionError::Lost, &["lost", "network"]),
        (SessionError::Goodbye(GoodbyeReason::Shutdown), &["shutting down"]),
        (SessionError::Goodbye(GoodbyeReason::TooSlow), &["fast enough"]),
        (SessionError::Goodbye(GoodbyeReason::Idle), &["nothing happened"]),
        (SessionError::Goodbye(GoodbyeReason::TakenOver), &["took the session over"]),
        (SessionError::Goodbye(GoodbyeReason::ProtocolError), &["protocol"]),
        (SessionError::Protocol("x".into()), &["makes no sense", "update"]),
        (SessionError::Refused(Refusal(self::refused(RefusalCode::Version))), &["version"]),
        (
            SessionError::Storage {
                path: "/home/x/known_servers".into(),
                error: io_error(io::ErrorKind::PermissionDenied),
            },
            &["/home/x/known_servers", "permission denied"],
        ),
        (SessionError::System(io_error(io::ErrorKind::OutOfMemory)), &["out of resources"]),
    ];
    for (error, says) in table {
        check(&session_error(error), says);
        check(&end_reason(&EndReason::Failed(error.clone())), says);
    }
}

#[test]
fn a_changed_key_says_what_to_do() {
    let path = PathBuf::from("/home/x/known_servers");
    let sentence = key_changed("a:1", SpkiPin([1; 32]), SpkiPin([2; 32]), &path);
    check(&sentence, &["a:1", "changed", "nothing was sent", "0101 0101", "0202 0202"]);
    check(&sentence, &["invite link", "delete", "/home/x/known_servers"]);
    check(&end_reason(&EndReason::KeyChanged), &["changed", "nothing was sent", "invite link"]);
}

#[test]
fn downloads_say_why_there_is_no_file() {
    let path = PathBuf::from("/data/report.pdf");
    let denied = io::Error::from_raw_os_error(13);
    let silent = io::Error::from(io::ErrorKind::TimedOut);
    let node = ([127, 0, 0, 1], 5050).into();
    let table: Vec<(DownloadError, &[&str])> = vec![
        (DownloadError::Cancelled, &["cancelled"]),
        (
            DownloadError::Disk { path: path.clone(), error: denied },
            &["/data/report.pdf", "Permission denied", "another place"],
        ),
        (
            DownloadError::DiskFull { path: path.clone(), needed: 53_687_091_200 },
            &["full", "53.7 GB more", "Free some space"],
        ),
        (DownloadError::Broken, &["kept", "report this"]),
        (DownloadError::NoHash, &["kept", "start the download again"]),
        (DownloadError::FileChanged, &["changed", "again"]),
        (DownloadError::FileUnreadable, &["cannot read", "administrator"]),
        (
            DownloadError::Integrity { expected: [1; 32], found: [2; 32] },
            &["not the file", "thrown away", "Try again"],
        ),
        (DownloadError::NotAFileName { path }, &["/data/report.pdf", "no file name"]),
        (DownloadError::NoNode, &["no place", "administrator"]),
        (DownloadError::Ended, &["ended", "Log in"]),
        (DownloadError::Protocol { node, problem: "x".into() }, &["makes no sense"]),
        (DownloadError::Rejected, &["refused", "Try again"]),
        (DownloadError::Busy, &["too much to do", "Try again"]),
        (DownloadError::TicketExpired, &["expired", "Try again"]),
        (DownloadError::Unreachable { node, error: silent }, &["127.0.0.1:5050", "firewall"]),
    ];
    for (error, says) in table {
        check(&download_failure(&DownloadFailure::Transfer(Arc::new(error))), says);
    }
    check(&download_failure(&DownloadFailure::NotConnected), &["connection", "again"]);
    check(&download_failure(&DownloadFailure::FileChanged), &["changed", "again"]);
    let missing = Refusal(refused(RefusalCode::UnknownFile));
    check(&download_failure(&DownloadFailure::Refused(missing)), &["File does not exist"]);
}

#[test]
fn addresses_that_are_none_say_what_is_expected() {
    let of = |text: &str| text.parse::<crate::command::ServerAddress>().unwrap_err();
    check(&address_error(&of("a b")), &["“a b”", "HOST:PORT", "invite link"]);
    check(&address_error(&of("http://x")), &["no invite link", "whole link"]);
}
