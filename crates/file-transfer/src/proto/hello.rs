//! HELLO and WELCOME: the two packets that stand before the traffic keys.
//!
//! ```text
//! HELLO, 1200 bytes                          WELCOME, 76 bytes
//!  1  type 0x01                               1  type 0x02
//!  1  version 1                               1  version 1
//!  2  length of the ticket, T                 1  cipher suite
//! 32  client random                           1  zero
//!  T  ticket                                  8  session id
//!  …  sealed: suites u8, zero u8,            32  server random
//!     largest datagram u16, zeros            16  sealed: file size u64, modified ns i64
//! 16  tag                                    16  tag
//! ```
//!
//! What stands before the sealed part is its associated data. HELLO's key comes from the secret and
//! the client random, WELCOME's from the secret and the whole exchange: see [`keys`](super::keys).

use super::keys::{CipherSuite, CipherSuites, OneTimeKey, SessionSecrets};
use super::limits::{DATAGRAM_BYTES_BASE, TAG_BYTES, TICKET_BYTES_MAX, VERSION};
use super::wire_bytes::{FieldReader, FieldWriter};

/// First byte of HELLO.
pub const TYPE_HELLO: u8 = 0x01;
/// First byte of WELCOME.
pub const TYPE_WELCOME: u8 = 0x02;
/// Bytes of a HELLO, always.
pub const HELLO_BYTES: usize = DATAGRAM_BYTES_BASE;
/// Bytes of a WELCOME, always.
pub const WELCOME_BYTES: usize = WELCOME_CLEAR_BYTES + WELCOME_BODY_BYTES + TAG_BYTES;

const HELLO_CLEAR_BYTES: usize = 36;
const WELCOME_CLEAR_BYTES: usize = 44;
const WELCOME_BODY_BYTES: usize = 16;

const _: () = assert!(WELCOME_BYTES < HELLO_BYTES, "bytes out stay below bytes in");

/// What the sealed body of HELLO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloBody {
    /// The suites the client is good at.
    pub suites: CipherSuites,
    /// The largest datagram the client takes.
    pub datagram_bytes_max: u16,
}

/// The part of a HELLO that anybody can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HelloClear<'a> {
    pub(crate) client_random: [u8; 32],
    pub(crate) ticket: &'a [u8],
}

/// Makes a HELLO. `None` if the ticket is longer than a HELLO can carry.
pub(crate) fn encode_hello(
    ticket: &[u8],
    secret: &[u8; 32],
    client_random: &[u8; 32],
    body: HelloBody,
) -> Option<[u8; HELLO_BYTES]> {
    if ticket.len() > TICKET_BYTES_MAX {
        return None;
    }
    let mut hello = [0; HELLO_BYTES];
    let (clear, sealed) = hello.split_at_mut_checked(HELLO_CLEAR_BYTES + ticket.len())?;
    let mut writer = FieldWriter::new(clear);
    writer.u8(TYPE_HELLO);
    writer.u8(VERSION);
    writer.put(&u16::try_from(ticket.len()).ok()?.to_be_bytes());
    writer.put(client_random);
    writer.put(ticket);

    let (plain, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
    let mut writer = FieldWriter::new(plain);
    writer.u8(body.suites.wire());
    writer.u8(0);
    writer.put(&body.datagram_bytes_max.to_be_bytes());
    *tag = OneTimeKey::of_hello(secret, client_random).seal(clear, plain);
    Some(hello)
}

/// Reads what is open in a HELLO; `None` if the datagram is none.
pub(crate) fn decode_hello(datagram: &[u8]) -> Option<HelloClear<'_>> {
    if datagram.len() != HELLO_BYTES {
        return None;
    }
    let mut reader = FieldReader::new(datagram);
    let known = reader.u8()? == TYPE_HELLO && reader.u8()? == VERSION;
    let ticket_bytes = usize::from(reader.u16()?);
    if !known || ticket_bytes > TICKET_BYTES_MAX {
        return None;
    }
    let client_random = reader.array()?;
    Some(HelloClear { client_random, ticket: reader.slice(ticket_bytes)? })
}

/// Opens the sealed body of a HELLO with the secret that its ticket held.
pub(crate) fn open_hello(
    datagram: &[u8],
    clear: &HelloClear<'_>,
    secret: &[u8; 32],
) -> Option<HelloBody> {
    let mut copy: [u8; HELLO_BYTES] = datagram.try_into().ok()?;
    let (head, sealed) = copy.split_at_mut_checked(HELLO_CLEAR_BYTES + clear.ticket.len())?;
    let body = OneTimeKey::of_hello(secret, &clear.client_random).open(head, sealed)?;
    let mut reader = FieldReader::new(body);
    let suites = CipherSuites::from_wire(reader.u8()?)?;
    let _reserved = reader.u8()?;
    let datagram_bytes_max = reader.u16()?;
    Some(HelloBody { suites, datagram_bytes_max })
}

/// What WELCOME says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WelcomeBody {
    /// Size of the file the ticket was made for.
    pub file_bytes: u64,
    /// Its time of modification, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
}

/// The part of a WELCOME that anybody can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WelcomeClear {
    pub(crate) suite: CipherSuite,
    pub(crate) session_id: u64,
    pub(crate) server_random: [u8; 32],
}

/// Makes a WELCOME.
pub(crate) fn encode_welcome(
    clear: &WelcomeClear,
    secrets: &SessionSecrets,
    body: WelcomeBody,
) -> [u8; WELCOME_BYTES] {
    let mut welcome = [0; WELCOME_BYTES];
    let mut writer = FieldWriter::new(&mut welcome);
    writer.u8(TYPE_WELCOME);
    writer.u8(VERSION);
    writer.u8(clear.suite as u8);
    writer.u8(0);
    writer.u64(clear.session_id);
    writer.put(&clear.server_random);
    writer.u64(body.file_bytes);
    writer.put(&body.modified_ns.to_be_bytes());
    if let Some((head, sealed)) = welcome.split_first_chunk_mut::<WELCOME_CLEAR_BYTES>()
        && let Some((plain, tag)) = sealed.split_last_chunk_mut::<TAG_BYTES>()
    {
        *tag = secrets.welcome_key().seal(head, plain);
    }
    welcome
}

/// Reads what is open in a WELCOME; `None` if the datagram is none.
pub(crate) fn decode_welcome(datagram: &[u8]) -> Option<WelcomeClear> {
    if datagram.len() != WELCOME_BYTES {
        return None;
    }
    let mut reader = FieldReader::new(datagram);
    if reader.u8()? != TYPE_WELCOME || reader.u8()? != VERSION {
        return None;
    }
    let suite = CipherSuite::from_wire(reader.u8()?)?;
    let _reserved = reader.u8()?;
    Some(WelcomeClear { suite, session_id: reader.u64()?, server_random: reader.array()? })
}

/// Opens the sealed body of a WELCOME in place.
pub(crate) fn open_welcome(datagram: &mut [u8], secrets: &SessionSecrets) -> Option<WelcomeBody> {
    let (head, sealed) = datagram.split_first_chunk_mut::<WELCOME_CLEAR_BYTES>()?;
    let body = secrets.welcome_key().open(head, sealed)?;
    let mut reader = FieldReader::new(body);
    let file_bytes = reader.u64()?;
    let modified_ns = i64::from_be_bytes(reader.array()?);
    Some(WelcomeBody { file_bytes, modified_ns })
}
