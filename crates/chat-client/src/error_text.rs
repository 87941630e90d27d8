//! The one place where a sentence for a person is made: what happened, why, and what to do now. For
//! the window and the command line alike.
//!
//! Names and texts of others are put in as they are: whoever shows a sentence shows it literally.

use std::io;
use std::path::Path;

use common::invite_link::InviteLinkError;
use common::spki_pin::SpkiPin;
use common::wire::{GoodbyeReason, NameProblem, RefusalCode};
use file_transfer::download::{DownloadError, Waiting};

use crate::error::{DownloadFailure, EndReason, Refusal, SessionError};
use crate::size_text;

mod accounts;

mod uploads;

pub use accounts::{no_answer, room_change};
pub use uploads::{upload_failure, upload_waiting};

/// For a search that the server did not carry out.
#[must_use]
pub fn search_refusal(refused: &Refusal) -> String {
    match refused.0.code() {
        RefusalCode::TextEmpty => "There is no word in that to look for.".into(),
        RefusalCode::TextTooLong => {
            format!(
                "That is too long to look for: at most {} bytes are allowed.",
                refused.0.allowed
            )
        }
        _ => refusal(refused),
    }
}

/// For a request that the server did not carry out.
#[must_use]
pub fn refusal(refusal: &Refusal) -> String {
    let refused = &refusal.0;
    let subject = &refused.subject;
    if let Some(sentence) = accounts::account_refusal(refused) {
        return sentence;
    }
    match refused.code() {
        RefusalCode::Unspecified
        | RefusalCode::Unsupported
        | RefusalCode::PasswordNeeded
        | RefusalCode::ServerBusy
        | RefusalCode::PasswordTooShort
        | RefusalCode::AccountExists
        | RefusalCode::UnknownAccount
        | RefusalCode::UnknownDevice
        | RefusalCode::RegistrationOff
        | RefusalCode::AccountsFull
        | RefusalCode::NotAllowed
        | RefusalCode::NotInForce
        | RefusalCode::RoomExists
        | RefusalCode::NotAMember
        | RefusalCode::RoomsFull
        | RefusalCode::InviteUnknown
        | RefusalCode::InviteUsedUp
        | RefusalCode::InviteExpired
        | RefusalCode::InvitesFull
        | RefusalCode::Muted
        | RefusalCode::Banned => {
            "The server does not know this request. It may run an older version of Simple Chat."
                .into()
        }
        RefusalCode::Version => {
            "The server speaks another version of the protocol. Update Simple Chat here or there."
                .into()
        }
        RefusalCode::Malformed => {
            "The server could not read the request. Please report this as a bug.".into()
        }
        RefusalCode::NotLoggedIn => "Not logged in. Log in first.".into(),
        RefusalCode::AlreadyLoggedIn => "Already logged in. Log out first.".into(),
        RefusalCode::NameTaken => {
            "The name is taken: somebody of that name is online. Choose another name.".into()
        }
        RefusalCode::NameTooSimilar => {
            format!("The name looks too much like “{subject}”. Choose another name.")
        }
        RefusalCode::NameReserved => {
            "The name is reserved for the server. Choose another name.".into()
        }
        RefusalCode::NameMalformed => name_problem(refused.name_problem()).into(),
        RefusalCode::WrongPassword => "The password is wrong. Try again.".into(),
        RefusalCode::ServerFull => "The server is full. Try again in a moment.".into(),
        RefusalCode::TooManyAttempts => {
            "Too many failed attempts to log in. Wait a minute, then try again.".into()
        }
        RefusalCode::UnknownUser => format!(
            "There is no user “{subject}” online. Check the spelling, or look who is online."
        ),
        RefusalCode::UnknownRoom => {
            format!(
                "There is no room “{subject}” that you can see. The room for everybody is #lobby."
            )
        }
        RefusalCode::TextEmpty => "The message is empty. Write something first.".into(),
        RefusalCode::TextTooLong => format!(
            "The message is too long: at most {} bytes are allowed. Split it up.",
            refused.allowed
        ),
        RefusalCode::SlowDown => "Too many messages at once. Wait a moment, then try again.".into(),
        RefusalCode::TooBroad => {
            "That is in too many messages. Write more of what you look for.".into()
        }
        RefusalCode::UnknownFile => format!(
            "File does not exist: “{subject}”. Look at the list of server files for its name."
        ),
        RefusalCode::FileUnreadable => format!(
            "The server cannot read “{subject}” at the moment. Try again later, or tell its administrator."
        ),
        RefusalCode::UploadsOff => {
            "This server takes no uploads. Ask its administrator to allow them.".into()
        }
        RefusalCode::UploadName => {
            format!("A file cannot be called “{subject}” there. Choose another name or folder.")
        }
        RefusalCode::UploadFolder => format!(
            "The folder of “{subject}” cannot be used on the server. Choose another folder."
        ),
        RefusalCode::UploadTooLarge => format!(
            "The file is too large: at most {} are allowed. Ask the server's administrator.",
            size_text::bytes(refused.allowed)
        ),
        RefusalCode::QuotaExceeded => format!(
            "Your uploads would take more room than you have: {} are left. Ask the server's \
             administrator to make room.",
            size_text::bytes(refused.allowed)
        ),
        RefusalCode::TooManyUploads if refused.allowed == 0 => {
            "The server has no places for uploads. Ask its administrator.".into()
        }
        RefusalCode::TooManyUploads => format!(
            "Too many uploads: {} are allowed. Wait until one has finished, or ask the server's \
             administrator.",
            refused.allowed
        ),
        RefusalCode::UnknownUpload => {
            "The server does not know of this upload any more. Start it again.".into()
        }
        RefusalCode::ServerDiskFull => {
            "The disk of the server is full. Tell its administrator.".into()
        }
        RefusalCode::ServerDiskFailed => {
            "The server cannot store the file. Tell its administrator.".into()
        }
        RefusalCode::StorageFull => {
            "The disk of the server is full, so nothing can be sent. Tell its administrator, and try \
             again later."
                .into()
        }
        RefusalCode::StorageFailed => {
            "The disk of the server fails, so nothing can be sent. Tell its administrator, and try \
             again later."
                .into()
        }
        RefusalCode::TooManyDownloads if refused.allowed == 0 => {
            "The server allows no downloads. Ask its administrator.".into()
        }
        RefusalCode::TooManyDownloads => format!(
            "Too many downloads wait already: {} are allowed. Wait until one has finished.",
            refused.allowed
        ),
        RefusalCode::UnknownDownload => {
            "The server does not know this download any more. Start it again.".into()
        }
    }
}

