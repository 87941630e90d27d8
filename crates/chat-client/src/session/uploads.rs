//! All uploads of the session: what each asks the server, and the answer.
//!
//! Sans-IO, like [`super::downloads`]. The upload itself ([`file_transfer::upload`]) knows what to ask
//! next; here its question is kept until it is answered, over any number of broken connections, and
//! then the answer is passed back. One question at a time for each upload.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use common::wire::{self, RefusalCode as Code, client_frame};
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;
use file_transfer::upload::{UploadFailure as Failure, UploadProgress, Uploaded, Verdict};

use crate::command::{TransportChoice, UploadId};
use crate::error::{Refusal, UploadFailure};
use crate::event::UploadChange;

/// What an upload asks the server.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Begin {
        attempt: [u8; 16],
        version: FileVersion,
    },
    Sent {
        root: [u8; 32],
    },
    Pieces {
        first: u64,
        hashes: Vec<PieceHash>,
    },
    /// Without an answer.
    GiveUp,
}

/// What the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Ticket(Box<wire::UploadTicket>),
    /// In answer to either question that may end it.
    Stored {
        path: String,
        root: [u8; 32],
    },
    Verdict(Verdict),
    Compared {
        differing: u64,
    },
    /// The server does not know what is asked about: it is begun again.
    Forgotten,
    /// The server's disk has no room.
    DiskFull,
    /// It was asked too often.
    Later,
    /// No: the upload ends.
    Declined,
}

/// What a running upload tells.
#[derive(Debug)]
pub(crate) enum UploadReport {
    Progress(UploadProgress),
    Asks(Ask),
    Finished(Uploaded),
    Failed(Arc<Failure>),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum UploadOutput {
    /// Send a request about this upload.
    Request { id: UploadId, body: client_frame::Body },
    /// Tell the server that an upload of its is not wanted any more.
    Abandon(wire::AbandonUpload),
    /// Start one.
    Start { id: UploadId, file: PathBuf, transport: TransportChoice },
    /// Answer its question.
    Answer { id: UploadId, answer: Answer },
    /// End it; it will report that it failed.
    Stop { id: UploadId },
    /// Tell the user interface.
    Tell { id: UploadId, change: UploadChange },
}

#[derive(Debug)]
struct Upload {
    /// What it is to be called on the server.
    path: String,
    /// The question that waits for its answer.
    asks: Option<Ask>,
    /// The server's number for it.
    server_id: Option<u64>,
    /// The server said once that it may come.
    has_begun: bool,
    /// Why the server declined.
    refusal: Option<Refusal>,
    restarts: u32,
    is_verifying: bool,
    /// It stands in the server's line, and the person was told where.
    is_queued: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    by_id: BTreeMap<UploadId, Upload>,
    is_logged_in: bool,
    /// The person gave these up before the server said whether they may begin. Until it does, or nobody can.
    cancelled: BTreeSet<UploadId>,
    /// What the server has not said yet that it knows: told again after each loss.
    abandoned: Vec<wire::AbandonUpload>,
    outputs: VecDeque<UploadOutput>,
}

impl Uploads {
    /// The next thing to do.
    #[must_use]
    pub(crate) fn poll_output(&mut self) -> Option<UploadOutput> {
        self.outputs.pop_front()
    }

    /// Whether any upload still runs.
    pub(crate) fn any_running(&self) -> bool {
        !self.by_id.is_empty()
    }

    /// The person wants to upload. An id in use is ignored.
    pub(crate) fn add(
        &mut self,
        id: UploadId,
        file: PathBuf,
        path: String,
        transport: TransportChoice,
    ) {
        if self.by_id.contains_key(&id) {
            debug_assert!(false, "the user interface chose an upload id twice");
            return;
        }
        let upload = Upload {
            path,
            asks: None,
            server_id: None,
            has_begun: false,
            refusal: None,
            restarts: 0,
            is_verifying: false,
            is_queued: false,
        };
        self.by_id.insert(id, upload);
        self.outputs.push_back(UploadOutput::Start { id, file, transport });
    }

    /// The person gives an upload up: nothing of it is to stay on the server.
    pub(crate) fn cancel(&mut self, id: UploadId) {
        if let Some(upload) = self.by_id.get(&id) {
            if matches!(upload.asks, Some(Ask::Begin { .. })) {
                self.cancelled.insert(id);
            }
            self.abandon(id, false);
            self.outputs.push_back(UploadOutput::Stop { id });
        }
    }

    /// The session ends. What the server has stays there for another time.
    pub(crate) fn stop_all(&mut self) {
        let ids = self.by_id.keys().copied();
        self.outputs.extend(ids.map(|id| UploadOutput::Stop { id }));
    }

