//! The transfers that run: one task each around [`file_transfer::download`].

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::invite_link::HostPort;
use common::spki_pin::SpkiPin;
use common::wire;
use file_transfer::download::{
    self, DownloadError, DownloadRequest, FreshTicket, NodeAddress, Patience, PiecesWanted,
    Progress, TicketWanted, Transport,
};
use file_transfer::part_file::PartFile;
use file_transfer::piece_hashes::PieceHash;
use file_transfer::source_id::SourceId;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::command::{DownloadId, TransportChoice};
use crate::dial;
use crate::session::downloads::{DownloadOutput, TransferOrder, TransferReport};

/// Reports that may wait. Progress is dropped when it is full; everything else waits.
pub(crate) const REPORTS_MAX: usize = 64;

/// Shortest time between two reports of progress: ten a second.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Progress is repeated after so many silent intervals: more than twice a second.
const SILENT_INTERVALS_MAX: u32 = 4;

/// Longest time that transfers get to clean up when the session is over.
const CLEAN_UP_TIME_MAX: Duration = Duration::from_secs(2);

/// What a transfer reports, and which one it is.
pub(crate) type Report = (DownloadId, TransferReport);

/// The server that the chat is or was connected to last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) ip: IpAddr,
    /// Its key.
    pub(crate) pin: SpkiPin,
}

/// The way to one running transfer.
#[derive(Debug)]
struct Control {
    cancel: CancellationToken,
    /// Taken away when no hash is to come.
    root: Option<watch::Sender<Option<[u8; 32]>>>,
    tickets: mpsc::Sender<Option<Box<FreshTicket>>>,
    pieces: mpsc::Sender<Option<Vec<PieceHash>>>,
    paused: watch::Sender<bool>,
    /// Ends it as if the program ended: what has arrived is kept.
    interrupt: CancellationToken,
}

/// All running transfers. Dropping it interrupts them.
#[derive(Debug)]
pub(crate) struct Transfers {
    by_id: HashMap<DownloadId, Control>,
    tasks: JoinSet<()>,
    reports: mpsc::Sender<Report>,
    patience: Patience,
}

impl Transfers {
    /// Their reports go to `reports`.
    pub(crate) fn new(reports: mpsc::Sender<Report>, patience: Patience) -> Self {
        Self { by_id: HashMap::new(), tasks: JoinSet::new(), reports, patience }
    }

    /// Carries out what the machine decided. `server`: who gave the tickets, if anybody did yet.
    pub(crate) fn carry_out(&mut self, output: DownloadOutput, server: Option<Server>) {
        match output {
            DownloadOutput::Start(order) => self.start(*order, server),
            DownloadOutput::Discard { path, save_as } => {
                if let Some(server) = server {
                    self.discard(SourceId::of(&server.pin.0, &path), save_as);
                }
            }
            DownloadOutput::TellRoot { id, root: Some(root) } => {
                if let Some(sender) = self.by_id.get(&id).and_then(|control| control.root.as_ref())
                {
                    sender.send_replace(Some(root));
                }
            }
            DownloadOutput::TellRoot { id, root: None } => {
                if let Some(control) = self.by_id.get_mut(&id) {
                    control.root = None;
                }
            }
            DownloadOutput::Renew { id, ticket } => {
                if let Some(control) = self.by_id.get(&id) {
                    // It asked once and has room for the one answer.
                    let _ = control.tickets.try_send(ticket);
                }
            }
            DownloadOutput::TellPieces { id, pieces } => {
                if let Some(control) = self.by_id.get(&id) {
                    // It asked once and has room for the one answer.
                    let _ = control.pieces.try_send(pieces);
                }
            }
            DownloadOutput::SetPaused { id, paused } => {
                if let Some(control) = self.by_id.get(&id) {
                    control.paused.send_replace(paused);
                }
            }
            DownloadOutput::Stop { id, keep } => {
                if let Some(control) = self.by_id.get(&id) {
                    if keep { control.interrupt.cancel() } else { control.cancel.cancel() }
                }
            }
            DownloadOutput::Ask { .. }
            | DownloadOutput::AskPieces { .. }
            | DownloadOutput::SayPaused { .. }
            | DownloadOutput::Done(_)
            | DownloadOutput::Tell { .. } => {
                debug_assert!(false, "the machine keeps these");
            }
        }
    }

    /// Forgets a transfer that reported its end.
    pub(crate) fn forget(&mut self, id: DownloadId) {
        self.by_id.remove(&id);
        while self.tasks.try_join_next().is_some() {}
    }

