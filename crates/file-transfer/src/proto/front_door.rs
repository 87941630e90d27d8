//! The server's front door: turns HELLO into WELCOME, and the first packet under traffic keys into a
//! session. It answers nothing else, never more bytes than it got, and holds bounded state.
//!
//! The client's side is [`handshake`](super::handshake). What happens behind the door is
//! [`sender`](super::sender).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};

use super::hello::{self, HelloBody, WELCOME_BYTES, WelcomeBody, WelcomeClear};
use super::keys::{CipherSuite, CipherSuites, SessionKeys, SessionSecrets};
use super::limits::{
    DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_MAX, HANDSHAKE_TIMEOUT, PENDING_MAX,
    PENDING_PER_TICKET_MAX, WELCOMES_PER_START_MAX,
};
use super::packet::Header;

use self::ticket_uses::TicketUses;

mod ticket_uses;

/// What a ticket said once it was opened. `G` is whatever else the caller keeps with it.
#[derive(Clone, Debug)]
pub struct OpenedTicket<G> {
    /// The secret that the client got beside the ticket.
    pub secret: [u8; 32],
    /// The file the ticket was made for.
    pub file: WelcomeBody,
    /// When it stops being good for a start, in seconds since the Unix epoch.
    pub expires_at_unix: u64,
    /// What the session will need: path, login, limits.
    pub grant: G,
}

/// Fresh random bytes for a WELCOME that may have to be made.
#[derive(Clone, Copy, Debug)]
pub struct DoorRandomness {
    /// Becomes the session id.
    pub session_id: u64,
    /// Becomes the server random.
    pub server_random: [u8; 32],
}

/// A client that has proven its address.
#[derive(Debug)]
pub struct NewSession<A, G> {
    /// The address it proved.
    pub peer: A,
    /// The session's name; it is in every packet's header.
    pub session_id: u64,
    /// Traffic keys of the server.
    pub keys: SessionKeys,
    /// What the ticket allows.
    pub grant: G,
    /// The file as WELCOME told it.
    pub file: WelcomeBody,
    /// The largest datagram the client takes.
    pub datagram_bytes_max: usize,
    /// Round trip from WELCOME to the proof, if neither was repeated.
    pub rtt: Option<Duration>,
}

/// What the front door wants done.
#[derive(Debug)]
pub enum FrontDoorOutput<A, G> {
    /// Nothing: the datagram was not for us, or not in order.
    Nothing,
    /// Send this back to where the datagram came from.
    Reply([u8; WELCOME_BYTES]),
    /// A session begins. Give the same datagram to its sender.
    Confirmed(Box<NewSession<A, G>>),
    /// The datagram names a session that was confirmed before: hand it to that session if it comes
    /// from the session's own address, else drop it.
    BelongsTo(u64),
}

/// Decides about every datagram that no session's own socket took.
///
/// Calling order: [`handle_datagram`](Self::handle_datagram) for each datagram; nothing is ever sent
/// unasked, so there is no timer. Old entries go when new ones come.
///
/// **Bounded**: at most [`PENDING_MAX`] starts are known, each some 400 bytes. When full, the oldest
/// is forgotten, whosever it is; its client's next HELLO is a new start. Only who holds a good ticket
/// and its secret makes an entry at all, and one ticket makes only so many: beyond
/// [`PENDING_PER_TICKET_MAX`] unconfirmed starts it pushes out its own oldest one, and beyond
/// [`STARTS_PER_TICKET_MAX`](super::limits::STARTS_PER_TICKET_MAX) in all, those pushed out among them,
/// it starts nothing until it expires. A start is answered at most [`WELCOMES_PER_START_MAX`] times.
///
/// **Addresses**: a start belongs to the address its HELLO came from. The WELCOME goes nowhere else,
/// and a packet that can only be sealed by who has seen it confirms the session only from there. The
/// same HELLO from elsewhere gets no answer.
///
/// **Starts of one ticket**: until the ticket expires it may start again. A start that is confirmed
/// ends the one confirmed before it, if it *began* later; an older start that is confirmed late does
/// nothing.
///
/// `A` is the address type, `G` what the caller keeps with a ticket.
#[derive(Debug)]
pub struct FrontDoor<A, G> {
    suites: CipherSuites,
    /// By the hash of the HELLO, which finds the WELCOME to be repeated.
    starts: HashMap<[u8; 32], Start<A, G>>,
    /// From session id to the hash of its HELLO.
    sessions: HashMap<u64, [u8; 32]>,
    uses: TicketUses,
    /// How many starts there were: their order.
    started: u64,
}

