//! Has old messages removed, where the operator wants that: at the start, when the configuration changes, and
//! then now and again. The log's own thread does it (`log/expiry.rs`), a slice at a time and between its commits.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::hub;
use crate::log::writer::LogKeeper;

/// How often it is looked for messages that have grown too old.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Shortest pause behind a slice. It is as long as the slice took: half of the time of the log's thread is for
/// what people write.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Removes what is older than `age` says, until `stop`.
pub(crate) async fn follow(
    log: LogKeeper,
    mut age: watch::Receiver<Option<Duration>>,
    stop: CancellationToken,
) {
    loop {
        let wanted = *age.borrow_and_update();
        let looking = async {
            if let Some(age) = wanted {
                remove_older(&log, age).await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = age.changed() => if changed.is_err() { return },
            () = looking => {}
        }
    }
}

async fn remove_older(log: &LogKeeper, age: Duration) {
    let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let before_ms = hub::now().unix_ms.saturating_sub(age_ms);
    let mut removed = 0;
    loop {
        let begun = Instant::now();
        let Some(slice) = log.expire(before_ms).await else { break };
        removed += slice.removed;
        if slice.is_all {
            break;
        }
        tokio::time::sleep(begun.elapsed().max(PAUSE_MIN)).await;
    }
    if removed > 0 {
        tracing::info!(removed, "messages were removed because of their age");
    }
}