    /// Interrupts all and gives them a moment to put away what there is of their files.
    pub(crate) async fn end(mut self, mut reports: mpsc::Receiver<Report>) {
        self.by_id.values().for_each(|control| control.interrupt.cancel());
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        let drained = async {
            // Nobody listens any more, but nobody shall wait for room either.
            while reports.recv().await.is_some() {}
        };
        tokio::select! {
            () = all_ended => {}
            () = drained => {}
            () = tokio::time::sleep(CLEAN_UP_TIME_MAX) => {}
        }
    }

    /// Nobody waits for it, but the end of the session.
    fn discard(&mut self, source: SourceId, save_as: PathBuf) {
        self.tasks.spawn_blocking(move || {
            if let Err(error) = PartFile::discard_left_overs(&save_as, &source) {
                tracing::debug!(%error, "nothing of a cancelled download was removed");
            }
        });
    }

    fn start(&mut self, order: TransferOrder, server: Option<Server>) {
        let id = order.id;
        let (root_sender, root) = watch::channel(None);
        let (ticket_sender, tickets) = mpsc::channel(1);
        let (piece_sender, pieces) = mpsc::channel(1);
        let (pause_sender, paused) = watch::channel(false);
        let (cancel, interrupt) = (CancellationToken::new(), CancellationToken::new());
        let control = Control {
            cancel: cancel.clone(),
            root: Some(root_sender),
            tickets: ticket_sender,
            pieces: piece_sender,
            paused: pause_sender,
            interrupt: interrupt.clone(),
        };
        self.by_id.insert(id, control);
        let (reports, patience) = (self.reports.clone(), self.patience);
        let transfer =
            Transfer { id, tickets, pieces, paused, cancel, interrupt, reports, patience };
        self.tasks.spawn(transfer.run(order, root, server));
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.by_id.values().for_each(|control| control.interrupt.cancel());
    }
}

/// One running transfer, seen from inside its task.
struct Transfer {
    id: DownloadId,
    tickets: mpsc::Receiver<Option<Box<FreshTicket>>>,
    pieces: mpsc::Receiver<Option<Vec<PieceHash>>>,
    paused: watch::Receiver<bool>,
    cancel: CancellationToken,
    interrupt: CancellationToken,
    reports: mpsc::Sender<Report>,
    patience: Patience,
}

