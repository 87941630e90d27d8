//! Every number of the transfer protocol, each with its reason.

use std::time::Duration;

/// Version of the protocol in HELLO and WELCOME. A server that does not know it stays silent.
pub const VERSION: u8 = 1;

/// Header in front of every sealed packet: type and key phase u8, session id u64, number u56.
pub const HEADER_BYTES: usize = 16;
/// Authentication tag behind every sealed body (AES-GCM and ChaCha20-Poly1305 alike).
pub const TAG_BYTES: usize = 16;
/// Flags u8 and file offset u56 in front of the file bytes of DATA.
pub const DATA_HEADER_BYTES: usize = 8;
/// Least-unacknowledged u64, RTT u32, WANT version u32: in DATA and PING when their flag says so.
pub const SYNC_BYTES: usize = 16;

/// Size every path is taken to carry (RFC 9000, section 14): what HELLO is padded to, what DATA
/// starts with, and the most that ACK and WANT may take.
pub const DATAGRAM_BYTES_BASE: usize = 1200;
/// Largest UDP payload in an Ethernet frame under IPv6: 1500 − 40 − 8.
pub const DATAGRAM_BYTES_ETHERNET: usize = 1452;
/// Largest datagram this version sends or accepts.
pub const DATAGRAM_BYTES_MAX: usize = DATAGRAM_BYTES_ETHERNET;
/// Sizes that path MTU discovery tries, ascending; the first needs no probe. What is left of an MTU
/// of 1280 (the least of IPv6), 1400 (many tunnels), 1420 (WireGuard, over IPv6 and IPv4), 1492
/// (PPPoE) and 1500 (Ethernet).
pub const DATAGRAM_BYTES_TABLE: [usize; 7] =
    [DATAGRAM_BYTES_BASE, 1232, 1352, 1372, 1392, 1444, DATAGRAM_BYTES_ETHERNET];
/// The smallest datagram that can be a packet of a session.
pub const DATAGRAM_BYTES_MIN: usize = HEADER_BYTES + TAG_BYTES;

/// File bytes in a DATA packet of the given datagram size without a sync block.
#[must_use]
pub const fn data_bytes_of(datagram_bytes: usize) -> usize {
    datagram_bytes.saturating_sub(HEADER_BYTES + DATA_HEADER_BYTES + TAG_BYTES)
}

/// Ranges in one ACK: 40 + 180 × 6 bytes of body fit the base datagram.
pub const ACK_RANGES_MAX: usize = 180;
/// Ranges in one WANT: 16 + 80 × 14 bytes of body fit the base datagram.
pub const WANT_RANGES_MAX: usize = 80;
/// Bytes of the human-readable reason in CLOSE.
pub const CLOSE_REASON_BYTES_MAX: usize = 200;
/// Longest ticket a HELLO can carry: what is left beside its other fields, rounded down.
pub const TICKET_BYTES_MAX: usize = 1024;

/// Packet numbers and file offsets are 56 bits wide.
pub const NUMBER_MAX: u64 = (1 << 56) - 1;
/// A key generation lasts 2²² numbers, well below the AEAD limits of RFC 9001, section 6.6.
pub const GENERATION_SHIFT: u32 = 22;
/// Forged packets after which a session ends: the integrity limit of ChaCha20-Poly1305
/// (RFC 9001, section 6.6), the smaller of the two suites' limits.
pub const FORGERIES_MAX: u64 = 1 << 36;

/// Packets of one GSO send: 45 × 1452 bytes stay below the 65,535 a send may have.
pub const BATCH_SEGMENTS_MAX: usize = 45;
/// A lost packet is remembered for some probe timeouts, should it only have been late; among so few
/// numbers it is for up to [`LOST_MEMORY_MAX`], which costs next to nothing.
pub const LOST_MEMORY_PACKETS: usize = 1024;
/// How long a lost packet among few is remembered.
pub const LOST_MEMORY_MAX: Duration = Duration::from_secs(1);
/// Numbers a sender keeps track of (in flight, and lost ones it may still hear of): 3 MB of ring.
pub const TRACKED_NUMBERS_MAX: usize = 1 << 17;
/// Numbers beyond these that are for packets without new file bytes: twice the probes, answers and
/// challenges that 30 s of silence bring. A peer that needs more acknowledges next to nothing of what
/// it asks for, and its session ends.
pub const TRACKED_NUMBERS_RESERVE: usize = 256;
/// Separate ranges of arrived numbers a receiver keeps. Full: the oldest gap is given up, which the
/// sender sees as loss.
pub const NUMBER_RANGES_MAX: usize = 4096;
/// Separate missing ranges of a file a receiver keeps. Full: DATA that would make one more is
/// dropped unacknowledged, which the sender sees as loss.
pub const MISSING_RANGES_MAX: usize = 65_536;
/// Separate ranges a sender keeps as wanted. Full: a WANT that adds more ends the session.
pub const WANTED_RANGES_MAX: usize = 65_536;

