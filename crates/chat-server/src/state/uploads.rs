//! Uploads under way: who may begin one, and who is answered when the disk has had its say.
//!
//! Nothing is decided here by what is on disk: that is carried out elsewhere, as [`UploadWork`], and
//! comes back as [`UploadResult`]. An upload belongs to the login, not to the connection; when the login
//! ends, what the server has of the file stays for another one to go on with.

use std::collections::HashMap;

use bytes::Bytes;
use common::user_name::NameKey;
use common::wire;
use common::wire::server_frame::Body;
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::piece_hashes::PieceHash;
use file_transfer::uploads::{StoredUpload, UploadWish};

use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::refusal::{Refusal, UploadRefusal};
use crate::state::request::{ConnectionId, LoginId};
use crate::state::router::Caller;

/// Questions about one upload that may wait for the disk: one, and those of a lost connection.
const WAITING_MAX: u32 = 4;

/// What a client asks about an upload.
#[derive(Debug)]
pub enum UploadRequest {
    /// May this file come?
    Begin {
        /// The client's name for the attempt.
        attempt: [u8; 16],
        /// What it is to be called, if that is a name.
        path: Result<FilePath, String>,
        /// The client's file.
        version: FileVersion,
    },
    /// Everything is sent.
    Sent {
        /// Which one.
        upload: u64,
        /// BLAKE3 of the client's file.
        root: [u8; 32],
    },
    /// Which pieces differ?
    Pieces {
        /// Which one.
        upload: u64,
        /// The first of them.
        first: u64,
        /// What they should be.
        hashes: Vec<PieceHash>,
    },
    /// The client does not want it any more.
    Abandon {
        /// Which one.
        upload: u64,
    },
}

/// Something to be done with the disk.
#[derive(Debug)]
pub struct UploadWork {
    /// Who waits for the answer.
    pub connection: ConnectionId,
    /// In which request; 0: nobody waits.
    pub request_id: u64,
    /// Which one.
    pub upload: u64,
    /// What.
    pub task: UploadTask,
}

/// What is to be done with the disk.
#[derive(Debug)]
pub enum UploadTask {
    /// Make or find its part, and mint a ticket.
    Begin {
        /// Who and what.
        wish: UploadWish,
        /// As the ticket names the user.
        user: String,
        /// The login that the transfer belongs to.
        login: LoginId,
    },
    /// Check what is there, and make it a file.
    Settle {
        /// What its hash should be.
        root: [u8; 32],
    },
    /// Find pieces that differ.
    Compare {
        /// The first of them.
        first: u64,
        /// What they should be.
        hashes: Vec<PieceHash>,
    },
    /// Remove what there is of it.
    Remove,
    /// Let go of it; what there is stays.
    Release,
}

/// What came of it.
#[derive(Debug)]
pub struct UploadResult {
    /// As in [`UploadWork`].
    pub connection: ConnectionId,
    /// As in [`UploadWork`].
    pub request_id: u64,
    /// As in [`UploadWork`].
    pub upload: u64,
    /// What.
    pub outcome: UploadOutcome,
}

/// What came of work with the disk.
#[derive(Debug)]
pub enum UploadOutcome {
    /// Bytes may come.
    Ready(Box<wire::UploadTicket>),
    /// The file is there.
    Stored(StoredUpload),
    /// Not yet.
    Incomplete {
        /// Bytes that are missing.
        missing: u64,
        /// None is, but some are wrong.
        differs: bool,
    },
    /// So many pieces differ.
    Compared {
        /// How many.
        differing: u64,
    },
    /// Not carried out.
    Refused(UploadRefusal),
}

/// All uploads under way, by number.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    under_way: HashMap<u64, Upload>,
    last_id: u64,
}

#[derive(Debug)]
struct Upload {
    login: LoginId,
    attempt: [u8; 16],
    path: FilePath,
    version: FileVersion,
    /// Questions that wait for the disk.
    waiting: u32,
}

impl Uploads {
    fn count_of(&self, login: LoginId) -> usize {
        self.under_way.values().filter(|upload| upload.login == login).count()
    }

    /// The one that a client asks about again: in the same attempt, or in a new one for the same file,
    /// after it was killed.
    fn again(
        &self,
        login: LoginId,
        attempt: &[u8; 16],
        path: &FilePath,
        version: FileVersion,
    ) -> Option<u64> {
        let is_it = |upload: &Upload| {
            let is_same_file = upload.path == *path && upload.version == version;
            upload.login == login && (upload.attempt == *attempt || is_same_file)
        };
        self.under_way.iter().find(|(_, upload)| is_it(upload)).map(|(id, _)| *id)
    }

    /// The login ended; gives the uploads that it had.
    pub(crate) fn forget_login(&mut self, login: LoginId) -> Vec<u64> {
        let gone = self.under_way.extract_if(|_, upload| upload.login == login);
        let mut ids: Vec<u64> = gone.map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    }
}

impl State {
    /// Hands what a client asks about an upload to the disk.
    pub(crate) fn upload(
        &mut self,
        caller: Caller,
        login: LoginId,
        request: UploadRequest,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let (upload, task) = match request {
            UploadRequest::Begin { attempt, path, version } => {
                self.begin_upload(login, attempt, path, version)?
            }
            UploadRequest::Sent { upload, root } => (upload, UploadTask::Settle { root }),
            UploadRequest::Pieces { upload, first, hashes } => {
                (upload, UploadTask::Compare { first, hashes })
            }
            UploadRequest::Abandon { upload } => return self.abandon(caller, login, upload, out),
        };
        let entry = self.uploads.under_way.get_mut(&upload).filter(|entry| entry.login == login);
        let entry = entry.ok_or(UploadRefusal::Unknown)?;
        if entry.waiting >= WAITING_MAX {
            return Err(UploadRefusal::TooMany { allowed: WAITING_MAX as usize }.into());
        }
        entry.waiting += 1;
        push(out, caller, upload, task);
        Ok(())
    }

