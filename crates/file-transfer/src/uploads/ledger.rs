//! Who has uploaded how much. Pure: what is on disk is told, and told again when it changed.

use std::collections::BTreeMap;

use super::part_id::PartId;
use super::record::{Record, Stored};
use crate::file_path::FilePath;
use crate::file_version::FileVersion;

/// Uploads of one user that are remembered, stored ones included: quota counts bytes, and a file costs
/// everybody a line in the list even without any.
pub const UPLOADS_PER_USER_MAX: usize = 10_000;

/// Why a user may not upload so much more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// So many bytes would still have had room.
    Bytes { left: u64 },
    /// Too many files.
    Files,
}

/// All uploads that count, by id.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    records: BTreeMap<PartId, Record>,
}

impl Ledger {
    pub(super) fn insert(&mut self, id: PartId, record: Record) {
        self.records.insert(id, record);
    }

    pub(super) fn remove(&mut self, id: PartId) -> Option<Record> {
        self.records.remove(&id)
    }

    pub(super) fn record(&self, id: PartId) -> Option<&Record> {
        self.records.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PartId, &Record)> {
        self.records.iter().map(|(id, record)| (*id, record))
    }

    /// Whether `user` may upload another `size` bytes. A part counts with all the bytes it is to have.
    pub(super) fn room_for(&self, user: &str, size: u64, quota: u64) -> Result<(), Over> {
        let own = || self.records.values().filter(|record| record.user == user);
        let used = own().fold(0_u64, |sum, record| sum.saturating_add(record.version.size));
        let left = quota.saturating_sub(used);
        if size > left {
            return Err(Over::Bytes { left });
        }
        if own().count() >= UPLOADS_PER_USER_MAX {
            return Err(Over::Files);
        }
        Ok(())
    }

    /// The unfinished upload of the very same file, to be gone on with.
    pub(super) fn part_of(
        &self,
        user: &str,
        path: &FilePath,
        version: FileVersion,
    ) -> Option<PartId> {
        let is_it = |record: &Record| {
            record.stored.is_none()
                && record.user == user
                && record.path == *path
                && record.version == version
        };
        self.iter().find(|(_, record)| is_it(record)).map(|(id, _)| id)
    }

    /// What became of an attempt whose end its client did not hear.
    pub(super) fn stored_by(&self, user: &str, attempt: &[u8; 16]) -> Option<&Stored> {
        let own = self.records.values().filter(|record| record.user == user);
        own.filter(|record| record.attempt == *attempt).find_map(|record| record.stored.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    fn record(user: &str, name: &str, size: u64) -> Record {
        let version = FileVersion { size, modified_ns: 1 };
        let attempt = [u8::try_from(size % 256).unwrap(); 16];
        Record { user: user.into(), attempt, path: path(name), version, inode: 1, stored: None }
    }

    fn ledger(records: &[Record]) -> Ledger {
        let mut ledger = Ledger::default();
        records.iter().for_each(|record| ledger.insert(PartId::random(), record.clone()));
        ledger
    }

    #[track_caller]
    fn check(user: &str, size: u64, expected: Result<(), Over>) {
        let mut stored = record("ann", "a", 30);
        stored.stored = Some(Stored { path: path("a (1)"), root: [1; 32] });
        let ledger = ledger(&[stored, record("ann", "b", 50), record("bob", "c", 99)]);
        assert_eq!(ledger.room_for(user, size, 100), expected);
    }

    #[test]
    fn what_is_stored_and_what_is_under_way_counts() {
        check("ann", 20, Ok(()));
        check("ann", 21, Err(Over::Bytes { left: 20 }));
        check("cleo", 100, Ok(()));
        check("cleo", 101, Err(Over::Bytes { left: 100 }));
        check("bob", u64::MAX, Err(Over::Bytes { left: 1 }));
    }

    #[test]
    fn a_quota_that_was_lowered_leaves_nothing_and_does_not_wrap() {
        let ledger = ledger(&[record("ann", "a", u64::MAX), record("ann", "b", u64::MAX)]);
        assert_eq!(ledger.room_for("ann", 1, 5), Err(Over::Bytes { left: 0 }));
        assert_eq!(ledger.room_for("ann", 0, 5), Ok(()));
    }

    #[test]
    fn files_without_bytes_are_counted_too() {
        let many: Vec<Record> =
            (0..UPLOADS_PER_USER_MAX).map(|n| record("ann", &n.to_string(), 0)).collect();
        let ledger = ledger(&many);
        assert_eq!(ledger.room_for("ann", 0, 5), Err(Over::Files));
        assert_eq!(ledger.room_for("bob", 0, 5), Ok(()));
    }

    #[test]
    fn only_the_very_same_upload_is_gone_on_with() {
        let ledger = ledger(&[record("ann", "a", 5)]);
        let version = FileVersion { size: 5, modified_ns: 1 };
        assert!(ledger.part_of("ann", &path("a"), version).is_some());
        assert_eq!(ledger.part_of("bob", &path("a"), version), None);
        assert_eq!(ledger.part_of("ann", &path("b"), version), None);
        let newer = FileVersion { size: 5, modified_ns: 2 };
        assert_eq!(ledger.part_of("ann", &path("a"), newer), None);
    }

    #[test]
    fn an_attempt_is_known_by_its_user_and_name() {
        let mut record = record("ann", "a", 5);
        assert_eq!(ledger(&[record.clone()]).stored_by("ann", &[5; 16]), None, "not stored");
        record.stored = Some(Stored { path: path("a"), root: [1; 32] });
        let ledger = ledger(&[record]);
        assert!(ledger.stored_by("ann", &[5; 16]).is_some());
        assert_eq!(ledger.stored_by("bob", &[5; 16]), None);
        assert_eq!(ledger.stored_by("ann", &[6; 16]), None);
    }
}
