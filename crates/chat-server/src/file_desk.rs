//! Between the chat and the transfer of files: mints tickets, has files hashed, ends the transfers of
//! a login. The chat never waits for any of it.

pub(crate) mod hash_job;

pub(crate) mod hash_queue;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use common::wire::server_frame::Body;
use common::wire::{self, DownloadProblem, DownloadTicket, ServerFrame};
use file_transfer::catalogue::{Catalogue, CatalogueEntry};
use file_transfer::file_path::FilePath;
use file_transfer::node::TransferNode;
use file_transfer::ticket::{Grant, TicketId, TicketKey};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::file_desk::hash_job::HashOutcome;
use crate::file_desk::hash_queue::{HashJob, HashQueue, Hashing};
use crate::hub::Input;
use crate::state::action::MintTicket;
use crate::state::downloads::TICKET_LIFE;
use crate::state::refusal::Refusal;
use crate::state::request::{LoginId, NoFile};

/// How long a ticket may be used to start a transfer.
pub(crate) const TICKET_SECONDS: u64 = TICKET_LIFE.as_secs();

/// Tickets of one download that are remembered.
const TICKETS_PER_DOWNLOAD_MAX: usize = 4;

/// A transfer node as tickets name it.
#[derive(Clone)]
pub(crate) struct Node {
    /// `host:port`; no host means the chat server's own.
    pub(crate) address: String,
    pub(crate) spki_sha256: [u8; 32],
    pub(crate) key: TicketKey,
}

/// The nodes that files come from, and the folder that they are in.
pub(crate) struct FileDesk {
    catalogue: Arc<Catalogue>,
    nodes: Vec<Node>,
    /// The node in this process, where there is one.
    own_node: Option<Arc<TransferNode>>,
    /// Which ticket was minted for which download, for the node to be asked after. Bounded by the places
    /// that there are, and [`TICKETS_PER_DOWNLOAD_MAX`].
    tickets: Vec<(u64, TicketId)>,
    hashing: HashQueue,
    /// How to stop what is being hashed. As bounded as that is.
    under_way: Vec<(HashJob, CancellationToken)>,
    hub: mpsc::Sender<Input>,
}

/// Looks files up for the connections.
#[derive(Clone, Debug)]
pub(crate) struct FileFinder(Arc<Catalogue>);

impl FileFinder {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self(catalogue)
    }

    /// The file as it is now, if there is one.
    pub(crate) async fn find(&self, path: &str) -> Result<CatalogueEntry, NoFile> {
        let path = FilePath::parse(path).map_err(|_| NoFile::Missing)?;
        let catalogue = Arc::clone(&self.0);
        let found = tokio::task::spawn_blocking(move || catalogue.find(&path)).await;
        // The task fails where the process ends.
        found.map_err(|_| NoFile::Unreadable)?.map_err(|error| match error.is_gone() {
            true => NoFile::Missing,
            false => {
                tracing::warn!(%error, "cannot look at a file");
                NoFile::Unreadable
            }
        })
    }
}

