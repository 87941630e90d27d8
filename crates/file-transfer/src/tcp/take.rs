//! The node's side of an upload: one client, one part, from WELCOME to DONE.
//!
//! The node says what the part does not have, and takes exactly that. It says DONE when all of it was
//! handed to the disk; whether it is the right file is asked and answered over the chat.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::fetch::FetchError;
use super::frame::{self, CloseCode, Kind};
use super::incoming::{receive_all, start_writer, written};
use super::serve::{ProvenHello, TcpServeError, close, write_patiently};
use crate::range_set::RangeSet;
use crate::sink::Sink;

/// Takes what is `missing`; ends early when `ended` does. Says how many file bytes were taken. On
/// failure the client has been told, as far as it still listens. `over` is called before the client
/// hears of the end, whichever it is: it may start the next transfer at once.
pub(crate) async fn take_file<S, K>(
    stream: &mut S,
    proven: &ProvenHello,
    sink: K,
    missing: &RangeSet,
    ended: impl Future<Output = CloseCode>,
    over: impl FnOnce(),
) -> Result<u64, TcpServeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    K: Sink + Send + 'static,
{
    let wanted = frame::nameable(missing);
    let bytes = wanted.total();
    if !proven.hello.wanted.is_empty() {
        return Err(close(stream, CloseCode::Violation).await);
    }
    if bytes > proven.grant.bytes_max {
        return Err(close(stream, CloseCode::LimitReached).await);
    }
    write_patiently(stream, &proven.welcome(proven.grant.version.size).encode()).await?;
    write_patiently(stream, &frame::encode_want(&wanted)).await?;

    let (blocks, writer) = start_writer(sink);
    let received = tokio::select! {
        received = receive_all(stream, wanted, blocks) => received,
        code = ended => Err(FetchError::Closed(code)),
    };
    let (_, received) = written(writer, received).await;
    over();
    match received {
        Ok(()) => {}
        Err(error) => return Err(refuse(stream, error).await),
    }
    write_patiently(stream, &frame::encode(Kind::Done, &[])).await?;
    let _ = tokio::io::AsyncWriteExt::shutdown(stream).await;
    Ok(bytes)
}

/// Tells the client why nothing more is taken.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    error: FetchError,
) -> TcpServeError {
    match error {
        FetchError::Closed(code) => close(stream, code).await,
        FetchError::Sink(error) => {
            tracing::warn!(%error, "an upload over TCP cannot be stored");
            close(stream, code_of(&error)).await
        }
        FetchError::Connection(error) => error.into(),
        FetchError::TimedOut | FetchError::Cancelled => TcpServeError::TimedOut,
        FetchError::Protocol(problem) => {
            close(stream, CloseCode::Violation).await;
            TcpServeError::Protocol(problem)
        }
        // Only a client looks at keys.
        FetchError::WrongKey => TcpServeError::Protocol(error.to_string()),
    }
}

/// What it means that a part takes no bytes.
fn code_of(error: &io::Error) -> CloseCode {
    match error.kind() {
        // Another session writes it by now, or it is being checked.
        io::ErrorKind::Interrupted => CloseCode::Replaced,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => CloseCode::DiskFull,
        _ => CloseCode::DiskFailed,
    }
}

#[cfg(test)]
mod tests;
