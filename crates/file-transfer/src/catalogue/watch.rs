//! The thread that keeps the index true while files come and go.
//!
//! inotify names files that changed; they are looked at once they have settled. Whatever inotify
//! cannot say exactly (folders that move, a queue that overflowed) is answered by walking the whole
//! tree again. Where there are no watches to be had, the tree is walked every few seconds.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::settling::Settling;
use super::{CatalogueEntry, FILES_MAX, Shared, scan};
use crate::file_path::FilePath;

/// How often the tree is walked where it cannot be watched.
const RESCAN_EVERY: Duration = Duration::from_secs(10);
/// Room for the events of one read.
const EVENT_BYTES: usize = 64 * 1024;

const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ONLYDIR);

/// What became of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CatalogueChange {
    /// New, or another version.
    Changed(CatalogueEntry),
    /// No longer offered.
    Removed(FilePath),
}

/// Keeps a catalogue's list true until dropped.
#[derive(Debug)]
pub struct CatalogueWatch {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

type OnChange = Box<dyn FnMut(CatalogueChange) + Send>;

impl CatalogueWatch {
    pub(super) fn start(shared: Arc<Shared>, on_change: OnChange) -> io::Result<CatalogueWatch> {
        let turn = shared.take_watch_turn()?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .inspect_err(
                |error| tracing::warn!(%error, "no inotify: the folder is read again every 10 s"),
            )
            .ok();
        let mut watcher = Watcher {
            shared,
            on_change,
            events,
            folders: HashMap::new(),
            complete: false,
            settling: Settling::default(),
            _turn: turn,
        };
        // Before returning, so that nothing after the call is missed.
        watcher.look_at_tree();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("catalogue-watch".into())
            .spawn(move || watcher.run(&stopped))?;
        Ok(CatalogueWatch { stop, thread: Some(thread) })
    }
}

impl Drop for CatalogueWatch {
    fn drop(&mut self) {
        // An eventfd takes this write unless it is full of stop signals already.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watcher {
    shared: Arc<Shared>,
    on_change: OnChange,
    events: Option<OwnedFd>,
    /// Which folder a watch descriptor stands for; `None` is the root.
    folders: HashMap<i32, Option<FilePath>>,
    /// Every folder has its watch.
    complete: bool,
    settling: Settling,
    _turn: super::WatchTurn,
}

impl Watcher {
    fn run(mut self, stop: &OwnedFd) {
        let mut last_walk = Instant::now();
        while !self.wait(stop, last_walk) {
            let now = Instant::now();
            self.read_events(now);
            while let Some(path) = self.settling.take_file(now) {
                self.look_at_file(path);
            }
            let rescan = !self.complete && now.duration_since(last_walk) >= RESCAN_EVERY;
            if self.settling.take_tree(now) || rescan {
                self.look_at_tree();
                last_walk = Instant::now();
            }
        }
    }

    /// Sleeps until there is something to do; says whether to stop.
    fn wait(&self, stop: &OwnedFd, last_walk: Instant) -> bool {
        let rescan = (!self.complete).then(|| last_walk + RESCAN_EVERY);
        let due = self.settling.next_due().into_iter().chain(rescan).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut waiting = vec![PollFd::new(stop, PollFlags::IN)];
        waiting.extend(self.events.as_ref().map(|events| PollFd::new(events, PollFlags::IN)));
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => waiting.first().is_some_and(|stop| !stop.revents().is_empty()),
            Err(Errno::INTR) => false,
            Err(error) => {
                tracing::error!(%error, "the folder is no longer watched");
                true
            }
        }
    }

    fn read_events(&mut self, now: Instant) {
        let Some(fd) = &self.events else { return };
        let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut reader = Reader::new(fd, &mut buffer);
        while let Ok(event) = reader.next() {
            let kind = event.events();
            if kind.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::ISDIR | ReadFlags::UNMOUNT) {
                self.settling.tree(now);
                continue;
            }
            let name = event.file_name().and_then(|name| name.to_str().ok());
            let (Some(folder), Some(name)) = (self.folders.get(&event.wd()), name) else {
                continue;
            };
            let Some(path) = scan::below(folder.as_ref(), name) else { continue };
            let unfinished = ReadFlags::CREATE | ReadFlags::MODIFY;
            if kind.intersects(unfinished) {
                self.settling.written(now, path);
            } else {
                self.settling.complete(now, path);
            }
        }
    }

    fn look_at_file(&mut self, path: FilePath) {
        let found = self.shared.look_at(&path).ok().filter(|_| scan::is_offered(&path));
        let mut index = self.shared.index();
        let known = index.get(&path).copied();
        let change = match found {
            Some(version) if known != Some(version) => {
                if known.is_none() && index.len() >= FILES_MAX {
                    return;
                }
                index.insert(path.clone(), version);
                CatalogueChange::Changed(CatalogueEntry { path, version })
            }
            None if known.is_some() => {
                index.remove(&path);
                CatalogueChange::Removed(path)
            }
            _ => return,
        };
        drop(index);
        (self.on_change)(change);
    }

    /// Walks the tree, sets the watches anew and tells every difference to the index.
    fn look_at_tree(&mut self) {
        let mut folders = HashMap::new();
        let mut complete = self.events.is_some();
        let found = scan::scan(&self.shared.beneath, |folder, fd| {
            let Some(events) = &self.events else { return };
            match add_watch(events, fd) {
                Ok(watch) => {
                    folders.insert(watch, folder.cloned());
                }
                Err(_) => complete = false,
            }
        });
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "cannot read the folder of server files");
                return;
            }
        };
        if self.complete && !complete {
            tracing::warn!("too many folders to watch: the tree is read again every 10 s");
        }
        self.complete = complete;
        self.forget_watches_but(folders);
        self.tell_differences(found);
    }

    fn tell_differences(
        &mut self,
        found: std::collections::BTreeMap<FilePath, crate::file_version::FileVersion>,
    ) {
        let mut changes = Vec::new();
        let mut index = self.shared.index();
        for path in index.keys().filter(|path| !found.contains_key(*path)) {
            changes.push(CatalogueChange::Removed(path.clone()));
        }
        for (path, version) in found {
            // What is being written waits for its own turn.
            let unchanged = index.get(&path) == Some(&version);
            if !unchanged && !self.settling.is_waiting(&path) {
                changes.push(CatalogueChange::Changed(CatalogueEntry { path, version }));
            }
        }
        for change in &changes {
            match change {
                CatalogueChange::Changed(entry) => {
                    index.insert(entry.path.clone(), entry.version);
                }
                CatalogueChange::Removed(path) => {
                    index.remove(path);
                }
            }
        }
        drop(index);
        changes.into_iter().for_each(&mut self.on_change);
    }

    /// Folders that moved away keep their watch until it is taken off them.
    fn forget_watches_but(&mut self, folders: HashMap<i32, Option<FilePath>>) {
        if let Some(events) = &self.events {
            for watch in self.folders.keys().filter(|watch| !folders.contains_key(*watch)) {
                // Fails for a folder that is gone, whose watch went with it.
                let _ = inotify::remove_watch(events, *watch);
            }
        }
        self.folders = folders;
    }
}

/// Watches the folder behind a descriptor, whatever its name leads to by now.
fn add_watch(events: &OwnedFd, folder: BorrowedFd<'_>) -> Result<i32, Errno> {
    inotify::add_watch(events, format!("/proc/self/fd/{}", folder.as_raw_fd()), EVENTS)
}
