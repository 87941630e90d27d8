//! Carries out what uploads need of the disk, on threads that may block, and tells the hub. The chat
//! never waits for any of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use common::wire;
use file_transfer::node::TransferNode;
use file_transfer::ticket::{Grant, TicketId};
use file_transfer::uploads::{Begun, Settled, UploadError, UploadHandle, UploadStore, UploadWish};
use tokio::sync::mpsc;

use crate::file_desk::{Node, TICKET_SECONDS};
use crate::hub::Input;
use crate::state::refusal::UploadRefusal;
use crate::state::request::LoginId;
use crate::state::uploads::{UploadOutcome, UploadResult, UploadTask, UploadWork};

/// Where uploads go, if any are taken, and what holds those under way.
pub(crate) struct UploadDesk {
    place: Option<Place>,
    /// By the chat's number. As many as the state lets be under way.
    held: HashMap<u64, UploadHandle>,
    /// What the bytes come to.
    own_node: Option<Arc<TransferNode>>,
    hub: mpsc::Sender<Input>,
}

#[derive(Clone)]
struct Place {
    store: Arc<UploadStore>,
    node: Node,
}

/// Work that is done.
#[derive(Debug)]
pub(crate) struct DoneUpload {
    result: UploadResult,
    /// What the upload is held open by from now on.
    handle: Option<UploadHandle>,
}

impl UploadDesk {
    /// `place`: the folder, and how clients find the node that writes to it, `own_node`.
    pub(crate) fn new(
        place: Option<(Arc<UploadStore>, Node)>,
        own_node: Option<Arc<TransferNode>>,
        hub: mpsc::Sender<Input>,
    ) -> Self {
        let place = place.map(|(store, node)| Place { store, node });
        Self { place, held: HashMap::new(), own_node, hub }
    }

    /// The uploads whose bytes come in now.
    pub(crate) fn served(&self) -> HashSet<u64> {
        let Some(node) = &self.own_node else { return HashSet::new() };
        let is_served =
            |handle: &UploadHandle| node.serves(&TicketId::of_upload_to(handle.part_path()));
        self.held.iter().filter(|(_, handle)| is_served(handle)).map(|(id, _)| *id).collect()
    }

    /// Begins some work. The hub is told when it is done, unless nobody waits for it.
    pub(crate) fn begin(&mut self, work: UploadWork) {
        let UploadWork { upload, task } = work;
        let Some(place) = self.place.clone() else { return };
        let handle = self.held.get(&upload).cloned();
        if matches!(task, UploadTask::Remove | UploadTask::Release) {
            self.held.remove(&upload);
        }
        let hub = self.hub.clone();
        tokio::spawn(async move {
            let working = tokio::task::spawn_blocking(move || place.work(upload, task, handle));
            let (outcome, handle) = match working.await {
                Ok(Some(done)) => done,
                // Nobody waits.
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, upload, "an upload's work failed");
                    (UploadOutcome::Refused(UploadRefusal::DiskFailed), None)
                }
            };
            let result = UploadResult { upload, outcome };
            let _ = hub.send(Input::Upload(DoneUpload { result, handle })).await;
        });
    }

    /// Takes what came of it; the state is to be told the result.
    pub(crate) fn done(&mut self, done: DoneUpload) -> UploadResult {
        if let Some(handle) = done.handle {
            self.held.insert(done.result.upload, handle);
        }
        done.result
    }
}

type Done = (UploadOutcome, Option<UploadHandle>);

