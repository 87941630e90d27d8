//! What a download tells: how far it is, what it waits for, and what it came to.

use std::path::PathBuf;

/// How bytes come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Default)]
pub enum Transport {
    /// The UDP protocol.
    #[default]
    Udp,
    /// `simplechat-file/1` over TLS.
    Tcp,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Bytes of the file on this side.
    pub bytes: u64,
    /// The way that is taken now.
    pub transport: Transport,
    /// All bytes are here, and are being checked or wait for the hash to check them against.
    pub verifying: bool,
    /// Of `bytes`, those kept from an earlier attempt.
    pub kept: u64,
    /// What an earlier attempt had left belonged to another version of the file and was given up: all
    /// bytes come anew.
    pub started_anew: bool,
    /// Why nothing comes at the moment, if it is more than slowness.
    pub waiting: Option<Waiting>,
}

impl Progress {
    /// Before the first word from a download.
    #[must_use]
    pub const fn at_start(transport: Transport) -> Self {
        let (bytes, kept) = (0, 0);
        Self { bytes, transport, verifying: false, kept, started_anew: false, waiting: None }
    }
}

/// What a download waits for; it goes on by itself, except when it is paused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// For space on the local disk.
    DiskFull {
        /// Bytes that have to be freed, as far as the file system tells.
        needed: u64,
    },
    /// No node answers, or none gives the file now. It is tried again and again.
    Network,
    /// For being allowed to go on.
    Paused,
}

/// A complete and verified file.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Where it is: not always the name that was asked for.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// From the request to the verified file.
    pub seconds: f64,
    /// How the last bytes came.
    pub transport: Transport,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Bytes kept from an earlier attempt.
    pub resumed_from: u64,
    /// As in [`Progress`].
    pub started_anew: bool,
}
