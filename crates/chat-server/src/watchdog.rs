//! Tells systemd that the server is alive, as long as what a message needs is: the hub's loop and the log's
//! thread. A timer of its own would go on beating in a server that serves nobody.
//!
//! How long a silence may be says the unit (`WatchdogSec=`, with its reason); without one nothing is told.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};

use crate::hub::Input;

/// Beats within the time after which systemd loses patience. What stops for less than three quarters of
/// it is never taken for dead, wherever between two beats it stopped.
const BEATS_WITHIN_PATIENCE: u32 = 4;

/// Shortest pause between two beats.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// What the service manager wants to hear, and how often.
pub(crate) struct Watchdog {
    pause: Duration,
}

impl Watchdog {
    /// Where one is wanted (sd_watchdog_enabled(3)).
    pub(crate) fn of_environment() -> Option<Self> {
        let mut patience_us = 0;
        let is_wanted = sd_notify::watchdog_enabled(false, &mut patience_us);
        is_wanted.then(|| Self::with_patience(Duration::from_micros(patience_us)))
    }

    fn with_patience(patience: Duration) -> Self {
        Self { pause: (patience / BEATS_WITHIN_PATIENCE).max(PAUSE_MIN) }
    }

    /// Tells it until the server ends.
    pub(crate) async fn feed(self, hub: mpsc::Sender<Input>) {
        self.beat(hub, || {
            // Where it cannot be told it will end us, and start us again.
            let _ = sd_notify::notify(false, &[NotifyState::Watchdog]);
        })
        .await;
    }

    async fn beat(self, hub: mpsc::Sender<Input>, mut tell: impl FnMut()) {
        loop {
            let (asker, answer) = oneshot::channel();
            if hub.send(Input::Beat(asker)).await.is_err() {
                return;
            }
            // Waited for as long as it takes: one question is on its way at a time. Without an answer the
            // log's thread is gone.
            if answer.await.is_err() {
                return tracing::error!("the log's thread has ended");
            }
            tell();
            tokio::time::sleep(self.pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::state::request::ConnectionId;

    const PATIENCE: Duration = Duration::from_millis(4);

    /// Longer than any beat would have taken.
    const LONG: Duration = Duration::from_millis(100);

    /// What a watchdog tells that asks this hub.
    fn start(hub: mpsc::Sender<Input>) -> UnboundedReceiver<()> {
        let (tell, told) = unbounded_channel();
        let tell = move || tell.send(()).unwrap_or_default();
        tokio::spawn(Watchdog::with_patience(PATIENCE).beat(hub, tell));
        told
    }

    async fn question(inputs: &mut mpsc::Receiver<Input>) -> oneshot::Sender<()> {
        match inputs.recv().await {
            Some(Input::Beat(asker)) => asker,
            other => panic!("no question: {other:?}"),
        }
    }

    #[test]
    fn four_beats_fit_into_the_patience() {
        let pause = |patience| Watchdog::with_patience(patience).pause;
        assert_eq!(pause(Duration::from_secs(90)), Duration::from_millis(22_500));
        assert_eq!(pause(Duration::ZERO), PAUSE_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_is_a_beat_and_without_one_nothing_is_told() {
        let (hub, mut inputs) = mpsc::channel(1);
        let mut told = start(hub);
        for _ in 0..3 {
            let asker = question(&mut inputs).await;
            tokio::time::sleep(LONG).await;
            assert!(told.try_recv().is_err(), "told without an answer");
            asker.send(()).unwrap();
            told.recv().await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_takes_nothing_gets_nothing_told() {
        let (hub, mut inputs) = mpsc::channel(1);
        let before = Input::Closed { connection: ConnectionId(1) };
        hub.send(before).await.unwrap();
        let mut told = start(hub);
        tokio::time::sleep(LONG).await;
        assert!(told.try_recv().is_err());
        drop(inputs.recv().await);
        question(&mut inputs).await.send(()).unwrap();
        told.recv().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn with_the_thread_of_the_log_gone_nothing_more_is_told() {
        let (hub, mut inputs) = mpsc::channel(1);
        let mut told = start(hub);
        drop(question(&mut inputs).await);
        assert_eq!(told.recv().await, None);
    }
}