    /// The session ended at once: nobody reports any more.
    pub(crate) fn abandon_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.by_id) {
            self.outputs.push_back(UploadOutput::Stop { id });
            let change = UploadChange::Failed(UploadFailure::NotConnected);
            self.outputs.push_back(UploadOutput::Tell { id, change });
        }
    }

    /// Logged in, for the first time or again: what was asked is asked again. Another login than the one
    /// before has no uploads; a question about one is then answered with "begin again".
    pub(crate) fn logged_in(&mut self, resumed: bool) {
        self.is_logged_in = true;
        if !resumed {
            self.by_id.values_mut().for_each(|upload| upload.server_id = None);
            self.abandoned.clear();
        }
        self.outputs.extend(self.abandoned.iter().copied().map(UploadOutput::Abandon));
        let waiting: Vec<UploadId> = self
            .by_id
            .iter()
            .filter(|(_, upload)| upload.asks.is_some())
            .map(|(id, _)| *id)
            .collect();
        waiting.into_iter().for_each(|id| self.ask(id));
    }

    /// No reply comes any more for what was asked.
    pub(crate) fn connection_lost(&mut self) {
        self.is_logged_in = false;
        self.cancelled.clear();
    }

    /// An upload tells something.
    pub(crate) fn handle_report(&mut self, id: UploadId, report: UploadReport) {
        let Some(upload) = self.by_id.get_mut(&id) else { return };
        match report {
            UploadReport::Progress(progress) => self.handle_progress(id, progress),
            UploadReport::Asks(Ask::GiveUp) => self.abandon(id, false),
            UploadReport::Asks(ask) => {
                upload.asks = Some(ask);
                self.ask(id);
            }
            UploadReport::Finished(uploaded) => {
                self.by_id.remove(&id);
                let Uploaded { path, bytes, seconds, transport, blake3, resumed_from } = uploaded;
                self.tell(
                    id,
                    UploadChange::Finished {
                        path,
                        bytes,
                        seconds,
                        transport,
                        blake3,
                        resumed_from,
                    },
                );
            }
            UploadReport::Failed(failure) => {
                let refusal = upload.refusal.take();
                // Another attempt goes on with what there is; the place is for others until then.
                self.abandon(id, true);
                self.by_id.remove(&id);
                let failure = match (&*failure, refusal) {
                    (Failure::Declined, Some(refusal)) => UploadFailure::Refused(refusal),
                    _ => UploadFailure::Transfer(failure),
                };
                self.tell(id, UploadChange::Failed(failure));
            }
        }
    }

    fn handle_progress(&mut self, id: UploadId, progress: UploadProgress) {
        let Some(upload) = self.by_id.get_mut(&id) else { return };
        let UploadProgress { size, bytes, transport, verifying, server_disk_full, restarts } =
            progress;
        let changed = std::mem::replace(&mut upload.restarts, restarts) < restarts;
        let is_verifying = verifying && !server_disk_full;
        let was_verifying = std::mem::replace(&mut upload.is_verifying, is_verifying);
        let is_told = upload.is_queued || is_verifying && was_verifying;
        if changed {
            self.tell(id, UploadChange::FileChanged);
        }
        if is_told {
            // What the person was told holds: it waits, or is checked.
            return;
        }
        self.tell(id, UploadChange::Progress { bytes, size, transport, server_disk_full });
        if is_verifying {
            self.tell(id, UploadChange::Verifying);
        }
    }

    /// The server answered.
    ///
    /// # Errors
    /// If no honest server says so.
    pub(crate) fn handle_reply(&mut self, id: UploadId, answer: Answer) -> Result<(), String> {
        let is_cancelled = self.cancelled.remove(&id);
        // Given up meanwhile: whoever has a ticket for nobody gives it back.
        let Some(upload) = self.by_id.get_mut(&id) else {
            if let Answer::Ticket(ticket) = answer {
                let upload_id = ticket.upload_id;
                self.say_abandoned(wire::AbandonUpload { upload_id, keep: !is_cancelled });
            }
            return Ok(());
        };
        let fits = matches!(
            (&upload.asks, &answer),
            (Some(Ask::Begin { .. }), Answer::Ticket(_) | Answer::Stored { .. })
                | (Some(Ask::Sent { .. }), Answer::Verdict(_) | Answer::Stored { .. })
                | (Some(Ask::Pieces { .. }), Answer::Compared { .. })
        );
        if !fits {
            return Err("an answer to no question about an upload".to_owned());
        }
        if let Answer::Ticket(ticket) = &answer {
            upload.server_id = Some(ticket.upload_id);
            upload.has_begun = true;
        }
        (upload.asks, upload.is_queued) = (None, false);
        self.outputs.push_back(UploadOutput::Answer { id, answer });
        Ok(())
    }

    /// The server has no place for an upload yet: it will answer what was asked when it is its turn.
    pub(crate) fn handle_queued(&mut self, queued: &wire::UploadQueued) {
        let wire::UploadQueued { upload_id, position, attempt } = queued;
        let waits = |upload: &Upload| match &upload.asks {
            Some(Ask::Begin { attempt: asked, .. }) => asked[..] == attempt[..],
            _ => false,
        };
        let found = self.by_id.iter_mut().find(|(_, upload)| waits(upload));
        let Some((id, upload)) = found.map(|(id, upload)| (*id, upload)) else {
            // Given up before the server's number for it was known.
            let is_said = self.abandoned.iter().any(|it| it.upload_id == *upload_id);
            if !is_said {
                self.say_abandoned(wire::AbandonUpload { upload_id: *upload_id, keep: true });
            }
            return;
        };
        (upload.server_id, upload.is_queued) = (Some(*upload_id), true);
        self.tell(id, UploadChange::Queued { position: *position });
    }

    /// The server refused. One that it does not know any more begins again.
    pub(crate) fn handle_refusal(&mut self, id: UploadId, refusal: Refusal) {
        self.cancelled.remove(&id);
        let Some(upload) = self.by_id.get_mut(&id) else { return };
        upload.is_queued = false;
        let answer = match (upload.asks.take(), refusal.0.code()) {
            (Some(Ask::Sent { .. }), Code::UnknownUpload) => Answer::Verdict(Verdict::Incomplete),
            (Some(Ask::Sent { .. }), Code::ServerDiskFull) => Answer::Verdict(Verdict::DiskFull),
            (Some(Ask::Sent { .. }), Code::ServerDiskFailed) => {
                Answer::Verdict(Verdict::DiskFailed)
            }
            // Declined, if it is the first question.
            (Some(Ask::Begin { .. }), Code::ServerDiskFull) => {
                upload.refusal = Some(refusal);
                Answer::DiskFull
            }
            (Some(Ask::Begin { .. }), Code::SlowDown) => Answer::Later,
            // Its place is gone, not what it has sent: there will be another one.
            (Some(Ask::Begin { .. }), Code::TooManyUploads) if upload.has_begun => Answer::Later,
            (Some(Ask::Pieces { .. }), Code::UnknownUpload) => Answer::Forgotten,
            _ => {
                upload.refusal = Some(refusal);
                Answer::Declined
            }
        };
        self.outputs.push_back(UploadOutput::Answer { id, answer });
    }

    /// Sends what this upload asks, if there is a connection; otherwise it waits for one.
    fn ask(&mut self, id: UploadId) {
        let Some(upload) = self.by_id.get(&id).filter(|_| self.is_logged_in) else { return };
        let Some(ask) = &upload.asks else { return };
        // 0 is no upload of the server's: it says so, and it is begun again.
        let upload_id = upload.server_id.unwrap_or_default();
        let body = match ask {
            Ask::Begin { attempt, version: FileVersion { size, modified_ns } } => {
                client_frame::Body::RequestUpload(wire::RequestUpload {
                    attempt: attempt.to_vec().into(),
                    path: upload.path.clone(),
                    size: *size,
                    modified_ns: *modified_ns,
                })
            }
            Ask::Sent { root } => client_frame::Body::UploadSent(wire::UploadSent {
                upload_id,
                root: root.to_vec().into(),
            }),
            Ask::Pieces { first, hashes } => client_frame::Body::UploadPieces(wire::UploadPieces {
                upload_id,
                first_piece: *first,
                hashes: hashes.iter().map(|hash| hash.0.to_vec().into()).collect(),
            }),
            Ask::GiveUp => return,
        };
        self.outputs.push_back(UploadOutput::Request { id, body });
    }

    /// The client does not go on with this one; whether the server is to keep what it has.
    fn abandon(&mut self, id: UploadId, keep: bool) {
        let server_id = self.by_id.get_mut(&id).and_then(|upload| upload.server_id.take());
        if let Some(upload_id) = server_id {
            self.say_abandoned(wire::AbandonUpload { upload_id, keep });
        }
    }

    fn say_abandoned(&mut self, abandoned: wire::AbandonUpload) {
        if self.is_logged_in {
            self.outputs.push_back(UploadOutput::Abandon(abandoned));
        }
        self.abandoned.push(abandoned);
    }

    /// The server knows that an upload of its is not gone on with.
    pub(crate) fn handle_abandoned(&mut self, server_id: u64) {
        self.abandoned.retain(|abandoned| abandoned.upload_id != server_id);
    }

    fn tell(&mut self, id: UploadId, change: UploadChange) {
        self.outputs.push_back(UploadOutput::Tell { id, change });
    }
}

#[cfg(test)]
mod tests;
