//! A listen socket's thread: carries datagrams to the front door's state machine, and lets in whom
//! it confirms.
//!
//! Each session gets a connected socket on the same port, so from then on the kernel itself keeps its
//! datagrams apart from everybody else's, and junk that fills this socket's queue cannot push them
//! out.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::datagram_io::{DatagramIo, Outgoing, RECEIVE_BUFFER_BYTES, Sent};
use super::receiver_thread;
use super::sender_thread::{self, SessionStart};
use super::server::Service;
use super::socket::{open_session_socket, prepare_listener};
use super::wakeup::{Wakeup, wait_readable};
use crate::proto::close_frame::CloseCode;
use crate::proto::ecn::Ecn;
use crate::proto::front_door::{
    DoorRandomness, FrontDoor, FrontDoorOutput, NewSession, OpenedTicket,
};
use crate::proto::hello::WelcomeBody;
use crate::proto::keys::CipherSuites;
use crate::proto::packet::Header;
use crate::sessions::{Applicant, Refusal};
use crate::ticket::{Direction, Grant, TicketId};

/// Receives in a row before the thread looks whether it is to end.
const RECEIVES_PER_TURN: usize = 64;

/// Receives from a new session's socket before its thread takes over: more than can arrive between
/// two system calls.
const EARLY_RECEIVES_MAX: usize = 32;

/// Pause after a failure of the socket, want of memory for one: long enough that a lasting one costs
/// nothing, short enough that clients, who repeat their HELLO, hardly notice a passing one.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Starts the thread of one listen socket. It ends when the service's sessions are closed and
/// `wakeup` is called.
pub(crate) fn spawn(
    socket: UdpSocket,
    service: Arc<Service>,
    wakeup: Arc<Wakeup>,
) -> io::Result<JoinHandle<()>> {
    prepare_listener(&socket)?;
    let door = Door {
        io: DatagramIo::new(socket)?
            .with_receive_fault(service.receive_fault.as_ref().map(|make| make())),
        state: FrontDoor::new(CipherSuites::of_this_machine()),
        randomness: fresh_randomness()?,
        strays: VecDeque::new(),
        service,
        wakeup,
    };
    std::thread::Builder::new().name("file-front-door".into()).spawn(move || door.run())
}

/// What a confirmed session's ticket said.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) grant: Grant,
    ticket: TicketId,
    direction: Direction,
}

struct Door {
    io: DatagramIo,
    state: FrontDoor<SocketAddr, Admitted>,
    /// For the next WELCOME; renewed after each.
    randomness: DoorRandomness,
    /// Datagrams of others that a new session's socket caught.
    strays: VecDeque<(Origin, Vec<u8>)>,
    service: Arc<Service>,
    wakeup: Arc<Wakeup>,
}

/// Both clocks: one for durations, one for the tickets' expiry.
#[derive(Clone, Copy)]
struct Now {
    monotonic: Instant,
    unix: u64,
}

/// Where a datagram came from, and which address of ours it was sent to.
#[derive(Clone, Copy)]
struct Origin {
    from: SocketAddr,
    to_ip: Option<IpAddr>,
}

impl Door {
    fn run(mut self) {
        let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
        let mut failures: u64 = 0;
        while !self.service.sessions.is_closed() {
            let turn = wait_readable(self.io.as_fd(), &self.wakeup, None)
                .and_then(|_| self.receive_turn(&mut buffer));
            match turn {
                Ok(()) if failures > 0 => {
                    tracing::info!(failures, "the UDP front door works again");
                    failures = 0;
                }
                Ok(()) => {}
                Err(error) => {
                    // Nothing that a peer can cause, and nothing that has to last.
                    if failures == 0 {
                        tracing::error!(%error, "the UDP front door fails, and goes on trying");
                    }
                    failures += 1;
                    std::thread::sleep(FAILURE_PAUSE);
                }
            }
        }
    }

    fn receive_turn(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let now = Now::read();
        for _ in 0..RECEIVES_PER_TURN {
            let Some(received) = self.io.receive(buffer)? else { break };
            let origin = Origin { from: received.from, to_ip: received.to_ip };
            let arrived = buffer.get(..received.bytes).unwrap_or_default();
            for datagram in arrived.chunks(received.stride) {
                self.handle_datagram(now, origin, datagram);
                while let Some((origin, stray)) = self.strays.pop_front() {
                    self.handle_datagram(now, origin, &stray);
                }
            }
        }
        Ok(())
    }

    fn handle_datagram(&mut self, now: Now, origin: Origin, datagram: &[u8]) {
        let service = &self.service;
        let output = self.state.handle_datagram(
            now.monotonic,
            now.unix,
            origin.from,
            datagram,
            self.randomness,
            |ticket| open_ticket(service, now, ticket),
        );
        match output {
            FrontDoorOutput::Nothing | FrontDoorOutput::BelongsTo(_) => {
                self.pass_on(origin.from, datagram);
            }
            FrontDoorOutput::Reply(welcome) => self.reply(origin, &welcome),
            FrontDoorOutput::Confirmed(session) => self.let_in(origin, *session, datagram),
        }
    }

