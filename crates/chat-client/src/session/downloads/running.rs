//! Downloads that the server was asked for: tickets, hashes, and what their transfers report.

use std::sync::Arc;
use std::time::Instant;

use common::wire;
use file_transfer::download::{DownloadError, Finished, FreshTicket, Transport};
use file_transfer::file_version::FileVersion;

use crate::command::DownloadId;
use crate::error::{DownloadFailure, Refusal};
use crate::event::DownloadChange;
use crate::session::downloads::{
    DownloadOutput, Downloads, Running, Stage, TransferOrder, TransferReport, not_kept,
};

/// How often a download is begun anew after the connection to the server was lost on the way.
const RESTARTS_MAX: u32 = 3;

impl Downloads {
    /// The server's ticket, for a download to start or for one that asked for another.
    pub(crate) fn handle_ticket(
        &mut self,
        id: DownloadId,
        ticket: wire::DownloadTicket,
    ) -> Result<(), String> {
        let secret: [u8; 32] =
            ticket.secret.as_ref().try_into().map_err(|_| "a secret that is not 32 bytes long")?;
        let file = ticket.file.ok_or("a ticket without a file")?;
        let version = FileVersion { size: file.size, modified_ns: ticket.modified_ns };
        let server_id = ticket.download_id;
        let Some(download) = self.by_id.get_mut(&id) else {
            // Cancelled meanwhile.
            self.say_done(not_kept(server_id));
            return Ok(());
        };
        if let Stage::Running(running) = &mut download.stage {
            running.server_ids.push(server_id);
            running.asked_again = false;
            let is_wanted = std::mem::take(&mut running.ticket_wanted);
            if is_wanted {
                let fresh =
                    Box::new(FreshTicket { ticket: ticket.ticket.to_vec(), secret, version });
                self.outputs.push_back(DownloadOutput::Renew { id, ticket: Some(fresh) });
            } else if running.version.as_ref() != Some(&version) {
                self.stop_for(id, DownloadFailure::FileChanged);
            }
            return Ok(());
        }
        download.stage = Stage::Running(Running {
            server_ids: vec![server_id],
            version: Some(version),
            ..Running::default()
        });
        let order = TransferOrder {
            id,
            ticket: ticket.ticket.to_vec(),
            secret,
            nodes: ticket.nodes,
            version,
            save_as: download.wish.save_as.clone(),
            transport: download.wish.transport,
        };
        let change = DownloadChange::Started { size: file.size };
        self.outputs.push_back(DownloadOutput::Tell { id, change });
        self.outputs.push_back(DownloadOutput::Start(Box::new(order)));
        Ok(())
    }

    /// The server gives no ticket.
    pub(crate) fn handle_refusal(&mut self, now: Instant, id: DownloadId, refusal: Refusal) {
        let others_run = self.any_running();
        let Some(download) = self.by_id.get_mut(&id) else { return };
        if let Stage::Running(running) = &mut download.stage {
            running.asked_again = false;
            if std::mem::take(&mut running.ticket_wanted) {
                self.outputs.push_back(DownloadOutput::Renew { id, ticket: None });
            }
            return;
        }
        let is_for_later = refusal.0.code() == wire::RefusalCode::TooManyDownloads && others_run;
        if is_for_later {
            // Another program of this user has the places; ours that ends asks for the next one.
            download.stage = Stage::Queued;
            self.queue.push_front(id);
            return;
        }
        self.fail(now, id, DownloadFailure::Refused(refusal));
    }

    /// The server hashed a file, or cannot any more.
    pub(crate) fn handle_hashes(&mut self, hashes: &wire::FileHashes) -> Result<(), String> {
        let found = self.by_id.iter_mut().find_map(|(id, download)| match &mut download.stage {
            Stage::Running(running) => {
                running.server_ids.contains(&hashes.download_id).then_some((*id, running))
            }
            Stage::Queued | Stage::Asked => None,
        });
        let Some((id, running)) = found else {
            self.give_back_unknown(hashes.download_id);
            return Ok(());
        };
        if hashes.root.is_empty() {
            let failure = match hashes.problem() {
                wire::DownloadProblem::FileUnreadable => {
                    DownloadFailure::Transfer(Arc::new(DownloadError::FileUnreadable))
                }
                wire::DownloadProblem::Unspecified | wire::DownloadProblem::FileChanged => {
                    DownloadFailure::FileChanged
                }
            };
            self.stop_for(id, failure);
            return Ok(());
        }
        let root =
            hashes.root.as_ref().try_into().map_err(|_| "a hash that is not 32 bytes long")?;
        running.root_is_known = true;
        self.outputs.push_back(DownloadOutput::TellRoot { id, root: Some(root) });
        Ok(())
    }