/// What is wrong with a name as typed.
#[must_use]
pub fn name_problem(problem: NameProblem) -> &'static str {
    match problem {
        NameProblem::Unspecified => "That is no name. Choose another one.",
        NameProblem::Empty => "The name is empty. Type a name.",
        NameProblem::TooLong => "The name is too long: at most 32 characters are allowed.",
        NameProblem::Blanks => {
            "The name starts or ends with a blank, or has two in a row. Remove them."
        }
        NameProblem::Control => "The name holds a control character. Type it by hand.",
        NameProblem::Invisible => "The name holds invisible characters. Type it by hand.",
        NameProblem::Marks => "The name stacks too many accents on one letter. Remove some.",
        NameProblem::Prefix => "A name cannot start with “#” or “@”. Choose another name.",
    }
}

/// For a connection that could not be made or broke.
#[must_use]
pub fn session_error(error: &SessionError) -> String {
    match error {
        SessionError::UnknownHost { host } => {
            format!("No computer named “{host}” was found. Check the spelling and the network.")
        }
        SessionError::Unreachable { address, error } => unreachable(address, error),
        SessionError::TimedOut { address } => format!(
            "{address} does not answer. Check the address, the network, and that no firewall is in between."
        ),
        SessionError::NotAChatServer { address, .. } => format!(
            "What answers at {address} is no Simple Chat server. Check the address and the port."
        ),
        SessionError::Lost => {
            "The connection to the server was lost. Check the network if it does not come back."
                .into()
        }
        SessionError::Goodbye(reason) => goodbye(*reason).into(),
        SessionError::SentAway(goodbye) => accounts::sent_away(goodbye),
        SessionError::Protocol(_) => {
            "The server sent something that makes no sense, so the connection was closed. If that \
             happens again, update Simple Chat."
                .into()
        }
        SessionError::Refused(refused) => refusal(refused),
        SessionError::Storage { path, error } => format!(
            "{} cannot be read: {}. Without it nobody knows which servers are trusted; repair or \
             delete it.",
            path.display(),
            reason(error)
        ),
        SessionError::System(error) => {
            format!("The system is out of resources: {}. Close other programs.", reason(error))
        }
    }
}

