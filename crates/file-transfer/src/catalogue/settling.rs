//! When a noticed change is worth a look: soon after it is complete, and not at every write of a long
//! copy. Holds no clock; times come as arguments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::file_path::FilePath;

/// After something complete: a closed file, a rename, a removal. Collects bursts.
const COMPLETE_DELAY: Duration = Duration::from_millis(50);
/// After a write to a file that stays open: as long as more writes follow, it is not looked at …
const QUIET_DELAY: Duration = Duration::from_millis(500);
/// … but no longer than this after the first (a log file that never rests).
const UNREST_MAX: Duration = Duration::from_secs(5);
/// Files waiting at once. When there are more, the whole tree is looked at instead.
const WAITING_MAX: usize = 4096;

/// Files and perhaps the whole tree, each with the time when to look.
#[derive(Debug, Default)]
pub(super) struct Settling {
    files: BTreeMap<FilePath, Times>,
    tree: Option<Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    /// When the first change was noticed.
    since: Instant,
    due: Instant,
}

impl Settling {
    /// A file was written to and may still be open.
    pub(super) fn written(&mut self, now: Instant, path: FilePath) {
        self.note(now, path, QUIET_DELAY);
    }

    /// A file was closed, renamed or removed.
    pub(super) fn complete(&mut self, now: Instant, path: FilePath) {
        self.note(now, path, COMPLETE_DELAY);
    }

    /// Folders came or went, or events were lost.
    pub(super) fn tree(&mut self, now: Instant) {
        let since = self.tree.map_or(now, |times| times.since);
        self.tree = Some(Times { since, due: due(now, since, COMPLETE_DELAY) });
    }

    /// When to call [`take_file`](Self::take_file) or [`take_tree`](Self::take_tree) next.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.files.values().chain(&self.tree).map(|times| times.due).min()
    }

    /// Whether the whole tree is to be looked at now.
    #[must_use]
    pub(super) fn take_tree(&mut self, now: Instant) -> bool {
        self.tree.take_if(|times| times.due <= now).is_some()
    }

    /// A file to be looked at now.
    #[must_use]
    pub(super) fn take_file(&mut self, now: Instant) -> Option<FilePath> {
        let (path, _) = self.files.iter().find(|(_, times)| times.due <= now)?;
        let path = path.clone();
        self.files.remove(&path);
        Some(path)
    }

    /// Whether a file is not to be looked at yet.
    pub(super) fn is_waiting(&self, path: &FilePath) -> bool {
        self.files.contains_key(path)
    }

    fn note(&mut self, now: Instant, path: FilePath, delay: Duration) {
        if self.files.len() >= WAITING_MAX && !self.files.contains_key(&path) {
            self.files.clear();
            return self.tree(now);
        }
        let since = self.files.get(&path).map_or(now, |times| times.since);
        self.files.insert(path, Times { since, due: due(now, since, delay) });
    }
}

fn due(now: Instant, since: Instant, delay: Duration) -> Instant {
    (now + delay).min(since + UNREST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> FilePath {
        FilePath::parse("file").unwrap()
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_closed_file_is_looked_at_soon() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        settling.written(start, path());
        settling.complete(start + ms(10), path());
        assert_eq!(settling.next_due(), Some(start + ms(60)));
        assert_eq!(settling.take_file(start + ms(59)), None);
        assert_eq!(settling.take_file(start + ms(60)), Some(path()));
        assert_eq!(settling.next_due(), None);
    }

    #[test]
    fn a_file_being_written_waits_for_quiet() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        for write in 0..8 {
            settling.written(start + ms(write * 100), path());
        }
        assert_eq!(settling.take_file(start + ms(1199)), None);
        assert!(settling.is_waiting(&path()));
        assert_eq!(settling.take_file(start + ms(1200)), Some(path()));
    }

    #[test]
    fn a_file_that_never_rests_is_looked_at_in_the_end() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        for write in 0..100 {
            settling.written(start + ms(write * 100), path());
        }
        assert_eq!(settling.next_due(), Some(start + UNREST_MAX));
    }

    #[test]
    fn a_flood_of_names_becomes_one_look_at_the_tree() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        for number in 0..=WAITING_MAX {
            settling.complete(start, FilePath::parse(&number.to_string()).unwrap());
        }
        assert_eq!(settling.take_file(start + UNREST_MAX), None);
        assert!(settling.take_tree(start + UNREST_MAX));
        assert!(!settling.take_tree(start + UNREST_MAX), "once");
    }
}
