//! Uploads under way: who may begin one, and who is answered when the disk has had its say.
//!
//! Nothing is decided here by what is on disk: that is carried out elsewhere, as [`UploadWork`], and
//! comes back as [`UploadResult`]. An upload belongs to the login, not to the connection; when the login
//! ends, or nobody goes on with it for a while, what the server has of the file stays for another one to
//! go on with. What its client asks is done one after the other; who asks again is answered in place of
//! the one before ([`questions`]). Where no place is left, what it asks first waits in line for one
//! ([`line`]); and a place is free when the disk is done with the upload, not before ([`leaving`]).

use std::collections::{HashMap, HashSet};
use std::time::Instant;

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
use crate::state::downloads::TICKET_LIFE;
use crate::state::now::Now;
use crate::state::rate_limit::Rate;
use crate::state::refusal::{Refusal, UploadRefusal};
use crate::state::request::LoginId;
use crate::state::router::Caller;
use crate::state::waiting_line::WaitingLine;

mod leaving;

mod line;

mod questions;

use leaving::Leaving;
use questions::{Asked, Question, Questions};

/// How often a client may ask to begin: each time the disk makes files and is waited for.
const BEGINS: Rate = Rate { burst: 32, per_second: 4 };

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
    /// The client does not go on with it.
    Abandon {
        /// Which one.
        upload: u64,
        /// What there is of it stays.
        keep: bool,
    },
}

/// Something to be done with the disk.
#[derive(Debug)]
pub struct UploadWork {
    /// Which one.
    pub upload: u64,
    /// What.
    pub task: UploadTask,
}

/// What is to be done with the disk.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    pub upload: u64,
    /// What.
    pub outcome: UploadOutcome,
}

/// What came of work with the disk.
#[derive(Clone, Debug)]
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
    /// Nothing is there of it any more.
    Removed,
    /// Not carried out.
    Refused(UploadRefusal),
}

/// All uploads under way, by number.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Those that have a place, and those that wait for one.
    under_way: HashMap<u64, Upload>,
    line: WaitingLine,
    /// Positions may be others than those that were told.
    line_has_moved: bool,
    last_id: u64,
}

#[derive(Debug)]
struct Upload {
    login: LoginId,
    attempt: [u8; 16],
    path: FilePath,
    version: FileVersion,
    questions: Questions,
    /// It waits for a place, and was told this position.
    waits_at: Option<u32>,
    /// It was given up, and holds its place until the disk is done with it.
    leaving: Option<Leaving>,
    /// When a node was last known to transfer it, the disk to work for it, or its client to ask about it.
    used_at: Instant,
}

/// What an upload is, for whoever has to know it when it may be over.
struct Facts {
    login: LoginId,
    path: FilePath,
    version: FileVersion,
}

impl Upload {
    /// The disk is to answer this question next.
    fn work_on(&mut self, question: Question) -> UploadTask {
        self.remember(&question.task);
        self.questions.work_on(question)
    }

    /// It is about this file from now on.
    fn remember(&mut self, task: &UploadTask) {
        if let UploadTask::Begin { wish, .. } = task {
            self.attempt = wish.attempt;
            self.path = wish.path.clone();
            self.version = wish.version;
        }
    }
}

impl Uploads {
    /// The one that a client asks about again: in the same attempt, or in a new one for the same file,
    /// after it was killed. One that is given up, too: who wants it again has to wait until it is gone.
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

    /// The disk has answered a question: gives it, the one behind it, and whose they are.
    fn done(&mut self, upload: u64) -> Option<(Facts, Question, Option<Question>)> {
        let entry = self.under_way.get_mut(&upload)?;
        let (asked, next) = entry.questions.done()?;
        let Upload { login, version, .. } = *entry;
        Some((Facts { login, path: entry.path.clone(), version }, asked, next))
    }

