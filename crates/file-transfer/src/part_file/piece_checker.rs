//! The thread that hashes pieces while others arrive: new ones out of the receiver's buffers, or from
//! the page cache, those of an earlier download as time permits.
//!
//! What waits is a set of piece numbers and a few buffers that are lent; so the thread that receives
//! does not wait for this one. When it falls behind, pieces are read back, and all that this costs is
//! the rest of the hashing after the last byte: pieces are marked as present before they come here.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::resume_state::Slot;
use super::run_hasher::RunHasher;
use super::state_file::StateFile;
use crate::piece_hashes::{PieceHash, PieceHasher, PieceTree, piece_range};
use crate::range_set::RangeSet;

/// Bytes read back at once: small enough for the second-level cache.
const BUFFER_BYTES: usize = 256 * 1024;
/// How often a wait for the hashing looks whether it is still wanted.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// Buffers that wait to be hashed, 256 KiB each. Full: what is not lent is read back.
const RUNS_MAX: usize = 8;
/// So many wake this thread: to wake it for each would cost the receiving one 5 % of its time. Fewer
/// wait until their piece is complete.
const RUNS_WORTH_WAKING: usize = 4;

/// Hashes the pieces that it is told of. Dropped, it stops.
#[derive(Debug)]
pub(super) struct PieceChecker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Held for a look, never while reading.
    state: Mutex<State>,
    /// There is work, or it is done.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Pieces that have just been written. They go first: they are still in the cache.
    new: RangeSet,
    /// Pieces of an earlier download.
    kept: RangeSet,
    /// Bytes that were just written, by offset, in that order.
    runs: VecDeque<(u64, Vec<u8>)>,
    /// Buffers that may be filled again, the last one used last.
    spare: Vec<Vec<u8>>,
    /// How often everything was forgotten.
    epoch: u32,
    /// The piece at work.
    current: Option<u64>,
    /// Pieces that are not what they should be, until they are asked for.
    damaged: RangeSet,
    tree: PieceTree,
    /// What a piece must be that was damaged before.
    expected: BTreeMap<u64, PieceHash>,
    /// The file cannot be read.
    failed: Option<io::Error>,
    abandoned: bool,
    #[cfg(test)]
    has_a_bug: bool,
}

/// What reads pieces back.
#[derive(Debug)]
pub(super) struct PieceReader {
    file: Arc<File>,
    size: u64,
    buffer: Vec<u8>,
}

/// Why it is not known what all pieces are.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// The file cannot be read.
    Disk(io::Error),
    /// It was cancelled.
    Cancelled,
    /// The thread that hashes panicked.
    Broken,
}

/// What is to be done next.
enum Work {
    Run(u64, Vec<u8>),
    /// And whether it is of an earlier download.
    Piece(u64, bool),
}

/// What a piece turned out to be.
enum Finding {
    Good(PieceHash),
    Damaged,
    Unreadable(io::Error),
}

