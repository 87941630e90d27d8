//! All downloads of the session: which wait, which the server was asked for, which run.
//!
//! Sans-IO: inputs are the person's wishes, the server's frames and what the transfers report; outputs
//! come from [`Downloads::poll_output`] and are carried out by others. A transfer belongs to the login
//! and not to the connection, so it runs on while the chat reconnects.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use common::limits::DOWNLOADS_PER_USER_MAX;
use common::wire;
use file_transfer::download::{DownloadError, Finished, FreshTicket, Progress, Transport};
use file_transfer::file_version::FileVersion;

use crate::command::{DownloadId, TransportChoice};
use crate::error::{DownloadFailure, Refusal};
use crate::event::DownloadChange;

/// How often a download is begun anew after the connection to the server was lost on the way.
const RESTARTS_MAX: u32 = 3;

/// What a person asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) path: String,
    pub(crate) save_as: PathBuf,
    pub(crate) transport: TransportChoice,
}

/// A transfer to start.
#[derive(Debug)]
pub(crate) struct TransferOrder {
    pub(crate) id: DownloadId,
    pub(crate) ticket: Vec<u8>,
    pub(crate) secret: [u8; 32],
    pub(crate) nodes: Vec<wire::TransferNode>,
    pub(crate) version: FileVersion,
    pub(crate) save_as: PathBuf,
    pub(crate) transport: TransportChoice,
}

/// What a running transfer tells.
#[derive(Debug)]
pub(crate) enum TransferReport {
    Progress(Progress),
    /// It needs another ticket to go on.
    TicketWanted,
    Finished(Finished),
    Failed(Arc<DownloadError>),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum DownloadOutput {
    /// Ask the server for a ticket.
    Ask { id: DownloadId, path: String },
    /// Tell the server how a download of its ended.
    Done(wire::DownloadDone),
    /// Start a transfer.
    Start(Box<TransferOrder>),
    /// Tell a transfer the hash of the whole file, or that there is none to come.
    TellRoot { id: DownloadId, root: Option<[u8; 32]> },
    /// Give a transfer its other ticket, or none.
    Renew { id: DownloadId, ticket: Option<Box<FreshTicket>> },
    /// End a transfer; it will report that it failed.
    Stop { id: DownloadId },
    /// Tell the user interface.
    Tell { id: DownloadId, change: DownloadChange },
}

#[derive(Debug)]
enum Stage {
    /// Until there is a place and a connection.
    Queued,
    /// The server was asked for a ticket.
    Asked,
    Running(Running),
}

#[derive(Debug, Default)]
struct Running {
    /// The server's numbers for it: one a ticket.
    server_ids: Vec<u64>,
    version: Option<FileVersion>,
    root_is_known: bool,
    is_verifying: bool,
    /// The transfer waits for another ticket.
    ticket_wanted: bool,
    /// The server was asked for another ticket.
    asked_again: bool,
    connection_was_lost: bool,
    /// Why it was stopped, where it was not the person.
    stopped_for: Option<DownloadFailure>,
}

#[derive(Debug)]
struct Download {
    wish: Wish,
    stage: Stage,
    asked_at: Option<Instant>,
    restarts: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    by_id: BTreeMap<DownloadId, Download>,
    /// The order of those that wait.
    queue: VecDeque<DownloadId>,
    is_logged_in: bool,
    /// What could not be said to the server while there was no connection.
    unsaid: Vec<wire::DownloadDone>,
    outputs: VecDeque<DownloadOutput>,
}

impl Downloads {
    /// The next thing to do.
    #[must_use]
    pub(crate) fn poll_output(&mut self) -> Option<DownloadOutput> {
        self.outputs.pop_front()
    }

    /// Whether any transfer still runs.
    pub(crate) fn any_running(&self) -> bool {
        self.by_id.values().any(|download| matches!(download.stage, Stage::Running(_)))
    }

    /// The person wants a file. An id in use is ignored.
    pub(crate) fn add(&mut self, now: Instant, id: DownloadId, wish: Wish) {
        if self.by_id.contains_key(&id) {
            debug_assert!(false, "the user interface chose a download id twice");
            return;
        }
        let download = Download { wish, stage: Stage::Queued, asked_at: None, restarts: 0 };
        self.by_id.insert(id, download);
        self.queue.push_back(id);
        self.ask_for_more(now);
    }

