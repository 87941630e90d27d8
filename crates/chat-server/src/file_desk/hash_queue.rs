//! Which file is hashed next. Sans-IO: who carries it out asks [`HashQueue::start_next`] and tells
//! [`HashQueue::finished`].
//!
//! The policy: each version of a file is hashed once, for all downloads that wait for it. Two files are
//! read at the same time, of which at most one is large, so that small ones pass by; among those that
//! may start, the one asked for first does. A hash for which nobody waits is not begun. One that is
//! under way is finished, for it is remembered. No longer than the list of downloads under way, which
//! is bounded by policy, and [`AT_ONCE_MAX`].

use std::collections::VecDeque;

use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;

/// Files that are hashed at the same time. Two keep a disk busy.
const AT_ONCE_MAX: usize = 2;

/// A file of more bytes is large: it keeps a disk busy for longer than a person likes to wait.
const SMALL_BYTES_MAX: u64 = 64 << 20;

/// A version of a file to hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HashJob {
    pub(crate) path: FilePath,
    pub(crate) version: FileVersion,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct HashQueue {
    /// In the order in which they were first asked for; those under way stay in it.
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    job: HashJob,
    /// The downloads that wait for it.
    downloads: Vec<u64>,
    is_under_way: bool,
}

impl HashQueue {
    /// A download needs a hash.
    pub(crate) fn add(&mut self, job: HashJob, download: u64) {
        match self.entries.iter_mut().find(|entry| entry.job == job) {
            Some(entry) => entry.downloads.push(download),
            None => {
                let downloads = vec![download];
                self.entries.push_back(Entry { job, downloads, is_under_way: false });
            }
        }
    }

    /// A download needs its hash no more.
    pub(crate) fn forget(&mut self, download: u64) {
        for entry in &mut self.entries {
            entry.downloads.retain(|waiting| *waiting != download);
        }
        self.entries.retain(|entry| entry.is_under_way || !entry.downloads.is_empty());
    }

    /// The next one to begin now. To be called until there is none.
    pub(crate) fn start_next(&mut self) -> Option<HashJob> {
        let under_way = || self.entries.iter().filter(|entry| entry.is_under_way);
        if under_way().count() >= AT_ONCE_MAX {
            return None;
        }
        let takes_large = !under_way().any(|entry| entry.job.is_large());
        let next = self
            .entries
            .iter_mut()
            .find(|entry| !entry.is_under_way && (takes_large || !entry.job.is_large()))?;
        next.is_under_way = true;
        Some(next.job.clone())
    }

    /// One is over; the downloads that wait for it.
    pub(crate) fn finished(&mut self, job: &HashJob) -> Vec<u64> {
        let position = self.entries.iter().position(|entry| entry.job == *job);
        let entry = position.and_then(|position| self.entries.remove(position));
        entry.map(|entry| entry.downloads).unwrap_or_default()
    }
}

impl HashJob {
    fn is_large(&self) -> bool {
        self.version.size > SMALL_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = SMALL_BYTES_MAX + 1;

    fn job(path: &str, size: u64) -> HashJob {
        let version = FileVersion { size, modified_ns: 0 };
        HashJob { path: FilePath::parse(path).unwrap(), version }
    }

    /// A queue in which download number n waits for the nth of `jobs`, from 0 on.
    fn queue(jobs: &[(&str, u64)]) -> HashQueue {
        let mut queue = HashQueue::default();
        for (download, (path, size)) in (0..).zip(jobs) {
            queue.add(job(path, *size), download);
        }
        queue
    }

    fn started(queue: &mut HashQueue) -> Vec<String> {
        let jobs = std::iter::from_fn(|| queue.start_next());
        jobs.map(|job| job.path.as_str().to_owned()).collect()
    }

    #[test]
    fn two_at_once_in_the_order_of_asking() {
        let mut queue = queue(&[("a", 9), ("b", 1), ("c", 5)]);
        assert_eq!(started(&mut queue), ["a", "b"]);
        assert_eq!(queue.finished(&job("b", 1)), [1]);
        assert_eq!(started(&mut queue), ["c"]);
    }

    #[test]
    fn who_waits_for_the_same_file_takes_no_place() {
        let mut queue = queue(&[("a", 9), ("a", 9), ("b", 1)]);
        assert_eq!(started(&mut queue), ["a", "b"]);
        queue.add(job("a", 9), 7);
        assert_eq!(queue.finished(&job("a", 9)), [0, 1, 7]);
        assert_eq!(started(&mut queue), [""; 0]);
    }

    #[test]
    fn another_version_is_another_job() {
        let mut queue = queue(&[("a", 9), ("a", 8)]);
        assert_eq!(started(&mut queue), ["a", "a"]);
        assert_eq!(queue.finished(&job("a", 8)), [1]);
    }

    #[test]
    fn large_files_leave_a_place_to_small_ones() {
        let mut queue = queue(&[("x", LARGE), ("y", LARGE), ("a", 1), ("b", SMALL_BYTES_MAX)]);
        assert_eq!(started(&mut queue), ["x", "a"]);
        queue.finished(&job("a", 1));
        assert_eq!(started(&mut queue), ["b"]);
        queue.finished(&job("x", LARGE));
        assert_eq!(started(&mut queue), ["y"]);
    }

    #[test]
    fn a_hash_that_nobody_waits_for_is_not_begun() {
        let mut queue = queue(&[("x", LARGE), ("y", LARGE), ("z", LARGE), ("z", LARGE)]);
        assert_eq!(started(&mut queue), ["x"]);
        (0..3).for_each(|download| queue.forget(download));
        assert_eq!(queue.finished(&job("x", LARGE)), [0; 0]);
        assert_eq!(started(&mut queue), ["z"]);
        assert_eq!(queue.finished(&job("z", LARGE)), [3]);
        assert!(queue.entries.is_empty());
    }
}
