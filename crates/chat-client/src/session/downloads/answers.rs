//! What the server says about downloads: tickets, places in its line, hashes.

use std::sync::Arc;
use std::time::Instant;

use common::limits::PIECE_HASHES_MAX;
use common::wire;
use file_transfer::download::{DownloadError, FreshTicket};
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;

use crate::command::DownloadId;
use crate::error::{DownloadFailure, Refusal};
use crate::event::DownloadChange;
use crate::session::downloads::{
    DownloadOutput, Downloads, FULL_LINE_PAUSE, Running, Stage, TransferOrder, not_kept,
};

impl Downloads {
    /// The server's ticket: in answer to the request for `asked`, or for a download that stood in line.
    pub(crate) fn handle_ticket(
        &mut self,
        now: Instant,
        asked: Option<DownloadId>,
        ticket: wire::DownloadTicket,
    ) -> Result<(), String> {
        let secret: [u8; 32] =
            ticket.secret.as_ref().try_into().map_err(|_| "a secret that is not 32 bytes long")?;
        let file = ticket.file.ok_or("a ticket without a file")?;
        let version = FileVersion { size: file.size, modified_ns: ticket.modified_ns };
        let server_id = ticket.download_id;
        let Some(id) = asked.or_else(|| self.find(server_id)) else {
            self.give_back_unknown(server_id);
            return Ok(());
        };
        let Some(download) = self.by_id.get_mut(&id) else {
            // Cancelled meanwhile.
            self.say_done(not_kept(server_id));
            return Ok(());
        };
        download.remember(server_id);
        match download.stage {
            Stage::Running(_) => {
                let fresh = FreshTicket { ticket: ticket.ticket.to_vec(), secret, version };
                self.renew(now, id, Box::new(fresh));
                return Ok(());
            }
            // It crossed our word that the download rests.
            Stage::Resting => return Ok(()),
            Stage::Queued | Stage::Asked | Stage::InLine if download.is_paused => {
                download.stage = Stage::Resting;
                self.say_paused(id);
                return Ok(());
            }
            Stage::Queued | Stage::Asked | Stage::InLine => {}
        }
        download.stage = Stage::Running(Running {
            version: Some(version),
            is_elsewhere: ticket.nodes.iter().any(|node| !node.address.starts_with(':')),
            ticket_at: Some(now),
            ..Running::default()
        });
        let order = TransferOrder {
            id,
            path: download.wish.path.clone(),
            ticket: ticket.ticket.to_vec(),
            secret,
            nodes: ticket.nodes,
            version,
            save_as: download.wish.save_as.clone(),
            transport: download.wish.transport,
        };
        self.queue.retain(|queued| *queued != id);
        self.tell(id, DownloadChange::Started { size: file.size });
        self.outputs.push_back(DownloadOutput::Start(Box::new(order)));
        Ok(())
    }

    /// Another ticket for a transfer that runs or rests.
    fn renew(&mut self, now: Instant, id: DownloadId, fresh: Box<FreshTicket>) {
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let Stage::Running(running) = &mut download.stage else { return };
        running.asked_again = false;
        running.in_line = None;
        running.ticket_at = Some(now);
        let is_same_file = running.version == Some(fresh.version);
        if std::mem::take(&mut running.ticket_wanted) {
            // Of another version it finds out by itself.
            self.outputs.push_back(DownloadOutput::Renew { id, ticket: Some(fresh) });
        } else {
            running.spare = Some((now, fresh));
        }
        if std::mem::take(&mut running.is_resuming) {
            download.is_paused = false;
            self.outputs.push_back(DownloadOutput::SetPaused { id, paused: false });
        }
        if !is_same_file {
            self.stop_for(id, DownloadFailure::FileChanged, false);
        }
        self.ask_for_pieces();
    }

    /// A download stands in the server's line.
    pub(crate) fn handle_queued(
        &mut self,
        asked: Option<DownloadId>,
        queued: &wire::DownloadQueued,
    ) {
        let wire::DownloadQueued { download_id: server_id, position, .. } = *queued;
        let Some(id) = asked.or_else(|| self.find(server_id)) else {
            self.give_back_unknown(server_id);
            return;
        };
        let Some(download) = self.by_id.get_mut(&id) else {
            self.say_done(not_kept(server_id));
            return;
        };
        download.remember(server_id);
        match download.stage {
            Stage::Resting => return,
            Stage::Asked | Stage::InLine if download.is_paused => {
                download.stage = Stage::Resting;
                self.say_paused(id);
                return;
            }
            Stage::Asked | Stage::InLine => download.stage = Stage::InLine,
            // Told again after a loss; it is being asked for.
            Stage::Queued => {}
            // It crossed our word that the download rests.
            Stage::Running(_) if download.rests() => return,
            Stage::Running(ref mut running) => {
                running.in_line = Some(position);
                if running.is_verifying {
                    // It needs no place while it is checked.
                    return;
                }
            }
        }
        self.tell(id, DownloadChange::Queued { position });
    }