    fn begin_upload(
        &mut self,
        login: LoginId,
        attempt: [u8; 16],
        path: Result<FilePath, String>,
        version: FileVersion,
    ) -> Result<(u64, UploadTask), Refusal> {
        if !self.policy.takes_uploads {
            return Err(UploadRefusal::Off.into());
        }
        let path = path.map_err(|path| UploadRefusal::Name { path })?;
        let upload = match self.uploads.again(login, &attempt, &path, version) {
            Some(upload) => {
                if let Some(entry) = self.uploads.under_way.get_mut(&upload) {
                    entry.attempt = attempt;
                }
                upload
            }
            None => {
                for (count, allowed) in [
                    (self.uploads.count_of(login), self.policy.downloads_per_user_max),
                    (self.uploads.under_way.len(), self.policy.downloads_max),
                ] {
                    if count >= allowed {
                        return Err(UploadRefusal::TooMany { allowed }.into());
                    }
                }
                self.uploads.last_id += 1;
                let path = path.clone();
                let entry = Upload { login, attempt, path, version, waiting: 0 };
                self.uploads.under_way.insert(self.uploads.last_id, entry);
                self.uploads.last_id
            }
        };
        let user = self.name_of(login);
        // Whoever looks the same is the same.
        let owner = NameKey::of(&user).as_str().to_owned();
        let wish = UploadWish { user: owner, attempt, path, version };
        Ok((upload, UploadTask::Begin { wish, user, login }))
    }

    /// One that is unknown is answered alike: it may have ended with an earlier login.
    fn abandon(
        &mut self,
        caller: Caller,
        login: LoginId,
        upload: u64,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let is_own = self.uploads.under_way.get(&upload).is_some_and(|entry| entry.login == login);
        if is_own {
            self.uploads.under_way.remove(&upload);
            push(out, Caller { request_id: 0, ..caller }, upload, UploadTask::Remove);
        }
        caller.reply(out, Body::UploadAbandoned(wire::UploadAbandoned { upload_id: upload }))
    }

    /// The disk has had its say.
    #[must_use]
    pub fn upload_result(&mut self, result: UploadResult) -> Vec<Action> {
        let UploadResult { connection, request_id, upload, outcome } = result;
        let mut out = Actions::default();
        let caller = Caller { connection, request_id };
        let Some(entry) = self.uploads.under_way.get_mut(&upload) else {
            // Its login ended meanwhile, or it was given up.
            push(&mut out, Caller { request_id: 0, ..caller }, upload, UploadTask::Release);
            return out.into_vec();
        };
        entry.waiting = entry.waiting.saturating_sub(1);
        let (login, size) = (entry.login, entry.version.size);
        let is_over = match &outcome {
            UploadOutcome::Stored(_) | UploadOutcome::Refused(_) => true,
            UploadOutcome::Ready(_)
            | UploadOutcome::Incomplete { .. }
            | UploadOutcome::Compared { .. } => false,
        };
        if let UploadOutcome::Stored(stored) = &outcome {
            let (user, asked) = (self.name_of(login), self.path_of_upload(upload));
            let file = stored.path.as_str();
            tracing::info!(?user, ?asked, ?file, upload, bytes = size, "upload stored");
        }
        if is_over {
            self.uploads.under_way.remove(&upload);
            push(&mut out, Caller { request_id: 0, ..caller }, upload, UploadTask::Release);
        }
        // A connection that is closed by now gets nothing: its client asks again.
        match reply(upload, outcome) {
            Ok(body) => out.reply(connection, request_id, body),
            Err(refusal) => self.refuse(caller, refusal, &mut out),
        }
        out.into_vec()
    }

    fn path_of_upload(&self, upload: u64) -> String {
        let entry = self.uploads.under_way.get(&upload);
        entry.map(|entry| entry.path.as_str().to_owned()).unwrap_or_default()
    }

    /// The uploads of a login that ended are let go of.
    pub(crate) fn end_uploads(&mut self, login: LoginId, out: &mut Actions) {
        for upload in self.uploads.forget_login(login) {
            let nobody = Caller { connection: ConnectionId(0), request_id: 0 };
            push(out, nobody, upload, UploadTask::Release);
        }
    }
}

fn push(out: &mut Actions, caller: Caller, upload: u64, task: UploadTask) {
    let Caller { connection, request_id } = caller;
    out.push(Action::Upload(Box::new(UploadWork { connection, request_id, upload, task })));
}

fn reply(upload_id: u64, outcome: UploadOutcome) -> Result<Body, Refusal> {
    Ok(match outcome {
        UploadOutcome::Ready(ticket) => Body::UploadTicket(*ticket),
        UploadOutcome::Stored(StoredUpload { path, root }) => {
            Body::UploadStored(wire::UploadStored {
                upload_id,
                path: path.as_str().to_owned(),
                root: Bytes::copy_from_slice(&root),
            })
        }
        UploadOutcome::Incomplete { missing, differs } => {
            Body::UploadIncomplete(wire::UploadIncomplete { upload_id, missing, differs })
        }
        UploadOutcome::Compared { differing } => {
            Body::UploadCompared(wire::UploadCompared { upload_id, differing })
        }
        UploadOutcome::Refused(refusal) => return Err(refusal.into()),
    })
}
