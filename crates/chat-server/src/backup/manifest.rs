//! What a backup consists of, so that one that is cut short or changed is not taken for whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::backup::{BackupError, KEY_FILES};
use crate::log::store;

/// File name in the backup.
pub(crate) const FILE_NAME: &str = "backup.json";

/// Longest manifest that is read: five short entries.
pub(crate) const BYTES_MAX: u64 = 64 * 1024;

/// Of this layout.
const FORMAT: u32 = 1;

/// Bytes that are summed at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// What a backup consists of.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Manifest {
    /// The number of the log's last event.
    pub(crate) events: u64,
    /// Each file of the backup but this one.
    pub(crate) files: Vec<Entry>,
}

/// One file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// In hexadecimal digits.
    pub(crate) sha256: String,
}

#[derive(Deserialize, Serialize)]
struct Written {
    format: u32,
    events: u64,
    files: Vec<Entry>,
}

impl Manifest {
    pub(crate) fn to_text(&self) -> String {
        let written = Written { format: FORMAT, events: self.events, files: self.files.clone() };
        // Numbers and strings are always JSON.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }

    /// Reads one, and believes no name in it that a backup does not have.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let written: Written =
            serde_json::from_slice(text).map_err(|error| format!("{FILE_NAME}: {error}"))?;
        let Written { format, events, files } = written;
        if format != FORMAT {
            return Err(format!("it has format {format}, this version reads {FORMAT}"));
        }
        let known = |name: &str| name == store::FILE_NAME || KEY_FILES.contains(&name);
        if let Some(entry) = files.iter().find(|entry| !known(&entry.name)) {
            return Err(format!("{FILE_NAME}: {:?} is no file of a backup", entry.name));
        }
        if !files.iter().any(|entry| entry.name == store::FILE_NAME) {
            return Err(format!("{FILE_NAME}: there is no {}", store::FILE_NAME));
        }
        Ok(Self { events, files })
    }
}

impl Entry {
    /// Sums up a file of the folder.
    pub(crate) fn of(folder: &Path, name: &str) -> Result<Self, BackupError> {
        let path = folder.join(name);
        let mut file = File::open(&path).map_err(BackupError::io(&path))?;
        let (mut sum, mut bytes) = (Context::new(&SHA256), 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = file.read(&mut buffer).map_err(BackupError::io(&path))?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            sum.update(buffer.get(..count).unwrap_or_default());
        }
        let sha256 = sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { name: name.to_owned(), bytes, sha256 })
    }
}
