//! A thread that keeps something up with the log, and answers questions from it. Neither the hub nor the
//! log's writer ever waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvError, SyncSender, TryRecvError};
use std::time::Duration;

use crate::log::event::ruling::Ruling;
use crate::log::event::{Event, MessageSent};
use crate::log::{LogError, LogReader};
use crate::state::history::{
    HistoryAsker, HistoryFound, HistoryProblem, HistoryQuestion, HistorySubject, Reader,
};

/// Questions that wait. Further ones are refused, to be asked again.
const QUESTIONS_MAX: usize = 1024;

/// Somebody's question, and what came of it.
pub(crate) type HistoryAnswer = (HistoryAsker, Result<HistoryFound, HistoryProblem>);

/// What follows the log on a thread of its own.
pub(crate) trait Follow: Send + 'static {
    /// How long news wait for more of them, unless somebody asks: taking up many at once costs little more
    /// than one, and whoever hears a message live comes before those who may read it later.
    const GATHERING: Duration;
    /// How much more its thread gives way than others, 0 to 19: a niceness is added.
    const NICENESS: i32;

    /// Takes up what is new, or as much of it as may keep a question waiting.
    ///
    /// # Errors
    /// [`LogError`]; what was taken up so far stays.
    fn catch_up(&mut self, log: &mut dyn LogReader) -> Result<CaughtUp, LogError>;

    /// Reads what somebody may read.
    ///
    /// # Errors
    /// [`HistoryProblem`]; what failed is in the server's log.
    fn read(
        &mut self,
        log: &mut dyn LogReader,
        reader: &Reader,
        subject: HistorySubject,
    ) -> Result<HistoryFound, HistoryProblem>;
}

/// How far something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CaughtUp {
    /// It has everything.
    All,
    /// There is more to be taken up.
    InPart,
}

/// Tells the thread what to do. It ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct Follower {
    tasks: SyncSender<Task>,
    /// The thread has been told of news that it did not look at yet.
    told: Arc<AtomicBool>,
}

enum Task {
    /// There is something new in the log.
    CatchUp,
    Read(Box<HistoryQuestion>, Tell),
}

/// Takes an answer, on the thread.
type Tell = Box<dyn FnOnce(HistoryAnswer) + Send>;

impl Follower {
    /// Starts a thread of this name for it.
    ///
    /// # Errors
    /// Where the system gives none.
    pub(crate) fn start<F: Follow>(
        name: &'static str,
        log: Box<dyn LogReader>,
        follow: F,
    ) -> std::io::Result<Self> {
        let (tasks, queue) = mpsc::sync_channel(QUESTIONS_MAX);
        let told = Arc::new(AtomicBool::new(false));
        let following =
            Following { name, log, follow, told: Arc::clone(&told), state: State::Behind };
        std::thread::Builder::new().name(name.into()).spawn(move || {
            give_way(F::NICENESS);
            following.run(&queue);
        })?;
        Ok(Self { tasks, told })
    }

    /// There is something new in the log. Never waits: with a full queue the thread looks anyway.
    pub(crate) fn committed(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            let _ = self.tasks.try_send(Task::CatchUp);
        }
    }

    /// Has stored messages read; never waits. `tell` may.
    ///
    /// # Errors
    /// The question, if too many wait already.
    pub(crate) fn ask(
        &self,
        question: Box<HistoryQuestion>,
        tell: impl FnOnce(HistoryAnswer) + Send + 'static,
    ) -> Result<(), HistoryAsker> {
        let asker = question.asker;
        self.tasks.try_send(Task::Read(question, Box::new(tell))).map_err(|_| asker)
    }
}

/// How the thread stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    UpToDate,
    /// There is more to be taken up, whether or not anybody asks.
    Behind,
    /// The disk did not do it. The next task tries again.
    Failed,
}

/// The thread's own.
struct Following<F> {
    name: &'static str,
    log: Box<dyn LogReader>,
    follow: F,
    told: Arc<AtomicBool>,
    state: State,
}

impl<F: Follow> Following<F> {
    fn run(mut self, tasks: &Receiver<Task>) {
        while let Ok(task) = self.next(tasks) {
            // Before looking: what comes from here on is told anew.
            self.told.store(false, Ordering::Release);
            self.catch_up();
            if let Some(Task::Read(question, tell)) = task {
                let HistoryQuestion { asker, reader, subject } = *question;
                tell((asker, self.answer(&reader, subject)));
            }
        }
    }

