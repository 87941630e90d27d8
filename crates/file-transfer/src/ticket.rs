//! The ticket: all that passes from the chat server to a transfer node.
//!
//! The chat server mints it with the node's [`TicketKey`] and gives it to the client together with
//! the secret; the client shows it to the node, which opens it with the same key. Nobody else can read
//! or change it, and all tickets have one length, so a sniffer learns nothing from it.
//!
//! ```text
//! version u8 = 1 │ key id 8 │ salt 32 │ sealed 720 │ tag 16            = 777 bytes
//! ```
//!
//! Everything before `sealed` is associated data. Cipher: AES-256-GCM; its key and nonce are the first
//! 32 and the next 12 bytes of HKDF-SHA256(ticket key, salt, "simplechat ticket 1"). Key id: 8 bytes of
//! HKDF-SHA256(ticket key, no salt, "simplechat ticket key id"). Sealed, big-endian:
//!
//! ```text
//! secret 32 │ login u64 │ size u64 │ modified_ns i64 │ bytes_max u64 │ expires_at u64 │
//! user length u8 │ user │ path length u16 │ path │ zeros up to 720
//! ```
//!
//! Version 1 lets the node send the file, version 2 lets the client send it: the same fields under a
//! key of its own ("simplechat ticket 2"), so a node that knows downloads only refuses it, and no
//! ticket can be taken for one of the other direction.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf;

use crate::file_path::{FilePath, PATH_BYTES_MAX};
use crate::file_version::FileVersion;
use crate::secret_file;

/// Every ticket has this length.
pub const TICKET_BYTES: usize = HEADER_BYTES + SEALED_BYTES + TAG_BYTES;
/// Longest name of a user in a ticket. It is there for the node's log.
pub const USER_BYTES_MAX: usize = 128;

/// Versions: one for each direction.
const VERSION_DOWNLOAD: u8 = 1;
const VERSION_UPLOAD: u8 = 2;
const KEY_ID_BYTES: usize = 8;
const SALT_BYTES: usize = 32;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + SALT_BYTES;
const SEALED_BYTES: usize = 720;
const TAG_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

const _: () = assert!(
    SECRET_BYTES + 5 * 8 + 1 + USER_BYTES_MAX + 2 + PATH_BYTES_MAX <= SEALED_BYTES,
    "the longest grant fits"
);
const _: () = assert!(TICKET_BYTES <= 1024, "a ticket leaves room in the first datagram");

/// The key that a chat server and one transfer node share. 32 random bytes, in a file as 64
/// hexadecimal digits and a line end.
#[derive(Clone)]
pub struct TicketKey {
    bytes: [u8; 32],
    id: [u8; KEY_ID_BYTES],
}

/// Which way the bytes of a ticket's file go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the node to the client.
    Download,
    /// From the client to the node.
    Upload,
}

/// What a ticket permits.
#[derive(Clone, Eq, PartialEq)]
pub struct Grant {
    /// What sender and receiver derive their keys from.
    pub secret: [u8; 32],
    /// Who downloads or uploads, for the log. At most [`USER_BYTES_MAX`] bytes.
    pub user: String,
    /// The login it belongs to: when that ends, so does the transfer.
    pub login: u64,
    /// Which file; of an upload, which part file.
    pub file: FilePath,
    /// In which state; of an upload, that of the client's file.
    pub version: FileVersion,
    /// Bytes that may be sent for it in all, repeats included.
    pub bytes_max: u64,
    /// Until when the transfer may start: seconds since 1970-01-01 UTC.
    pub expires_at: u64,
}

/// A minted ticket: opaque bytes.
#[derive(Clone, Eq, PartialEq)]
pub struct Ticket([u8; TICKET_BYTES]);

/// Names a ticket in a table: its salt. Trustworthy once the ticket has been opened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TicketId([u8; SALT_BYTES]);

/// Why a ticket is not good here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TicketError {
    /// Real, but its time to start has passed.
    #[error("the ticket expired {seconds} s ago")]
    Expired {
        /// How long ago.
        seconds: u64,
    },
    /// Changed on the way, or made up.
    #[error("the ticket is forged or damaged")]
    Forged,
    /// Another length than every ticket has.
    #[error("a ticket has {TICKET_BYTES} bytes, not {found}")]
    Length {
        /// Its length in bytes.
        found: usize,
    },
    /// For another node.
    #[error("the ticket is for another node")]
    OtherKey,
    /// From a newer chat server, or for the other direction.
    #[error("the ticket has version {found}, which is not good here")]
    Version {
        /// Its version.
        found: u8,
    },
}

