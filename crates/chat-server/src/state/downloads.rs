//! Downloads under way: who may start one, and what its client is still to be told.
//!
//! A download belongs to the login, not to the connection: a broken connection that comes back within
//! its hold disturbs nothing. Its place is free when the client says `DownloadDone` or the login ends.
//! A client that never got its ticket learns of the download by its hash, and says so then.

use std::collections::HashMap;

use bytes::Bytes;
use common::wire::server_frame::Body;
use common::wire::{DownloadProblem, DownloadRecorded, FileHashes};
use file_transfer::catalogue::CatalogueEntry;
use file_transfer::file_path::FilePath;

use crate::state::State;
use crate::state::action::{Action, Actions, MintTicket, Recipients};
use crate::state::refusal::Refusal;
use crate::state::request::{DownloadDone, LoginId};
use crate::state::router::Caller;

/// What came of hashing a file: its root, or why there is none.
pub type HashResult = Result<[u8; 32], DownloadProblem>;

/// All downloads under way, by number.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    under_way: HashMap<u64, Download>,
    last_id: u64,
}

#[derive(Debug)]
struct Download {
    login: LoginId,
    path: FilePath,
    /// Told again when the client comes back: the frame may have been lost with its connection.
    hash: Option<HashResult>,
}

impl Downloads {
    fn count_of(&self, login: LoginId) -> usize {
        self.under_way.values().filter(|download| download.login == login).count()
    }

    /// The downloads of `login` are over. Returns those that still waited for their hash.
    pub(crate) fn forget_login(&mut self, login: LoginId) -> Vec<u64> {
        let gone = self.under_way.extract_if(|_, download| download.login == login);
        let mut waiting: Vec<u64> =
            gone.filter(|(_, download)| download.hash.is_none()).map(|(id, _)| id).collect();
        waiting.sort_unstable();
        waiting
    }

    /// What the client of `login` may have missed.
    pub(crate) fn known_hashes(&self, login: LoginId) -> impl Iterator<Item = FileHashes> {
        let own = self.under_way.iter().filter(move |(_, download)| download.login == login);
        own.filter_map(|(id, download)| Some(file_hashes(*id, &download.path, download.hash?)))
    }
}

fn file_hashes(download_id: u64, path: &FilePath, hash: HashResult) -> FileHashes {
    let path = path.as_str().to_owned();
    let unspecified = DownloadProblem::Unspecified;
    let (root, problem) = match hash {
        Ok(root) => (Bytes::copy_from_slice(&root), unspecified),
        Err(problem) => (Bytes::new(), problem),
    };
    FileHashes { download_id, root, path, problem: problem.into() }
}

impl State {
    /// The ticket is minted at once; the hash follows when it is known.
    pub(crate) fn request_download(
        &mut self,
        caller: Caller,
        login: LoginId,
        path: String,
        file: Option<CatalogueEntry>,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let Some(CatalogueEntry { path, version }) = file else {
            return Err(Refusal::UnknownFile { path });
        };
        for (count, allowed) in [
            (self.downloads.count_of(login), self.policy.downloads_per_user_max),
            (self.downloads.under_way.len(), self.policy.downloads_max),
        ] {
            if count >= allowed {
                return Err(Refusal::TooManyDownloads { allowed });
            }
        }
        let user = self.name_of(login);
        self.downloads.last_id += 1;
        let download = self.downloads.last_id;
        let entry = Download { login, path: path.clone(), hash: None };
        self.downloads.under_way.insert(download, entry);
        let Caller { connection, request_id } = caller;
        let hash_path = path.clone();
        out.push(Action::MintTicket(Box::new(MintTicket {
            connection,
            request_id,
            download,
            user,
            login,
            path,
            version,
        })));
        out.push(Action::HashFile { download, path: hash_path, version });
        Ok(())
    }

    /// A file that [`Action::HashFile`] asked for is hashed.
    #[must_use]
    pub fn file_hashed(&mut self, download: u64, hash: HashResult) -> Vec<Action> {
        let mut out = Actions::default();
        if let Some(entry) = self.downloads.under_way.get_mut(&download) {
            entry.hash = Some(hash);
            let frame = file_hashes(download, &entry.path, hash);
            if let Some(session) = self.roster.session(entry.login) {
                out.tell(Recipients::One(session.connection), Body::FileHashes(frame));
            }
        }
        out.into_vec()
    }

    /// Frees the download's place. One that is unknown, or somebody else's, is answered alike: it may
    /// have ended with an earlier login.
    pub(crate) fn download_done(
        &mut self,
        caller: Caller,
        login: LoginId,
        done: &DownloadDone,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let is_own =
            self.downloads.under_way.get(&done.download).is_some_and(|entry| entry.login == login);
        if is_own && let Some(entry) = self.downloads.under_way.remove(&done.download) {
            if entry.hash.is_none() {
                out.push(Action::ForgetHash { download: done.download });
            }
            let user = self.name_of(login);
            let DownloadDone { download, verified, bytes, transport } = *done;
            let transport = transport.as_str_name();
            self.tally.download_ended(verified, bytes);
            tracing::info!(?user, file = ?entry.path.as_str(), download, verified, bytes, transport, "download ended");
        }
        let recorded = DownloadRecorded { download_id: done.download };
        caller.reply(out, Body::DownloadRecorded(recorded))
    }
}
