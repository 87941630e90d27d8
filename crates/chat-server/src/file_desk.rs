//! Between the chat and the transfer of files: mints tickets, has files hashed, ends the transfers of
//! a login. The chat never waits for any of it.

use std::sync::Arc;

use bytes::Bytes;
use common::wire::server_frame::Body;
use common::wire::{self, DownloadProblem, DownloadTicket, ServerFrame};
use file_transfer::catalogue::{Catalogue, CatalogueEntry, HashError};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::node::TransferNode;
use file_transfer::ticket::{Grant, TicketKey};
use tokio::sync::{Semaphore, mpsc};

use crate::hub::Input;
use crate::state::action::MintTicket;
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;

/// How long a ticket may be used to start a transfer.
const TICKET_SECONDS: u64 = 60;

/// Files that are hashed at the same time; others wait for their turn. Two keep a disk busy.
const HASHES_AT_ONCE_MAX: usize = 2;

/// A transfer node as tickets name it.
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
    hashing: Arc<Semaphore>,
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
        let hashing = Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX));
        Self { catalogue, nodes, own_node, next_node: 0, hashing, hub }
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

    /// Has a file hashed on a thread that may block; the hub is told when it is.
    pub(crate) fn hash(&self, download: u64, path: FilePath, version: FileVersion) {
        let (catalogue, hashing) = (Arc::clone(&self.catalogue), Arc::clone(&self.hashing));
        let hub = self.hub.clone();
        tokio::spawn(async move {
            let _turn = hashing.acquire().await;
            let hashed =
                tokio::task::spawn_blocking(move || catalogue.root_hash(&path, &version)).await;
            let hash = match hashed {
                Ok(Ok(root)) => Ok(root),
                // The server ends.
                Err(_) | Ok(Err(HashError::Stopped)) => return,
                Ok(Err(HashError::Changed)) => Err(DownloadProblem::FileChanged),
                Ok(Err(error @ (HashError::File(_) | HashError::Read(_)))) => {
                    tracing::warn!(%error, download, "cannot hash a file");
                    Err(DownloadProblem::FileUnreadable)
                }
            };
            let _ = hub.send(Input::FileHashed { download, hash }).await;
        });
    }

    /// Every transfer of this login ends. A node elsewhere ends them when their lease does.
    pub(crate) fn end_login(&self, login: LoginId) {
        if let Some(node) = &self.own_node {
            node.end_login(login.0);
        }
    }
}
