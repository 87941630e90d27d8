//! The BLAKE3 hash of a file that is still being written: a thread follows the part that is complete
//! from the start, and reads it back while the page cache has it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Bytes read back at once: small enough for the second-level cache.
const BUFFER_BYTES: usize = 256 * 1024;
/// The thread is not woken for less than this, except for the end.
const STEP_BYTES: u64 = 1 << 20;

/// A hash in the making. Dropped, it stops.
#[derive(Debug)]
pub(super) struct PrefixHash {
    shared: Arc<Shared>,
    size: u64,
    /// The prefix when the thread was last told of it.
    told: u64,
    thread: Option<JoinHandle<io::Result<[u8; 32]>>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Held for a look, never while reading.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are complete from the start.
    prefix: u64,
    abandoned: bool,
}

impl PrefixHash {
    /// Starts with nothing of `size` bytes there.
    pub(super) fn start(file: Arc<File>, size: u64) -> io::Result<PrefixHash> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("download-hash".into()).spawn({
            let shared = Arc::clone(&shared);
            move || follow(&shared, &file, size)
        })?;
        Ok(PrefixHash { shared, size, told: 0, thread: Some(thread) })
    }

    /// The first `prefix` bytes are there and stay as they are.
    pub(super) fn advance(&mut self, prefix: u64) {
        if prefix >= self.told + STEP_BYTES || (prefix == self.size && prefix > self.told) {
            self.told = prefix;
            self.shared.lock().prefix = prefix;
            self.shared.changed.notify_one();
        }
    }

    /// The hash of the whole file. To be called when all of it is there; else it is an error.
    pub(super) fn wait(&mut self) -> io::Result<[u8; 32]> {
        if self.told < self.size {
            return Err(io::Error::other("the file is not complete"));
        }
        let thread = self.thread.take().ok_or_else(|| io::Error::other("asked for twice"))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the hashing thread panicked")))
    }
}

impl Drop for PrefixHash {
    fn drop(&mut self) {
        self.shared.lock().abandoned = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until more than `done` bytes are there; says how many.
    fn wait_beyond(&self, done: u64) -> io::Result<u64> {
        let mut state = self.lock();
        while state.prefix <= done && !state.abandoned {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandoned { Err(io::ErrorKind::Interrupted.into()) } else { Ok(state.prefix) }
    }
}

fn follow(shared: &Shared, file: &File, size: u64) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done = 0;
    while done < size {
        let prefix = shared.wait_beyond(done)?;
        while done < prefix {
            let wanted = usize::try_from(prefix - done).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact_at(part, done)?;
            hasher.update(part);
            done += part.len() as u64;
        }
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(size: usize, step: usize) {
        let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
        let file = Arc::new(tempfile::tempfile().unwrap());
        let mut hash = PrefixHash::start(Arc::clone(&file), size as u64).unwrap();
        for start in (0..size).step_by(step) {
            let end = size.min(start + step);
            file.write_all_at(&bytes[start..end], start as u64).unwrap();
            hash.advance(end as u64);
        }
        assert_eq!(hash.wait().unwrap(), *blake3::hash(&bytes).as_bytes());
    }

    #[test]
    fn it_is_the_hash_of_the_whole_however_it_came() {
        check(0, 1);
        check(1, 1);
        check(27, 10);
        check(BUFFER_BYTES, 1000);
        check(3_000_001, 1412);
        check(3_000_001, 2_999_999);
        check(1 << 20, 1 << 20);
    }

    #[test]
    fn an_incomplete_file_has_no_hash() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let mut hash = PrefixHash::start(file, 10).unwrap();
        hash.advance(9);
        assert!(hash.wait().is_err());
    }

    #[test]
    fn a_file_that_somebody_truncates_has_no_hash() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let mut hash = PrefixHash::start(file, 10).unwrap();
        hash.advance(10);
        assert!(hash.wait().is_err());
    }
}
