//! The client's side of the start: HELLO until WELCOME comes.
//!
//! The server's side is [`front_door`](super::front_door).

use std::time::{Duration, Instant};

use super::hello::{self, HELLO_BYTES, HelloBody, WelcomeBody};
use super::keys::{CipherSuites, SessionKeys, SessionSecrets};
use super::limits::{DATAGRAM_BYTES_MAX, HANDSHAKE_TIMEOUT, HELLO_INTERVAL, HELLO_INTERVAL_MAX};

/// A handshake that cannot be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The ticket does not fit a HELLO.
    #[error("a ticket of {found} bytes does not fit a HELLO, which carries at most {allowed}")]
    TicketTooLong {
        /// Bytes of the ticket.
        found: usize,
        /// Bytes a HELLO carries.
        allowed: usize,
    },
}

/// A session as the client has it after WELCOME.
#[derive(Debug)]
pub struct Established {
    /// The server's name for the session.
    pub session_id: u64,
    /// Traffic keys of the client.
    pub keys: SessionKeys,
    /// What the server says the file is; the caller compares it to what it expects.
    pub file: WelcomeBody,
    /// Round trip of the handshake, if HELLO went out only once.
    pub rtt: Option<Duration>,
    /// Time from the newest HELLO to the WELCOME: the round trip, unless the WELCOME answered an older
    /// HELLO. Good enough for a receiver's first timers; its sender then tells what it measures.
    pub round_trip_hint: Option<Duration>,
}

/// Sends one and the same HELLO until a WELCOME authenticates, or the handshake times out.
///
/// Calling order: whenever something happened, drain [`poll_transmit`](Self::poll_transmit); sleep
/// until [`poll_timeout`](Self::poll_timeout), then call [`handle_timeout`](Self::handle_timeout);
/// give each datagram to [`handle_datagram`](Self::handle_datagram). The first
/// [`Established`] ends the handshake and goes to a [`Receiver`](super::receiver::Receiver).
#[derive(Debug)]
pub struct ClientHandshake {
    hello: Box<[u8; HELLO_BYTES]>,
    secret: [u8; 32],
    interval: Duration,
    first_sent: Option<Instant>,
    newest_sent: Option<Instant>,
    /// When the next HELLO is due; `None` before the first.
    next_hello: Option<Instant>,
    timed_out: bool,
}

impl ClientHandshake {
    /// Prepares the HELLO for `ticket`. `client_random` must be fresh from the system's source.
    ///
    /// # Errors
    ///
    /// If the ticket is longer than a HELLO can carry.
    pub fn new(
        ticket: &[u8],
        secret: [u8; 32],
        client_random: [u8; 32],
        suites: CipherSuites,
    ) -> Result<Self, HandshakeError> {
        let datagram_bytes_max = u16::try_from(DATAGRAM_BYTES_MAX).unwrap_or(u16::MAX);
        let body = HelloBody { suites, datagram_bytes_max };
        let hello = hello::encode_hello(ticket, &secret, &client_random, body).ok_or(
            HandshakeError::TicketTooLong {
                found: ticket.len(),
                allowed: super::limits::TICKET_BYTES_MAX,
            },
        )?;
        Ok(Self {
            hello: Box::new(hello),
            secret,
            interval: HELLO_INTERVAL,
            first_sent: None,
            newest_sent: None,
            next_hello: None,
            timed_out: false,
        })
    }

    /// The HELLO, as it goes out every time.
    #[must_use]
    pub fn hello(&self) -> &[u8] {
        self.hello.as_slice()
    }

    /// The datagram to send now, if one is due.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        let not_yet = self.next_hello.is_some_and(|due| now < due);
        if not_yet || self.timed_out {
            return None;
        }
        self.first_sent.get_or_insert(now);
        self.newest_sent = Some(now);
        self.next_hello = Some(now + self.interval);
        self.interval = (self.interval * 3 / 2).min(HELLO_INTERVAL_MAX);
        Some(self.hello.as_slice())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` once timed out or before the
    /// first HELLO.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.first_sent? + HANDSHAKE_TIMEOUT;
        (!self.timed_out).then_some(self.next_hello.map_or(deadline, |next| next.min(deadline)))
    }

    /// Looks at the clock.
    pub fn handle_timeout(&mut self, now: Instant) {
        let overdue = |sent: Instant| now >= sent + HANDSHAKE_TIMEOUT;
        self.timed_out |= self.first_sent.is_some_and(overdue);
    }

    /// Whether the time for the handshake is over. Nothing more will be sent.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.timed_out
    }

    /// Takes a datagram from the server, opening it in place. Anything but a WELCOME to this very
    /// HELLO does nothing.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) -> Option<Established> {
        let clear = hello::decode_welcome(datagram)?;
        let secrets = SessionSecrets::derive(
            &self.secret,
            self.hello.as_slice(),
            clear.session_id,
            &clear.server_random,
        );
        let file = hello::open_welcome(datagram, &secrets)?;
        let hint = self.newest_sent.map(|sent| now.saturating_duration_since(sent));
        Some(Established {
            session_id: clear.session_id,
            keys: secrets.client_keys(clear.suite),
            file,
            rtt: hint.filter(|_| self.newest_sent == self.first_sent),
            round_trip_hint: hint,
        })
    }
}
