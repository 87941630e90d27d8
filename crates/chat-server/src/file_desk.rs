//! Between the chat and the transfer of files: mints tickets, has files hashed, ends the transfers of
//! a login. The chat never waits for any of it.

pub(crate) mod hash_queue;

use std::sync::Arc;

use bytes::Bytes;
use common::wire::server_frame::Body;
use common::wire::{self, DownloadProblem, DownloadTicket, ServerFrame};
use file_transfer::catalogue::{Catalogue, CatalogueEntry, HashError};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::node::TransferNode;
use file_transfer::ticket::{Grant, TicketKey};
use tokio::sync::mpsc;

use crate::file_desk::hash_queue::{HashJob, HashQueue};
use crate::hub::Input;
use crate::state::action::MintTicket;
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;

/// How long a ticket may be used to start a transfer.
pub(crate) const TICKET_SECONDS: u64 = 60;

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
    next_node: usize,
    hashing: HashQueue,
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
    pub(crate) async fn find(&self, path: &str) -> Option<CatalogueEntry> {
        let path = FilePath::parse(path).ok()?;
        let catalogue = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || catalogue.find(&path)).await.ok()?
    }
}

impl FileDesk {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        nodes: Vec<Node>,
        own_node: Option<Arc<TransferNode>>,
        hub: mpsc::Sender<Input>,
    ) -> Self {
        Self { catalogue, nodes, own_node, next_node: 0, hashing: HashQueue::default(), hub }
    }

    /// The answer to a request for a download: a ticket for one of the nodes, in turn. A ticket holds
    /// for one node only, so one is named.
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
        let node = self.nodes.get(self.next_node % self.nodes.len().max(1))?;
        self.next_node = self.next_node.wrapping_add(1);
        let MintTicket { download, user, login, path, version, .. } = wanted;
        let grant = Grant {
            secret: rand::random(),
            user: user.clone(),
            login: login.0,
            file: path.clone(),
            version: *version,
            bytes_max: Grant::bytes_max_for(version.size),
            expires_at: u64::try_from(unix_ms / 1000).unwrap_or_default() + TICKET_SECONDS,
        };
        let ticket = node
            .key
            .mint(&grant, rand::random())
            .inspect_err(|error| tracing::error!(%error, "no ticket"))
            .ok()?;
        Some(DownloadTicket {
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
        })
    }

    /// Has a file hashed for a download; the hub is told when it is.
    pub(crate) fn hash(&mut self, download: u64, path: FilePath, version: FileVersion) {
        self.hashing.add(HashJob { path, version }, download);
        self.start_hashing();
    }

    /// This download needs no hash any more.
    pub(crate) fn forget_hash(&mut self, download: u64) {
        self.hashing.forget(download);
    }

    /// A hash is there; the downloads that wait for it. The next one is begun.
    pub(crate) fn hashed(&mut self, job: &HashJob) -> Vec<u64> {
        let downloads = self.hashing.finished(job);
        self.start_hashing();
        downloads
    }

    fn start_hashing(&mut self) {
        while let Some(job) = self.hashing.start_next() {
            let (catalogue, hub) = (Arc::clone(&self.catalogue), self.hub.clone());
            tokio::spawn(async move {
                let HashJob { path, version } = job.clone();
                // It reads from the disk, on a thread that may block.
                let hashing =
                    tokio::task::spawn_blocking(move || catalogue.root_hash(&path, &version));
                let hash = match hashing.await {
                    Ok(Ok(root)) => Ok(root),
                    // The server ends.
                    Ok(Err(HashError::Stopped)) => return,
                    Ok(Err(HashError::Changed)) => Err(DownloadProblem::FileChanged),
                    Ok(Err(error @ (HashError::File(_) | HashError::Read(_)))) => {
                        tracing::warn!(%error, path = ?job.path.as_str(), "cannot hash a file");
                        Err(DownloadProblem::FileUnreadable)
                    }
                    Err(error) => {
                        tracing::error!(%error, path = ?job.path.as_str(), "cannot hash a file");
                        Err(DownloadProblem::FileUnreadable)
                    }
                };
                let _ = hub.send(Input::FileHashed { job, hash }).await;
            });
        }
    }

    /// Every transfer of this login ends. A node elsewhere ends them when their lease does.
    pub(crate) fn end_login(&self, login: LoginId) {
        if let Some(node) = &self.own_node {
            node.end_login(login.0);
        }
    }
}
