//! The thread that keeps the projection up with the log. Neither the hub nor the log's writer ever
//! waits for it.

use std::sync::mpsc::{self, Receiver, SyncSender};

use crate::log::projection::Projection;
use crate::log::{LogError, LogReader};

/// Says that there is something new in the log. The thread ends when the last of them is gone.
#[derive(Clone)]
pub(crate) struct Follow(SyncSender<()>);

impl Follow {
    /// Never waits: a thread that has been told and did not look yet need not be told again.
    pub(crate) fn committed(&self) {
        let _ = self.0.try_send(());
    }
}

/// Starts the thread.
///
/// # Errors
/// Where the system gives none.
pub(crate) fn start(log: Box<dyn LogReader>, projection: Projection) -> std::io::Result<Follow> {
    let (news, told) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("history".into())
        .spawn(move || follow(log, projection, &told))?;
    Ok(Follow(news))
}

fn follow(mut log: Box<dyn LogReader>, mut projection: Projection, told: &Receiver<()>) {
    let mut failed = false;
    while told.recv().is_ok() {
        // What cannot be written now is tried again at the next event: nothing gets lost, the log has it.
        let result = projection.catch_up(log.as_mut());
        say_once(&mut failed, &result);
    }
}

/// A disk that stays full is told of once, not for each message.
fn say_once(failed: &mut bool, result: &Result<(), LogError>) {
    match result {
        Ok(()) => *failed = false,
        Err(error) if !*failed => {
            *failed = true;
            tracing::error!(%error, "the history does not follow the log");
        }
        Err(_) => {}
    }
}
