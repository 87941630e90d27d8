//! Why the program ends without having done what it was asked, and with which exit code.

use std::process::ExitCode;

use chat_client::error::{DownloadFailure, EndReason, Refusal, SessionError, UploadFailure};
use chat_client::error_text;
use chat_client::question::NoAnswer;
use common::wire::RefusalCode;
use file_transfer::download::DownloadError;
use file_transfer::upload::UploadFailure as Upload;

/// One variant per exit code. Each carries the sentence for the person.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Usage(String),
    Refused(String),
    NotFound(String),
    Integrity(String),
    Network(String),
    Disk(String),
    Interrupted,
    /// While a file was fetched.
    InterruptedDownload,
    Other(String),
    /// Whoever read the output has gone: nothing is wrong, and nobody is there to be told.
    OutputClosed,
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::OutputClosed => 0,
            Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::NotFound(_) => 4,
            Self::Integrity(_) => 5,
            Self::Network(_) => 6,
            Self::Disk(_) => 7,
            Self::Interrupted | Self::InterruptedDownload => 130,
        })
    }

    /// What to say; nothing where nobody needs it.
    pub(crate) fn sentence(&self) -> Option<&str> {
        match self {
            Self::Usage(text)
            | Self::Refused(text)
            | Self::NotFound(text)
            | Self::Integrity(text)
            | Self::Network(text)
            | Self::Disk(text)
            | Self::Other(text) => Some(text),
            Self::Interrupted => Some("Interrupted."),
            Self::InterruptedDownload => {
                Some("Interrupted. What has arrived is kept: run the same command again to go on.")
            }
            Self::OutputClosed => None,
        }
    }

    pub(crate) fn of_refusal(refusal: &Refusal) -> Self {
        Self::refused(refusal, error_text::refusal(refusal))
    }

    pub(crate) fn of_search_refusal(refusal: &Refusal) -> Self {
        Self::refused(refusal, error_text::search_refusal(refusal))
    }

    pub(crate) fn of_no_answer(reason: &NoAnswer) -> Self {
        match reason {
            NoAnswer::Refused(refusal) => Self::of_refusal(refusal),
            NoAnswer::NotConnected => Self::Network(error_text::no_answer(reason)),
        }
    }

    pub(crate) fn unexpected_answer() -> Self {
        Self::Other("The server answered something else than it was asked.".into())
    }

    fn refused(refusal: &Refusal, text: String) -> Self {
        match refusal.0.code() {
            RefusalCode::UnknownUser
            | RefusalCode::UnknownRoom
            | RefusalCode::UnknownFile
            | RefusalCode::UnknownAccount
            | RefusalCode::UnknownDevice
            | RefusalCode::NotInForce
            | RefusalCode::UnknownDownload => Self::NotFound(text),
            RefusalCode::Unspecified
            | RefusalCode::Unsupported
            | RefusalCode::Version
            | RefusalCode::Malformed
            | RefusalCode::NotLoggedIn
            | RefusalCode::AlreadyLoggedIn
            | RefusalCode::UnknownUpload
            | RefusalCode::FileUnreadable
            | RefusalCode::StorageFailed
            | RefusalCode::ServerDiskFailed => Self::Other(text),
            RefusalCode::NameTaken
            | RefusalCode::NameTooSimilar
            | RefusalCode::NameReserved
            | RefusalCode::NameMalformed
            | RefusalCode::WrongPassword
            | RefusalCode::Banned
            | RefusalCode::PasswordNeeded
            | RefusalCode::PasswordTooShort
            | RefusalCode::AccountExists
            | RefusalCode::RegistrationOff
            | RefusalCode::AccountsFull
            | RefusalCode::NotAllowed
            | RefusalCode::RoomExists
            | RefusalCode::NotAMember
            | RefusalCode::RoomsFull
            | RefusalCode::InviteUnknown
            | RefusalCode::InviteUsedUp
            | RefusalCode::InviteExpired
            | RefusalCode::InvitesFull
            | RefusalCode::Muted
            | RefusalCode::ServerBusy
            | RefusalCode::ServerFull
            | RefusalCode::TooManyAttempts
            | RefusalCode::TextEmpty
            | RefusalCode::TextTooLong
            | RefusalCode::SlowDown
            | RefusalCode::TooManyDownloads
            | RefusalCode::TooBroad
            | RefusalCode::UploadsOff
            | RefusalCode::UploadName
            | RefusalCode::UploadFolder
            | RefusalCode::UploadTooLarge
            | RefusalCode::QuotaExceeded
            | RefusalCode::TooManyUploads
            | RefusalCode::StorageFull
            | RefusalCode::ServerDiskFull => Self::Refused(text),
        }
    }

    pub(crate) fn of_session_error(error: &SessionError) -> Self {
        let text = error_text::session_error(error);
        match error {
            SessionError::UnknownHost { .. }
            | SessionError::Unreachable { .. }
            | SessionError::TimedOut { .. }
            | SessionError::NotAChatServer { .. }
            | SessionError::Lost
            | SessionError::Goodbye(_)
            | SessionError::Protocol(_) => Self::Network(text),
            SessionError::SentAway(_) => Self::Refused(text),
            SessionError::Refused(refusal) => Self::of_refusal(refusal),
            SessionError::Storage { .. } => Self::Disk(text),
            SessionError::System(_) => Self::Other(text),
        }
    }

    pub(crate) fn of_end(reason: &EndReason) -> Self {
        let text = error_text::end_reason(reason);
        match reason {
            EndReason::LoggedOut => Self::Other(text),
            EndReason::KeyChanged | EndReason::TakenOver => Self::Refused(text),
            EndReason::Failed(error) => Self::of_session_error(error),
        }
    }

    pub(crate) fn of_download(failure: &DownloadFailure) -> Self {
        let text = error_text::download_failure(failure);
        match failure {
            DownloadFailure::Refused(refusal) => Self::of_refusal(refusal),
            DownloadFailure::NotConnected => Self::Network(text),
            DownloadFailure::Interrupted => Self::InterruptedDownload,
            DownloadFailure::FileChanged => Self::Integrity(text),
            DownloadFailure::Transfer(error) => Self::of_transfer(error, text),
        }
    }

    pub(crate) fn of_upload(failure: &UploadFailure) -> Self {
        let text = error_text::upload_failure(failure);
        match failure {
            UploadFailure::Refused(refusal) => Self::of_refusal(refusal),
            UploadFailure::NotConnected => Self::Network(text),
            UploadFailure::Transfer(error) => match &**error {
                Upload::Cancelled => Self::Interrupted,
                Upload::Local { .. } | Upload::NotAFile { .. } => Self::Disk(text),
                Upload::FileChanged | Upload::Integrity => Self::Integrity(text),
                Upload::Declined | Upload::ServerDisk | Upload::ServerDiskFull | Upload::NoNode => {
                    Self::Other(text)
                }
                Upload::Ended
                | Upload::Busy
                | Upload::Unreachable { .. }
                | Upload::Protocol { .. } => Self::Network(text),
            },
        }
    }

    fn of_transfer(error: &DownloadError, text: String) -> Self {
        match error {
            DownloadError::Cancelled => Self::Interrupted,
            DownloadError::Disk { .. }
            | DownloadError::DiskFull { .. }
            | DownloadError::NotAFileName { .. } => Self::Disk(text),
            DownloadError::FileChanged | DownloadError::Integrity { .. } => Self::Integrity(text),
            DownloadError::Broken | DownloadError::FileUnreadable | DownloadError::NoNode => {
                Self::Other(text)
            }
            DownloadError::Busy
            | DownloadError::Ended
            | DownloadError::NoHash
            | DownloadError::Protocol { .. }
            | DownloadError::Rejected
            | DownloadError::TicketExpired
            | DownloadError::Unreachable { .. } => Self::Network(text),
        }
    }
}
