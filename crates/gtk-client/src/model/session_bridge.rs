//! The one door between the network's threads and the main loop. Commands go out without ever
//! blocking; events come in by batches, at most one a frame, so that a flood of them costs one change
//! of each list instead of thousands.

use std::path::PathBuf;
use std::time::Duration;

use chat_client::command::Command;
use chat_client::event::Event;
use chat_client::session::{self, Patience, SessionConfig, SessionHandle};
use gtk::glib;
use gtk::prelude::*;

use crate::model::chat_session::ChatSession;

/// How the program introduces itself to servers.
const AGENT: &str = concat!("simple-chat ", env!("CARGO_PKG_VERSION"));

/// Rest between two batches: a frame at 60 Hz.
const FRAME: Duration = Duration::from_millis(16);

/// Most events of one batch: a batch of all the events that may wait is still quickly applied.
const BATCH_EVENTS_MAX: usize = session::EVENTS_MAX;

/// The file in which the keys of trusted servers are remembered.
#[must_use]
pub fn known_servers_file() -> PathBuf {
    SessionConfig::of_this_person(AGENT).known_servers()
}

/// Our side of one session: from the first connection to its end.
#[derive(Clone, Debug)]
pub struct SessionBridge {
    handle: SessionHandle,
}

impl SessionBridge {
    /// Starts a session of this person.
    #[must_use]
    pub fn open() -> Self {
        // A person sees what is waited for, and ends what they do not want to wait for.
        let first_byte = Patience::default().first_byte;
        let patience = Patience { first_byte, ..Patience::ENDLESS };
        let config = SessionConfig { patience, ..SessionConfig::of_this_person(AGENT) };
        Self::over(session::start(config))
    }

    /// A bridge to whatever is at the other ends of `handle`.
    #[must_use]
    pub fn over(handle: SessionHandle) -> Self {
        Self { handle }
    }

    /// Asks for something. `false`: the session is over or too busy to take it.
    pub fn ask(&self, command: Command) -> bool {
        self.handle.commands.try_send(command).is_ok()
    }

    /// Applies everything that the session tells to `state`, for as long as both are there. `number`
    /// tells this session from those before and after it.
    pub fn follow(&self, state: &ChatSession, number: u32) {
        let (events, state) = (self.handle.events.clone(), state.downgrade());
        glib::spawn_future_local(async move {
            while let Ok(first) = events.recv().await {
                let batch = batch(&events, first);
                // Upgraded once for each batch: held over the wait, it would never be freed.
                let Some(state) = state.upgrade() else { return };
                state.apply(number, batch);
                drop(state);
                glib::timeout_future(FRAME).await;
            }
            if let Some(state) = state.upgrade() {
                state.session_gone(number);
            }
        });
    }
}

fn batch(events: &async_channel::Receiver<Event>, first: Event) -> Vec<Event> {
    let mut batch = vec![first];
    while batch.len() < BATCH_EVENTS_MAX
        && let Ok(event) = events.try_recv()
    {
        batch.push(event);
    }
    batch
}