    /// The next task; none if there is something to do without one.
    fn next(&self, tasks: &Receiver<Task>) -> Result<Option<Task>, RecvError> {
        if self.state != State::Behind {
            return tasks.recv().map(|task| Some(gather(tasks, task, F::GATHERING)));
        }
        match tasks.try_recv() {
            Ok(task) => Ok(Some(task)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(RecvError),
        }
    }

    /// A disk that stays full is told of once, not for each message. Nothing gets lost: the log has it.
    fn catch_up(&mut self) {
        let had_failed = self.state == State::Failed;
        self.state = match self.follow.catch_up(self.log.as_mut()) {
            Ok(CaughtUp::All) => State::UpToDate,
            Ok(CaughtUp::InPart) => State::Behind,
            Err(error) => {
                if !had_failed {
                    tracing::error!(%error, name = self.name, "it does not follow the log");
                }
                State::Failed
            }
        };
    }

    fn answer(
        &mut self,
        reader: &Reader,
        subject: HistorySubject,
    ) -> Result<HistoryFound, HistoryProblem> {
        match self.state {
            State::UpToDate => self.follow.read(self.log.as_mut(), reader, subject),
            State::Behind => Err(HistoryProblem::Busy),
            State::Failed => Err(HistoryProblem::Failed),
        }
    }
}

/// Lowers the priority of this thread; `setpriority(2)`: on Linux each thread has its own.
fn give_way(niceness: i32) {
    if niceness > 0
        && let Err(error) = rustix::process::nice(niceness)
    {
        tracing::debug!(%error, "a thread keeps the priority of the others");
    }
}

/// Waits with news, but not with a question.
fn gather(tasks: &Receiver<Task>, task: Task, gathering: Duration) -> Task {
    match task {
        // Nothing but a question comes now: no other news are told before the thread has looked. Whoever could
        // ask may be gone.
        Task::CatchUp => tasks.recv_timeout(gathering).unwrap_or(task),
        Task::Read(..) => task,
    }
}

/// The message of that event.
///
/// # Errors
/// [`LogError`], also where it was removed because of its age.
pub(crate) fn message(log: &mut dyn LogReader, number: u64) -> Result<MessageSent, LogError> {
    match event(log, number)? {
        Some(Event::MessageSent(message)) => Ok(Arc::unwrap_or_clone(message)),
        Some(Event::Expired(_)) | None if number <= log.expired()? => {
            Err(LogError::Expired { number })
        }
        Some(Event::Ruling(_) | Event::Expired(_)) | None => Err(LogError::Damaged { number }),
    }
}

/// The decision of that event.
///
/// # Errors
/// [`LogError`].
pub(crate) fn ruling(log: &mut dyn LogReader, number: u64) -> Result<Arc<Ruling>, LogError> {
    match event(log, number)? {
        Some(Event::Ruling(ruling)) => Ok(ruling),
        Some(Event::MessageSent(_) | Event::Expired(_)) | None => Err(LogError::Damaged { number }),
    }
}

fn event(log: &mut dyn LogReader, number: u64) -> Result<Option<Event>, LogError> {
    let found = log.tail(number, 1)?.pop().filter(|found| found.number == number);
    Ok(found.map(|found| found.event))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI32;

    use super::*;
    use crate::log::Log;
    use crate::log::memory::MemoryLog;
    use crate::state::request::{ConnectionId, LoginId};

    /// Notes how polite its thread is, and finds nothing.
    struct Idle(Arc<AtomicI32>);

    impl Follow for Idle {
        // For ever, as far as a test goes.
        const GATHERING: Duration = Duration::from_secs(1_000_000);
        const NICENESS: i32 = 3;

        fn catch_up(&mut self, _: &mut dyn LogReader) -> Result<CaughtUp, LogError> {
            let niceness = rustix::process::getpriority_process(None).unwrap();
            self.0.store(niceness, Ordering::Relaxed);
            Ok(CaughtUp::All)
        }

        fn read(
            &mut self,
            _: &mut dyn LogReader,
            _: &Reader,
            _: HistorySubject,
        ) -> Result<HistoryFound, HistoryProblem> {
            Err(HistoryProblem::NoWord)
        }
    }

    #[test]
    fn a_question_waits_for_no_news_and_its_thread_gives_way() {
        let ours = rustix::process::getpriority_process(None).unwrap();
        let niceness = Arc::new(AtomicI32::new(i32::MIN));
        let log = MemoryLog::default().reader().unwrap();
        let follower = Follower::start("idle", log, Idle(Arc::clone(&niceness))).unwrap();
        let (tell, told) = mpsc::channel();
        for request_id in 1..=3 {
            follower.committed();
            let asker = HistoryAsker { connection: ConnectionId(1), request_id, login: LoginId(1) };
            let reader = Reader { identity: crate::log::event::Identity(1), rooms: Vec::new() };
            let subject = HistorySubject::Conversations { after: 0 };
            let question = Box::new(HistoryQuestion { asker, reader, subject });
            let tell = tell.clone();
            follower.ask(question, move |answer| tell.send(answer).unwrap()).unwrap();
            let (asker, found) = told.recv().unwrap();
            assert_eq!(asker.request_id, request_id);
            assert!(matches!(found, Err(HistoryProblem::NoWord)), "{found:?}");
        }
        assert_eq!(niceness.load(Ordering::Relaxed), (ours + Idle::NICENESS).min(19));
    }
}