    /// The server knows a download that nobody here does: its ticket got lost with a connection.
    fn give_back_unknown(&mut self, server_id: u64) {
        // One that is over is about to be recorded.
        let is_over = self.unrecorded.iter().any(|done| done.download_id == server_id);
        if !is_over {
            self.say_done(not_kept(server_id));
        }
    }

    /// What a transfer tells. One that was abandoned is no longer listened to.
    pub(crate) fn handle_report(&mut self, now: Instant, id: DownloadId, report: TransferReport) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let Stage::Running(running) = &mut download.stage else { return };
        match report {
            TransferReport::Progress(progress) => {
                let starts_verifying = progress.verifying && !running.is_verifying;
                running.is_verifying = progress.verifying;
                let change = DownloadChange::Progress {
                    bytes: progress.bytes,
                    transport: progress.transport,
                };
                self.outputs.push_back(DownloadOutput::Tell { id, change });
                if starts_verifying {
                    let change = DownloadChange::Verifying;
                    self.outputs.push_back(DownloadOutput::Tell { id, change });
                }
            }
            TransferReport::TicketWanted => {
                running.ticket_wanted = true;
                self.ask_again(id);
            }
            TransferReport::Finished(finished) => self.finish(now, id, finished),
            TransferReport::Failed(error) => self.transfer_failed(now, id, error),
        }
    }

    fn finish(&mut self, now: Instant, id: DownloadId, finished: Finished) {
        let Some(download) = self.by_id.remove(&id) else { return };
        if let Stage::Running(running) = download.stage {
            let (last, earlier) = match running.server_ids.split_last() {
                Some((last, earlier)) => (Some(*last), earlier),
                None => (None, [].as_slice()),
            };
            earlier.iter().for_each(|server_id| self.say_done(not_kept(*server_id)));
            if let Some(download_id) = last {
                self.say_done(wire::DownloadDone {
                    download_id,
                    verified: true,
                    bytes: finished.bytes,
                    transport: wire_transport(finished.transport).into(),
                });
            }
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
        self.outputs.push_back(DownloadOutput::Tell { id, change });
        self.ask_for_more(now);
    }

    fn transfer_failed(&mut self, now: Instant, id: DownloadId, error: Arc<DownloadError>) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let Stage::Running(running) = &mut download.stage else { return };
        let stopped_for = running.stopped_for.take();
        let is_worth_restarting = stopped_for.is_none()
            && running.connection_was_lost
            && download.restarts < RESTARTS_MAX
            && is_of_the_connection(&error);
        if is_worth_restarting {
            let server_ids = std::mem::take(&mut running.server_ids);
            download.restarts += 1;
            download.stage = Stage::Queued;
            self.queue.push_front(id);
            server_ids.into_iter().for_each(|server_id| self.say_done(not_kept(server_id)));
            self.ask_for_more(now);
            return;
        }
        let failure = stopped_for.unwrap_or_else(|| match &*error {
            DownloadError::FileChanged => DownloadFailure::FileChanged,
            _ => DownloadFailure::Transfer(error),
        });
        self.fail(now, id, failure);
    }

    /// Stops a transfer whose result would be worth nothing.
    fn stop_for(&mut self, id: DownloadId, failure: DownloadFailure) {
        let stage = self.by_id.get_mut(&id).map(|download| &mut download.stage);
        if let Some(Stage::Running(running)) = stage {
            running.stopped_for = Some(failure);
            self.outputs.push_back(DownloadOutput::Stop { id });
        }
    }

    /// Asks for another ticket, at once or after the next login.
    pub(super) fn ask_again(&mut self, id: DownloadId) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let Stage::Running(running) = &mut download.stage else { return };
        if !self.is_logged_in || running.asked_again {
            return;
        }
        running.asked_again = true;
        let path = download.wish.path.clone();
        // The server counts tickets: the place of the old one has to be free for the new one.
        let given_back = std::mem::take(&mut running.server_ids);
        given_back.into_iter().for_each(|server_id| self.say_done(not_kept(server_id)));
        self.outputs.push_back(DownloadOutput::Ask { id, path });
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
        | DownloadError::Rejected
        | DownloadError::TicketExpired
        | DownloadError::Unreachable { .. } => true,
        DownloadError::Cancelled
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
