//! The thread that keeps the projection up with the log and reads stored messages. Neither the hub nor
//! the log's writer ever waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};

use common::limits::{CONVERSATION_PAGE_ENTRIES_MAX, HISTORY_PAGE_BYTES_MAX};
use prost::Message;

use crate::log::event::{ConversationKey, Event, Identity, MessageSent};
use crate::log::projection::Projection;
use crate::log::{LogError, LogReader};
use crate::state::history::{
    HistoryAsker, HistoryFound, HistoryProblem, HistoryQuestion, HistorySubject,
};
use crate::state::request::HistoryRange;
use crate::state::settling::to_wire;

/// Questions that wait. Further ones are refused, to be asked again.
const QUESTIONS_MAX: usize = 1024;

/// Tag and length of a message in a page.
const MESSAGE_OVERHEAD_BYTES: usize = 4;

/// Somebody's question, and what came of it.
pub(crate) type HistoryAnswer = (HistoryAsker, Result<HistoryFound, HistoryProblem>);

/// Tells the thread what to do. It ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct History {
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

impl History {
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

/// Starts the thread.
///
/// # Errors
/// Where the system gives none.
pub(crate) fn start(log: Box<dyn LogReader>, projection: Projection) -> std::io::Result<History> {
    let (tasks, queue) = mpsc::sync_channel(QUESTIONS_MAX);
    let told = Arc::new(AtomicBool::new(false));
    let reading = Reading { log, projection, told: Arc::clone(&told), has_failed: false };
    std::thread::Builder::new().name("history".into()).spawn(move || reading.run(&queue))?;
    Ok(History { tasks, told })
}

/// The thread's own.
struct Reading {
    log: Box<dyn LogReader>,
    projection: Projection,
    told: Arc<AtomicBool>,
    has_failed: bool,
}

impl Reading {
    fn run(mut self, tasks: &Receiver<Task>) {
        while let Ok(task) = tasks.recv() {
            // Before looking: what comes from here on is told anew.
            self.told.store(false, Ordering::Release);
            let result = self.projection.catch_up(self.log.as_mut());
            self.say_once(&result);
            match (task, result) {
                (Task::CatchUp, _) => {}
                (Task::Read(question, tell), Ok(())) => {
                    let HistoryQuestion { asker, reader, subject } = *question;
                    let found = self.read(reader, subject).map_err(|error| {
                        tracing::error!(%error, "stored messages cannot be read");
                        HistoryProblem::Failed
                    });
                    tell((asker, found));
                }
                (Task::Read(question, tell), Err(_)) => {
                    tell((question.asker, Err(HistoryProblem::Failed)));
                }
            }
        }
    }

    /// A disk that stays full is told of once, not for each message. Nothing gets lost: the log has it,
    /// and the next task tries again.
    fn say_once(&mut self, result: &Result<(), LogError>) {
        if let Err(error) = result
            && !self.has_failed
        {
            tracing::error!(%error, "the history does not follow the log");
        }
        self.has_failed = result.is_err();
    }

    fn read(
        &mut self,
        reader: Identity,
        subject: HistorySubject,
    ) -> Result<HistoryFound, LogError> {
        match subject {
            HistorySubject::Messages { conversation, key, range } => {
                let (messages, more) = self.messages(&key, reader, range)?;
                Ok(HistoryFound::Messages { conversation, messages, more })
            }
            HistorySubject::Conversations { after } => {
                let limit = CONVERSATION_PAGE_ENTRIES_MAX;
                Ok(HistoryFound::Conversations(self.projection.list(reader, after, limit)?))
            }
        }
    }

    fn messages(
        &mut self,
        key: &ConversationKey,
        reader: Identity,
        range: HistoryRange,
    ) -> Result<(Vec<MessageSent>, bool), LogError> {
        let (events, mut more) = self.projection.messages(key, reader, range)?;
        let is_backwards = range.before.is_some();
        let mut nearest_first = events;
        if is_backwards {
            nearest_first.reverse();
        }
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for number in nearest_first {
            let message = self.message(number)?;
            bytes += to_wire(&message).encoded_len() + MESSAGE_OVERHEAD_BYTES;
            if bytes > HISTORY_PAGE_BYTES_MAX {
                more = true;
                break;
            }
            messages.push(message);
        }
        if is_backwards {
            messages.reverse();
        }
        Ok((messages, more))
    }

    fn message(&mut self, number: u64) -> Result<MessageSent, LogError> {
        let event = self.log.tail(number, 1)?.pop();
        match event.filter(|event| event.number == number).map(|event| event.event) {
            Some(Event::MessageSent(message)) => Ok(Arc::unwrap_or_clone(message)),
            None => Err(LogError::Damaged { number }),
        }
    }
}

#[cfg(test)]
mod tests;
