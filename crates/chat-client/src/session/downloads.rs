//! All downloads of the session: which wait, which the server was asked for, which run, which rest.
//!
//! Sans-IO: inputs are the person's wishes, the server's frames and what the transfers report; outputs
//! come from [`Downloads::poll_output`] and are carried out by others. What a person wants stands in
//! `downloads/wishes.rs`, what the server answers in `downloads/answers.rs`, what the transfers tell in
//! `downloads/running.rs`. A transfer belongs to the login and not to the connection, so it runs on
//! while the chat reconnects.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::limits::{DOWNLOADS_PER_USER_MAX, DOWNLOADS_WAITING_PER_USER_MAX};
use common::wire;
use file_transfer::download::{DownloadError, Finished, FreshTicket, Progress};
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;

use crate::command::{DownloadId, TransportChoice};
use crate::error::DownloadFailure;
use crate::event::DownloadChange;

mod wishes;

mod answers;

mod running;

/// Downloads that the server is asked for at once: those that may run, and as many as may wait in its
/// line. Further ones wait here.
const ASKED_MAX: usize = DOWNLOADS_PER_USER_MAX + DOWNLOADS_WAITING_PER_USER_MAX;

/// How long a running download waits before it asks again at a server whose line is full.
const FULL_LINE_PAUSE: Duration = Duration::from_secs(5);

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
    /// As the server lists the file.
    pub(crate) path: String,
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
    /// It needs the hashes of the file's pieces from this one on.
    PiecesWanted {
        first: u64,
    },
    Finished(Finished),
    Failed(Arc<DownloadError>),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum DownloadOutput {
    /// Ask the server for a ticket. `goes_on`: its number for the download, where it has one.
    Ask { id: DownloadId, path: String, goes_on: u64 },
    /// Ask the server for piece hashes.
    AskPieces { id: DownloadId, server_id: u64, first: u64 },
    /// Tell the server that a download of its rests.
    SayPaused { server_id: u64 },
    /// Tell the server how a download of its ended.
    Done(wire::DownloadDone),
    /// Start a transfer.
    Start(Box<TransferOrder>),
    /// Tell a transfer the hash of the whole file, or that there is none to come.
    TellRoot { id: DownloadId, root: Option<[u8; 32]> },
    /// Give a transfer the piece hashes that it asked for, or none.
    TellPieces { id: DownloadId, pieces: Option<Vec<PieceHash>> },
    /// Give a transfer its other ticket, or none.
    Renew { id: DownloadId, ticket: Option<Box<FreshTicket>> },
    /// Let a transfer rest, or go on.
    SetPaused { id: DownloadId, paused: bool },
    /// Remove what was left of a file, by its path on the server, at a place where no transfer runs.
    Discard { path: String, save_as: PathBuf },
    /// End a transfer; it will report that it failed. What has arrived is kept for another time, or not.
    Stop { id: DownloadId, keep: bool },
    /// Tell the user interface.
    Tell { id: DownloadId, change: DownloadChange },
}

#[derive(Debug)]
enum Stage {
    /// Until there is a connection, and room to ask.
    Queued,
    /// The server was asked for a ticket.
    Asked,
    /// It stands in the server's line.
    InLine,
    /// Paused before there was a ticket.
    Resting,
    Running(Running),
}

#[derive(Debug, Default)]
struct Running {
    version: Option<FileVersion>,
    /// Its node is not on the chat server's machine, so only tickets tell the server that it runs.
    is_elsewhere: bool,
    /// When the newest ticket came.
    ticket_at: Option<Instant>,
    /// What it had when it last told so.
    bytes: u64,
    /// It has lost its place, and stands in the server's line for another one: here.
    in_line: Option<u32>,
    root_is_known: bool,
    /// The person was told that it is checked, and nothing else since.
    is_verifying: bool,
    /// The person was told that what was left of an earlier version is given up.
    has_told_anew: bool,
    /// The transfer waits for another ticket.
    ticket_wanted: bool,
    /// The server was asked for another ticket, and has not given one yet.
    asked_again: bool,
    /// A ticket that came unasked for, and when: good for the next question.
    spare: Option<(Instant, Box<FreshTicket>)>,
    /// It rests until the server gives it a place again.
    is_resuming: bool,
    /// The transfer waits for piece hashes from this one on.
    pieces_wanted: Option<u64>,
    connection_was_lost: bool,
    /// Why it was stopped, where it was not the person.
    stopped_for: Option<DownloadFailure>,
}

#[derive(Debug)]
struct Download {
    wish: Wish,
    stage: Stage,
    /// The server's numbers for it. The last is the one that goes on; it had others only if a server
    /// forgot it.
    server_ids: Vec<u64>,
    /// The person wants it to rest.
    is_paused: bool,
    asked_at: Option<Instant>,
    /// How often it was begun anew after a lost connection …
    restarts: u32,
    /// … and after the file changed.
    changes: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    by_id: BTreeMap<DownloadId, Download>,
    /// The order of those that wait here.
    queue: VecDeque<DownloadId>,
    is_logged_in: bool,
    /// Whose question for piece hashes the server answers now: one at a time.
    pieces_asked: Option<DownloadId>,
    /// What the server has not said yet that it recorded: told again after each loss.
    unrecorded: Vec<wire::DownloadDone>,
    /// When running downloads that the line had no room for ask again.
    ask_again_at: Option<Instant>,
    outputs: VecDeque<DownloadOutput>,
}