    /// The person gives a download up.
    pub(crate) fn cancel(&mut self, now: Instant, id: DownloadId) {
        match self.by_id.get(&id).map(|download| &download.stage) {
            None => {}
            // The transfer removes its part and reports.
            Some(Stage::Running(_)) => self.outputs.push_back(DownloadOutput::Stop { id }),
            // A ticket that still comes is given back when it does.
            Some(Stage::Queued | Stage::Asked) => self.fail(now, id, cancelled()),
        }
    }

    /// The session ends: everything that waits is cancelled, everything that runs is stopped.
    pub(crate) fn cancel_all(&mut self, now: Instant) {
        let ids: Vec<DownloadId> = self.by_id.keys().copied().collect();
        ids.into_iter().for_each(|id| self.cancel(now, id));
    }

    /// The session ended at once: nobody reports any more.
    pub(crate) fn abandon_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.by_id) {
            self.outputs.push_back(DownloadOutput::Stop { id });
            let change = DownloadChange::Failed(DownloadFailure::NotConnected);
            self.outputs.push_back(DownloadOutput::Tell { id, change });
        }
        self.queue.clear();
    }

    /// Logged in, for the first time or again. Only a `resumed` login is the one that the running
    /// transfers belong to: there the server tells by itself which hashes may have been missed.
    pub(crate) fn logged_in(&mut self, now: Instant, resumed: bool) {
        self.is_logged_in = true;
        let unsaid = std::mem::take(&mut self.unsaid);
        self.outputs.extend(unsaid.into_iter().map(DownloadOutput::Done));
        let waiting: Vec<DownloadId> = self
            .by_id
            .iter()
            .filter_map(|(id, download)| {
                let Stage::Running(running) = &download.stage else { return None };
                let has_reason = running.ticket_wanted || (!resumed && !running.root_is_known);
                has_reason.then_some(*id)
            })
            .collect();
        waiting.into_iter().for_each(|id| self.ask_again(id));
        self.ask_for_more(now);
    }

    /// No reply comes any more for what was asked.
    pub(crate) fn connection_lost(&mut self) {
        self.is_logged_in = false;
        for (id, download) in self.by_id.iter_mut().rev() {
            match &mut download.stage {
                Stage::Queued => {}
                Stage::Asked => {
                    download.stage = Stage::Queued;
                    self.queue.push_front(*id);
                }
                Stage::Running(running) => {
                    running.asked_again = false;
                    running.connection_was_lost = true;
                }
            }
        }
    }

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
        // Of a download that is over.
        let Some((id, running)) = found else { return Ok(()) };
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

    fn fail(&mut self, now: Instant, id: DownloadId, failure: DownloadFailure) {
        let Some(download) = self.by_id.remove(&id) else { return };
        self.queue.retain(|queued| *queued != id);
        if let Stage::Running(running) = download.stage {
            running.server_ids.iter().for_each(|server_id| self.say_done(not_kept(*server_id)));
        }
        let change = DownloadChange::Failed(failure);
        self.outputs.push_back(DownloadOutput::Tell { id, change });
        self.ask_for_more(now);
    }

    fn say_done(&mut self, done: wire::DownloadDone) {
        if self.is_logged_in {
            self.outputs.push_back(DownloadOutput::Done(done));
        } else {
            self.unsaid.push(done);
        }
    }

    /// Fills the places that are free.
    fn ask_for_more(&mut self, now: Instant) {
        while self.is_logged_in && self.places_taken() < DOWNLOADS_PER_USER_MAX {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(download) = self.by_id.get_mut(&id) else { continue };
            download.stage = Stage::Asked;
            download.asked_at.get_or_insert(now);
            let path = download.wish.path.clone();
            self.outputs.push_back(DownloadOutput::Ask { id, path });
        }
    }

    fn places_taken(&self) -> usize {
        self.by_id.values().filter(|download| !matches!(download.stage, Stage::Queued)).count()
    }

    /// Asks for another ticket, at once or after the next login.
    fn ask_again(&mut self, id: DownloadId) {
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

fn cancelled() -> DownloadFailure {
    DownloadFailure::Transfer(Arc::new(DownloadError::Cancelled))
}

fn not_kept(download_id: u64) -> wire::DownloadDone {
    wire::DownloadDone { download_id, ..wire::DownloadDone::default() }
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
