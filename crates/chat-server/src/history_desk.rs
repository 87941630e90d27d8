//! Has stored messages read for the state, and tells the hub.

use tokio::sync::mpsc;

use crate::hub::Input;
use crate::log::history::History;
use crate::state::history::{HistoryAsker, HistoryQuestion};

/// The way to the thread that reads.
pub(crate) struct HistoryDesk {
    history: History,
    hub: mpsc::Sender<Input>,
}

impl HistoryDesk {
    pub(crate) fn new(history: History, hub: mpsc::Sender<Input>) -> Self {
        Self { history, hub }
    }

    /// Never waits; the hub is told the answer.
    ///
    /// # Errors
    /// Who asked, if too many questions wait.
    pub(crate) fn read(&self, question: Box<HistoryQuestion>) -> Result<(), HistoryAsker> {
        let hub = self.hub.clone();
        // The thread waits while the hub is busy; when the hub is gone, so is who asked.
        self.history.ask(question, move |answer| drop(hub.blocking_send(Input::History(answer))))
    }
}