/// A HELLO that shows a good ticket and the knowledge of its secret.
struct Hello<'a, A> {
    from: A,
    datagram: &'a [u8],
    /// Of the datagram.
    hash: [u8; 32],
    ticket_hash: [u8; 32],
    expires: Instant,
    body: HelloBody,
}

/// One HELLO that was answered.
#[derive(Debug)]
struct Start<A, G> {
    order: u64,
    /// Where the HELLO came from: the only address that WELCOME goes to, and the only one that a
    /// session may be confirmed from.
    peer: A,
    ticket_hash: [u8; 32],
    session_id: u64,
    welcome: [u8; WELCOME_BYTES],
    welcomes_sent: u32,
    welcomed_at: Instant,
    /// The ticket's expiry; a confirmed start is kept until then, so that a captured HELLO gets
    /// nothing but the same WELCOME.
    expires: Instant,
    state: StartState<G>,
}

#[derive(Debug)]
enum StartState<G> {
    /// Waiting for the first packet under traffic keys.
    Pending(Box<PendingSession<G>>),
    Confirmed,
}

#[derive(Debug)]
struct PendingSession<G> {
    keys: SessionKeys,
    grant: G,
    file: WelcomeBody,
    datagram_bytes_max: usize,
}

impl<A: Copy + Eq + Hash, G> FrontDoor<A, G> {
    /// A door of a machine that is good at `suites`.
    #[must_use]
    pub fn new(suites: CipherSuites) -> Self {
        Self {
            suites,
            starts: HashMap::new(),
            sessions: HashMap::new(),
            uses: TicketUses::default(),
            started: 0,
        }
    }

    /// How many starts are known, confirmed or not.
    #[must_use]
    pub fn start_count(&self) -> usize {
        self.starts.len()
    }

