//! The folder that holds a [`Record`] and the marks of each upload: `ID.upload` and `ID.pieces`.
//!
//! It lies in the server's data folder and not beside the files: there it needs no extended
//! attributes, and nobody who may write to the offered folder can give others a quota.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::part_id::PartId;
use super::record::Record;

const RECORD: &str = "upload";
const MARKS: &str = "pieces";
/// A record that is being written.
const NEW: &str = "new";

/// See the module.
#[derive(Debug)]
pub(super) struct Records {
    folder: PathBuf,
}

impl Records {
    /// Opens the folder, made if missing (mode 0700).
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    /// All whole records. What is none is left as it is, and said so.
    pub(super) fn load(&self) -> io::Result<Vec<(PartId, Record)>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != RECORD) {
                continue;
            }
            let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(PartId::parse);
            let record = fs::read_to_string(&path).ok().and_then(|text| Record::parse(&text));
            match id.zip(record) {
                Some(known) => records.push(known),
                None => tracing::warn!(path = %path.display(), "no record of an upload"),
            }
        }
        Ok(records)
    }

    /// Writes a record, whole or not at all, and waits until it is on disk.
    pub(super) fn save(&self, id: PartId, record: &Record) -> io::Result<()> {
        let new = self.path(id, NEW);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(record.to_text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path(id, RECORD))?;
        File::open(&self.folder)?.sync_all()
    }

    /// Forgets an upload.
    pub(super) fn remove(&self, id: PartId) {
        for kind in [MARKS, NEW, RECORD] {
            remove(&self.path(id, kind));
        }
    }

    /// Forgets which pieces are there: all of them are.
    pub(super) fn remove_marks(&self, id: PartId) {
        remove(&self.path(id, MARKS));
    }

    /// Where the marks of an upload are kept.
    pub(super) fn marks(&self, id: PartId) -> PathBuf {
        self.path(id, MARKS)
    }

    fn path(&self, id: PartId, kind: &str) -> PathBuf {
        self.folder.join(format!("{id}.{kind}"))
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove a record");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_path::FilePath;
    use crate::file_version::FileVersion;

    #[test]
    fn records_outlive_the_program_and_junk_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path().join("uploads")).unwrap();
        let record = Record {
            user: "bob".into(),
            attempt: [1; 16],
            path: FilePath::parse("a").unwrap(),
            version: FileVersion { size: 1, modified_ns: 2 },
            inode: 3,
            stored: None,
        };
        let (kept, gone) = (PartId::random(), PartId::random());
        records.save(kept, &record).unwrap();
        records.save(gone, &record).unwrap();
        let newer = Record { inode: 4, ..record };
        records.save(kept, &newer).unwrap();
        records.remove(gone);
        let junk = dir.path().join("uploads/junk.upload");
        fs::write(&junk, "x").unwrap();
        let again = Records::open(dir.path().join("uploads")).unwrap();
        assert_eq!(again.load().unwrap(), [(kept, newer)]);
        assert!(junk.exists());
    }
}
