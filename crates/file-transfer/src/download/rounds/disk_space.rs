//! A disk with too little space, before the first byte or on the way: what is missing is said at once, and
//! waited for as long as the caller's patience lasts.

use std::time::Duration;

use tokio::time::Instant;

use super::{DownloadError, Rounds, Waiting};

/// Since when the disk has been full, with nothing written since.
#[derive(Clone, Copy, Debug)]
pub(super) struct FullDisk {
    since: Instant,
    bytes: u64,
}

impl Rounds<'_> {
    /// Waits for space if there is too little of it for what is missing.
    pub(super) async fn wait_if_disk_is_full(
        &mut self,
        pause: Duration,
    ) -> Result<(), DownloadError> {
        match self.check_space() {
            Err(error) => self.wait_for_space(error, pause).await,
            Ok(()) => Ok(()),
        }
    }

    /// Waits until the disk has room again, or until the next try where nobody can tell. At least once,
    /// even if there seems to be room: a quota does not show.
    pub(super) async fn wait_for_space(
        &mut self,
        mut error: DownloadError,
        pause: Duration,
    ) -> Result<(), DownloadError> {
        let give_up_at = self.give_up_on_disk_at();
        loop {
            if let DownloadError::DiskFull { needed, .. } = error {
                self.meter.tell(|progress| progress.waiting = Some(Waiting::DiskFull { needed }));
            }
            if give_up_at.is_some_and(|at| at <= Instant::now()) {
                return Err(error);
            }
            self.sleep(pause).await?;
            match self.check_space() {
                Err(full) if !self.is_paused() => error = full,
                Ok(()) | Err(_) => break,
            }
        }
        self.meter.tell(|progress| progress.waiting = None);
        Ok(())
    }

    /// By how long it has been full, with nothing written in between, and whether anything is there that
    /// would be waited for.
    fn give_up_on_disk_at(&mut self) -> Option<Instant> {
        let (now, bytes) = (Instant::now(), self.received());
        let full = self.full_disk.filter(|full| full.bytes == bytes);
        let full = *self.full_disk.insert(full.unwrap_or(FullDisk { since: now, bytes }));
        let patience = &self.request.patience;
        let limit = if bytes > 0 { patience.disk } else { patience.disk_at_start };
        limit.map(|limit| full.since + limit)
    }

    fn check_space(&self) -> Result<(), DownloadError> {
        self.part.as_ref().map_or(Ok(()), |part| part.check_space().map_err(DownloadError::from))
    }
}