/// Why a ticket could not be minted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MintError {
    /// The cipher failed.
    #[error("the cipher failed")]
    Cipher,
    /// The user name does not fit.
    #[error("the user name has {found} bytes, allowed are {USER_BYTES_MAX}")]
    UserTooLong {
        /// Its length in bytes.
        found: usize,
    },
}

/// Why a key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("key file {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// It holds something else.
    #[error("key file {}: not 64 hexadecimal digits", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
}

impl Grant {
    /// What is usually allowed for a file of `size` bytes: four times its size and 64 MiB.
    pub fn bytes_max_for(size: u64) -> u64 {
        size.saturating_mul(4).saturating_add(64 << 20)
    }
}

impl TicketKey {
    /// A key from its bytes, which must come from a good random source.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, MintError> {
        let id = derive(&bytes, &[], b"simplechat ticket key id").map_err(|_| MintError::Cipher)?;
        Ok(TicketKey { bytes, id })
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        let malformed = || KeyFileError::Malformed { path: path.to_owned() };
        let text = secret_file::read(path).map_err(io)?;
        let bytes = from_hex(text.trim_ascii()).ok_or_else(malformed)?;
        TicketKey::from_bytes(bytes).map_err(|_| malformed())
    }

    /// Reads a key file, or makes one with a random key and mode 0600 where there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let io = |error| KeyFileError::Io { path: path.to_owned(), error };
        if path.symlink_metadata().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            let mut bytes = [0; 32];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io(io::ErrorKind::Other.into()))?;
            match secret_file::create(path, to_hex_line(&bytes).as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.map_err(io)?,
            }
        }
        TicketKey::load(path)
    }

    /// Makes a ticket for a download. `salt` must be random and used once: the sealing key and nonce
    /// come from it.
    pub fn mint(&self, grant: &Grant, salt: [u8; 32]) -> Result<Ticket, MintError> {
        self.seal(VERSION_DOWNLOAD, grant, salt)
    }

    /// Makes a ticket for an upload. `salt` as in [`mint`](Self::mint).
    pub fn mint_upload(&self, grant: &Grant, salt: [u8; 32]) -> Result<Ticket, MintError> {
        self.seal(VERSION_UPLOAD, grant, salt)
    }

    fn seal(&self, version: u8, grant: &Grant, salt: [u8; 32]) -> Result<Ticket, MintError> {
        let mut bytes = Vec::with_capacity(TICKET_BYTES);
        bytes.push(version);
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&salt);
        let mut sealed = encode(grant)?;
        let (key, nonce) = self.cipher(version, &salt).map_err(|_| MintError::Cipher)?;
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(bytes.as_slice()), &mut sealed)
            .map_err(|_| MintError::Cipher)?;
        bytes.extend_from_slice(&sealed);
        bytes.extend_from_slice(tag.as_ref());
        bytes.try_into().map(Ticket).map_err(|_| MintError::Cipher)
    }

    /// Opens a ticket for a download, and none for an upload; `now_unix` in seconds since 1970-01-01
    /// UTC.
    pub fn open(&self, ticket: &[u8], now_unix: u64) -> Result<Grant, TicketError> {
        match self.open_either(ticket, now_unix)? {
            (Direction::Download, grant) => Ok(grant),
            (Direction::Upload, _) => Err(TicketError::Version { found: VERSION_UPLOAD }),
        }
    }

    /// Opens a ticket of either direction; `now_unix` in seconds since 1970-01-01 UTC.
    pub fn open_either(
        &self,
        ticket: &[u8],
        now_unix: u64,
    ) -> Result<(Direction, Grant), TicketError> {
        let length = TicketError::Length { found: ticket.len() };
        let ticket: &[u8; TICKET_BYTES] = ticket.try_into().map_err(|_| length)?;
        let (header, sealed) = ticket.split_at(HEADER_BYTES);
        let mut fields = Reader(header);
        let [version] = fields.array().ok_or(length)?;
        let id: [u8; KEY_ID_BYTES] = fields.array().ok_or(length)?;
        let salt: [u8; SALT_BYTES] = fields.array().ok_or(length)?;
        let direction = match version {
            VERSION_DOWNLOAD => Direction::Download,
            VERSION_UPLOAD => Direction::Upload,
            found => return Err(TicketError::Version { found }),
        };
        if id != self.id {
            return Err(TicketError::OtherKey);
        }
        let (key, nonce) = self.cipher(version, &salt).map_err(|_| TicketError::Forged)?;
        let mut sealed = sealed.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::from(header), &mut sealed)
            .map_err(|_| TicketError::Forged)?;
        let grant = decode(plain).ok_or(TicketError::Forged)?;
        match now_unix.checked_sub(grant.expires_at) {
            None | Some(0) => Ok((direction, grant)),
            Some(seconds) => Err(TicketError::Expired { seconds }),
        }
    }

    fn cipher(&self, version: u8, salt: &[u8]) -> Result<(LessSafeKey, Nonce), Unspecified> {
        let label: &[u8] = match version {
            VERSION_UPLOAD => b"simplechat ticket 2",
            _ => b"simplechat ticket 1",
        };
        let derived: [u8; SECRET_BYTES + NONCE_BYTES] = derive(&self.bytes, salt, label)?;
        let (key, nonce) = derived.split_at(SECRET_BYTES);
        let key = LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, key)?);
        Ok((key, Nonce::try_assume_unique_for_key(nonce)?))
    }
}

