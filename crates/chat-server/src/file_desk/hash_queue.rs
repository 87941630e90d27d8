//! What is hashed next. Sans-IO: who carries it out asks [`HashQueue::start_next`] and tells
//! [`HashQueue::finished`] or [`HashQueue::stopped`].
//!
//! The policy: the same bytes are hashed once, for all downloads that wait for it. What is remembered
//! from before is looked up at once and stands behind nobody. Two files are read at the same time, of
//! which at most one is large, so that small ones pass by; among those that may start, the one asked for
//! first does. What nobody waits for is not begun, and stopped where it is under way. No longer than the
//! list of downloads that are not over, which is bounded by policy.

use std::collections::VecDeque;

use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;

/// Files that are hashed at the same time. Two keep a disk busy.
const AT_ONCE_MAX: usize = 2;

/// A job of more bytes is large: it keeps a disk busy for longer than a person likes to wait.
const SMALL_BYTES_MAX: u64 = 64 << 20;

/// Something to hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HashJob {
    pub(crate) path: FilePath,
    pub(crate) version: FileVersion,
    pub(crate) what: Hashing,
}

/// What of a file is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hashing {
    /// The hash of the whole.
    Root,
    /// The hashes of this piece and those that follow it.
    PiecesFrom(u64),
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
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Whether it is remembered is being looked up.
    LookedUp,
    Waiting,
    UnderWay,
}

impl HashQueue {
    /// A download needs a hash. Says whether it is to be looked up now, see
    /// [`not_remembered`](Self::not_remembered).
    #[must_use]
    pub(crate) fn add(&mut self, job: HashJob, download: u64) -> bool {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.job == job) {
            if !entry.downloads.contains(&download) {
                entry.downloads.push(download);
            }
            return false;
        }
        let downloads = vec![download];
        self.entries.push_back(Entry { job, downloads, stage: Stage::LookedUp });
        true
    }

    /// A look-up found nothing: it has its turn in line.
    pub(crate) fn not_remembered(&mut self, job: &HashJob) {
        self.set_waiting(job, Stage::LookedUp);
    }

    /// One that was under way was stopped before its end. It begins anew if somebody has come to wait for
    /// it meanwhile.
    pub(crate) fn stopped(&mut self, job: &HashJob) {
        self.set_waiting(job, Stage::UnderWay);
    }

    fn set_waiting(&mut self, job: &HashJob, from: Stage) {
        let found = self.entries.iter_mut().find(|it| it.job == *job && it.stage == from);
        if let Some(entry) = found {
            entry.stage = Stage::Waiting;
        }
        self.drop_unwanted();
    }

    /// A download needs this kind of hash of any file no more, whatever it is. Returns what is under way
    /// and to be stopped.
    #[must_use]
    pub(crate) fn forget(
        &mut self,
        download: u64,
        which: impl Fn(&HashJob) -> bool,
    ) -> Vec<HashJob> {
        let mut unwanted = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| which(&entry.job)) {
            let before = entry.downloads.len();
            entry.downloads.retain(|waiting| *waiting != download);
            let is_unwanted = entry.downloads.is_empty() && before > 0;
            if is_unwanted && entry.stage == Stage::UnderWay {
                unwanted.push(entry.job.clone());
            }
        }
        self.drop_unwanted();
        unwanted
    }

    /// Those under way stay until they are told to be over: they still take a place at the disk.
    fn drop_unwanted(&mut self) {
        self.entries.retain(|it| it.stage == Stage::UnderWay || !it.downloads.is_empty());
    }

    /// The next one to begin now. To be called until there is none.
    pub(crate) fn start_next(&mut self) -> Option<HashJob> {
        let under_way = || self.entries.iter().filter(|entry| entry.stage == Stage::UnderWay);
        if under_way().count() >= AT_ONCE_MAX {
            return None;
        }
        let takes_large = !under_way().any(|entry| entry.job.is_large());
        let next = self.entries.iter_mut().find(|entry| {
            entry.stage == Stage::Waiting && (takes_large || !entry.job.is_large())
        })?;
        next.stage = Stage::UnderWay;
        Some(next.job.clone())
    }

    /// One is over, or was remembered; the downloads that wait for it.
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
        HashJob { path: FilePath::parse(path).unwrap(), version, what: Hashing::Root }
    }

    /// A queue in which download number n waits for the nth of `jobs`, from 0 on.
    fn queue(jobs: &[(&str, u64)]) -> HashQueue {
        let mut queue = HashQueue::default();
        for (download, (path, size)) in (0..).zip(jobs) {
            add(&mut queue, &job(path, *size), download);
        }
        queue
    }

    /// Adds a job that is not remembered.
    fn add(queue: &mut HashQueue, job: &HashJob, download: u64) {
        if queue.add(job.clone(), download) {
            queue.not_remembered(job);
        }
    }

    fn forget(queue: &mut HashQueue, download: u64) -> Vec<HashJob> {
        queue.forget(download, |_| true)
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
        add(&mut queue, &job("a", 9), 7);
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
    fn what_nobody_waits_for_is_stopped_or_not_begun() {
        let mut queue = queue(&[("x", LARGE), ("y", LARGE), ("z", LARGE), ("z", LARGE)]);
        assert_eq!(started(&mut queue), ["x"]);
        assert_eq!(forget(&mut queue, 0), [job("x", LARGE)]);
        (1..3).for_each(|download| assert_eq!(forget(&mut queue, download), []));
        assert_eq!(started(&mut queue), [""; 0]);
        queue.stopped(&job("x", LARGE));
        assert_eq!(started(&mut queue), ["z"]);
        assert_eq!(queue.finished(&job("z", LARGE)), [3]);
        assert!(queue.entries.is_empty());
    }

    #[test]
    fn what_is_remembered_stands_behind_nobody() {
        let mut queue = queue(&[("x", LARGE), ("y", LARGE)]);
        assert_eq!(started(&mut queue), ["x"]);
        assert!(queue.add(job("z", LARGE), 7));
        assert!(!queue.add(job("z", LARGE), 8));
        assert_eq!(queue.finished(&job("z", LARGE)), [7, 8]);
        // The look-up that comes late changes nothing.
        queue.not_remembered(&job("z", LARGE));
        assert_eq!(queue.finished(&job("z", LARGE)), [0; 0]);
    }

    #[test]
    fn what_was_stopped_begins_anew_for_who_has_come_since() {
        let mut queue = queue(&[("x", LARGE)]);
        assert_eq!(started(&mut queue), ["x"]);
        assert_eq!(forget(&mut queue, 0), [job("x", LARGE)]);
        add(&mut queue, &job("x", LARGE), 1);
        assert_eq!(started(&mut queue), [""; 0]);
        queue.stopped(&job("x", LARGE));
        assert_eq!(started(&mut queue), ["x"]);
        assert_eq!(queue.finished(&job("x", LARGE)), [1]);
    }

    #[test]
    fn pieces_are_a_job_of_their_own() {
        let mut queue = queue(&[("a", 9)]);
        let pieces = HashJob { what: Hashing::PiecesFrom(0), ..job("a", 9) };
        add(&mut queue, &pieces, 0);
        assert_eq!(started(&mut queue), ["a", "a"]);
        assert_eq!(queue.forget(0, |job| job.what == Hashing::Root), [job("a", 9)]);
        assert_eq!(queue.finished(&pieces), [0]);
    }
}
