//! Many senders, each to itself: messages a second that are on the disk and acknowledged, without the
//! cost of delivering them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use common::conversation::Conversation;
use common::wire::{SendMessage, ServerFrame, client_frame, server_frame};
use prost::Message;
use tokio::task::JoinSet;

use crate::chat_peer::{ChatPeer, connect};
use crate::idle_sessions::tls_config;
use crate::program::Server;
use crate::report::{Report, median};

/// Bytes of text in each message.
const TEXT_BYTES: usize = 200;

/// The server's limit on one person's rate is not what is measured.
const CONFIG: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000\n";

/// How many senders and messages.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// People who send at once.
    #[arg(long, default_value_t = 64)]
    senders: usize,
    /// Messages that each of them has unanswered at once.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Messages of each sender in each round.
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    /// Rounds over the same connections.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Store in memory instead of on a disk.
    #[arg(long)]
    memory: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { senders: 64, in_flight: 32, messages: 1000, rounds: 5, memory: false }
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let server = if options.memory { Server::start(CONFIG) } else { Server::start_on_disk(CONFIG) };
    let server = server?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut waits = Vec::new();
    let (rates, costs) = runtime.block_on(measure(&server, options, &mut waits))?;
    let what = format!(
        "{} senders with {} messages under way each, {TEXT_BYTES} bytes, stored",
        options.senders, options.in_flight
    );
    report.add(&what, median(rates, |rate| format!("{rate:.0} acknowledged/s")));
    let cost = median(costs, |cost| format!("{cost:.1} CPU-s per million messages"));
    report.add(format!("{what}: server"), cost);
    waits.sort_unstable();
    let at = |percent: usize| waits.get(waits.len() * percent / 100).copied();
    let ms = |wait: Option<Duration>| wait.unwrap_or_default().as_secs_f64() * 1e3;
    let waited = format!("p50 {:.1} ms, p99 {:.1} ms", ms(at(50)), ms(at(99)));
    report.add(format!("{what}: until the acknowledgement"), waited);
    Ok(())
}

async fn measure(
    server: &Server,
    options: &Options,
    waits: &mut Vec<Duration>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let tls = tls_config(&server.link)?;
    let mut peers = Vec::new();
    for number in 0..options.senders {
        let name = format!("sender {number}");
        peers.push((connect(tls.clone(), &server.link, &name).await?, name));
    }
    let (mut rates, mut costs) = (vec![], vec![]);
    for _ in 0..options.rounds {
        let (start, cpu_before) = (Instant::now(), server.cpu_seconds()?);
        let mut sending = JoinSet::new();
        for (peer, name) in peers.drain(..) {
            sending.spawn(send_all(peer, name, options.messages, options.in_flight));
        }
        while let Some(done) = sending.join_next().await {
            let (peer, name, of_peer) = done??;
            waits.extend(of_peer);
            peers.push((peer, name));
        }
        let messages = (options.messages * options.senders) as f64;
        rates.push(messages / start.elapsed().as_secs_f64());
        costs.push((server.cpu_seconds()? - cpu_before) / messages * 1e6);
    }
    Ok((rates, costs))
}

type Sent = (ChatPeer, String, Vec<Duration>);

/// Sends to itself; acknowledgements come in the order of the messages.
async fn send_all(
    mut peer: ChatPeer,
    name: String,
    messages: usize,
    in_flight: usize,
) -> Result<Sent> {
    let mut sent_at = std::collections::VecDeque::new();
    let (mut sent, mut waits) = (0, Vec::with_capacity(messages));
    while waits.len() < messages {
        while sent < messages && sent_at.len() < in_flight {
            sent += 1;
            sent_at.push_back(Instant::now());
            let message = SendMessage {
                message_id: rand::random::<[u8; 16]>().to_vec().into(),
                conversation: Some(Conversation::User(name.clone()).to_wire()),
                text: "x".repeat(TEXT_BYTES),
            };
            let body = client_frame::Body::SendMessage(message);
            peer.writer.send(sent as u64 + 2, body).await?;
        }
        match ServerFrame::decode(peer.reader.next().await?)?.body {
            Some(server_frame::Body::MessageAccepted(_)) => {
                let at = sent_at.pop_front().context("an acknowledgement of nothing")?;
                waits.push(at.elapsed());
            }
            Some(server_frame::Body::Refused(refused)) => bail!("refused: {refused:?}"),
            _ => {}
        }
    }
    Ok((peer, name, waits))
}
