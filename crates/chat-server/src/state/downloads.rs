//! Downloads of those who are logged in: who may run one, who waits for a place, and what its client is
//! still to be told.
//!
//! A download belongs to the login, not to the connection: a broken connection that comes back within
//! its hold disturbs nothing. It runs (it has a place and got a ticket), waits in line for a place, or
//! rests: paused, or its place was taken back because no bytes flowed any more. A resting one is known
//! still, for its hashes, and gets a place again when its client asks. It is over when the client says
//! `DownloadDone` or the login ends. What clients ask stands in `downloads/requests.rs`, what hashing
//! brings in `downloads/hashing.rs`.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use common::wire::server_frame::Body;
use common::wire::{DownloadProblem, DownloadQueued};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;

use crate::state::State;
use crate::state::action::{Action, Actions, MintTicket, Recipients};
use crate::state::now::Now;
use crate::state::places::Places;
use crate::state::request::LoginId;
use crate::state::router::Caller;
use crate::state::waiting_line::WaitingLine;

mod requests;

mod hashing;

/// How long a ticket may be used to start a transfer, and so how long a place is kept for one that nobody
/// is known to use. Of a node elsewhere it is never known: its client asks for another ticket in time.
pub const TICKET_LIFE: Duration = Duration::from_secs(60);

/// How long a place is kept after the node has ended the transfer: a client may start again, the other
/// way or on another address.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(15);

/// Resting downloads of one login that are known; the oldest is forgotten first, and is a new one when
/// its client asks for it again.
const RESTING_PER_LOGIN_MAX: usize = 64;

/// What came of hashing a file: its root, or why there is none.
pub type RootResult = Result<[u8; 32], DownloadProblem>;

/// What came of hashing pieces of a file: the first one asked for and those that follow.
pub type PiecesResult = Result<Vec<PieceHash>, DownloadProblem>;

/// All downloads that are not over, by number.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    by_id: BTreeMap<u64, Download>,
    line: WaitingLine,
    /// Positions may be others than those that were told.
    line_has_moved: bool,
    last_id: u64,
}

#[derive(Debug)]
struct Download {
    login: LoginId,
    path: FilePath,
    /// As it was when the ticket was minted.
    version: FileVersion,
    stage: Stage,
    /// Told again when the client comes back: the frame may have been lost with its connection.
    root: Option<RootResult>,
    /// The root was asked for and is not known yet.
    is_hashing: bool,
    /// A question for piece hashes that is not answered yet.
    pieces_asked: Option<PiecesAsked>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting {
        told_position: u32,
    },
    Running {
        /// When a node was last known to serve it; before that, when its ticket was minted.
        served_at: Instant,
        was_served: bool,
    },
    Resting,
}

#[derive(Clone, Copy, Debug)]
struct PiecesAsked {
    caller: Caller,
    first: u64,
}

impl Downloads {
    fn running(&self) -> impl Iterator<Item = (&u64, &Download)> {
        self.by_id.iter().filter(|(_, download)| matches!(download.stage, Stage::Running { .. }))
    }

    /// Whose the places are that are taken.
    fn holders(&self) -> Vec<LoginId> {
        self.running().map(|(_, download)| download.login).collect()
    }

    fn own_mut(&mut self, login: LoginId, id: u64) -> Option<&mut Download> {
        self.by_id.get_mut(&id).filter(|download| download.login == login)
    }

    /// The downloads of `login`, oldest first.
    fn ids_of(&self, login: LoginId) -> Vec<u64> {
        let own = self.by_id.iter().filter(|(_, download)| download.login == login);
        own.map(|(id, _)| *id).collect()
    }

    fn set_resting(&mut self, id: u64) {
        if let Some(download) = self.by_id.get_mut(&id) {
            download.stage = Stage::Resting;
            self.line.remove(id);
            self.line_has_moved = true;
        }
    }
}

impl State {
    /// The numbers of the downloads that hold a place, for whoever knows which of them a node serves.
    pub fn running_downloads(&self) -> impl Iterator<Item = u64> {
        self.downloads.running().map(|(id, _)| *id)
    }

    /// Takes the places of those back that no node has served for a while: their clients forgot them.
    /// `served` are those of [`running_downloads`](Self::running_downloads) whose bytes flow now.
    #[must_use]
    pub fn downloads_served(&mut self, now: Now, served: &HashSet<u64>) -> Vec<Action> {
        let mut out = Actions::default();
        let mut idle = Vec::new();
        for (id, download) in &mut self.downloads.by_id {
            let Stage::Running { served_at, was_served } = &mut download.stage else { continue };
            if served.contains(id) {
                (*served_at, *was_served) = (now.instant, true);
            }
            let kept_for = if *was_served { RESTART_PAUSE_MAX } else { TICKET_LIFE };
            if now.instant.saturating_duration_since(*served_at) >= kept_for {
                idle.push(*id);
            }
        }
        for id in idle {
            tracing::debug!(download = id, "a place that nobody uses is free again");
            self.rest(id, &mut out);
        }
        self.fill_places(now, &mut out);
        out.into_vec()
    }