    /// The uploads of a login, oldest first.
    fn ids_of(&self, login: LoginId) -> Vec<u64> {
        let own = self.under_way.iter().filter(|(_, upload)| upload.login == login);
        let mut ids: Vec<u64> = own.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

impl State {
    /// Hands what a client asks about an upload to the disk.
    pub(crate) fn upload(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        request: UploadRequest,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let (upload, task) = match request {
            UploadRequest::Begin { attempt, path, version } => {
                self.begin_upload(now, login, attempt, path, version)?
            }
            UploadRequest::Sent { upload, root } => (upload, UploadTask::Settle { root }),
            UploadRequest::Pieces { upload, first, hashes } => {
                (upload, UploadTask::Compare { first, hashes })
            }
            UploadRequest::Abandon { upload, keep } => {
                return self.abandon(caller, login, upload, keep, out);
            }
        };
        let entry = self.uploads.under_way.get_mut(&upload).filter(|entry| entry.login == login);
        let entry = entry.ok_or(UploadRefusal::Unknown)?;
        let question = Question { caller, task };
        if entry.leaving.is_some() {
            return self.keep_until_gone(upload, question, out);
        }
        if entry.waits_at.is_some() {
            return self.keep_in_line(upload, question, out);
        }
        entry.used_at = now.instant;
        match entry.questions.ask(question) {
            Asked::First(question) => push(out, upload, entry.work_on(question)),
            Asked::Behind(None) => {}
            // Mostly of a connection that is lost by now, and gets nothing.
            Asked::Behind(Some(replaced)) => {
                self.refuse(replaced, UploadRefusal::TooMany { allowed: 1 }.into(), out);
            }
        }
        Ok(())
    }

    fn begin_upload(
        &mut self,
        now: Now,
        login: LoginId,
        attempt: [u8; 16],
        path: Result<FilePath, String>,
        version: FileVersion,
    ) -> Result<(u64, UploadTask), Refusal> {
        if !self.policy.takes_uploads {
            return Err(UploadRefusal::Off.into());
        }
        let path = path.map_err(|path| UploadRefusal::Name { path })?;
        let session = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        session
            .uploads
            .take(now.instant, BEGINS)
            .map_err(|wait| Refusal::SlowDown { retry_at_ms: now.unix_ms_after(wait) })?;
        let upload = match self.uploads.again(login, &attempt, &path, version) {
            Some(upload) => upload,
            None => self.new_upload(now, login, attempt, &path, version)?,
        };
        let user = self.name_of(login);
        // Whoever looks the same is the same.
        let owner = NameKey::of(&user).as_str().to_owned();
        let wish = UploadWish { user: owner, attempt, path, version };
        Ok((upload, UploadTask::Begin { wish, user, login }))
    }

    /// Takes a place, or stands in line for one.
    fn new_upload(
        &mut self,
        now: Now,
        login: LoginId,
        attempt: [u8; 16],
        path: &FilePath,
        version: FileVersion,
    ) -> Result<u64, Refusal> {
        let places = self.upload_places();
        let checked = places.check_line(&self.uploads.line, login);
        checked.map_err(|allowed| UploadRefusal::TooMany { allowed })?;
        let waits_at = (!places.has_one_for(login)).then_some(0);
        self.uploads.last_id += 1;
        let (path, used_at) = (path.clone(), now.instant);
        let (questions, leaving) = (Questions::default(), None);
        let entry = Upload { login, attempt, path, version, questions, waits_at, leaving, used_at };
        self.uploads.under_way.insert(self.uploads.last_id, entry);
        if waits_at.is_some() {
            self.uploads.line.push(login, self.uploads.last_id);
        }
        Ok(self.uploads.last_id)
    }

    /// Takes the places of those back that no node transfers and nobody asks about any more: their
    /// clients forgot them. `served` are those whose bytes flow now.
    #[must_use]
    pub fn uploads_served(&mut self, now: Now, served: &HashSet<u64>) -> Vec<Action> {
        let mut idle = Vec::new();
        for (id, upload) in &mut self.uploads.under_way {
            let is_at_work = upload.questions.is_any() || upload.leaving.is_some();
            if served.contains(id) || is_at_work {
                upload.used_at = now.instant;
            }
            if now.instant.saturating_duration_since(upload.used_at) >= TICKET_LIFE {
                idle.push(*id);
            }
        }
        idle.sort_unstable();
        let mut out = Actions::default();
        for id in idle {
            tracing::debug!(upload = id, "an upload that nobody goes on with is let go of");
            self.give_up(id, true, &mut out);
        }
        self.fill_upload_places(&mut out);
        out.into_vec()
    }

    /// The disk waits for nothing: what there is stays, and its place is free.
    fn release(&mut self, upload: u64, out: &mut Actions) {
        self.uploads.under_way.remove(&upload);
        push(out, upload, UploadTask::Release);
    }

    /// One that is unknown is answered alike: it may have ended with an earlier login.
    fn abandon(
        &mut self,
        caller: Caller,
        login: LoginId,
        upload: u64,
        keep: bool,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let is_own = self.uploads.under_way.get(&upload).is_some_and(|entry| entry.login == login);
        if is_own {
            self.give_up(upload, keep, out);
        }
        caller.reply(out, Body::UploadAbandoned(wire::UploadAbandoned { upload_id: upload }))?;
        self.fill_upload_places(out);
        Ok(())
    }

    /// The disk has had its say.
    #[must_use]
    pub fn upload_result(&mut self, now: Now, result: UploadResult) -> Vec<Action> {
        let UploadResult { upload, outcome } = result;
        let mut out = Actions::default();
        let Some(entry) = self.uploads.under_way.get_mut(&upload) else { return out.into_vec() };
        entry.used_at = now.instant;
        if let Some(leaving) = entry.leaving {
            self.leave(upload, leaving, outcome, &mut out);
            self.fill_upload_places(&mut out);
            return out.into_vec();
        }
        let Some((entry, asked, next)) = self.uploads.done(upload) else { return out.into_vec() };
        let (is_stored, is_over) = match &outcome {
            UploadOutcome::Stored(_) => (true, true),
            UploadOutcome::Refused(_) | UploadOutcome::Removed => (false, true),
            UploadOutcome::Ready(_)
            | UploadOutcome::Incomplete { .. }
            | UploadOutcome::Compared { .. } => (false, false),
        };
        let is_same = |next: &Question| is_stored && next.begins(&entry.path, entry.version);
        match next {
            // Its client was killed while the file got its name, and asks for the same once more.
            Some(next) if is_same(&next) => {
                self.release(upload, &mut out);
                self.answer_upload(next.caller, upload, outcome.clone(), &mut out);
            }
            Some(next) if !is_over || next.begins_any() => {
                if let Some(entry) = self.uploads.under_way.get_mut(&upload) {
                    push(&mut out, upload, entry.work_on(next));
                }
            }
            Some(next) => {
                self.release(upload, &mut out);
                self.refuse(next.caller, UploadRefusal::Unknown.into(), &mut out);
            }
            None if is_over => self.release(upload, &mut out),
            None => {}
        }
        if let UploadOutcome::Stored(stored) = &outcome {
            self.log_stored(upload, entry.login, &entry.path, stored);
        }
        self.answer_upload(asked.caller, upload, outcome, &mut out);
        self.fill_upload_places(&mut out);
        out.into_vec()
    }

    fn log_stored(&self, upload: u64, login: LoginId, asked: &FilePath, stored: &StoredUpload) {
        let user = self.name_of(login);
        let (asked, file) = (asked.as_str(), stored.path.as_str());
        tracing::info!(?user, ?asked, ?file, upload, "upload stored");
    }

    /// A connection that is closed by now gets nothing: its client asks again.
    fn answer_upload(
        &mut self,
        caller: Caller,
        upload: u64,
        outcome: UploadOutcome,
        out: &mut Actions,
    ) {
        match reply(upload, outcome) {
            Ok(body) => out.reply(caller.connection, caller.request_id, body),
            Err(refusal) => self.refuse(caller, refusal, out),
        }
    }

    /// The uploads of a login that ended are let go of.
    pub(crate) fn end_uploads(&mut self, login: LoginId, out: &mut Actions) {
        self.uploads.ids_of(login).into_iter().for_each(|upload| self.give_up(upload, true, out));
        self.fill_upload_places(out);
    }
}

fn push(out: &mut Actions, upload: u64, task: UploadTask) {
    out.push(Action::Upload(Box::new(UploadWork { upload, task })));
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
        UploadOutcome::Removed => return Err(UploadRefusal::Unknown.into()),
        UploadOutcome::Refused(refusal) => return Err(refusal.into()),
    })
}
