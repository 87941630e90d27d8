//! How a session's thread gets datagrams that name its session but come from another address than its
//! socket is connected to: its client has moved, or somebody copies its packets. The front door cannot
//! tell, for it has no keys; the session can.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::wakeup::Wakeup;
use crate::proto::limits::DATAGRAM_BYTES_MAX;

/// Bytes of datagrams that wait for one session: what a client that sends has on its way within a
/// millisecond or two while its new address is not proven. Full: further ones are dropped, so a flood
/// costs the session no more than opening so many a turn; its client repeats what matters.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// What each of them counts for at least: an empty one has to be kept, too.
const DATAGRAM_COST_MIN: usize = 64;

/// The mailboxes of all running sessions.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    /// By session id. Held for a look-up only.
    open: Mutex<HashMap<u64, Arc<Mailbox>>>,
}

#[derive(Debug)]
struct Mailbox {
    has_mail: AtomicBool,
    waiting: Mutex<Waiting>,
    /// Of the session's thread.
    wakeup: Arc<Wakeup>,
}

#[derive(Debug, Default)]
struct Waiting {
    mail: VecDeque<(SocketAddr, Vec<u8>)>,
    /// What they cost together.
    bytes: usize,
}

/// A session's own end; closes the mailbox when dropped.
#[derive(Debug)]
pub(crate) struct MailboxKey {
    mailboxes: Arc<Mailboxes>,
    session_id: u64,
    mailbox: Arc<Mailbox>,
}

impl Mailboxes {
    /// Opens the mailbox of a session, whose thread `wakeup` wakes.
    pub(crate) fn open(self: &Arc<Self>, session_id: u64, wakeup: Arc<Wakeup>) -> MailboxKey {
        let (has_mail, waiting) = (AtomicBool::new(false), Mutex::default());
        let mailbox = Arc::new(Mailbox { has_mail, waiting, wakeup });
        lock(&self.open).insert(session_id, mailbox.clone());
        MailboxKey { mailboxes: self.clone(), session_id, mailbox }
    }

    /// Puts a datagram that came from `from` into the mailbox of the session it names, if there is one.
    pub(crate) fn deliver(&self, session_id: u64, from: SocketAddr, datagram: &[u8]) {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            // No client sends such.
            return;
        }
        let Some(mailbox) = lock(&self.open).get(&session_id).cloned() else { return };
        let mut waiting = lock(&mailbox.waiting);
        let bytes = waiting.bytes + datagram.len().max(DATAGRAM_COST_MIN);
        if bytes <= WAITING_BYTES_MAX {
            waiting.mail.push_back((from, datagram.to_vec()));
            waiting.bytes = bytes;
            drop(waiting);
            mailbox.has_mail.store(true, Ordering::Release);
            mailbox.wakeup.wake_up();
        }
    }
}

impl MailboxKey {
    /// Takes out what waits.
    pub(crate) fn empty(&self) -> VecDeque<(SocketAddr, Vec<u8>)> {
        if !self.mailbox.has_mail.swap(false, Ordering::Acquire) {
            return VecDeque::new();
        }
        std::mem::take(&mut *lock(&self.mailbox.waiting)).mail
    }
}

impl Drop for MailboxKey {
    fn drop(&mut self) {
        lock(&self.mailboxes.open).remove(&self.session_id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they guard is whole between any two statements, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn mail_reaches_the_session_it_names_and_no_other() {
        let mailboxes = Arc::new(Mailboxes::default());
        let one = mailboxes.open(1, Wakeup::new().unwrap());
        let other = mailboxes.open(2, Wakeup::new().unwrap());
        mailboxes.deliver(1, address(10), b"moved");
        mailboxes.deliver(3, address(10), b"nobody");
        assert_eq!(one.empty(), [(address(10), b"moved".to_vec())]);
        assert!(one.empty().is_empty() && other.empty().is_empty());
    }

    #[test]
    fn a_flood_is_dropped() {
        let mailboxes = Arc::new(Mailboxes::default());
        let key = mailboxes.open(1, Wakeup::new().unwrap());
        for bytes in [0, 1, 1200, DATAGRAM_BYTES_MAX] {
            (0..10_000).for_each(|port| mailboxes.deliver(1, address(port), &vec![0; bytes]));
            let mail = key.empty();
            let allowed = WAITING_BYTES_MAX / bytes.max(DATAGRAM_COST_MIN);
            assert_eq!(mail.len(), allowed, "of {bytes} bytes each");
        }
        mailboxes.deliver(1, address(1), &[0; DATAGRAM_BYTES_MAX + 1]);
        assert!(key.empty().is_empty(), "nobody sends such");
    }

    #[test]
    fn a_closed_mailbox_takes_nothing() {
        let mailboxes = Arc::new(Mailboxes::default());
        drop(mailboxes.open(1, Wakeup::new().unwrap()));
        mailboxes.deliver(1, address(10), b"late");
        assert!(lock(&mailboxes.open).is_empty());
    }
}
