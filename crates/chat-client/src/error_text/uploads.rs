//! What is said about uploads.

use file_transfer::upload::UploadFailure as Upload;

use crate::error::UploadFailure;
use crate::error_text::{reason, refusal};

/// For an upload that ended without a file on the server.
#[must_use]
pub fn upload_failure(failure: &UploadFailure) -> String {
    match failure {
        UploadFailure::Refused(refused) => refusal(refused),
        UploadFailure::NotConnected => {
            "The connection to the server ended before the file was stored. Connect and start the \
             upload again: it goes on where it was."
                .into()
        }
        UploadFailure::Transfer(error) => upload(error),
    }
}

fn upload(error: &Upload) -> String {
    match error {
        Upload::Cancelled => "The upload was cancelled.".into(),
        Upload::Declined => "The server did not take the upload. Try again.".into(),
        Upload::Local { path, error } => format!(
            "{} cannot be read: {}. Check the name and the permissions.",
            path.display(),
            reason(error)
        ),
        Upload::NotAFile { path } => {
            format!("“{}” is no file. Only single files can be uploaded.", path.display())
        }
        Upload::FileChanged => {
            "The file changed again and again while it was sent. Close the program that writes to \
             it, and start the upload again."
                .into()
        }
        Upload::Ended => "The server ended the upload. Log in and try again.".into(),
        Upload::Busy => "The file server has too much to do. Try again in a moment.".into(),
        Upload::ServerDisk => {
            "The disk of the server does not take the file: it may be full. Tell its administrator."
                .into()
        }
        Upload::ServerDiskFull => {
            "The disk of the server is full, and stayed so. Tell its administrator, and start the \
             upload again later: it goes on where it was."
                .into()
        }
        Upload::Unreachable { node, .. } => format!(
            "The file server at {node} cannot be reached, or fell silent. Check the network and that \
             no firewall blocks its port."
        ),
        Upload::Protocol { .. } => {
            "The file server sent something that makes no sense. Try again; if it happens again, \
             update Simple Chat."
                .into()
        }
        Upload::Integrity => {
            "What arrived at the server is not the file here, time and again, so it was not stored. \
             Tell the server's administrator."
                .into()
        }
        Upload::NoNode => "The server named no place to upload to. Tell its administrator.".into(),
    }
}

/// For an upload that waits for room on the server's disk.
#[must_use]
pub fn upload_waiting() -> &'static str {
    "The server's disk is full; waiting. The upload goes on by itself when there is room."
}