impl PieceChecker {
    /// For a file of `size` bytes of which the pieces `kept` are there, if `beside` is right.
    pub(super) fn start(
        file: &Arc<File>,
        size: u64,
        beside: Option<Arc<StateFile>>,
        kept: RangeSet,
    ) -> io::Result<PieceChecker> {
        let state = State {
            new: RangeSet::new(),
            kept,
            runs: VecDeque::new(),
            spare: Vec::new(),
            epoch: 0,
            current: None,
            damaged: RangeSet::new(),
            tree: PieceTree::new(size),
            expected: BTreeMap::new(),
            failed: None,
            abandoned: false,
            #[cfg(test)]
            has_a_bug: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("download-hash".into()).spawn({
            let (shared, reader) = (Arc::clone(&shared), PieceReader::new(file, size));
            move || check_pieces(&shared, reader, beside.as_deref())
        })?;
        Ok(PieceChecker { shared, thread: Some(thread) })
    }

    /// Takes a buffer of bytes that were written at `offset`, to hash them without reading them back,
    /// and leaves another one. While this thread is behind, nothing happens.
    pub(super) fn lend(&self, offset: u64, run: &mut Vec<u8>) {
        let mut state = self.shared.lock();
        if state.runs.len() < RUNS_MAX {
            let spare = state.spare.pop().unwrap_or_default();
            state.runs.push_back((offset, std::mem::replace(run, spare)));
            let is_worth_waking = state.runs.len() == RUNS_WORTH_WAKING;
            drop(state);
            if is_worth_waking {
                self.shared.changed.notify_all();
            }
        }
    }

    /// A piece was written, is complete, and stays as it is.
    pub(super) fn add(&self, piece: u64) {
        self.shared.lock().new.insert(piece..piece + 1);
        self.shared.changed.notify_all();
    }

    /// The pieces found damaged since the last question.
    pub(super) fn take_damaged(&self) -> RangeSet {
        std::mem::take(&mut self.shared.lock().damaged)
    }

    /// Waits until every piece that was added is hashed.
    pub(super) fn wait(&self, cancel: &CancellationToken) -> Result<(), Unsettled> {
        let mut state = self.shared.lock();
        loop {
            if let Some(error) = &state.failed {
                let error = io::Error::new(error.kind(), error.to_string());
                return Err(Unsettled::Disk(error));
            }
            // One that panicked leaves nothing to do, too: what it had begun is lost.
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err(Unsettled::Broken);
            }
            if state.is_idle() {
                return Ok(());
            }
            if cancel.is_cancelled() {
                return Err(Unsettled::Cancelled);
            }
            let waited = self.shared.changed.wait_timeout(state, LOOK_AROUND);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The root of all pieces as they were hashed first, once all are.
    pub(super) fn root(&self) -> Option<[u8; 32]> {
        self.shared.lock().tree.root()
    }

    /// From now on these pieces must be these.
    pub(super) fn expect(&self, expected: BTreeMap<u64, PieceHash>) {
        self.shared.lock().expected = expected;
    }

    /// Whether every piece that was expected has come.
    pub(super) fn expects_nothing(&self) -> bool {
        self.shared.lock().expected.is_empty()
    }

    /// The thread panics over the next thing that it does.
    #[cfg(test)]
    pub(super) fn give_a_bug(&self) {
        self.shared.lock().has_a_bug = true;
    }

    /// Nothing is there any more.
    pub(super) fn forget(&self, size: u64) {
        let mut state = self.shared.lock();
        state.new = RangeSet::new();
        state.kept = RangeSet::new();
        state.runs.clear();
        state.epoch += 1;
        state.damaged = RangeSet::new();
        state.expected = BTreeMap::new();
        state.tree = PieceTree::new(size);
    }
}

impl Drop for PieceChecker {
    fn drop(&mut self) {
        self.shared.lock().abandoned = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work; says what, and how often everything was forgotten before. `None`: no more.
    fn next(&self) -> Option<(u32, Work)> {
        let mut state = self.lock();
        loop {
            if state.abandoned {
                return None;
            }
            if let Some(work) = state.next() {
                #[cfg(test)]
                assert!(!state.has_a_bug, "the bug that the test asked for");
                return Some((state.epoch, work));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A buffer may be filled again.
    fn give_back(&self, mut run: Vec<u8>) {
        run.clear();
        let mut state = self.lock();
        if state.spare.len() < RUNS_MAX {
            state.spare.push(run);
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.new.is_empty() && self.kept.is_empty() && self.current.is_none()
    }

    /// Runs first: with them, their piece need not be read.
    fn next(&mut self) -> Option<Work> {
        if let Some((offset, run)) = self.runs.pop_front() {
            return Some(Work::Run(offset, run));
        }
        let new = self.new.take_first(1).map(|piece| (piece.start, false));
        let next = new.or_else(|| self.kept.take_first(1).map(|piece| (piece.start, true)));
        let (piece, is_kept) = next?;
        self.current = Some(piece);
        Some(Work::Piece(piece, is_kept))
    }

    /// Notes what a piece is; says what is to be said about it from now on.
    fn note(&mut self, piece: u64, finding: Finding) -> Option<Slot> {
        self.current = None;
        match finding {
            Finding::Good(hash) if self.expected.get(&piece).is_none_or(|it| *it == hash) => {
                self.expected.remove(&piece);
                self.tree.insert(piece, hash);
                Some(Slot::Hashed(hash))
            }
            Finding::Good(_) | Finding::Damaged => {
                self.damaged.insert(piece..piece + 1);
                Some(Slot::Missing)
            }
            Finding::Unreadable(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}

impl PieceReader {
    pub(super) fn new(file: &Arc<File>, size: u64) -> PieceReader {
        PieceReader { file: Arc::clone(file), size, buffer: vec![0; BUFFER_BYTES] }
    }

    /// Reads a piece and hashes it.
    pub(super) fn hash(&mut self, piece: u64) -> io::Result<PieceHash> {
        let mut hasher = PieceHasher::new(self.size, piece);
        let mut rest = piece_range(self.size, piece);
        while !rest.is_empty() {
            let wanted = usize::try_from(rest.end - rest.start).unwrap_or(BUFFER_BYTES);
            let part = self.buffer.get_mut(..wanted.min(BUFFER_BYTES)).unwrap_or_default();
            self.file.read_exact_at(part, rest.start)?;
            hasher.update(part);
            rest.start += part.len() as u64;
        }
        Ok(hasher.finish())
    }
}

fn check_pieces(shared: &Shared, mut reader: PieceReader, beside: Option<&StateFile>) {
    let (mut runs, mut of_epoch) = (RunHasher::new(reader.size), 0);
    while let Some((epoch, work)) = shared.next() {
        if epoch != of_epoch {
            (runs, of_epoch) = (RunHasher::new(reader.size), epoch);
        }
        let (piece, is_kept) = match work {
            Work::Piece(piece, is_kept) => (piece, is_kept),
            Work::Run(offset, run) => {
                runs.take(offset, &run);
                shared.give_back(run);
                continue;
            }
        };
        let at_hand = runs.finished(piece).filter(|_| !is_kept);
        let finding = match at_hand.map_or_else(|| reader.hash(piece), Ok) {
            Ok(hash) if is_kept && !agrees(beside, piece, hash) => Finding::Damaged,
            Ok(hash) => Finding::Good(hash),
            // It was said to be there, and is not: a file that was cut, or a disk that went bad.
            Err(_) if is_kept => Finding::Damaged,
            Err(error) => Finding::Unreadable(error),
        };
        let slot = shared.lock().note(piece, finding);
        if let (Some(slot), Some(beside)) = (slot, beside) {
            beside.mark(piece, slot);
        }
        shared.changed.notify_all();
    }
}

/// Whether the state says nothing else about a piece. One that is not hashed yet is taken as it is: the
/// hash of the whole file decides.
fn agrees(beside: Option<&StateFile>, piece: u64, found: PieceHash) -> bool {
    match beside.map(|state| state.slot(piece)) {
        Some(Slot::Hashed(hash)) => hash == found,
        Some(Slot::Missing | Slot::Present) | None => true,
    }
}