/// For a server whose key is not the one that is remembered. `known_servers` is where it is.
#[must_use]
pub fn key_changed(
    address: &str,
    expected: SpkiPin,
    found: SpkiPin,
    known_servers: &Path,
) -> String {
    format!(
        "The key of {address} has changed. Somebody may be pretending to be the server, so nothing \
         was sent.\n  remembered: {}\n  found:      {}\nIf its administrator confirms the new key, \
         use a new invite link, or delete the server's line in {} and connect again.",
        expected.to_groups(),
        found.to_groups(),
        known_servers.display()
    )
}

/// A private message waits for who it is for.
#[must_use]
pub fn receiver_is_away(name: &str) -> String {
    format!("“{name}” is away. The message waits for them.")
}

/// Messages that were missed wait for the server's disk, or do so no longer.
#[must_use]
pub fn history_stalled(is_stalled: bool) -> &'static str {
    if is_stalled {
        "Some messages are missing: the server cannot read what it stores at the moment. They follow by \
         themselves when it can."
    } else {
        "The messages that were missing have arrived."
    }
}

/// For a server whose key nobody has seen before.
#[must_use]
pub fn first_contact(address: &str, pin: SpkiPin) -> String {
    format!(
        "The server at {address} is not known yet. Compare its fingerprint with what the server's \
         administrator tells you:\n  {}",
        pin.to_groups()
    )
}

/// For a download that ended without a file.
#[must_use]
pub fn download_failure(failure: &DownloadFailure) -> String {
    match failure {
        DownloadFailure::Refused(refused) => refusal(refused),
        DownloadFailure::NotConnected => {
            "The connection to the server ended before the file was complete. Connect and start the \
             download again: it goes on from what has arrived."
                .into()
        }
        DownloadFailure::Interrupted => {
            "The download was interrupted. What has arrived is kept: start it again and it goes on \
             from there."
                .into()
        }
        DownloadFailure::FileChanged => {
            "The file on the server changed again and again, or went away. Start the download again \
             when it is complete there."
                .into()
        }
        DownloadFailure::Transfer(error) => transfer(error),
    }
}

/// For a download that waits for something; nothing where the person knows why.
#[must_use]
pub fn download_waiting(waiting: Waiting) -> Option<String> {
    match waiting {
        Waiting::DiskFull { needed } => Some(format!(
            "The disk is too full: {} more are needed. Free some space, and the download goes on by itself.",
            size_text::bytes(needed)
        )),
        Waiting::Network => Some(
            "The file server does not answer. The download goes on by itself when it does.".into(),
        ),
        Waiting::Paused => None,
    }
}

