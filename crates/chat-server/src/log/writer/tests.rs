//! Group commit, and what happens when the disk says no.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;
use crate::log::event::{Destination, Identity, MessageSent, Person};
use crate::log::follower::Follower;
use crate::log::memory::MemoryLog;
use crate::log::projection::Projection;
use crate::log::{LogError, LogReader, Numbered};
use common::user_name::NameKey;

/// The lobby's message of that number.
fn message(seq: u64) -> Event {
    let from = Person { key: NameKey::of("ann"), name: "ann".into(), identity: Identity(1) };
    let text = format!("message {seq}");
    let id = u128::from(seq).to_be_bytes();
    Event::MessageSent(Arc::new(MessageSent {
        to: Destination::Lobby,
        seq,
        id,
        from,
        text,
        at_ms: 5,
    }))
}

/// A log whose every append waits to be told what becomes of it, and says how many events it has.
struct Fickle {
    log: MemoryLog,
    asked: SyncSender<usize>,
    answers: Receiver<Result<(), AppendError>>,
}

impl Log for Fickle {
    fn id(&self) -> crate::log::LogId {
        self.log.id()
    }

    fn append(&mut self, batch: &[Event]) -> Result<u64, AppendError> {
        self.asked.send(batch.len()).unwrap();
        self.answers.recv().unwrap()?;
        self.log.append(batch)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        self.log.reader()
    }
}

struct Bench {
    writer: LogWriter,
    outcomes: hub::Receiver<Outcome>,
    asked: Receiver<usize>,
    answers: SyncSender<Result<(), AppendError>>,
    log: MemoryLog,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = MemoryLog::default();
        let (asked, appends) = sync_channel(1);
        let (answers, told) = sync_channel(1);
        let fickle = Fickle { log: log.clone(), asked, answers: told };
        let projection = Projection::open(folder.path()).unwrap();
        let history = Follower::start("history", log.reader().unwrap(), projection).unwrap();
        let (writer, outcomes) = LogWriter::start(Box::new(fickle), vec![history]).unwrap();
        Self { writer, outcomes, asked: appends, answers, log, _folder: folder }
    }

    fn submit(&self, seqs: std::ops::RangeInclusive<u64>) {
        assert!(self.writer.submit(seqs.map(message).collect()));
    }

    /// How many events the next append is asked for.
    fn appending(&self) -> usize {
        self.asked.recv().unwrap()
    }

    fn answer(&mut self, answer: Result<(), AppendError>) -> Outcome {
        self.answers.send(answer).unwrap();
        self.outcomes.blocking_recv().unwrap()
    }

    fn stored(&mut self) -> Vec<u64> {
        let events = self.log.tail(1, usize::MAX).unwrap();
        let seq = |it: Numbered| match it.event {
            Event::MessageSent(message) => message.seq,
            other => panic!("{other:?}"),
        };
        events.into_iter().map(seq).collect()
    }
}

#[test]
fn alone_an_event_waits_for_nothing_and_meanwhile_others_gather() {
    let mut bench = Bench::new();
    bench.submit(1..=1);
    assert_eq!(bench.appending(), 1);
    bench.submit(2..=2);
    bench.submit(3..=4);
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(1));
    assert_eq!(bench.appending(), 3);
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(3));
    assert_eq!(bench.stored(), [1, 2, 3, 4]);
}

#[test]
fn a_commit_is_bounded() {
    let mut bench = Bench::new();
    bench.submit(1..=1);
    bench.appending();
    (2..=3000).for_each(|seq| bench.submit(seq..=seq));
    bench.answer(Ok(()));
    assert_eq!(bench.appending(), COMMIT_EVENTS_MAX);
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(COMMIT_EVENTS_MAX));
    drop(bench.asked);
}

#[test]
fn what_was_submitted_behind_a_failure_fails_with_it_and_the_next_round_is_tried() {
    let mut bench = Bench::new();
    bench.submit(1..=2);
    assert_eq!(bench.appending(), 2);
    bench.submit(3..=3);
    assert_eq!(bench.answer(Err(AppendError::Full)), Outcome::Failed(StorageProblem::Full));
    // Not told of the failure yet: this is numbered behind it too.
    bench.submit(4..=4);
    bench.writer.next_round();
    bench.submit(1..=1);
    assert_eq!(bench.appending(), 1);
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(1));
    assert_eq!(bench.stored(), [1]);
}

#[test]
fn at_the_end_everything_submitted_is_stored_and_told() {
    let mut bench = Bench::new();
    bench.submit(1..=1);
    bench.appending();
    bench.submit(2..=2);
    bench.writer.finish();
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(1));
    bench.appending();
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(1));
    assert_eq!(bench.outcomes.blocking_recv(), None);
}

#[test]
fn a_thread_that_waits_for_the_disk_answers_nobody_who_asks_whether_it_is_alive() {
    let mut bench = Bench::new();
    let ask = |bench: &Bench| {
        let (asker, answer) = oneshot::channel();
        bench.writer.beat(asker);
        answer
    };
    assert_eq!(ask(&bench).blocking_recv(), Ok(()));
    bench.submit(1..=1);
    bench.appending();
    let mut answer = ask(&bench);
    assert!(answer.try_recv().is_err(), "the disk has not answered yet");
    assert_eq!(bench.answer(Ok(())), Outcome::Committed(1));
    assert_eq!(answer.blocking_recv(), Ok(()));
    // A disk that refuses is not one that is stuck.
    bench.submit(2..=2);
    bench.appending();
    bench.answer(Err(AppendError::Full));
    assert_eq!(ask(&bench).blocking_recv(), Ok(()));
    bench.writer.finish();
    assert!(ask(&bench).blocking_recv().is_err());
}