    /// Takes a datagram that came from `from`. `open_ticket` is asked only for a well-formed HELLO
    /// that is not known yet; it gives `None` for a ticket that is not good (any more).
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        unix_now: u64,
        from: A,
        datagram: &[u8],
        randomness: DoorRandomness,
        open_ticket: impl FnOnce(&[u8]) -> Option<OpenedTicket<G>>,
    ) -> FrontDoorOutput<A, G> {
        match datagram.first() {
            Some(&hello::TYPE_HELLO) => {
                self.handle_hello(now, unix_now, from, datagram, randomness, open_ticket)
            }
            Some(_) => self.handle_packet(now, from, datagram),
            None => FrontDoorOutput::Nothing,
        }
    }

    fn handle_hello(
        &mut self,
        now: Instant,
        unix_now: u64,
        from: A,
        datagram: &[u8],
        randomness: DoorRandomness,
        open_ticket: impl FnOnce(&[u8]) -> Option<OpenedTicket<G>>,
    ) -> FrontDoorOutput<A, G> {
        let Some(clear) = hello::decode_hello(datagram) else {
            return FrontDoorOutput::Nothing;
        };
        let hash = sha256(datagram);
        if let Some(start) = self.starts.get_mut(&hash)
            && start.is_current(now)
        {
            return start.answer_again(from);
        }
        let opened = open_ticket(clear.ticket).filter(|ticket| unix_now < ticket.expires_at_unix);
        let Some(ticket) = opened else {
            return FrontDoorOutput::Nothing;
        };
        let Some(body) = hello::open_hello(datagram, &clear, &ticket.secret) else {
            return FrontDoorOutput::Nothing;
        };
        let expires = expiry(now, unix_now, ticket.expires_at_unix);
        let ticket_hash = sha256(clear.ticket);
        let hello = Hello { from, datagram, hash, ticket_hash, expires, body };
        self.start(now, &hello, ticket, randomness)
    }

    /// Begins what a good HELLO asks for, if its ticket may start once more.
    fn start(
        &mut self,
        now: Instant,
        hello: &Hello<'_, A>,
        ticket: OpenedTicket<G>,
        randomness: DoorRandomness,
    ) -> FrontDoorOutput<A, G> {
        let session_id_is_taken = self.sessions.contains_key(&randomness.session_id);
        if session_id_is_taken || !self.uses.start(now, hello.ticket_hash, hello.expires) {
            return FrontDoorOutput::Nothing;
        }
        self.make_room(now, &hello.ticket_hash);
        self.started += 1;
        let suite = self.suites.choose(hello.body.suites);
        let start = Start::new(now, self.started, hello, ticket, suite, randomness);
        let welcome = start.welcome;
        self.forget(&hello.hash);
        self.sessions.insert(start.session_id, hello.hash);
        self.starts.insert(hello.hash, start);
        FrontDoorOutput::Reply(welcome)
    }

    /// Anything but a HELLO: the proof of an address, a packet that missed its session's socket, junk.
    fn handle_packet(&mut self, now: Instant, from: A, datagram: &[u8]) -> FrontDoorOutput<A, G> {
        let Some(header) = Header::decode(datagram) else {
            return FrontDoorOutput::Nothing;
        };
        let Some(hello_hash) = self.sessions.get(&header.session_id).copied() else {
            return FrontDoorOutput::Nothing;
        };
        let Some(start) = self.starts.get_mut(&hello_hash) else {
            return FrontDoorOutput::Nothing;
        };
        let StartState::Pending(pending) = &mut start.state else {
            return FrontDoorOutput::BelongsTo(header.session_id);
        };
        let in_time = now < start.welcomed_at + HANDSHAKE_TIMEOUT;
        let is_there = from == start.peer;
        if !is_there || !in_time || !authenticates(pending, &header, datagram) {
            return FrontDoorOutput::Nothing;
        }
        // Looked for last, among all starts: only who has the keys causes that.
        let (order, ticket_hash) = (start.order, start.ticket_hash);
        if self.newest_confirmed(&ticket_hash).is_some_and(|newest| newest > order) {
            return FrontDoorOutput::Nothing;
        }
        let Some(start) = self.starts.get_mut(&hello_hash) else {
            return FrontDoorOutput::Nothing;
        };
        // The first packet answers the WELCOME at once; a later one may have waited for a timer.
        let measures_path = start.welcomes_sent == 1 && header.number == 0;
        let rtt = measures_path.then(|| now.saturating_duration_since(start.welcomed_at));
        match std::mem::replace(&mut start.state, StartState::Confirmed) {
            StartState::Confirmed => FrontDoorOutput::Nothing,
            StartState::Pending(pending) => FrontDoorOutput::Confirmed(Box::new(NewSession {
                peer: start.peer,
                session_id: header.session_id,
                keys: pending.keys,
                grant: pending.grant,
                file: pending.file,
                datagram_bytes_max: pending.datagram_bytes_max,
                rtt,
            })),
        }
    }

    /// Order of the newest confirmed start from this ticket.
    fn newest_confirmed(&self, ticket_hash: &[u8; 32]) -> Option<u64> {
        let of_ticket = self.starts.values().filter(|start| start.ticket_hash == *ticket_hash);
        of_ticket.filter(|start| start.is_confirmed()).map(|start| start.order).max()
    }

    /// Forgets what is over, and then the oldest where there is no room for one more.
    fn make_room(&mut self, now: Instant, ticket_hash: &[u8; 32]) {
        self.starts.retain(|_, start| start.is_current(now));
        let starts = &self.starts;
        self.sessions.retain(|_, hello_hash| starts.contains_key(hello_hash));
        let of_ticket = |start: &Start<A, G>| start.ticket_hash == *ticket_hash;
        let pending = |start: &Start<A, G>| of_ticket(start) && !start.is_confirmed();
        if self.count(pending) >= PENDING_PER_TICKET_MAX {
            self.forget_oldest(pending);
        }
        if self.starts.len() >= PENDING_MAX {
            self.forget_oldest(|_| true);
        }
    }

    fn count(&self, which: impl Fn(&Start<A, G>) -> bool) -> usize {
        self.starts.values().filter(|start| which(start)).count()
    }

    fn forget_oldest(&mut self, which: impl Fn(&Start<A, G>) -> bool) {
        let oldest = self
            .starts
            .iter()
            .filter(|(_, start)| which(start))
            .min_by_key(|(_, start)| start.order)
            .map(|(hello_hash, _)| *hello_hash);
        if let Some(hello_hash) = oldest {
            self.forget(&hello_hash);
        }
    }

    fn forget(&mut self, hello_hash: &[u8; 32]) {
        if let Some(start) = self.starts.remove(hello_hash) {
            self.sessions.remove(&start.session_id);
        }
    }
}

