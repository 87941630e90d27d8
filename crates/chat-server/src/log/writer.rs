//! The one thread that appends to the log. While a commit is on its way to the disk the next events
//! gather, and go into the next commit together: alone, an event waits for nothing; under load, many
//! share one wait for the disk.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use tokio::sync::{mpsc as hub, oneshot};

use crate::log::commit_times::{CommitCounts, CommitTimes};
use crate::log::event::Event;
use crate::log::follower::Follower;
use crate::log::{AppendError, Expiry, Log};

/// Events of one commit. More make it longer and no cheaper: with so many the wait for the disk is a
/// small part of it.
const COMMIT_EVENTS_MAX: usize = 1024;

/// Outcomes that wait for the hub. When full, the writer waits.
const OUTCOMES_MAX: usize = 64;

/// What became of events, in the order in which they were submitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The next so many are stored.
    Committed(usize),
    /// All that were submitted up to now and are not stored yet will not be.
    Failed(StorageProblem),
}

/// Why nothing can be stored at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StorageProblem {
    /// No room.
    Full,
    /// Something else is wrong with the disk.
    Failed,
}

/// The way to the writer.
///
/// When an append fails everything that was submitted behind it fails too, since it was numbered
/// behind it; what is submitted from then on is tried again. The two are told apart by the *round*:
/// the submitter begins the next one when it is told of the failure.
///
/// The queue has no bound of its own: the state has at most so many events on their way.
pub(crate) struct LogWriter {
    queue: Option<Sender<Task>>,
    round: u64,
    times: Arc<CommitTimes>,
}

enum Task {
    Append {
        round: u64,
        events: Vec<Event>,
    },
    /// Whoever waits for this knows that the thread is not stuck.
    Beat(oneshot::Sender<()>),
    /// The next messages from before then are to go.
    Expire {
        before_ms: i64,
        asker: oneshot::Sender<Expiry>,
    },
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(crate) fn start(
        log: Box<dyn Log>,
        followers: Vec<Follower>,
    ) -> std::io::Result<(Self, hub::Receiver<Outcome>)> {
        let (queue, tasks) = mpsc::channel();
        let (outcomes, told) = hub::channel(OUTCOMES_MAX);
        let times = Arc::new(CommitTimes::default());
        std::thread::Builder::new().name("log-writer".into()).spawn({
            let times = Arc::clone(&times);
            move || Appending { log, followers, outcomes, times }.run(&tasks)
        })?;
        Ok((Self { queue: Some(queue), round: 0, times }, told))
    }

    /// How long commits took up to now.
    pub(crate) fn commit_counts(&self) -> CommitCounts {
        self.times.counts()
    }

    /// Hands events over; what becomes of them is told. Never waits. False: the writer is gone.
    #[must_use]
    pub(crate) fn submit(&self, events: Vec<Event>) -> bool {
        self.hand_over(Task::Append { round: self.round, events })
    }

    /// Has the thread answer when it comes to it; never waits. Nobody is answered by one that is gone.
    pub(crate) fn beat(&self, asker: oneshot::Sender<()>) {
        // With the asker dropped, whoever waits knows.
        let _ = self.hand_over(Task::Beat(asker));
    }

    fn hand_over(&self, task: Task) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.send(task).is_ok())
    }

    /// The submitter knows of a failure.
    pub(crate) fn next_round(&mut self) {
        self.round += 1;
    }

    /// For whoever has old messages removed. The thread does not end while there is one of these.
    pub(crate) fn keeper(&self) -> Option<LogKeeper> {
        self.queue.clone().map(|queue| LogKeeper { queue })
    }

    /// Nothing more comes. The thread ends when it has told what became of the rest.
    pub(crate) fn finish(&mut self) {
        self.queue = None;
    }
}

/// Has old messages removed by the writer's thread, between its commits.
pub(crate) struct LogKeeper {
    queue: Sender<Task>,
}

impl LogKeeper {
    /// The next ones from before then. None: not now; why is in the server's log.
    pub(crate) async fn expire(&self, before_ms: i64) -> Option<Expiry> {
        let (asker, answer) = oneshot::channel();
        self.queue.send(Task::Expire { before_ms, asker }).ok()?;
        answer.await.ok()
    }
}

/// The thread's own.
struct Appending {
    log: Box<dyn Log>,
    followers: Vec<Follower>,
    outcomes: hub::Sender<Outcome>,
    times: Arc<CommitTimes>,
}

impl Appending {
    fn run(mut self, tasks: &Receiver<Task>) {
        let (mut failed_round, mut put_back) = (None, None);
        while let Some(task) = put_back.take().or_else(|| tasks.recv().ok()) {
            let (round, mut events) = match task {
                Task::Append { round, events } => (round, events),
                Task::Beat(asker) => {
                    // Who asked may be gone, here and below.
                    let _ = asker.send(());
                    continue;
                }
                Task::Expire { before_ms, asker } => {
                    let _ = self.expire(before_ms).map(|expiry| asker.send(expiry));
                    continue;
                }
            };
            if failed_round == Some(round) {
                continue;
            }
            while put_back.is_none()
                && events.len() < COMMIT_EVENTS_MAX
                && let Ok(next) = tasks.try_recv()
            {
                match next {
                    Task::Append { events: more, .. } => events.extend(more),
                    other => put_back = Some(other),
                }
            }
            let outcome = self.append(&events);
            if let Outcome::Failed(_) = outcome {
                failed_round = Some(round);
            }
            if self.outcomes.blocking_send(outcome).is_err() {
                return;
            }
        }
    }

    fn append(&mut self, events: &[Event]) -> Outcome {
        let begun = Instant::now();
        let appended = self.log.append(events);
        self.times.note(begun.elapsed());
        match appended {
            Ok(_) => {
                self.followers.iter().for_each(Follower::committed);
                Outcome::Committed(events.len())
            }
            Err(error) => Outcome::Failed(problem(&error, events.len())),
        }
    }

    /// What follows the log forgets the same.
    fn expire(&mut self, before_ms: i64) -> Option<Expiry> {
        let expired = self.log.expire(before_ms);
        let expired = expired
            .inspect_err(|error| tracing::error!(%error, "old messages are not removed for now"));
        let expired = expired.ok()?;
        if expired.removed > 0 {
            self.followers.iter().for_each(Follower::committed);
        }
        Some(expired)
    }
}

fn problem(error: &AppendError, events: usize) -> StorageProblem {
    tracing::error!(%error, events, "the log takes nothing; what was to be stored is refused");
    match error {
        AppendError::Full => StorageProblem::Full,
        AppendError::Failed(_) => StorageProblem::Failed,
    }
}

#[cfg(test)]
mod tests;