impl Transfer {
    async fn run(
        mut self,
        order: TransferOrder,
        root: watch::Receiver<Option<[u8; 32]>>,
        server: Option<Server>,
    ) {
        // Without a server there was no ticket either.
        let pin = server.map_or([0; 32], |server| server.pin.0);
        let first = Progress::at_start(first_way(order.transport));
        let (progress_sender, mut progress) = watch::channel(first);
        let (renewal, mut wanted) = mpsc::channel(1);
        let (pieces, mut pieces_wanted) = mpsc::channel(1);
        let request = DownloadRequest {
            ticket: order.ticket,
            secret: order.secret,
            nodes: resolve(&order.nodes, server.map(|server| server.ip)).await,
            version: order.version,
            source: SourceId::of(&pin, &order.path),
            root,
            save_as: order.save_as,
            transport: wanted_way(order.transport),
            renewal: Some(renewal),
            pieces: Some(pieces),
            paused: Some(self.paused.clone()),
            patience: self.patience,
        };
        let download = download::download(request, progress_sender, self.cancel.clone());
        let mut download = Box::pin(download);
        let mut ticks = interval(PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_intervals = 0;
        let (mut question, mut pieces_question) = (None, None);
        let outcome = loop {
            tokio::select! {
                outcome = &mut download => break outcome,
                () = self.interrupt.cancelled() => break Err(DownloadError::Cancelled),
                Some(asked) = wanted.recv() => {
                    question = Some(asked);
                    self.report(TransferReport::TicketWanted).await;
                }
                Some(answer) = self.tickets.recv() => answer_question(question.take(), answer),
                Some(PiecesWanted { first, reply }) = pieces_wanted.recv() => {
                    pieces_question = Some(reply);
                    self.report(TransferReport::PiecesWanted { first }).await;
                }
                Some(answer) = self.pieces.recv() => {
                    // Without an answer the question is dropped, which says that there is none.
                    if let (Some(question), Some(pieces)) = (pieces_question.take(), answer) {
                        let _ = question.send(pieces);
                    }
                }
                _ = ticks.tick() => {
                    let has_moved = progress.has_changed().unwrap_or(false);
                    silent_intervals += 1;
                    if has_moved || silent_intervals >= SILENT_INTERVALS_MAX {
                        silent_intervals = 0;
                        self.report_progress(*progress.borrow_and_update());
                    }
                }
            }
        };
        // What is dropped here keeps what has arrived.
        drop(download);
        self.report_progress(*progress.borrow_and_update());
        self.report(match outcome {
            Ok(finished) => TransferReport::Finished(finished),
            Err(error) => TransferReport::Failed(Arc::new(error)),
        })
        .await;
    }

    fn report_progress(&self, progress: Progress) {
        // A later one replaces what finds no room.
        let _ = self.reports.try_send((self.id, TransferReport::Progress(progress)));
    }

    async fn report(&self, report: TransferReport) {
        // Nobody listens when the session is over.
        let _ = self.reports.send((self.id, report)).await;
    }
}

/// A question without an answer is dropped, which says that there is none.
fn answer_question(question: Option<TicketWanted>, answer: Option<Box<FreshTicket>>) {
    if let (Some(question), Some(fresh)) = (question, answer) {
        // The transfer may have ended meanwhile.
        let _ = question.reply.send(*fresh);
    }
}

fn first_way(choice: TransportChoice) -> Transport {
    match choice {
        TransportChoice::Auto | TransportChoice::Udp => Transport::Udp,
        TransportChoice::Tcp => Transport::Tcp,
    }
}

pub(crate) fn wanted_way(choice: TransportChoice) -> download::TransportChoice {
    match choice {
        TransportChoice::Auto => download::TransportChoice::Auto,
        TransportChoice::Udp => download::TransportChoice::Udp,
        TransportChoice::Tcp => download::TransportChoice::Tcp,
    }
}

/// Addresses of the nodes, in the server's order. What has none is left out; a download without any
/// node says so.
pub(crate) async fn resolve(
    nodes: &[wire::TransferNode],
    server: Option<IpAddr>,
) -> Vec<NodeAddress> {
    let mut addresses = Vec::new();
    for node in nodes {
        let Ok(spki_sha256) = <[u8; 32]>::try_from(node.spki_sha256.as_ref()) else { continue };
        let found = match own_port(&node.address) {
            Some(port) => server.map(|ip| vec![SocketAddr::new(ip, port)]).unwrap_or_default(),
            None => lookup(&node.address).await,
        };
        addresses.extend(found.into_iter().map(|addr| NodeAddress {
            addr,
            spki_sha256,
            server_name: server_name(&node.address, addr),
        }));
    }
    addresses
}

/// `:5050` means the machine that the chat is connected to.
fn own_port(address: &str) -> Option<u16> {
    address.strip_prefix(':')?.parse().ok()
}

async fn lookup(address: &str) -> Vec<SocketAddr> {
    let Ok(host_port) = address.parse::<HostPort>() else { return Vec::new() };
    dial::resolve(&host_port).await.unwrap_or_else(|error| {
        tracing::warn!(%error, node = ?address, "a transfer node has no address");
        Vec::new()
    })
}

fn server_name(address: &str, resolved: SocketAddr) -> String {
    let named = address.parse::<HostPort>().map(|host_port| host_port.host);
    named.unwrap_or_else(|_| resolved.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(address: &str) -> wire::TransferNode {
        wire::TransferNode { address: address.into(), spki_sha256: vec![7; 32].into() }
    }

    async fn addresses(node: wire::TransferNode) -> Vec<String> {
        let nodes = resolve(&[node], Some(IpAddr::from([10, 0, 0, 7]))).await;
        nodes.into_iter().map(|node| node.addr.to_string()).collect()
    }

    #[tokio::test]
    async fn an_empty_host_is_the_machine_of_the_chat() {
        assert_eq!(addresses(node(":5051")).await, ["10.0.0.7:5051"]);
    }

    #[tokio::test]
    async fn a_named_node_is_another_machine() {
        assert_eq!(addresses(node("[::1]:5052")).await, ["[::1]:5052"]);
    }

    #[tokio::test]
    async fn junk_is_no_node() {
        for address in ["", ":", ":99999", "a b"] {
            assert_eq!(addresses(node(address)).await, Vec::<String>::new(), "{address:?}");
        }
        let without_key = wire::TransferNode { address: ":5051".into(), ..Default::default() };
        assert_eq!(addresses(without_key).await, Vec::<String>::new());
    }
}
