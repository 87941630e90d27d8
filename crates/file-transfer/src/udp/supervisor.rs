//! Who may end a session from outside: a client its caller, a node whoever holds its places.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::wakeup::Wakeup;
use crate::proto::close_frame::CloseCode;
use crate::sessions::{EndReason, Place};

/// Watches over one session's thread.
pub(crate) trait Supervisor {
    /// Why the session is to end now, as its peer is to be told, if it is.
    fn end(&self) -> Option<(CloseCode, &'static str)>;

    /// What ends the thread's wait when the session is to end.
    fn wakeup(&self) -> &Wakeup;

    /// The peer said something.
    fn heard(&self, now: Instant);

    /// The session only says goodbye any more.
    fn over(&self);

    /// A receiver has taken so many file bytes, those that were there already included.
    fn took(&self, _taken: u64) {}

    /// A sender has sent so many file bytes; when the next batch may follow, `None` at once.
    fn next_batch(&self, _now: Instant, _sent: u64) -> Option<Instant> {
        None
    }
}

/// A client's caller, who may cancel.
pub(crate) struct Caller<'a> {
    cancel: &'a CancellationToken,
    wakeup: Arc<Wakeup>,
}

impl Caller<'_> {
    /// Does `work`, whose waits end when the token is cancelled, from any thread.
    ///
    /// # Errors
    /// If the system gives no means of waking a thread; nothing was done then.
    pub(crate) fn supervise<T>(
        cancel: &CancellationToken,
        work: impl FnOnce(&Caller<'_>) -> T,
    ) -> io::Result<T> {
        let wakeup = Wakeup::new()?;
        // Registers the wakeup with the token for as long as this future is there.
        let mut cancelled = pin!(cancel.cancelled());
        let waker = Waker::from(wakeup.clone());
        let _ = cancelled.as_mut().poll(&mut Context::from_waker(&waker));
        Ok(work(&Caller { cancel, wakeup }))
    }
}

impl Supervisor for &Caller<'_> {
    fn end(&self) -> Option<(CloseCode, &'static str)> {
        self.cancel.is_cancelled().then_some((CloseCode::Cancelled, ""))
    }

    fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    fn heard(&self, _: Instant) {}

    fn over(&self) {}
}

impl Supervisor for &Place {
    fn end(&self) -> Option<(CloseCode, &'static str)> {
        self.control().end().map(|reason| match reason {
            EndReason::LoginEnded => (CloseCode::LoginEnded, "the login has ended"),
            EndReason::ShuttingDown => (CloseCode::ShuttingDown, "the node is being shut down"),
            EndReason::Superseded => (CloseCode::Replaced, "the transfer was started anew"),
        })
    }

    fn wakeup(&self) -> &Wakeup {
        self.control().wakeup()
    }

    fn heard(&self, now: Instant) {
        self.control().heard(now);
    }

    /// Before the peer hears of the end: it may start the next transfer at once.
    fn over(&self) {
        self.vacate();
    }

    fn took(&self, taken: u64) {
        Place::took(self, taken);
    }

    fn next_batch(&self, now: Instant, sent: u64) -> Option<Instant> {
        Place::next_batch(self, now, sent)
    }
}
