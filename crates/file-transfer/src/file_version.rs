//! Which state of a file is meant: a download never mixes two of them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Largest file that is offered: 16 TiB, more than an hour of hashing. Beyond it lie mostly sparse
/// files of a size that nobody has.
pub const FILE_BYTES_MAX: u64 = 1 << 44;

/// Size and time of last change: what a ticket is minted for, and what a sender compares before,
/// during and after sending.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FileVersion {
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub modified_ns: i64,
}

impl FileVersion {
    /// The version that an open file has now.
    pub fn of(metadata: &Metadata) -> Self {
        let seconds_ns = metadata.mtime().saturating_mul(1_000_000_000);
        FileVersion {
            size: metadata.len(),
            modified_ns: seconds_ns.saturating_add(metadata.mtime_nsec()),
        }
    }

    /// The time of last change in milliseconds since 1970-01-01 UTC, rounded down.
    pub fn modified_ms(&self) -> i64 {
        self.modified_ns.div_euclid(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn size_and_time_come_from_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(27).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(5, 6)).unwrap();
        let version = FileVersion::of(&file.metadata().unwrap());
        assert_eq!(version, FileVersion { size: 27, modified_ns: 5_000_000_006 });
        assert_eq!(version.modified_ms(), 5_000);
    }

    #[test]
    fn times_before_1970_round_down() {
        assert_eq!(FileVersion { size: 0, modified_ns: -1 }.modified_ms(), -1);
    }
}
