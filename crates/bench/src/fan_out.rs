//! One sender, many receivers in the lobby, all over TLS: deliveries a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use common::conversation::Conversation;
use common::wire::{SendMessage, client_frame};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::chat_peer::{ChatPeer, FrameReader, FrameWriter, connect};
use crate::idle_sessions::{connect_many, tls_config};
use crate::program::Server;
use crate::report::{Report, median};

/// Bytes of text in each message.
const TEXT_BYTES: usize = 200;

/// How many messages the sender may be ahead of the slowest receiver: below the server's outbox of
/// 256 KiB, so that nobody is dropped for being a process on the same two cores.
const AHEAD_MAX: u64 = 256;

/// The server's limits on one person's rate and on connections are not what is measured.
const CONFIG: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000\n";

/// How many receivers and messages.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Receivers beside the one sender.
    #[arg(long, default_value_t = 1000)]
    receivers: usize,
    /// Messages in each round.
    #[arg(long, default_value_t = 2000)]
    messages: u64,
    /// Rounds over the same connections.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { receivers: 1000, messages: 2000, rounds: 5 }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let server = Server::start(CONFIG)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (rates, costs) = runtime.block_on(measure(&server, options))?;
    let what =
        format!("1 sender to {} TLS receivers, {TEXT_BYTES}-byte messages", options.receivers);
    report.add(&what, median(rates, |rate| format!("{rate:.0} deliveries/s")));
    let cost = median(costs, |cost| format!("{cost:.2} CPU-s per million deliveries"));
    report.add(format!("{what}: server"), cost);
    Ok(())
}

async fn measure(server: &Server, options: &Options) -> Result<(Vec<f64>, Vec<f64>)> {
    let sender = connect(tls_config(&server.link)?, &server.link, "sender").await?;
    let ChatPeer { mut reader, mut writer } = sender;
    let progress = Arc::new(Progress::new(options.receivers));
    let mut receivers = JoinSet::new();
    for (index, peer) in connect_many(server, options.receivers).await?.into_iter().enumerate() {
        receivers.spawn(receive(peer, index, Arc::clone(&progress)));
    }
    // The sender reads too: an unread connection is one that the server ends.
    receivers.spawn(async move {
        loop {
            reader.next().await.context("sender")?;
        }
    });
    let (mut rates, mut costs, mut sent) = (vec![], vec![], 0_u64);
    for _ in 0..options.rounds {
        let (start, cpu_before) = (Instant::now(), server.cpu_seconds()?);
        for _ in 0..options.messages {
            progress.wait_for(sent.saturating_sub(AHEAD_MAX)).await;
            sent += 1;
            send(&mut writer, sent).await?;
        }
        progress.wait_for(sent).await;
        let deliveries = options.messages as f64 * options.receivers as f64;
        rates.push(deliveries / start.elapsed().as_secs_f64());
        costs.push((server.cpu_seconds()? - cpu_before) / deliveries * 1e6);
    }
    Ok((rates, costs))
}

async fn send(writer: &mut FrameWriter, number: u64) -> Result<()> {
    let message = SendMessage {
        message_id: u128::from(number).to_be_bytes().to_vec().into(),
        conversation: Some(Conversation::lobby().to_wire()),
        text: "x".repeat(TEXT_BYTES),
    };
    writer.send(number + 2, client_frame::Body::SendMessage(message)).await
}

/// Counts frames at least as long as the text: those are the messages.
async fn receive(peer: ChatPeer, index: usize, progress: Arc<Progress>) -> Result<()> {
    let ChatPeer { mut reader, writer: _writer } = peer;
    loop {
        let body = next(&mut reader, index).await?;
        if body >= TEXT_BYTES {
            progress.count(index);
        }
    }
}

async fn next(reader: &mut FrameReader, index: usize) -> Result<usize> {
    Ok(reader.next().await.with_context(|| format!("receiver {index}"))?.len())
}

/// How many messages each receiver has.
struct Progress {
    received: Vec<AtomicU64>,
    changed: Notify,
}

impl Progress {
    /// Receivers tell the sender once per this many messages.
    const TELL_EVERY: u64 = 32;

    fn new(receivers: usize) -> Self {
        Self {
            received: (0..receivers).map(|_| AtomicU64::new(0)).collect(),
            changed: Notify::new(),
        }
    }

    fn count(&self, index: usize) {
        let Some(received) = self.received.get(index) else { return };
        let count = received.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(Self::TELL_EVERY) {
            self.changed.notify_one();
        }
    }

    /// Waits until every receiver has `count` messages.
    async fn wait_for(&self, count: u64) {
        while self.received.iter().any(|received| received.load(Ordering::Relaxed) < count) {
            let told = self.changed.notified();
            // Counts between two notices are seen by looking again after a moment.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(1), told).await;
        }
    }
}
