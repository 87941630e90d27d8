//! Has stored messages read or searched for the state, and tells the hub.

use tokio::sync::mpsc;

use crate::hub::Input;
use crate::log::follower::Follower;
use crate::state::history::{HistoryAsker, HistoryQuestion, HistorySubject};

/// The ways to the threads that read.
pub(crate) struct HistoryDesk {
    readers: Readers,
    hub: mpsc::Sender<Input>,
}

/// Who reads stored messages.
#[derive(Clone)]
pub(crate) struct Readers {
    /// By their conversations.
    pub(crate) history: Follower,
    /// By their words.
    pub(crate) search: Follower,
}

impl HistoryDesk {
    pub(crate) fn new(readers: Readers, hub: mpsc::Sender<Input>) -> Self {
        Self { readers, hub }
    }

    /// Never waits; the hub is told the answer.
    ///
    /// # Errors
    /// Who asked, if too many questions wait.
    pub(crate) fn read(&self, question: Box<HistoryQuestion>) -> Result<(), HistoryAsker> {
        let reader = match question.subject {
            HistorySubject::Messages { .. }
            | HistorySubject::Conversations { .. }
            | HistorySubject::Audit { .. } => &self.readers.history,
            HistorySubject::Search(_) => &self.readers.search,
        };
        let hub = self.hub.clone();
        // The thread waits while the hub is busy; when the hub is gone, so is who asked.
        reader.ask(question, move |answer| drop(hub.blocking_send(Input::History(answer))))
    }
}
