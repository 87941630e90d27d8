//! What a session costs the server while nothing happens.

use std::sync::Arc;

use anyhow::Result;
use common::alpn;
use common::invite_link::InviteLink;
use file_transfer::pinned_tls::PinnedTls;
use tokio::task::JoinSet;

use crate::chat_peer::{ChatPeer, connect};
use crate::program::Server;
use crate::report::Report;

/// Connections that are logging in at once: below the server's limit of 64.
const CONNECTING_MAX: usize = 32;

/// How many sessions.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sessions that are opened and left alone.
    #[arg(long, default_value_t = 2000)]
    sessions: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { sessions: 2000 }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let server = Server::start("")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let before = server.memory_bytes()?;
    let peers = runtime.block_on(async {
        let peers = connect_many(&server, options.sessions).await?;
        drain(peers).await
    })?;
    let after = server.memory_bytes()?;
    let each = after.saturating_sub(before) as f64 / options.sessions as f64 / 1024.0;
    drop(peers);
    let what = format!("server memory per idle session ({} sessions)", options.sessions);
    report.add(what, format!("{each:.1} KiB"));
    Ok(())
}

/// Logs `count` people in, some at a time.
pub(crate) async fn connect_many(server: &Server, count: usize) -> Result<Vec<ChatPeer>> {
    let tls = tls_config(&server.link)?;
    let mut waiting = 0..count;
    let mut connecting = JoinSet::new();
    let mut peers = Vec::with_capacity(count);
    loop {
        while connecting.len() < CONNECTING_MAX
            && let Some(index) = waiting.next()
        {
            let (tls, link) = (Arc::clone(&tls), server.link.clone());
            connecting.spawn(async move { connect(tls, &link, &format!("peer {index}")).await });
        }
        match connecting.join_next().await {
            Some(peer) => peers.push(peer??),
            None => return Ok(peers),
        }
    }
}

/// Reads what greets each session, the notices of all later ones included, so that nothing waits.
async fn drain(peers: Vec<ChatPeer>) -> Result<Vec<ChatPeer>> {
    let mut reading = JoinSet::new();
    for mut peer in peers {
        reading.spawn(async move {
            let quiet = std::time::Duration::from_secs(2);
            while let Ok(frame) = tokio::time::timeout(quiet, peer.reader.next()).await {
                frame?;
            }
            anyhow::Ok(peer)
        });
    }
    let mut peers = Vec::new();
    while let Some(peer) = reading.join_next().await {
        peers.push(peer??);
    }
    Ok(peers)
}

/// TLS that accepts the key of the invite link and no other.
pub(crate) fn tls_config(link: &InviteLink) -> Result<Arc<rustls::ClientConfig>> {
    Ok(PinnedTls::new(Some(link.pin.0), alpn::CHAT)?.config)
}