impl Ticket {
    /// The bytes that travel.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TicketId {
    /// Names what a ticket is for. The same for all tickets of one upload: a newer start of it ends the
    /// older one, whichever ticket it came by.
    pub(crate) fn of_transfer(self, direction: Direction, grant: &Grant) -> TicketId {
        match direction {
            Direction::Download => self,
            Direction::Upload => Self::of_upload_to(&grant.file),
        }
    }

    /// Names the upload to a part.
    pub fn of_upload_to(part: &FilePath) -> TicketId {
        TicketId(*blake3::hash(part.as_str().as_bytes()).as_bytes())
    }

    /// The id of something that has the length of a ticket.
    pub fn of(ticket: &[u8]) -> Option<TicketId> {
        let ticket: &[u8; TICKET_BYTES] = ticket.try_into().ok()?;
        let mut fields = Reader(ticket.get(1 + KEY_ID_BYTES..)?);
        fields.array().map(TicketId)
    }
}

/// Keys and secrets stay out of logs.
impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("user", &self.user)
            .field("login", &self.login)
            .field("file", &self.file)
            .field("version", &self.version)
            .field("bytes_max", &self.bytes_max)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

pub(crate) fn encode(grant: &Grant) -> Result<Vec<u8>, MintError> {
    let too_long = MintError::UserTooLong { found: grant.user.len() };
    let user_bytes = u8::try_from(grant.user.len()).map_err(|_| too_long)?;
    if grant.user.len() > USER_BYTES_MAX {
        return Err(too_long);
    }
    let path = grant.file.as_str().as_bytes();
    let path_bytes = u16::try_from(path.len()).map_err(|_| MintError::Cipher)?;
    let mut plain = Vec::with_capacity(SEALED_BYTES);
    plain.extend_from_slice(&grant.secret);
    plain.extend_from_slice(&grant.login.to_be_bytes());
    plain.extend_from_slice(&grant.version.size.to_be_bytes());
    plain.extend_from_slice(&grant.version.modified_ns.to_be_bytes());
    plain.extend_from_slice(&grant.bytes_max.to_be_bytes());
    plain.extend_from_slice(&grant.expires_at.to_be_bytes());
    plain.push(user_bytes);
    plain.extend_from_slice(grant.user.as_bytes());
    plain.extend_from_slice(&path_bytes.to_be_bytes());
    plain.extend_from_slice(path);
    plain.resize(SEALED_BYTES, 0);
    Ok(plain)
}

pub(crate) fn decode(plain: &[u8]) -> Option<Grant> {
    let mut fields = Reader(plain);
    let secret = fields.array()?;
    let login = u64::from_be_bytes(fields.array()?);
    let size = u64::from_be_bytes(fields.array()?);
    let modified_ns = i64::from_be_bytes(fields.array()?);
    let bytes_max = u64::from_be_bytes(fields.array()?);
    let expires_at = u64::from_be_bytes(fields.array()?);
    let [user_bytes] = fields.array()?;
    let user = fields.text(user_bytes.into())?.to_owned();
    let path_bytes = u16::from_be_bytes(fields.array()?);
    let file = FilePath::parse(fields.text(path_bytes.into())?).ok()?;
    let version = FileVersion { size, modified_ns };
    Some(Grant { secret, user, login, file, version, bytes_max, expires_at })
}

/// Takes fields from the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn text(&mut self, bytes: usize) -> Option<&'a str> {
        let (field, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        str::from_utf8(field).ok()
    }
}

/// The length that HKDF is asked for.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(key: &[u8], salt: &[u8], info: &[u8]) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(&[info], Length(N))?
        .fill(&mut out)?;
    Ok(out)
}

fn to_hex_line(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits + "\n"
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = digits else { return None };
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
