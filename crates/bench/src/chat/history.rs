//! A server with a million stored messages: how fast it starts, finds a page of history, finds a word.
//!
//! The messages are written as people write them, through the server and its log; they are deleted with its
//! folder.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use common::conversation::Conversation;
use common::wire::{
    ReadHistory, SearchMessages, SendMessage, ServerFrame, client_frame, server_frame,
};
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::contender::{Contender, Server};
use super::cores::Cores;
use super::dialect::TEXT_BYTES;
use crate::chat_peer::{ChatPeer, connect};
use crate::idle_sessions::tls_config;
use crate::record::{Metric, Record};
use crate::scope::Scope;
use crate::statistics::percentile;

pub(super) const START: &str = "start";
pub(super) const PAGE: &str = "a page of 100 messages from anywhere";
pub(super) const RARE: &str = "search: a word in one of 10,000 messages";
pub(super) const COMMON: &str = "search: a word in every third message";
pub(super) const BOTH: &str = "search: both";

/// Stored messages, and fewer for a look.
const MESSAGES: [u64; 2] = [1_000_000, 50_000];
/// Sent and not acknowledged: the server puts as many into one commit as wait for it.
const UNDER_WAY: usize = 1024;
const ASKED: u64 = 200;
const PAGE_MESSAGES: u32 = 100;
const STARTS: u64 = 5;
const SEED: u64 = 7;
/// In every third message.
const COMMON_WORD: &str = "kettle";
/// So many words are in one message of 10,000 each, these and a number.
const RARE_WORDS: u64 = 10_000;
const RARE_WORD: &str = "harbour";
/// The index is made behind the log's back, and answers nobody until it has all of it.
const INDEXED_MAX: Duration = Duration::from_secs(900);

/// Ours alone: nobody else keeps messages.
pub(super) async fn run(cores: Cores, scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let mut server = Server::start(Contender::SimpleChat, cores)?;
    let [full, quick] = MESSAGES;
    let messages = if scope.quick { quick } else { full };
    let mut reader = come_in(&server).await?;
    fill(&mut reader, messages, &mut random).await?;
    wait_for_index(&mut reader).await?;
    drop(reader);
    for round in scope.rounds(STARTS) {
        server.stop();
        let begun = Instant::now();
        server.start_again()?;
        add(record, START, round, (Metric::Seconds, begun.elapsed().as_secs_f64()));
    }
    let mut reader = come_in(&server).await?;
    let pages = (0..ASKED)
        .map(|_| {
            client_frame::Body::ReadHistory(ReadHistory {
                conversation: Some(Conversation::lobby().to_wire()),
                after_seq: random.random_range(0..messages),
                before_seq: 0,
                limit: PAGE_MESSAGES,
            })
        })
        .collect::<Vec<_>>();
    ask_all(&mut reader, PAGE, pages, record).await?;
    for scenario in [RARE, COMMON, BOTH] {
        let searches = (0..ASKED).map(|_| {
            let rare = rare(random.random_range(0..RARE_WORDS));
            let text = match scenario {
                RARE => rare,
                COMMON => COMMON_WORD.into(),
                _ => format!("{rare} {COMMON_WORD}"),
            };
            client_frame::Body::SearchMessages(SearchMessages { text, before: 0, limit: 50 })
        });
        let searches = searches.collect::<Vec<_>>();
        ask_all(&mut reader, scenario, searches, record).await?;
    }
    Ok(())
}

fn add(record: &mut Record, scenario: &str, round: u64, what: (Metric, f64)) {
    record.add(scenario, &Contender::SimpleChat.to_string(), round, what);
}

async fn come_in(server: &Server) -> Result<ChatPeer> {
    let link = server.link()?;
    connect(tls_config(&link)?, &link, "reader").await
}

/// Writes so many messages into the lobby.
async fn fill(peer: &mut ChatPeer, messages: u64, random: &mut Pcg64Mcg) -> Result<()> {
    let mut under_way = 0_usize;
    let (mut written, mut accepted) = (0, 0);
    while accepted < messages {
        while written < messages && under_way < UNDER_WAY {
            let message = SendMessage {
                message_id: random.random::<[u8; 16]>().to_vec().into(),
                conversation: Some(Conversation::lobby().to_wire()),
                text: text(written, random),
            };
            written += 1;
            under_way += 1;
            peer.writer.send(written + 2, client_frame::Body::SendMessage(message)).await?;
        }
        match ServerFrame::decode(peer.reader.next().await?)?.body {
            Some(server_frame::Body::MessageAccepted(_)) => {
                under_way -= 1;
                accepted += 1;
            }
            Some(server_frame::Body::Refused(refused)) => bail!("refused: {refused:?}"),
            _ => {}
        }
    }
    Ok(())
}

/// Words of a few thousand, one rare one, and in every third message the common one.
fn text(number: u64, random: &mut Pcg64Mcg) -> String {
    let mut text = rare(number % RARE_WORDS);
    if number.is_multiple_of(3) {
        text = format!("{text} {COMMON_WORD}");
    }
    while text.len() < TEXT_BYTES {
        // Small numbers are more likely: as with real words, few make up most of the text.
        let word = random.random_range(1..60_u32) * random.random_range(1..60_u32);
        text += &format!(" word{word}");
    }
    text.truncate(TEXT_BYTES);
    text
}

/// A word that one of so many messages has, and that is no part of another word.
fn rare(number: u64) -> String {
    format!("{RARE_WORD}{number:04}")
}

/// Asks until a search is answered.
async fn wait_for_index(peer: &mut ChatPeer) -> Result<()> {
    let begun = Instant::now();
    loop {
        let search = SearchMessages { text: rare(1), before: 0, limit: 1 };
        match ask(peer, 1, client_frame::Body::SearchMessages(search)).await {
            Ok(_) => return Ok(()),
            Err(error) => ensure!(begun.elapsed() < INDEXED_MAX, "{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// One after the other, as one person asks; the first warms up.
async fn ask_all(
    peer: &mut ChatPeer,
    scenario: &str,
    questions: Vec<client_frame::Body>,
    record: &mut Record,
) -> Result<()> {
    let mut took = VecDeque::new();
    for (number, question) in (1..).zip(questions) {
        let begun = Instant::now();
        let found = ask(peer, number, question).await.with_context(|| scenario.to_owned())?;
        took.push_back(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(found > 0, "{scenario}: nothing found");
    }
    took.pop_front();
    for (metric, share) in [(Metric::P50Milliseconds, 0.5), (Metric::P95Milliseconds, 0.95)] {
        let value = percentile(took.make_contiguous(), share).context("nothing asked")?;
        add(record, scenario, 1, (metric, value));
    }
    Ok(())
}

/// How many messages the answer has.
async fn ask(peer: &mut ChatPeer, id: u64, question: client_frame::Body) -> Result<usize> {
    peer.writer.send(id, question).await?;
    loop {
        match ServerFrame::decode(peer.reader.next().await?)?.body {
            Some(server_frame::Body::HistoryPage(page)) => return Ok(page.messages.len()),
            Some(server_frame::Body::SearchPage(page)) => return Ok(page.messages.len()),
            Some(server_frame::Body::Refused(refused)) => bail!("refused: {refused:?}"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_long_as_all_others_and_the_same_every_time() {
        let texts = || {
            let mut random = Pcg64Mcg::seed_from_u64(SEED);
            (0..10).map(|number| text(number, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(texts(), texts());
        assert!(texts().iter().all(|text| text.len() == TEXT_BYTES));
        assert_eq!(texts().iter().filter(|text| text.contains(COMMON_WORD)).count(), 4);
    }
}
