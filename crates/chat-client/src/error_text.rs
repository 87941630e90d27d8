//! The one place where a sentence for a person is made: what happened, why, and what to do now.

use crate::error::{DownloadFailure, EndReason, Refusal, SessionError};

/// For a request that the server did not carry out.
#[must_use]
pub fn refusal(refusal: &Refusal) -> String {
    format!("{refusal:?}")
}

/// For a connection that could not be made or broke.
#[must_use]
pub fn session_error(error: &SessionError) -> String {
    error.to_string()
}

/// For a download that ended without a file.
#[must_use]
pub fn download_failure(failure: &DownloadFailure) -> String {
    failure.to_string()
}

/// For a session that is over.
#[must_use]
pub fn end_reason(reason: &EndReason) -> String {
    format!("{reason:?}")
}