impl FileDesk {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        nodes: Vec<Node>,
        own_node: Option<Arc<TransferNode>>,
        hub: mpsc::Sender<Input>,
    ) -> Self {
        Self {
            catalogue,
            nodes,
            own_node,
            tickets: Vec::new(),
            hashing: HashQueue::default(),
            under_way: Vec::new(),
            hub,
        }
    }

    /// The answer to a request for a download: a ticket for one of the nodes, which take turns. A ticket
    /// holds for one node only, so one is named, and each further ticket of a download is for the same.
    pub(crate) fn mint(&mut self, wanted: &MintTicket, unix_ms: i64) -> ServerFrame {
        let body = match self.try_mint(wanted, unix_ms) {
            Some(ticket) => Body::DownloadTicket(ticket),
            None => {
                let path = wanted.path.as_str().to_owned();
                Body::Refused(Refusal::UnknownFile { path }.into_wire())
            }
        };
        ServerFrame { in_reply_to: wanted.request_id, body: Some(body) }
    }

    fn try_mint(&mut self, wanted: &MintTicket, unix_ms: i64) -> Option<DownloadTicket> {
        let MintTicket { download, user, login, path, version, .. } = wanted;
        let turn = download.checked_rem(self.nodes.len() as u64)?;
        let node = self.nodes.get(usize::try_from(turn).ok()?)?;
        let grant = Grant {
            secret: rand::random(),
            user: user.clone(),
            login: login.0,
            file: path.clone(),
            version: *version,
            bytes_max: Grant::bytes_max_for(version.size),
            expires_at: u64::try_from(unix_ms / 1000).unwrap_or_default() + TICKET_LIFE.as_secs(),
        };
        let ticket = node
            .key
            .mint(&grant, rand::random())
            .inspect_err(|error| tracing::error!(%error, "no ticket"))
            .ok()?;
        let message = DownloadTicket {
            download_id: *download,
            ticket: Bytes::copy_from_slice(ticket.as_bytes()),
            secret: Bytes::copy_from_slice(&grant.secret),
            nodes: vec![wire::TransferNode {
                address: node.address.clone(),
                spki_sha256: Bytes::copy_from_slice(&node.spki_sha256),
            }],
            file: Some(wire::FileEntry {
                path: path.as_str().to_owned(),
                size: version.size,
                modified_ms: version.modified_ms(),
            }),
            modified_ns: version.modified_ns,
        };
        if let (Some(id), true) = (TicketId::of(ticket.as_bytes()), self.own_node.is_some()) {
            self.remember_ticket(*download, id);
        }
        Some(message)
    }

    /// The latest few of a download: a transfer may still run on an earlier one.
    fn remember_ticket(&mut self, download: u64, ticket: TicketId) {
        self.tickets.push((download, ticket));
        let of_download = self.tickets.iter().filter(|(of, _)| *of == download);
        if of_download.count() > TICKETS_PER_DOWNLOAD_MAX
            && let Some(oldest) = self.tickets.iter().position(|(of, _)| *of == download)
        {
            self.tickets.remove(oldest);
        }
    }

    /// Has a file hashed for a download; the hub is told when it is.
    pub(crate) fn hash(&mut self, download: u64, job: HashJob) {
        // Of a version that the download is no more for, nobody wants the root.
        let is_outdated = |it: &HashJob| it.what == Hashing::Root && it.version != job.version;
        if job.what == Hashing::Root {
            let unwanted = self.hashing.forget(download, is_outdated);
            self.stop_hashing(&unwanted);
        }
        if self.hashing.add(job.clone(), download) {
            self.look_up(job);
        }
    }

    /// This download needs no hash any more.
    pub(crate) fn forget_hash(&mut self, download: u64) {
        let unwanted = self.hashing.forget(download, |_| true);
        self.stop_hashing(&unwanted);
    }

    fn stop_hashing(&mut self, unwanted: &[HashJob]) {
        for (_, stop) in self.under_way.iter().filter(|(job, _)| unwanted.contains(job)) {
            stop.cancel();
        }
    }

    /// What came of a job; the downloads that wait for it where it is done. The next one is begun.
    pub(crate) fn hashed(&mut self, job: &HashJob, outcome: &HashOutcome) -> Vec<u64> {
        let was_looked_up = matches!(outcome, HashOutcome::NotRemembered);
        if !was_looked_up {
            self.under_way.retain(|(running, _)| running != job);
        }
        let downloads = match outcome {
            HashOutcome::NotRemembered => {
                self.hashing.not_remembered(job);
                Vec::new()
            }
            HashOutcome::Stopped => {
                self.hashing.stopped(job);
                Vec::new()
            }
            HashOutcome::Root(_) | HashOutcome::Pieces(_) | HashOutcome::Failed(_) => {
                self.hashing.finished(job)
            }
        };
        while let Some(job) = self.hashing.start_next() {
            let stop = CancellationToken::new();
            self.under_way.push((job.clone(), stop.clone()));
            self.carry_out(job, move |catalogue, job| job.compute(catalogue, &stop));
        }
        downloads
    }

    fn look_up(&self, job: HashJob) {
        self.carry_out(job, |catalogue, job| job.look_up(catalogue));
    }

    /// Reads from the disk, on a thread that may block, and tells the hub.
    fn carry_out(
        &self,
        job: HashJob,
        work: impl FnOnce(&Catalogue, &HashJob) -> HashOutcome + Send + 'static,
    ) {
        let (catalogue, hub) = (Arc::clone(&self.catalogue), self.hub.clone());
        tokio::spawn(async move {
            let asked = job.clone();
            let outcome = tokio::task::spawn_blocking(move || work(&catalogue, &asked)).await;
            let outcome = outcome.unwrap_or_else(|error| {
                tracing::error!(%error, path = ?job.path.as_str(), "cannot hash a file");
                HashOutcome::Failed(DownloadProblem::FileUnreadable)
            });
            let _ = hub.send(Input::Hashed { job, outcome }).await;
        });
    }

    /// Which of the downloads that hold a place are known to be served now. Of nodes elsewhere nothing is
    /// known: there a place is kept by the client, which asks for another ticket now and then.
    pub(crate) fn served(&mut self, running: &HashSet<u64>) -> HashSet<u64> {
        let Some(node) = &self.own_node else { return HashSet::new() };
        self.tickets.retain(|(download, _)| running.contains(download));
        let served = self.tickets.iter().filter(|(_, ticket)| node.serves(ticket));
        served.map(|(download, _)| *download).collect()
    }

    /// Every transfer of this login ends. A node elsewhere ends them when their lease does.
    pub(crate) fn end_login(&self, login: LoginId) {
        if let Some(node) = &self.own_node {
            node.end_login(login.0);
        }
    }
}
