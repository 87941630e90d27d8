//! The session: one user of one server, from the first connection to the log-out, over any number of
//! broken connections.
//!
//! [`start`] runs it on threads of its own, so that a program needs no runtime. `session/machine.rs`
//! decides, `session/driver.rs` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
pub use file_transfer::download::Patience;
use tokio::runtime::Builder;

use crate::command::Command;
use crate::error::{EndReason, SessionError};
use crate::event::Event;
use crate::session::driver::Driver;

mod machine;

mod away;
mod backoff;
mod downloads;
pub(crate) mod history;
mod liveness;
mod outbox;
mod paged_list;
mod precheck;
mod requests;
mod typing;
mod uploads;

mod driver;

mod connection;
mod transfers;
mod upload_runs;

#[cfg(any(test, fuzzing))]
#[expect(clippy::panic, reason = "a broken promise is to be noticed")]
pub mod fuzzing;

/// The chat needs one; the other one keeps it going while files are read and written.
const WORKERS: usize = 2;

/// What still runs after this, a slow name lookup for one, is left to the end of the program.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_millis(500);

/// Commands that may wait. When it is full the session is busy for the moment; a user interface then
/// tries again or says so.
pub const COMMANDS_MAX: usize = 64;

/// Events that may wait. When it is full the session stops reading from the server until the user
/// interface catches up, so nothing is lost and nothing grows; one that stands still for longer than
/// [`common::limits::DEAD_AFTER`] loses the connection. Progress of downloads is dropped instead of
/// waiting: a later one replaces it.
pub const EVENTS_MAX: usize = 1024;

/// Share of [`EVENTS_MAX`] from which on progress of downloads is dropped.
const EVENTS_BUSY: usize = EVENTS_MAX / 2;

/// Where a session keeps what outlives it, and how it introduces itself.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Folder of `known_servers`.
    pub config_dir: PathBuf,
    /// Folder of `resume_tokens`.
    pub state_dir: PathBuf,
    /// Program and version, for the server's log. At most 64 bytes.
    pub agent: String,
    /// Whether what was said while nobody was there to hear it is told, too. Without it nothing is asked of
    /// the server for that.
    pub catches_up: bool,
    /// How long downloads wait for what may heal by itself.
    pub patience: Patience,
}

impl SessionConfig {
    /// The person's own folders: `$XDG_CONFIG_HOME/simple-chat` and `$XDG_STATE_HOME/simple-chat`,
    /// where these are not set `~/.config` and `~/.local/state` (XDG Base Directory Specification).
    #[must_use]
    pub fn of_this_person(agent: &str) -> Self {
        Self {
            config_dir: base_folder("XDG_CONFIG_HOME", ".config").join("simple-chat"),
            state_dir: base_folder("XDG_STATE_HOME", ".local/state").join("simple-chat"),
            agent: agent.to_owned(),
            catches_up: true,
            patience: Patience::default(),
        }
    }

    /// The file with the keys of trusted servers.
    #[must_use]
    pub fn known_servers(&self) -> PathBuf {
        crate::known_servers::path_in(&self.config_dir)
    }
}

fn base_folder(variable: &str, below_home: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    // The specification: relative paths are to be ignored.
    named.filter(|path| path.is_absolute()).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").unwrap_or_default();
        Path::new(&home).join(below_home)
    })
}

/// The two ends of a running session. Dropping both ends it as [`Command::LogOut`] does.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    /// Room for [`COMMANDS_MAX`].
    pub commands: async_channel::Sender<Command>,
    /// Room for [`EVENTS_MAX`]. Closed after [`Event::Ended`].
    pub events: async_channel::Receiver<Event>,
}

/// Starts a session. It does nothing until [`Command::Connect`].
#[must_use]
pub fn start(config: SessionConfig) -> SessionHandle {
    let (command_sender, command_receiver) = async_channel::bounded(COMMANDS_MAX);
    let (event_sender, event_receiver) = async_channel::bounded(EVENTS_MAX);
    let failed = event_sender.clone();
    let thread = std::thread::Builder::new().name("session".to_owned());
    let spawned = thread.spawn(move || run(config, command_receiver, event_sender));
    if let Err(error) = spawned {
        tell_no_resources(&failed, error);
    }
    SessionHandle { commands: command_sender, events: event_receiver }
}

fn run(config: SessionConfig, commands: Receiver<Command>, events: Sender<Event>) {
    let mut runtime = Builder::new_multi_thread();
    match runtime.worker_threads(WORKERS).thread_name("session-io").enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(Driver::new(config, commands, events).run());
            runtime.shutdown_timeout(SHUTDOWN_TIME_MAX);
        }
        Err(error) => tell_no_resources(&events, error),
    }
}

fn tell_no_resources(events: &Sender<Event>, error: std::io::Error) {
    let error = SessionError::System(Arc::new(error));
    // It is the first event, so there is room, unless nobody listens.
    let _ = events.try_send(Event::Ended(EndReason::Failed(error)));
}