    /// The server gives no ticket.
    pub(crate) fn handle_refusal(&mut self, now: Instant, id: DownloadId, refusal: Refusal) {
        let others_are_asked = self.asked() > 1;
        let Some(download) = self.by_id.get_mut(&id) else { return };
        let code = refusal.0.code();
        if let Stage::Running(running) = &mut download.stage {
            running.asked_again = false;
            if download.is_in_need() {
                self.refuse_running(now, id, refusal);
            }
            return;
        }
        let is_for_later = code == wire::RefusalCode::TooManyDownloads && others_are_asked;
        if is_for_later {
            // The line is full; one of ours that ends asks for the next one.
            download.stage = if download.is_paused { Stage::Resting } else { Stage::Queued };
            if !download.is_paused {
                self.queue.push_front(id);
            }
            return;
        }
        self.fail(now, id, DownloadFailure::Refused(refusal));
    }

    /// A download that runs needs the server's word, and this is it. A line that is full has room
    /// again some time; everything else is for good.
    fn refuse_running(&mut self, now: Instant, id: DownloadId, refusal: Refusal) {
        match refusal.0.code() {
            wire::RefusalCode::TooManyDownloads if refusal.0.allowed > 0 => {
                self.ask_again_at.get_or_insert(now + FULL_LINE_PAUSE);
            }
            code => {
                let is_gone = code == wire::RefusalCode::UnknownFile;
                self.stop_for(id, DownloadFailure::Refused(refusal), !is_gone);
            }
        }
    }

    /// The server hashed a file, or cannot any more.
    pub(crate) fn handle_hashes(&mut self, hashes: &wire::FileHashes) -> Result<(), String> {
        let Some(id) = self.find(hashes.download_id) else {
            self.give_back_unknown(hashes.download_id);
            return Ok(());
        };
        let stage = self.by_id.get_mut(&id).map(|download| &mut download.stage);
        let Some(Stage::Running(running)) = stage else { return Ok(()) };
        if hashes.root.is_empty() {
            // What the server cannot read now it may read later; what has arrived is then of use.
            let (failure, keep) = match hashes.problem() {
                wire::DownloadProblem::FileUnreadable => {
                    let error = DownloadError::FileUnreadable;
                    (DownloadFailure::Transfer(Arc::new(error)), true)
                }
                wire::DownloadProblem::Unspecified | wire::DownloadProblem::FileChanged => {
                    (DownloadFailure::FileChanged, false)
                }
            };
            self.stop_for(id, failure, keep);
            return Ok(());
        }
        let root =
            hashes.root.as_ref().try_into().map_err(|_| "a hash that is not 32 bytes long")?;
        running.root_is_known = true;
        self.outputs.push_back(DownloadOutput::TellRoot { id, root: Some(root) });
        Ok(())
    }

    /// The piece hashes that were asked for.
    pub(crate) fn handle_pieces(
        &mut self,
        id: DownloadId,
        answer: &wire::PieceHashes,
    ) -> Result<(), String> {
        let is_allowed = (1..=PIECE_HASHES_MAX).contains(&answer.hashes.len());
        let hashes = answer.hashes.iter().map(|hash| hash.as_ref().try_into().map(PieceHash));
        let pieces: Option<Vec<PieceHash>> =
            is_allowed.then(|| hashes.collect::<Result<_, _>>().ok()).flatten();
        let pieces = pieces.ok_or("piece hashes that are none")?;
        self.answer_pieces(id, Some((answer.first_piece, pieces)));
        Ok(())
    }

    /// There are no piece hashes.
    pub(crate) fn handle_no_pieces(&mut self, id: DownloadId) {
        self.answer_pieces(id, None);
    }

    fn answer_pieces(&mut self, id: DownloadId, answer: Option<(u64, Vec<PieceHash>)>) {
        self.pieces_asked = None;
        let stage = self.by_id.get_mut(&id).map(|download| &mut download.stage);
        if let Some(Stage::Running(running)) = stage
            && let Some(first) = running.pieces_wanted.take()
        {
            let pieces = answer.filter(|(of, _)| *of == first).map(|(_, pieces)| pieces);
            self.outputs.push_back(DownloadOutput::TellPieces { id, pieces });
        }
        self.ask_for_pieces();
    }

    /// Which download of ours has this number at the server.
    fn find(&self, server_id: u64) -> Option<DownloadId> {
        let mut all = self.by_id.iter();
        all.find(|(_, download)| download.server_ids.contains(&server_id)).map(|(id, _)| *id)
    }

    /// The server knows a download that nobody here does: its ticket got lost with a connection.
    fn give_back_unknown(&mut self, server_id: u64) {
        // One that is over is about to be recorded.
        let is_over = self.unrecorded.iter().any(|done| done.download_id == server_id);
        if !is_over {
            self.say_done(not_kept(server_id));
        }
    }
}
