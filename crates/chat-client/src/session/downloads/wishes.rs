//! What a person wants of the downloads.

use std::sync::Arc;
use std::time::Instant;

use file_transfer::download::DownloadError;

use crate::command::DownloadId;
use crate::error::DownloadFailure;
use crate::event::DownloadChange;
use crate::session::downloads::{Download, DownloadOutput, Downloads, Stage, Wish};

impl Downloads {
    /// The person wants a file. An id in use is ignored.
    pub(crate) fn add(&mut self, now: Instant, id: DownloadId, wish: Wish) {
        if self.by_id.contains_key(&id) {
            debug_assert!(false, "the user interface chose a download id twice");
            return;
        }
        let download = Download {
            wish,
            stage: Stage::Queued,
            server_ids: Vec::new(),
            is_paused: false,
            asked_at: None,
            restarts: 0,
            changes: 0,
        };
        self.by_id.insert(id, download);
        self.queue.push_back(id);
        self.ask_for_more(now);
    }

    /// The person wants it to rest: others get its place meanwhile, what has arrived is kept.
    pub(crate) fn pause(&mut self, now: Instant, id: DownloadId) {
        let Some(download) = self.by_id.get_mut(&id).filter(|download| !download.rests()) else {
            return;
        };
        download.is_paused = true;
        match &mut download.stage {
            Stage::Queued => {
                download.stage = Stage::Resting;
                self.queue.retain(|queued| *queued != id);
            }
            // The answer is waited for.
            Stage::Asked | Stage::Resting => {}
            Stage::InLine => {
                download.stage = Stage::Resting;
                self.say_paused(id);
            }
            Stage::Running(running) => {
                running.is_resuming = false;
                self.outputs.push_back(DownloadOutput::SetPaused { id, paused: true });
                self.say_paused(id);
            }
        }
        self.tell(id, DownloadChange::Paused);
        self.ask_for_more(now);
    }

    /// The person wants it to go on. It needs a place at the server again.
    pub(crate) fn resume(&mut self, now: Instant, id: DownloadId) {
        let Some(download) = self.by_id.get_mut(&id).filter(|download| download.rests()) else {
            return;
        };
        match &mut download.stage {
            Stage::Queued | Stage::Asked | Stage::InLine => download.is_paused = false,
            Stage::Resting => {
                download.is_paused = false;
                download.stage = Stage::Queued;
                self.queue.push_back(id);
            }
            Stage::Running(running) => {
                running.is_resuming = true;
                // What was told last is that it rests.
                running.is_verifying = false;
                self.ask_again(id);
            }
        }
        self.tell(id, DownloadChange::Resumed);
        self.ask_for_more(now);
    }

    /// The server may give its place to somebody else. Said once: a server that does not hear it sees
    /// that no bytes flow.
    pub(super) fn say_paused(&mut self, id: DownloadId) {
        let server_id = self.by_id.get(&id).map_or(0, Download::goes_on);
        if self.is_logged_in && server_id != 0 {
            self.outputs.push_back(DownloadOutput::SayPaused { server_id });
        }
    }

    /// The person gives a download up: nothing of it is left, nor of an earlier attempt.
    pub(crate) fn cancel(&mut self, now: Instant, id: DownloadId) {
        let cancelled = || DownloadFailure::Transfer(Arc::new(DownloadError::Cancelled));
        match self.by_id.get(&id).map(|download| &download.stage) {
            None => {}
            // The transfer removes its part and reports.
            Some(Stage::Running(_)) => {
                self.outputs.push_back(DownloadOutput::Stop { id, keep: false });
            }
            // A ticket that still comes is given back when it does.
            Some(Stage::Queued | Stage::Asked | Stage::InLine | Stage::Resting) => {
                self.discard(id);
                self.fail(now, id, cancelled());
            }
        }
    }

    /// Has what an earlier attempt left removed, unless the person wants the same file at the same place
    /// once more.
    fn discard(&mut self, id: DownloadId) {
        let Some(Wish { path, save_as, .. }) = self.by_id.get(&id).map(|it| it.wish.clone()) else {
            return;
        };
        let is_same = |wish: &Wish| (&wish.path, &wish.save_as) == (&path, &save_as);
        if self.by_id.values().filter(|download| is_same(&download.wish)).count() == 1 {
            self.outputs.push_back(DownloadOutput::Discard { path, save_as });
        }
    }

    /// The session ends: everything that waits is forgotten, everything that runs is stopped. What has
    /// arrived is kept.
    pub(crate) fn interrupt_all(&mut self, now: Instant) {
        let ids: Vec<DownloadId> = self.by_id.keys().copied().collect();
        for id in ids {
            match self.by_id.get_mut(&id).map(|download| &mut download.stage) {
                Some(Stage::Running(running)) => {
                    running.stopped_for.get_or_insert(DownloadFailure::Interrupted);
                    self.outputs.push_back(DownloadOutput::Stop { id, keep: true });
                }
                Some(Stage::Queued | Stage::Asked | Stage::InLine | Stage::Resting) => {
                    self.fail(now, id, DownloadFailure::Interrupted);
                }
                None => {}
            }
        }
    }
}