/// Where a download that waits for a place stands: `2nd in line`.
#[must_use]
pub fn place_in_line(position: u32) -> String {
    let ending = match (position % 100, position % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{position}{ending} in line")
}

/// For a session that is over.
#[must_use]
pub fn end_reason(reason: &EndReason) -> String {
    match reason {
        EndReason::LoggedOut => "Logged out.".into(),
        EndReason::KeyChanged => {
            "The server's key has changed. Somebody may be pretending to be the server, so nothing \
             was sent. Ask its administrator for a new invite link."
                .into()
        }
        EndReason::TakenOver => {
            "Logged in elsewhere: another program of yours took over. Log in again to come back here."
                .into()
        }
        EndReason::Failed(error) => session_error(error),
    }
}

/// For a text that is no server address and no invite link.
#[must_use]
pub fn address_error(error: &InviteLinkError) -> String {
    match error {
        InviteLinkError::Address(text) => {
            format!(
                "“{text}” is no server address. Type HOST or HOST:PORT, or paste an invite link."
            )
        }
        InviteLinkError::Scheme
        | InviteLinkError::PinMissing
        | InviteLinkError::Pin(_)
        | InviteLinkError::Token(_)
        | InviteLinkError::TooLong(_) => {
            format!(
                "That is no invite link: {error}. Paste the whole link as the server printed it."
            )
        }
    }
}

fn goodbye(reason: GoodbyeReason) -> &'static str {
    match reason {
        GoodbyeReason::Unspecified | GoodbyeReason::Shutdown => {
            "The server is shutting down. It may be back in a moment."
        }
        GoodbyeReason::TooSlow => {
            "The server closed the connection because this computer did not read fast enough. Check \
             the network."
        }
        GoodbyeReason::Idle => "The server closed the connection because nothing happened on it.",
        GoodbyeReason::TakenOver => "Another program of yours took the session over.",
        GoodbyeReason::Kicked | GoodbyeReason::Banned | GoodbyeReason::AccountChanged => {
            "The server ended the session. Log in again."
        }
        GoodbyeReason::ProtocolError => {
            "The server closed the connection because of a protocol error. Update Simple Chat."
        }
    }
}

fn unreachable(address: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "No server is running at {address}. Check the address and the port, and that the server \
             is started."
        ),
        _ => format!("{address} cannot be reached: {}. Check the network.", reason(error)),
    }
}

fn transfer(error: &DownloadError) -> String {
    match error {
        DownloadError::Broken => {
            "Something went wrong inside Simple Chat. What has arrived is kept: start the download \
             again and it goes on from there, and please report this as a bug."
                .into()
        }
        DownloadError::Cancelled => "The download was cancelled.".into(),
        DownloadError::Disk { path, error } => format!(
            "{} cannot be written: {}. Choose another place with “Save as”.",
            path.display(),
            reason(error)
        ),
        DownloadError::DiskFull { path, needed } => format!(
            "The disk of {} is too full: {} more are needed. Free some space and try again.",
            path.display(),
            size_text::bytes(*needed)
        ),
        DownloadError::FileChanged => download_failure(&DownloadFailure::FileChanged),
        DownloadError::FileUnreadable => {
            "The server cannot read this file. Tell its administrator.".into()
        }
        DownloadError::Integrity { .. } => {
            "What arrived is not the file of the server, so it was thrown away. Try again; if it \
             happens again, tell the server's administrator."
                .into()
        }
        DownloadError::NotAFileName { path } => {
            format!("“{}” is no file name. Choose another one.", path.display())
        }
        DownloadError::NoHash => {
            "The server did not say in time what the file has to be, so it could not be checked. What \
             has arrived is kept: start the download again and it goes on from there."
                .into()
        }
        DownloadError::NoNode => {
            "The server named no place to download from. Tell its administrator.".into()
        }
        DownloadError::Ended => "The server ended the download. Log in and try again.".into(),
        DownloadError::Protocol { .. } => {
            "The file server sent something that makes no sense. Try again; if it happens again, \
             update Simple Chat."
                .into()
        }
        DownloadError::Rejected => "The file server refused the download. Try again.".into(),
        DownloadError::Busy => "The file server has too much to do. Try again in a moment.".into(),
        DownloadError::TicketExpired => {
            "The permission to download expired before the download started. Try again.".into()
        }
        DownloadError::Unreachable { node, .. } => format!(
            "The file server at {node} cannot be reached, or fell silent. Check the network and that \
             no firewall blocks its UDP and TCP port."
        ),
    }
}

/// The system's word without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((word, _)) => word.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
