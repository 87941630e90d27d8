//! The load itself: some of those who are in write as fast as everybody else reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use tokio::sync::Notify;

use super::dialect::{Heard, TEXT_BYTES, To};
use super::session::{Ears, Mouth};

/// A load that moves nothing for so long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Who writes to whom.
pub(super) struct Load {
    writers: Vec<(Mouth, To)>,
    progress: Arc<Progress>,
    /// Messages that everybody who counts gets when each writer has written one.
    gain: u64,
    /// Messages that the last one may be behind.
    window: u64,
    /// How often each has written.
    written: u64,
    numbers: u64,
}

impl Load {
    /// `readers` are those who count; whoever else is in is read by somebody, too.
    pub(super) fn new(
        writers: Vec<(Mouth, To)>,
        readers: Vec<Ears>,
        others: Vec<Ears>,
        (gain, window): (u64, u64),
    ) -> Self {
        let progress = Arc::new(Progress::new(readers.len()));
        for (index, ears) in readers.into_iter().enumerate() {
            tokio::spawn(listen(ears, Some(index), Arc::clone(&progress)));
        }
        for ears in others {
            tokio::spawn(listen(ears, None, Arc::clone(&progress)));
        }
        Self { writers, progress, gain, window, written: 0, numbers: FIRST_NUMBER }
    }

    /// Writes for `time`, then waits until everybody has everything: how many messages were delivered, and in
    /// how long.
    pub(super) async fn run(&mut self, time: Duration) -> Result<(u64, Duration)> {
        let text = "x".repeat(TEXT_BYTES);
        let (begun, before) = (Instant::now(), self.written);
        while begun.elapsed() < time {
            let all = self.written * self.gain;
            self.progress.wait_for(all.saturating_sub(self.window)).await?;
            for (mouth, to) in &self.writers {
                self.numbers += 1;
                mouth.say(self.numbers, to, &text).await?;
            }
            self.written += 1;
        }
        self.progress.wait_for(self.written * self.gain).await?;
        let steps = self.written - before;
        let readers = self.progress.received.len() as u64;
        Ok((steps * self.gain * readers, begun.elapsed()))
    }
}

impl Load {
    /// Writes so many messages a second, however fast they are read, for `time`: how long each delivery took,
    /// counted from when its message was due.
    pub(super) async fn pace(&mut self, per_second: u32, time: Duration) -> Result<Vec<Duration>> {
        let messages = per_second * u32::try_from(time.as_secs())?;
        let begin = tokio::time::Instant::now();
        self.progress.stamped.store(true, Ordering::Relaxed);
        for number in 0..messages {
            let due = begin + Duration::from_secs(1) * number / per_second;
            tokio::time::sleep_until(due).await;
            let text = stamped(due.into_std().duration_since(self.progress.clock));
            for (mouth, to) in &self.writers {
                self.numbers += 1;
                mouth.say(self.numbers, to, &text).await?;
            }
            self.written += 1;
        }
        self.progress.wait_for(self.written * self.gain).await?;
        self.progress.stamped.store(false, Ordering::Relaxed);
        let mut took = self.progress.took.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut took))
    }
}

/// Behind those of the login.
const FIRST_NUMBER: u64 = 10;
/// Stands before a stamp, and nowhere else in a message.
const MARK: &[u8] = b"~due~";
const STAMP_DIGITS: usize = 16;
const STAMP_BYTES: usize = MARK.len() + STAMP_DIGITS;

/// A text that tells when it was due.
fn stamped(due: Duration) -> String {
    let stamp = format!("~due~{:016x}", due.as_nanos());
    stamp + &"x".repeat(TEXT_BYTES - STAMP_BYTES)
}

/// When the message was due that has such a text in it.
fn stamp_in(message: &[u8]) -> Option<Duration> {
    let at = message.windows(MARK.len()).position(|bytes| bytes == MARK)?;
    let digits = message.get(at + MARK.len()..at + STAMP_BYTES)?;
    Some(Duration::from_nanos(u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?))
}

async fn listen(mut ears: Ears, index: Option<usize>, progress: Arc<Progress>) {
    loop {
        match ears.next().await {
            Ok(Heard::Message(range)) => {
                let Some(index) = index else { continue };
                if progress.stamped.load(Ordering::Relaxed)
                    && let Some(due) = stamp_in(ears.text(range))
                {
                    progress.took(due);
                }
                progress.count(index);
            }
            Ok(_) => {}
            Err(error) => return progress.fail(&error),
        }
    }
}

/// How many messages each reader has.
struct Progress {
    received: Vec<AtomicU64>,
    changed: Notify,
    /// Why somebody hears nothing more. Held for a moment, never across an await.
    failure: Mutex<Option<String>>,
    /// Whether messages tell when they were due, …
    stamped: AtomicBool,
    /// … since when, …
    clock: Instant,
    /// … and how long they took. Held for a moment, never across an await.
    took: Mutex<Vec<Duration>>,
}

impl Progress {
    /// Readers tell the writers once per this many messages.
    const TELL_EVERY: u64 = 16;

    fn new(readers: usize) -> Self {
        Self {
            received: (0..readers).map(|_| AtomicU64::new(0)).collect(),
            changed: Notify::new(),
            failure: Mutex::new(None),
            stamped: AtomicBool::new(false),
            clock: Instant::now(),
            took: Mutex::new(Vec::new()),
        }
    }

    fn count(&self, index: usize) {
        let Some(received) = self.received.get(index) else { return };
        let count = received.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(Self::TELL_EVERY) {
            self.changed.notify_one();
        }
    }

    fn took(&self, due: Duration) {
        let took = self.clock.elapsed().saturating_sub(due);
        self.took.lock().unwrap_or_else(PoisonError::into_inner).push(took);
    }

    fn fail(&self, error: &anyhow::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| format!("{error:#}"));
    }

    /// The smallest count.
    fn least(&self) -> u64 {
        let counts = self.received.iter().map(|received| received.load(Ordering::Relaxed));
        counts.min().unwrap_or(u64::MAX)
    }

    /// Waits until every reader has `count` messages.
    async fn wait_for(&self, count: u64) -> Result<()> {
        let (mut least, mut since) = (0, Instant::now());
        loop {
            let now_least = self.least();
            if now_least >= count {
                return Ok(());
            }
            if now_least > least {
                (least, since) = (now_least, Instant::now());
            }
            if let Some(why) = &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
                return Err(anyhow!("{why}"));
            }
            ensure!(since.elapsed() < STUCK, "somebody has {least} messages instead of {count}");
            // Counts between two notices are seen by looking again after a moment.
            let _ = tokio::time::timeout(Duration::from_millis(1), self.changed.notified()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_when_it_was_due() {
        let due = Duration::from_nanos(1_234_567_890_123);
        let text = stamped(due);
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(stamp_in(format!("some ~ header {text}").as_bytes()), Some(due));
        assert_eq!(stamp_in(b"~due~12"), None);
    }
}