impl Downloads {
    /// The next thing to do.
    #[must_use]
    pub(crate) fn poll_output(&mut self) -> Option<DownloadOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, if ever.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ask_again_at
    }

    /// Time passed. Early calls do nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.ask_again_at.is_some_and(|at| at <= now) {
            self.ask_again_at = None;
            self.ask_for_those_in_need();
        }
    }

    /// Whether any transfer still runs.
    pub(crate) fn any_running(&self) -> bool {
        self.by_id.values().any(|download| matches!(download.stage, Stage::Running(_)))
    }

    /// The session ended at once: nobody reports any more.
    pub(crate) fn abandon_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.by_id) {
            self.outputs.push_back(DownloadOutput::Stop { id, keep: true });
            self.tell(id, DownloadChange::Failed(DownloadFailure::NotConnected));
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
        self.ask_for_those_in_need();
        self.ask_for_pieces();
        self.ask_for_more(now);
    }

    /// No reply comes any more for what was asked.
    pub(crate) fn connection_lost(&mut self) {
        self.is_logged_in = false;
        self.pieces_asked = None;
        self.ask_again_at = None;
        for (id, download) in self.by_id.iter_mut().rev() {
            match &mut download.stage {
                Stage::Queued | Stage::Resting => {}
                Stage::Asked | Stage::InLine if download.is_paused => {
                    download.stage = Stage::Resting;
                }
                Stage::Asked | Stage::InLine => {
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

    fn tell(&mut self, id: DownloadId, change: DownloadChange) {
        self.outputs.push_back(DownloadOutput::Tell { id, change });
    }

    fn fail(&mut self, now: Instant, id: DownloadId, failure: DownloadFailure) {
        let Some(download) = self.by_id.remove(&id) else { return };
        self.queue.retain(|queued| *queued != id);
        download.server_ids.iter().for_each(|server_id| self.say_done(not_kept(*server_id)));
        self.forget_question(id);
        self.tell(id, DownloadChange::Failed(failure));
        self.ask_for_more(now);
    }

    /// The places ended with the login that they belonged to; their numbers may mean others now.
    fn forget_server_ids(&mut self) {
        self.unrecorded.clear();
        self.by_id.values_mut().for_each(|download| download.server_ids.clear());
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

    /// Asks for those that wait here, as many as may be asked for.
    fn ask_for_more(&mut self, now: Instant) {
        while self.is_logged_in && self.asked() < ASKED_MAX {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(download) = self.by_id.get_mut(&id) else { continue };
            download.stage = Stage::Asked;
            download.asked_at.get_or_insert(now);
            let (path, goes_on) = (download.wish.path.clone(), download.goes_on());
            self.outputs.push_back(DownloadOutput::Ask { id, path, goes_on });
        }
    }

    /// Asks for the running downloads that cannot end without the server's word.
    fn ask_for_those_in_need(&mut self) {
        let in_need = self.by_id.iter().filter(|(_, download)| download.is_in_need());
        let in_need: Vec<DownloadId> = in_need.map(|(id, _)| *id).collect();
        in_need.into_iter().for_each(|id| self.ask_again(id));
    }

    fn asked(&self) -> usize {
        self.by_id.values().filter(|download| download.is_asked()).count()
    }
}

impl Download {
    /// The server's number for it, 0 if it has none.
    fn goes_on(&self) -> u64 {
        self.server_ids.last().copied().unwrap_or_default()
    }

    /// Whether it runs and cannot end without another word from the server. One that the server knows
    /// is told the hash by itself; one that it forgot needs a number there first.
    fn is_in_need(&self) -> bool {
        let Stage::Running(running) = &self.stage else { return false };
        let is_unknown_there = self.goes_on() == 0;
        let needs_hashes = !running.root_is_known || running.pieces_wanted.is_some();
        running.ticket_wanted
            || running.is_resuming
            || (is_unknown_there && needs_hashes && !self.is_paused)
    }

    fn remember(&mut self, server_id: u64) {
        // The latest stands last.
        self.server_ids.retain(|known| *known != server_id);
        self.server_ids.push(server_id);
    }

    /// Whether it rests and was not asked to go on.
    fn rests(&self) -> bool {
        let is_resuming = matches!(&self.stage, Stage::Running(running) if running.is_resuming);
        self.is_paused && !is_resuming
    }

    /// Whether it has a place at the server, or waits for one there.
    fn is_asked(&self) -> bool {
        match &self.stage {
            Stage::Queued | Stage::Resting => false,
            Stage::Asked | Stage::InLine => true,
            Stage::Running(running) => !self.is_paused || running.is_resuming,
        }
    }
}

fn not_kept(download_id: u64) -> wire::DownloadDone {
    wire::DownloadDone { download_id, ..wire::DownloadDone::default() }
}