    /// The download needs no place for now.
    fn rest(&mut self, id: u64, out: &mut Actions) {
        self.downloads.set_resting(id);
        let Some(login) = self.downloads.by_id.get(&id).map(|download| download.login) else {
            return;
        };
        let own = self.downloads.ids_of(login).into_iter();
        let resting: Vec<u64> = own.filter(|id| self.downloads.is_resting(*id)).collect();
        let too_many = resting.len().saturating_sub(RESTING_PER_LOGIN_MAX);
        resting.into_iter().take(too_many).for_each(|id| self.forget_download(id, out));
    }

    /// Gives the places that are free to those who wait.
    fn fill_places(&mut self, now: Now, out: &mut Actions) {
        while let Some(id) = self.download_places().next(&mut self.downloads.line) {
            self.downloads.line_has_moved = true;
            let changed = self.downloads.by_id.get(&id).and_then(|it| self.files.version(&it.path));
            if let (Some(download), Some(version)) = (self.downloads.by_id.get_mut(&id), changed) {
                // It may have changed while the download waited.
                download.set_version(version);
            }
            self.start_download(now, id, None, out);
        }
    }

    /// The download has a place: its client gets a ticket, in answer to `caller` or by itself.
    fn start_download(&mut self, now: Now, id: u64, caller: Option<Caller>, out: &mut Actions) {
        let Some(download) = self.downloads.by_id.get_mut(&id) else { return };
        download.stage = Stage::Running { served_at: now.instant, was_served: false };
        let (login, path, version) = (download.login, download.path.clone(), download.version);
        let known_root = download.root;
        let Some(session) = self.roster.session(login) else { return };
        let connection = caller.map_or(session.connection, |caller| caller.connection);
        let request_id = caller.map_or(0, |caller| caller.request_id);
        let (user, hash_path) = (session.name.as_str().to_owned(), path.clone());
        out.push(Action::MintTicket(Box::new(MintTicket {
            connection,
            request_id,
            download: id,
            user,
            login,
            path,
            version,
        })));
        match known_root {
            None => {
                download.is_hashing = true;
                out.push(Action::HashFile { download: id, path: hash_path, version });
            }
            Some(root) => {
                let hashes = hashing::file_hashes(id, &hash_path, root);
                out.tell(Recipients::One(connection), Body::FileHashes(hashes));
            }
        }
    }

    /// Tells everybody who waits where they stand now, if that is somewhere else than they know.
    pub(crate) fn tell_positions(&mut self, out: &mut Actions) {
        if !std::mem::take(&mut self.downloads.line_has_moved) {
            return;
        }
        for (id, position) in self.positions() {
            let Some(download) = self.downloads.by_id.get_mut(&id) else { continue };
            let Stage::Waiting { told_position } = &mut download.stage else { continue };
            if *told_position != position {
                *told_position = position;
                let queued = queued(id, position, &download.path);
                if let Some(session) = self.roster.session(download.login) {
                    out.tell(Recipients::One(session.connection), Body::DownloadQueued(queued));
                }
            }
        }
    }

    fn download_places(&self) -> Places {
        self.policy.places(self.downloads.holders())
    }

    /// Where everybody stands.
    fn positions(&self) -> Vec<(u64, u32)> {
        self.download_places().positions(&self.downloads.line)
    }

    /// What the client of `login` may have missed: hashes, and where it stands.
    pub(crate) fn tell_downloads_again(&self, login: LoginId, out: &mut Actions) {
        let Some(session) = self.roster.session(login) else { return };
        let to = Recipients::One(session.connection);
        for id in self.downloads.ids_of(login) {
            let Some(download) = self.downloads.by_id.get(&id) else { continue };
            if let Some(root) = download.root {
                let hashes = hashing::file_hashes(id, &download.path, root);
                out.tell(to.clone(), Body::FileHashes(hashes));
            }
            if let Stage::Waiting { told_position } = download.stage {
                let queued = queued(id, told_position, &download.path);
                out.tell(to.clone(), Body::DownloadQueued(queued));
            }
        }
    }

    /// The login is over, and all its downloads with it.
    pub(crate) fn end_downloads(&mut self, now: Now, login: LoginId, out: &mut Actions) {
        self.downloads.ids_of(login).into_iter().for_each(|id| self.forget_download(id, out));
        self.fill_places(now, out);
    }
}

impl Downloads {
    fn is_resting(&self, id: u64) -> bool {
        self.by_id.get(&id).is_some_and(|download| matches!(download.stage, Stage::Resting))
    }
}

impl Download {
    /// Another version has another root; so may have one that could not be read.
    fn set_version(&mut self, version: FileVersion) {
        if self.version != version || matches!(self.root, Some(Err(_))) {
            self.version = version;
            self.root = None;
        }
    }
}

fn queued(download_id: u64, position: u32, path: &FilePath) -> DownloadQueued {
    DownloadQueued { download_id, position, path: path.as_str().to_owned() }
}
