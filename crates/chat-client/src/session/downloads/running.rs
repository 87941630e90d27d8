//! What the transfers of downloads report, and what they ask for on the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::wire;
use file_transfer::download::{DownloadError, Finished, Progress, Transport};

use crate::command::DownloadId;
use crate::error::DownloadFailure;
use crate::event::DownloadChange;
use crate::session::downloads::{DownloadOutput, Downloads, Stage, TransferReport, not_kept};

/// How often a download is begun anew after the connection to the server was lost on the way.
const RESTARTS_MAX: u32 = 3;

/// How often a download is begun anew because the file changed on the server. One that changes all the
/// time never arrives.
const CHANGES_MAX: u32 = 3;

/// A ticket starts transfers for 60 s from its making; one that is older than this is not handed on.
const SPARE_AGE_MAX: Duration = Duration::from_secs(30);

/// How often the server is told that bytes flow from a node elsewhere: it keeps the place for 60 s.
const KEEP_PLACE_EVERY: Duration = Duration::from_secs(20);

impl Downloads {
    /// What a transfer tells. One that was abandoned is no longer listened to.
    pub(crate) fn handle_report(&mut self, now: Instant, id: DownloadId, report: TransferReport) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let Stage::Running(running) = &mut download.stage else { return };
        match report {
            // What the person was told is that it rests.
            TransferReport::Progress(_) if download.is_paused => {}
            TransferReport::Progress(progress) => {
                let has_come = progress.bytes > running.bytes;
                running.bytes = progress.bytes;
                if has_come {
                    self.keep_place(now, id);
                } else if let Some(position) = running.in_line
                    && !progress.verifying
                {
                    // What the person was told is where it stands in line, or that it is checked.
                    if std::mem::take(&mut running.is_verifying) {
                        self.tell(id, DownloadChange::Queued { position });
                    }
                    return;
                }
                self.tell_progress(id, progress);
            }
            TransferReport::TicketWanted => match running.spare.take() {
                Some((came_at, fresh)) if now - came_at < SPARE_AGE_MAX => {
                    self.outputs.push_back(DownloadOutput::Renew { id, ticket: Some(fresh) });
                }
                _ => {
                    running.ticket_wanted = true;
                    self.ask_again(id);
                }
            },
            TransferReport::PiecesWanted { first } => {
                running.pieces_wanted = Some(first);
                self.ask_for_pieces();
            }
            TransferReport::Finished(finished) => self.finish(now, id, finished),
            TransferReport::Failed(error) => self.transfer_failed(now, id, error),
        }
    }

    fn tell_progress(&mut self, id: DownloadId, progress: Progress) {
        let stage = self.by_id.get_mut(&id).map(|download| &mut download.stage);
        let Some(Stage::Running(running)) = stage else { return };
        let was_verifying = std::mem::replace(&mut running.is_verifying, progress.verifying);
        if progress.started_anew && !std::mem::replace(&mut running.has_told_anew, true) {
            self.tell(id, DownloadChange::StartedAnew);
        }
        if progress.verifying && was_verifying {
            // What the person was told is that it is checked.
            return;
        }
        let Progress { bytes, transport, waiting, .. } = progress;
        self.tell(id, DownloadChange::Progress { bytes, transport, waiting });
        if progress.verifying {
            self.tell(id, DownloadChange::Verifying);
        }
    }

    /// Tells the server that bytes flow, by asking for another ticket now and then, where it cannot see
    /// that for itself.
    fn keep_place(&mut self, now: Instant, id: DownloadId) {
        let stage = self.by_id.get(&id).map(|download| &download.stage);
        let Some(Stage::Running(running)) = stage else { return };
        let is_due = running.ticket_at.is_none_or(|at| now - at >= KEEP_PLACE_EVERY);
        if running.is_elsewhere && is_due && running.in_line.is_none() {
            self.ask_again(id);
        }
    }

    fn finish(&mut self, now: Instant, id: DownloadId, finished: Finished) {
        let Some(download) = self.by_id.remove(&id) else { return };
        let mut server_ids = download.server_ids;
        let last = server_ids.pop();
        server_ids.into_iter().for_each(|server_id| self.say_done(not_kept(server_id)));
        if let Some(download_id) = last {
            self.say_done(wire::DownloadDone {
                download_id,
                verified: true,
                bytes: finished.bytes,
                transport: wire_transport(finished.transport).into(),
            });
        }
        let since_asked = download.asked_at.map(|asked_at| (now - asked_at).as_secs_f64());
        let change = DownloadChange::Finished {
            path: finished.path,
            bytes: finished.bytes,
            seconds: since_asked.unwrap_or(finished.seconds),
            transport: finished.transport,
            blake3: finished.blake3,
            resumed_from: finished.resumed_from,
        };
        self.tell(id, change);
        self.ask_for_more(now);
    }

    fn transfer_failed(&mut self, now: Instant, id: DownloadId, error: Arc<DownloadError>) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let Stage::Running(running) = &mut download.stage else { return };
        let stopped_for = running.stopped_for.take();
        let has_changed = match &stopped_for {
            Some(failure) => matches!(failure, DownloadFailure::FileChanged),
            None => matches!(*error, DownloadError::FileChanged),
        };
        if has_changed && download.changes < CHANGES_MAX {
            download.changes += 1;
            self.tell(id, DownloadChange::StartedAnew);
            self.begin_anew(now, id);
            return;
        }
        let is_worth_restarting = stopped_for.is_none()
            && running.connection_was_lost
            && download.restarts < RESTARTS_MAX
            && is_of_the_connection(&error);
        if is_worth_restarting {
            download.restarts += 1;
            self.begin_anew(now, id);
            return;
        }
        let failure = stopped_for.unwrap_or_else(|| match &*error {
            DownloadError::FileChanged => DownloadFailure::FileChanged,
            _ => DownloadFailure::Transfer(error),
        });
        self.fail(now, id, failure);
    }

    /// Another transfer for it, with another ticket: what the last one kept is taken up.
    fn begin_anew(&mut self, now: Instant, id: DownloadId) {
        self.forget_question(id);
        let Some(download) = self.by_id.get_mut(&id) else { return };
        if download.is_paused {
            download.stage = Stage::Resting;
            return;
        }
        download.stage = Stage::Queued;
        self.queue.push_front(id);
        self.ask_for_more(now);
    }

    /// Stops a transfer whose result would be worth nothing, or not now.
    pub(super) fn stop_for(&mut self, id: DownloadId, failure: DownloadFailure, keep: bool) {
        let stage = self.by_id.get_mut(&id).map(|download| &mut download.stage);
        if let Some(Stage::Running(running)) = stage {
            running.stopped_for = Some(failure);
            self.outputs.push_back(DownloadOutput::Stop { id, keep });
        }
    }

    /// Asks for another ticket, at once or after the next login. The download keeps its place.
    pub(super) fn ask_again(&mut self, id: DownloadId) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let (path, goes_on) = (download.wish.path.clone(), download.goes_on());
        let Stage::Running(running) = &mut download.stage else { return };
        if !self.is_logged_in || running.asked_again {
            return;
        }
        running.asked_again = true;
        self.outputs.push_back(DownloadOutput::Ask { id, path, goes_on });
    }

    /// Asks for the piece hashes that a transfer waits for, if no other question is under way.
    pub(super) fn ask_for_pieces(&mut self) {
        if !self.is_logged_in || self.pieces_asked.is_some() {
            return;
        }
        let wanted = self.by_id.iter().filter_map(|(id, download)| match &download.stage {
            Stage::Running(running) => Some((*id, running.pieces_wanted?, download.goes_on())),
            Stage::Queued | Stage::Asked | Stage::InLine | Stage::Resting => None,
        });
        // Those that the server forgot need a number there first.
        let (known, forgotten): (Vec<_>, Vec<_>) =
            wanted.partition(|(_, _, server_id)| *server_id != 0);
        if self.ask_again_at.is_none() {
            forgotten.into_iter().for_each(|(id, ..)| self.ask_again(id));
        }
        if let Some((id, first, server_id)) = known.first().copied() {
            self.pieces_asked = Some(id);
            self.outputs.push_back(DownloadOutput::AskPieces { id, server_id, first });
        }
    }

    /// A question that is under way is nobody's any more; its answer ends it.
    pub(super) fn forget_question(&mut self, id: DownloadId) {
        let stage = self.by_id.get_mut(&id).map(|download| &mut download.stage);
        if let Some(Stage::Running(running)) = stage {
            running.pieces_wanted = None;
        }
    }
}

fn wire_transport(transport: Transport) -> wire::Transport {
    match transport {
        Transport::Udp => wire::Transport::Udp,
        Transport::Tcp => wire::Transport::Tcp,
    }
}

/// Whether a lost or restarted server explains it.
fn is_of_the_connection(error: &DownloadError) -> bool {
    match error {
        DownloadError::Busy
        | DownloadError::Ended
        | DownloadError::NoHash
        | DownloadError::Rejected
        | DownloadError::TicketExpired
        | DownloadError::Unreachable { .. } => true,
        DownloadError::Broken
        | DownloadError::Cancelled
        | DownloadError::Disk { .. }
        | DownloadError::DiskFull { .. }
        | DownloadError::FileChanged
        | DownloadError::FileUnreadable
        | DownloadError::Integrity { .. }
        | DownloadError::NotAFileName { .. }
        | DownloadError::NoNode
        | DownloadError::Protocol { .. } => false,
    }
}