    /// What names a running session missed its socket: it came while the socket was being made, or
    /// from another address. What is to be made of it, only the session can tell.
    fn pass_on(&self, from: SocketAddr, datagram: &[u8]) {
        if let Some(header) = Header::decode(datagram) {
            self.service.sessions.mailboxes().deliver(header.session_id, from, datagram);
        }
    }

    fn reply(&mut self, origin: Origin, welcome: &[u8]) {
        let answer = Outgoing {
            to: origin.from,
            from_ip: origin.to_ip,
            contents: welcome,
            segment_bytes: welcome.len(),
            ecn: Ecn::NotEct,
        };
        if self.io.send(&answer) != Sent::All {
            tracing::debug!(peer = %origin.from, "a WELCOME was not sent");
        }
        match fresh_randomness() {
            Ok(randomness) => self.randomness = randomness,
            // The old ones were shown: the state machine refuses the session id a second time.
            Err(error) => tracing::error!(%error, "no random bytes: no new session starts"),
        }
    }

    fn let_in(&mut self, origin: Origin, session: NewSession<SocketAddr, Admitted>, first: &[u8]) {
        let Admitted { grant, ticket, direction } = &session.grant;
        let direction = *direction;
        let (transfer, ticket) = (ticket.of_transfer(direction, grant), *ticket);
        let (user, login, file) = (&grant.user, grant.login, &grant.file);
        let applicant = Applicant { direction, transfer, ticket, user, login, file };
        let place = match self.service.sessions.admit(Instant::now(), applicant) {
            Ok(place) => Some(place),
            Err(Refusal::Full) => None,
            Err(Refusal::Ended) => return,
        };
        let io = open_session_socket(self.io.socket(), origin.to_ip, origin.from)
            .and_then(DatagramIo::new);
        let mut io = match io {
            Ok(io) => io
                .with_segmentation(self.service.sending.segmentation)
                .with_fault(self.service.send_fault.as_ref().map(|make| make())),
            Err(error) => return tracing::warn!(%error, peer = %origin.from, "no session socket"),
        };
        let mut early = vec![first.to_vec()];
        self.sort_early(&mut io, origin.from, &mut early);
        let start = SessionStart { session, io, early };
        match place {
            Some(place) => match direction {
                Direction::Download => sender_thread::spawn(start, place, &self.service),
                Direction::Upload => receiver_thread::spawn(start, place, &self.service),
            },
            None => sender_thread::refuse(start, CloseCode::Busy, "all places are taken"),
        }
    }

    /// Reads what a session's socket caught before it was connected: its peer's datagrams go to
    /// `early`, all others belong to this door.
    fn sort_early(&mut self, io: &mut DatagramIo, peer: SocketAddr, early: &mut Vec<Vec<u8>>) {
        let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
        for _ in 0..EARLY_RECEIVES_MAX {
            let Ok(Some(received)) = io.receive(&mut buffer) else { return };
            let origin = Origin { from: received.from, to_ip: received.to_ip };
            let arrived = buffer.get(..received.bytes).unwrap_or_default();
            for datagram in arrived.chunks(received.stride) {
                if received.from == peer {
                    early.push(datagram.to_vec());
                } else {
                    self.strays.push_back((origin, datagram.to_vec()));
                }
            }
        }
    }
}

impl Now {
    fn read() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { monotonic: Instant::now(), unix: since_epoch.as_secs() }
    }
}

/// Opens a ticket that a HELLO shows, unless its login has ended meanwhile.
fn open_ticket(service: &Service, now: Now, ticket: &[u8]) -> Option<OpenedTicket<Admitted>> {
    let id = TicketId::of(ticket)?;
    let (direction, grant) = match service.key.open_either(ticket, now.unix) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(%error, "a HELLO shows a bad ticket");
            return None;
        }
    };
    if service.sessions.has_ended(grant.login) {
        return None;
    }
    let takes_it = direction == Direction::Download || service.uploads.is_some();
    if !takes_it {
        tracing::debug!("a HELLO shows a ticket for an upload, which this node does not take");
        return None;
    }
    let version = grant.version;
    Some(OpenedTicket {
        secret: grant.secret,
        file: WelcomeBody { file_bytes: version.size, modified_ns: version.modified_ns },
        expires_at_unix: grant.expires_at,
        grant: Admitted { grant, ticket: id, direction },
    })
}

fn fresh_randomness() -> io::Result<DoorRandomness> {
    let mut bytes = [0; 40];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random bytes"))?;
    let (session_id, server_random) = bytes.split_at(8);
    let both = session_id.try_into().ok().zip(server_random.try_into().ok());
    let (session_id, server_random) = both.ok_or(io::ErrorKind::InvalidData)?;
    Ok(DoorRandomness { session_id: u64::from_be_bytes(session_id), server_random })
}