/// The first HELLO is repeated after this; each further time later by half as much again.
pub const HELLO_INTERVAL: Duration = Duration::from_millis(200);
/// HELLO is repeated at least this often, so that a node that comes up late is met soon.
pub const HELLO_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// A handshake that has not ended by then has failed.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Sessions a front door knows at once (unconfirmed ones, and confirmed ones until their ticket
/// expires). Full: the oldest is forgotten.
pub const PENDING_MAX: usize = 1024;
/// Unconfirmed starts of one ticket. Full: its oldest is forgotten.
pub const PENDING_PER_TICKET_MAX: usize = 4;
/// Starts of one ticket while it is good, confirmed or not, known still or forgotten. Full: a further one
/// gets no answer. Many more than a client with bad luck needs, and few enough that no ticket makes
/// handshake after handshake and thread after thread.
pub const STARTS_PER_TICKET_MAX: usize = 16;
/// WELCOMEs of one start. Used up: the HELLO gets no answer any more. A client repeats it some thirteen
/// times before it gives up, and a network may double each.
pub const WELCOMES_PER_START_MAX: u32 = 32;
/// Tickets whose starts are counted. Full: the one that expires first is counted anew.
pub const TICKETS_COUNTED_MAX: usize = 4096;

/// RTT taken before the first sample (RFC 9002, section 6.2.2).
pub const INITIAL_RTT: Duration = Duration::from_millis(333);
/// Granularity of timers (RFC 9002, section 6.1.2).
pub const TIMER_GRANULARITY: Duration = Duration::from_millis(1);
/// A receiver holds an ACK back for an eighth of the RTT, but never longer than this
/// (RFC 9000, section 18.2 `max_ack_delay`).
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(25);
/// … and no ACK timer is shorter than this.
pub const ACK_DELAY_MIN: Duration = Duration::from_micros(500);

/// A side that is blocked or hears nothing asks at least this often …
pub const PING_INTERVAL_MAX: Duration = Duration::from_millis(500);
/// … for this long …
pub const PING_EAGER_TIME: Duration = Duration::from_secs(10);
/// … and this often afterwards.
pub const PING_INTERVAL_IDLE: Duration = Duration::from_secs(3);
/// After so long without one authentic packet the session ends.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A peer that answers but takes no byte for so long, with bytes to take, ends its session.
pub const STALL_MAX: Duration = Duration::from_secs(60);
/// How long a sender waits, everything acknowledged, for CLOSE or another WANT.
pub const COMPLETE_IDLE_MAX: Duration = Duration::from_secs(120);
/// A PING is not answered this soon after another: an honest end asks less often.
pub const PING_ANSWER_INTERVAL_MIN: Duration = Duration::from_millis(2);
/// CLOSE is sent this often at most, one PTO apart, until it is acknowledged; and answered as often.
pub const CLOSE_ATTEMPTS_MAX: u32 = 5;

const _: () = assert!(PENDING_PER_TICKET_MAX <= STARTS_PER_TICKET_MAX);
const _: () = assert!(PENDING_MAX <= TICKETS_COUNTED_MAX);
const _: () = assert!(16 + 40 + ACK_RANGES_MAX * 6 + TAG_BYTES <= DATAGRAM_BYTES_BASE);
const _: () = assert!(16 + 16 + WANT_RANGES_MAX * 14 + TAG_BYTES <= DATAGRAM_BYTES_BASE);
const _: () = assert!(36 + TICKET_BYTES_MAX + 4 + TAG_BYTES <= DATAGRAM_BYTES_BASE);
const _: () = assert!(data_bytes_of(DATAGRAM_BYTES_ETHERNET) == 1412);
const _: () = assert!(BATCH_SEGMENTS_MAX * DATAGRAM_BYTES_MAX <= 65_535);