impl Place {
    /// Does it. `None` if there is nothing to be told.
    fn work(&self, upload: u64, task: UploadTask, handle: Option<UploadHandle>) -> Option<Done> {
        match (task, handle) {
            (UploadTask::Begin { wish, user, login }, _) => {
                Some(self.begin(upload, &wish, user, login))
            }
            (UploadTask::Settle { root }, Some(handle)) => {
                Some((self.settle(&handle, &root), None))
            }
            (UploadTask::Compare { first, hashes }, Some(handle)) => {
                let outcome = match self.store.compare(&handle, first, &hashes) {
                    Ok(differing) => UploadOutcome::Compared { differing },
                    Err(error) => UploadOutcome::Refused(refusal(error, "")),
                };
                Some((outcome, None))
            }
            (UploadTask::Settle { .. } | UploadTask::Compare { .. }, None) => {
                Some((UploadOutcome::Refused(UploadRefusal::Unknown), None))
            }
            (UploadTask::Remove, handle) => {
                handle.iter().for_each(|handle| self.store.remove(handle));
                Some((UploadOutcome::Removed, None))
            }
            (UploadTask::Release, _) => None,
        }
    }

    fn begin(&self, upload: u64, wish: &UploadWish, user: String, login: LoginId) -> Done {
        let handle = match self.store.begin(wish) {
            Ok(Begun::Part(handle)) => handle,
            Ok(Begun::Stored(stored)) => return (UploadOutcome::Stored(stored), None),
            Err(error) => {
                return (UploadOutcome::Refused(refusal(error, wish.path.as_str())), None);
            }
        };
        match self.mint(upload, wish, user, login, &handle) {
            Some(ticket) => (UploadOutcome::Ready(Box::new(ticket)), Some(handle)),
            None => (UploadOutcome::Refused(UploadRefusal::DiskFailed), None),
        }
    }

    fn mint(
        &self,
        upload_id: u64,
        wish: &UploadWish,
        user: String,
        login: LoginId,
        handle: &UploadHandle,
    ) -> Option<wire::UploadTicket> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let grant = Grant {
            secret: rand::random(),
            user,
            login: login.0,
            file: handle.part_path().clone(),
            version: wish.version,
            bytes_max: Grant::bytes_max_for(wish.version.size),
            expires_at: now.as_secs() + TICKET_SECONDS,
        };
        let minted = self.node.key.mint_upload(&grant, rand::random());
        let ticket = minted.inspect_err(|error| tracing::error!(%error, "no ticket")).ok()?;
        Some(wire::UploadTicket {
            upload_id,
            ticket: Bytes::copy_from_slice(ticket.as_bytes()),
            secret: Bytes::copy_from_slice(&grant.secret),
            nodes: vec![wire::TransferNode {
                address: self.node.address.clone(),
                spki_sha256: Bytes::copy_from_slice(&self.node.spki_sha256),
            }],
            kept: handle.kept(),
        })
    }

    fn settle(&self, handle: &UploadHandle, root: &[u8; 32]) -> UploadOutcome {
        match self.store.settle(handle, root) {
            Ok(Settled::Stored(stored)) => UploadOutcome::Stored(stored),
            Ok(Settled::Incomplete { missing }) => {
                UploadOutcome::Incomplete { missing, differs: false }
            }
            Ok(Settled::Differs) => UploadOutcome::Incomplete { missing: 0, differs: true },
            Err(error) => UploadOutcome::Refused(refusal(error, "")),
        }
    }
}

/// What the client is told. What the disk said is the operator's business.
fn refusal(error: UploadError, path: &str) -> UploadRefusal {
    let path = path.to_owned();
    match error {
        UploadError::Disk(error) => {
            tracing::warn!(%error, ?path, "an upload finds a disk that fails");
            UploadRefusal::DiskFailed
        }
        UploadError::DiskFull => {
            tracing::warn!(?path, "an upload finds no space on the disk");
            UploadRefusal::DiskFull
        }
        UploadError::Folder | UploadError::TooManyFolders => UploadRefusal::Folder { path },
        UploadError::Gone => UploadRefusal::Unknown,
        UploadError::Hidden | UploadError::Path(_) => UploadRefusal::Name { path },
        // Nobody hears of it: the chat has ended before.
        UploadError::Stopped => UploadRefusal::DiskFailed,
        UploadError::Quota { left } => UploadRefusal::Quota { left },
        UploadError::TooLarge { allowed } => UploadRefusal::TooLarge { allowed },
        UploadError::TooManyFiles { allowed } => UploadRefusal::TooMany { allowed },
    }
}
