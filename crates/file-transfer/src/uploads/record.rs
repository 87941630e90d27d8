//! What the server remembers of one upload: whose it is, what it is to be called, and, once it is
//! complete, where it is. Text, one field a line; the files that hold it are in [`super::records`].
//!
//! ```text
//! simplechat upload 1
//! user=bob
//! attempt=<32 hex digits>
//! path=music/song.ogg
//! size=3000000
//! modified_ns=1700000000123456789
//! inode=4711
//! stored=<64 hex digits, BLAKE3> music/song (1).ogg
//! ```

use std::fmt::Write;

use super::part_id::parse_hex;
use crate::file_path::FilePath;
use crate::file_version::FileVersion;

const HEADER: &str = "simplechat upload 1";

/// One upload, under way or stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// Whose quota it counts in. One line.
    pub(super) user: String,
    /// The client's name for its last attempt, kept over every repetition of it.
    pub(super) attempt: [u8; 16],
    /// What it is to be called.
    pub(super) path: FilePath,
    /// The client's file.
    pub(super) version: FileVersion,
    /// The part's, and later the file's; 0 before there is one.
    pub(super) inode: u64,
    /// Where it is, or is just about to be.
    pub(super) stored: Option<Stored>,
}

/// Where a complete upload is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) path: FilePath,
    pub(super) root: [u8; 32],
}

impl Record {
    /// As text.
    pub(super) fn to_text(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut text = format!("{HEADER}\nuser={}\n", self.user);
        let FileVersion { size, modified_ns } = self.version;
        // Writing to a String does not fail.
        let _ = writeln!(text, "attempt={}\npath={}", hex(&self.attempt), self.path);
        let _ = writeln!(text, "size={size}\nmodified_ns={modified_ns}\ninode={}", self.inode);
        if let Some(Stored { path, root }) = &self.stored {
            let _ = writeln!(text, "stored={} {path}", hex(root));
        }
        text
    }

    /// From text; `None` if it is no whole record.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != HEADER {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix('=');
        let record = Self {
            user: field("user")?.to_owned(),
            attempt: parse_hex(field("attempt")?)?,
            path: FilePath::parse(field("path")?).ok()?,
            version: FileVersion {
                size: field("size")?.parse().ok()?,
                modified_ns: field("modified_ns")?.parse().ok()?,
            },
            inode: field("inode")?.parse().ok()?,
            stored: None,
        };
        let stored = match lines.next() {
            Some(line) => Some(parse_stored(line.strip_prefix("stored=")?)?),
            None => None,
        };
        lines.next().is_none().then_some(Self { stored, ..record })
    }
}

fn parse_stored(value: &str) -> Option<Stored> {
    let (root, path) = value.split_once(' ')?;
    Some(Stored { path: FilePath::parse(path).ok()?, root: parse_hex(root)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            user: "bob".into(),
            attempt: [0xa5; 16],
            path: FilePath::parse("music/song.ogg").unwrap(),
            version: FileVersion { size: 3_000_000, modified_ns: -5 },
            inode: 4711,
            stored: None,
        }
    }

    #[test]
    fn text_and_back() {
        let stored = Stored { path: FilePath::parse("music/a (1) b").unwrap(), root: [7; 32] };
        for record in [record(), Record { stored: Some(stored), ..record() }] {
            assert_eq!(Record::parse(&record.to_text()), Some(record));
        }
    }

    #[test]
    fn it_stays_as_it_is() {
        let text = "simplechat upload 1\nuser=bob\nattempt=a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\n\
                    path=music/song.ogg\nsize=3000000\nmodified_ns=-5\ninode=4711\n";
        assert_eq!(record().to_text(), text);
    }

    #[test]
    fn half_a_record_is_none() {
        let text = record().to_text();
        for end in 0..text.len() {
            assert_eq!(Record::parse(&text[..end]), None, "{end} bytes");
        }
        assert_eq!(Record::parse(&format!("{text}more\n")), None);
        assert_eq!(Record::parse(&text.replace("upload 1", "upload 2")), None);
        assert_eq!(Record::parse(&text.replace("music/", "../")), None);
    }
}
