//! All downloads of the session: which wait, which the server was asked for, which run.
//!
//! Sans-IO: inputs are the person's wishes, the server's frames and what the transfers report; outputs
//! come from [`Downloads::poll_output`] and are carried out by others. What happens to those that the
//! server was asked for stands in `downloads/running.rs`. A transfer belongs to the login
//! and not to the connection, so it runs on while the chat reconnects.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use common::limits::DOWNLOADS_PER_USER_MAX;
use common::wire;
use file_transfer::download::{DownloadError, Finished, FreshTicket, Progress};
use file_transfer::file_version::FileVersion;

use crate::command::{DownloadId, TransportChoice};
use crate::error::DownloadFailure;
use crate::event::DownloadChange;

mod running;

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
    /// What the server has not said yet that it recorded: told again after each loss.
    unrecorded: Vec<wire::DownloadDone>,
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
        if !resumed {
            self.forget_server_ids();
        }
        let unrecorded = self.unrecorded.iter().copied();
        self.outputs.extend(unrecorded.map(DownloadOutput::Done));
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

    /// The places ended with the login that they belonged to; their numbers may mean others now.
    fn forget_server_ids(&mut self) {
        self.unrecorded.clear();
        for download in self.by_id.values_mut() {
            if let Stage::Running(running) = &mut download.stage {
                running.server_ids.clear();
            }
        }
    }

    fn say_done(&mut self, done: wire::DownloadDone) {
        if self.is_logged_in {
            self.outputs.push_back(DownloadOutput::Done(done));
        }
        self.unrecorded.push(done);
    }

    /// The server knows how a download of its ended.
    pub(crate) fn handle_recorded(&mut self, server_id: u64) {
        self.unrecorded.retain(|done| done.download_id != server_id);
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
}

fn cancelled() -> DownloadFailure {
    DownloadFailure::Transfer(Arc::new(DownloadError::Cancelled))
}

fn not_kept(download_id: u64) -> wire::DownloadDone {
    wire::DownloadDone { download_id, ..wire::DownloadDone::default() }
}
