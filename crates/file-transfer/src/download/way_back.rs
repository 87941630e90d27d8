//! The way back: while a download, or an upload, runs over TCP because UDP was silent, the node is asked over UDP now
//! and then, by a HELLO that starts nothing. Only the order of ways is decided elsewhere, in
//! `rounds` and in [`crate::upload`].

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{FreshTicket, NodeAddress, TicketWanted};
use crate::range_set::RangeSet;
use crate::udp::{self, ReceiveConfig};

/// How long TCP runs before UDP is tried again; twice as long each time that it is still silent …
pub(crate) const PAUSE_FIRST: Duration = Duration::from_secs(3);
/// … up to this: a question is a few kilobytes.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a question over UDP is asked with.
pub(crate) struct Question {
    pub(crate) node: NodeAddress,
    pub(crate) ticket: FreshTicket,
    /// How old the ticket is.
    pub(crate) age: Duration,
    /// How old it may become before it is good for nothing.
    pub(crate) age_max: Duration,
    /// Where another one comes from.
    pub(crate) renewal: Option<mpsc::Sender<TicketWanted>>,
    /// How long to wait before the first question.
    pub(crate) pause: Duration,
    pub(crate) cancel: CancellationToken,
}

/// UDP works again.
pub(crate) struct Answer {
    /// Another ticket, where the first was too old.
    pub(crate) fresh: Option<FreshTicket>,
    /// How long to wait the next time, should UDP fall silent at once again.
    pub(crate) next_pause: Duration,
}

impl Question {
    /// Completes once the node answers over UDP; never if there is no ticket to ask it with.
    pub(crate) async fn ask(mut self) -> Answer {
        // A question under way ends with this future.
        let cancel = self.cancel.child_token();
        let _cancel_on_drop = cancel.clone().drop_guard();
        let mut fresh = None;
        loop {
            sleep(self.pause).await;
            self.age += self.pause;
            if self.age > self.age_max {
                let Some(another) = self.another_ticket().await else {
                    return std::future::pending().await;
                };
                self.ticket = another.clone();
                self.age = Duration::ZERO;
                fresh = Some(another);
            }
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            if self.is_answered(&cancel).await {
                return Answer { fresh, next_pause: self.pause };
            }
            self.age += udp::SILENCE_AT_START_MAX;
        }
    }

    async fn is_answered(&self, cancel: &CancellationToken) -> bool {
        let config = ReceiveConfig {
            node: self.node.addr,
            ticket: self.ticket.ticket.clone(),
            secret: self.ticket.secret,
            version: self.ticket.version,
            missing: RangeSet::new(),
        };
        let cancel = cancel.clone();
        let asking = tokio::task::spawn_blocking(move || udp::answers(&config, &cancel));
        asking.await.unwrap_or(false)
    }

    /// Another ticket for the same version of the file.
    async fn another_ticket(&self) -> Option<FreshTicket> {
        let (reply, answer) = oneshot::channel();
        self.renewal.as_ref()?.send(TicketWanted { reply }).await.ok()?;
        answer.await.ok().filter(|fresh| fresh.version == self.ticket.version)
    }
}