impl<A: Copy + Eq, G> Start<A, G> {
    fn new(
        now: Instant,
        order: u64,
        hello: &Hello<'_, A>,
        ticket: OpenedTicket<G>,
        suite: CipherSuite,
        randomness: DoorRandomness,
    ) -> Self {
        let DoorRandomness { session_id, server_random } = randomness;
        let secrets =
            SessionSecrets::derive(&ticket.secret, hello.datagram, session_id, &server_random);
        let clear = WelcomeClear { suite, session_id, server_random };
        let datagram_bytes_max = usize::from(hello.body.datagram_bytes_max);
        Self {
            order,
            peer: hello.from,
            ticket_hash: hello.ticket_hash,
            session_id,
            welcome: hello::encode_welcome(&clear, &secrets, ticket.file),
            welcomes_sent: 1,
            welcomed_at: now,
            expires: hello.expires,
            state: StartState::Pending(Box::new(PendingSession {
                keys: secrets.server_keys(suite),
                grant: ticket.grant,
                file: ticket.file,
                datagram_bytes_max: datagram_bytes_max
                    .clamp(DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_MAX),
            })),
        }
    }

    /// The same WELCOME for the same HELLO, to the same address: who gets to see it elsewhere could
    /// confirm the first address from there.
    fn answer_again(&mut self, from: A) -> FrontDoorOutput<A, G> {
        if from != self.peer || self.welcomes_sent >= WELCOMES_PER_START_MAX {
            return FrontDoorOutput::Nothing;
        }
        self.welcomes_sent += 1;
        FrontDoorOutput::Reply(self.welcome)
    }

    fn is_confirmed(&self) -> bool {
        matches!(self.state, StartState::Confirmed)
    }

    /// Whether the entry still counts: a confirmed one until its ticket expires, one that waits for
    /// confirmation also until the handshake's time is over.
    fn is_current(&self, now: Instant) -> bool {
        let handshake_end = self.welcomed_at + HANDSHAKE_TIMEOUT;
        match self.state {
            StartState::Confirmed => now < self.expires.max(handshake_end),
            StartState::Pending(_) => now < handshake_end,
        }
    }
}

/// When a ticket expires, in monotonic time from here on, so that a clock that is set changes nothing.
fn expiry(now: Instant, unix_now: u64, expires_at_unix: u64) -> Instant {
    now + Duration::from_secs(expires_at_unix.saturating_sub(unix_now).min(3600))
}

/// Whether the packet was sealed by who has the session's keys. The datagram stays as it is.
fn authenticates<G>(pending: &mut PendingSession<G>, header: &Header, datagram: &[u8]) -> bool {
    let mut copy = [0; DATAGRAM_BYTES_BASE];
    let Some(copy) = copy.get_mut(..datagram.len()) else {
        return false;
    };
    copy.copy_from_slice(datagram);
    pending.keys.opening.open(header, copy).is_some()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests;
