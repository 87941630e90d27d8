//! Who has uploaded how much. Pure: what is on disk is told, and told again when it changed.

use std::collections::{BTreeMap, HashMap};

use super::part_id::PartId;
use super::record::{Record, Stored};
use crate::catalogue::FILES_MAX;
use crate::catalogue::scan::FOLDERS_MAX;
use crate::file_path::FilePath;
use crate::file_version::FileVersion;

/// Uploads of one user that are remembered, stored ones included: quota counts bytes, and a file costs
/// everybody a line in the list even without any.
pub(super) const UPLOADS_PER_USER_MAX: usize = 10_000;

/// Uploads of all users: half of what the list holds, the rest is the operator's. Who may log in under
/// any name is not bounded by what one name may have.
pub(super) const UPLOADS_MAX: usize = FILES_MAX / 2;
/// Folders that uploads lie in, and the folders of those: as many as are looked into, halved.
pub(super) const FOLDERS_OF_UPLOADS_MAX: usize = FOLDERS_MAX / 2;

/// Why a user may not upload so much more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// So many bytes would still have had room.
    Bytes { left: u64 },
    /// Too many files, the user's or everybody's.
    Files { allowed: usize },
    /// Too many folders.
    Folders,
}

/// All uploads that count, by id.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    records: BTreeMap<PartId, Record>,
    /// How many of them each folder leads to.
    folders: HashMap<String, usize>,
}

impl Ledger {
    pub(super) fn insert(&mut self, id: PartId, record: Record) {
        self.remove(id);
        for folder in folders_of(&record.path) {
            *self.folders.entry(folder.to_owned()).or_default() += 1;
        }
        self.records.insert(id, record);
    }

    pub(super) fn remove(&mut self, id: PartId) -> Option<Record> {
        let record = self.records.remove(&id)?;
        for folder in folders_of(&record.path) {
            if let Some(count) = self.folders.get_mut(folder) {
                *count -= 1;
                if *count == 0 {
                    self.folders.remove(folder);
                }
            }
        }
        Some(record)
    }

    pub(super) fn record(&self, id: PartId) -> Option<&Record> {
        self.records.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PartId, &Record)> {
        self.records.iter().map(|(id, record)| (*id, record))
    }

    /// Whether `user` may upload another `size` bytes to `path`. A part counts with all the bytes it is
    /// to have.
    pub(super) fn room_for(
        &self,
        user: &str,
        path: &FilePath,
        size: u64,
        quota: u64,
    ) -> Result<(), Over> {
        let own = || self.records.values().filter(|record| record.user == user);
        let used = own().fold(0_u64, |sum, record| sum.saturating_add(record.version.size));
        let left = quota.saturating_sub(used);
        if size > left {
            return Err(Over::Bytes { left });
        }
        for (count, allowed) in
            [(own().count(), UPLOADS_PER_USER_MAX), (self.records.len(), UPLOADS_MAX)]
        {
            if count >= allowed {
                return Err(Over::Files { allowed });
            }
        }
        let new = folders_of(path).filter(|folder| !self.folders.contains_key(*folder)).count();
        if new > 0 && self.folders.len() + new > FOLDERS_OF_UPLOADS_MAX {
            return Err(Over::Folders);
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

/// The folders that lead to a file: `a` and `a/b` for `a/b/c`.
pub(super) fn folders_of(path: &FilePath) -> impl Iterator<Item = &str> {
    let path = path.as_str();
    path.match_indices('/').filter_map(|(end, _)| path.get(..end))
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
        assert_eq!(ledger.room_for(user, &path("new"), size, 100), expected);
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
        assert_eq!(ledger.room_for("ann", &path("new"), 1, 5), Err(Over::Bytes { left: 0 }));
        assert_eq!(ledger.room_for("ann", &path("new"), 0, 5), Ok(()));
    }

    #[test]
    fn files_without_bytes_are_counted_too() {
        let many: Vec<Record> =
            (0..UPLOADS_PER_USER_MAX).map(|n| record("ann", &n.to_string(), 0)).collect();
        let ledger = ledger(&many);
        assert_eq!(
            ledger.room_for("ann", &path("new"), 0, 5),
            Err(Over::Files { allowed: UPLOADS_PER_USER_MAX })
        );
        assert_eq!(ledger.room_for("bob", &path("new"), 0, 5), Ok(()));
    }

    #[test]
    fn many_users_together_do_not_fill_the_list() {
        let many: Vec<Record> = (0..UPLOADS_MAX)
            .map(|n| record(&(n / UPLOADS_PER_USER_MAX).to_string(), &n.to_string(), 0))
            .collect();
        let full = ledger(&many);
        let over = Err(Over::Files { allowed: UPLOADS_MAX });
        assert_eq!(full.room_for("ann", &path("new"), 0, 5), over);
    }

    #[test]
    fn folders_are_bounded_and_given_back() {
        let deep = |n: usize| record("ann", &format!("{n}/a/b/c/d/e/f/g/h/i/x"), 0);
        let mut ledger = Ledger::default();
        let first = PartId::random();
        ledger.insert(first, deep(0));
        // The same one again counts once.
        ledger.insert(first, deep(0));
        (1..FOLDERS_OF_UPLOADS_MAX / 10).for_each(|n| ledger.insert(PartId::random(), deep(n)));
        assert_eq!(ledger.folders.len(), FOLDERS_OF_UPLOADS_MAX);
        assert_eq!(ledger.room_for("bob", &path("new/x"), 0, 5), Err(Over::Folders));
        assert_eq!(ledger.room_for("bob", &path("x"), 0, 5), Ok(()));
        assert_eq!(ledger.room_for("bob", &path("1/a/b/new"), 0, 5), Ok(()), "not a new one");
        ledger.remove(first);
        assert_eq!(ledger.room_for("bob", &path("1/2/3/4/5/6/7/8/9/10/x"), 0, 5), Ok(()));
        let one_more = path("2/2/3/4/5/6/7/8/9/10/11/12/x");
        assert_eq!(ledger.room_for("bob", &one_more, 0, 5), Err(Over::Folders));
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
