//! Waking a thread that waits for its socket: an eventfd beside the socket in one `poll(2)`.
//!
//! Ending a transfer (logout, shutdown, the person's *Cancel*) sets a flag first and wakes second,
//! so a thread that was about to sleep sees one of the two. Nobody polls a flag in short sleeps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// Ends another thread's wait. Shared by whoever may interrupt and the one thread that waits.
#[derive(Debug)]
pub(crate) struct Wakeup {
    event: OwnedFd,
}

impl Wakeup {
    /// A wakeup that nobody has called yet.
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Arc::new(Self { event }))
    }

    /// Ends the present wait, or the next one if none is under way. Never blocks.
    pub(crate) fn wake_up(&self) {
        // The only failure is a counter that is full, and a full counter wakes as well.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Forgets all calls so far; called by the waiting thread before it looks at the flags.
    fn clear(&self) {
        let _ = rustix::io::read(&self.event, &mut [0_u8; 8]);
    }
}

/// Lets a future that completes (a cancellation token's) wake the thread like anybody else.
impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

/// Waits until `socket` has something to read (an error counts), `wakeup` is called, or `timeout`
/// has passed; without a timeout for ever. Says whether there is something to read.
pub(crate) fn wait_readable(
    socket: BorrowedFd<'_>,
    wakeup: &Wakeup,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let mut watched = [
        PollFd::from_borrowed_fd(socket, PollFlags::IN),
        PollFd::from_borrowed_fd(wakeup.event.as_fd(), PollFlags::IN),
    ];
    poll_for(&mut watched, timeout)?;
    let [socket, woken] = &watched;
    if !woken.revents().is_empty() {
        wakeup.clear();
    }
    Ok(!socket.revents().is_empty())
}

/// Waits until `socket` takes another datagram. False when it did not within `timeout`.
pub(crate) fn wait_writable(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let mut watched = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
    poll_for(&mut watched, Some(timeout))?;
    let [socket] = &watched;
    Ok(!socket.revents().is_empty())
}

/// `poll(2)`; a signal ends the wait like a timeout does.
fn poll_for(watched: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    // Beyond what a timespec holds is beyond anybody's patience: the same as no timeout.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(watched, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio_util::sync::CancellationToken;

    use super::*;

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn a_call_before_the_wait_ends_it() {
        let wakeup = Wakeup::new().unwrap();
        wakeup.wake_up();
        assert!(!wait_readable(socket().as_fd(), &wakeup, None).unwrap());
    }

    #[test]
    fn a_call_ends_one_wait_only() {
        let wakeup = Wakeup::new().unwrap();
        wakeup.wake_up();
        wakeup.wake_up();
        let socket = socket();
        wait_readable(socket.as_fd(), &wakeup, None).unwrap();
        let mut watched = [PollFd::from_borrowed_fd(wakeup.event.as_fd(), PollFlags::IN)];
        poll_for(&mut watched, Some(Duration::ZERO)).unwrap();
        assert!(watched[0].revents().is_empty());
    }

    #[test]
    fn a_call_from_another_thread_ends_a_wait_without_timeout() {
        let wakeup = Wakeup::new().unwrap();
        let caller = wakeup.clone();
        let waiting =
            std::thread::spawn(move || wait_readable(socket().as_fd(), &wakeup, None).unwrap());
        caller.wake_up();
        assert!(!waiting.join().unwrap());
    }

    #[test]
    fn a_cancelled_token_ends_a_wait_without_timeout() {
        let wakeup = Wakeup::new().unwrap();
        let token = CancellationToken::new();
        let mut cancelled = pin!(token.cancelled());
        let waker = Waker::from(wakeup.clone());
        assert_eq!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        token.cancel();
        assert!(!wait_readable(socket().as_fd(), &wakeup, None).unwrap());
    }

    #[test]
    fn a_datagram_is_something_to_read() {
        let (wakeup, receiver) = (Wakeup::new().unwrap(), socket());
        receiver.send_to(b"x", receiver.local_addr().unwrap()).unwrap();
        assert!(wait_readable(receiver.as_fd(), &wakeup, None).unwrap());
    }

    #[test]
    fn an_idle_socket_takes_a_datagram() {
        assert!(wait_writable(socket().as_fd(), Duration::from_secs(5)).unwrap());
    }
}
