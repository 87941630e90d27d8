//! Disks that trouble the server: one without room, and one that takes its time.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// Takes all the room of a disk, and gives it back when dropped.
pub(super) struct Ballast(PathBuf);

impl Ballast {
    pub(super) fn fill(place: &Path) -> Self {
        let path = place.join("ballast");
        let mut file = File::create(&path).unwrap();
        for block in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Keeps the log's file locked for a moment, again and again: each commit then takes as long as on a disk
/// that does. Until it is dropped.
pub(super) struct Stalls {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stalls {
    /// The commits of a server that serves.
    pub(super) fn of(log: &Path, seed: u64) -> Self {
        let connection = Connection::open(log).unwrap();
        // It may be the last one to close the file: what a start finds is what the server left.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection.busy_timeout(Duration::from_secs(1)).unwrap();
        let is_over = Arc::<AtomicBool>::default();
        let (told, mut random) = (Arc::clone(&is_over), SmallRng::seed_from_u64(seed));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                if connection.execute_batch("BEGIN IMMEDIATE").is_ok() {
                    std::thread::sleep(Duration::from_millis(random.random_range(20..300)));
                    connection.execute_batch("ROLLBACK").unwrap();
                }
                std::thread::sleep(Duration::from_millis(random.random_range(0..20)));
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
