//! What only the chat server can say: the hash of the whole file, and those of its pieces. It may still
//! be reading the file, or be away; but nobody waits for ever.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

use super::rounds::{Rounds, told};
use super::{DownloadError, PIECES_PER_ANSWER_MAX, PiecesWanted};
use crate::piece_hashes::{PieceHash, piece_count};

/// How long an answer may take that needs no reading: a server that restarts, others that are served
/// first.
const PATIENCE_MIN: Duration = Duration::from_secs(600);
/// How slowly a server may read: an old disk that others keep busy.
const READ_BYTES_PER_SECOND_MIN: u64 = 4 << 20;

/// Waits until the chat server knows the hash.
pub(super) async fn root_hash(
    rounds: &mut Rounds<'_>,
    root: &mut watch::Receiver<Option<[u8; 32]>>,
) -> Result<[u8; 32], DownloadError> {
    match wait(rounds, root.wait_for(Option::is_some)).await? {
        Ok(root) => (*root).ok_or(DownloadError::FileChanged),
        Err(_) => Err(DownloadError::FileChanged),
    }
}

/// Asks for the hashes of the pieces from `first` on. `None` if there are none.
pub(super) async fn piece_hashes(
    rounds: &mut Rounds<'_>,
    first: u64,
) -> Result<Option<Vec<PieceHash>>, DownloadError> {
    let Some(pieces) = rounds.request.pieces.clone() else { return Ok(None) };
    let (reply, answer) = oneshot::channel();
    let asking = async {
        pieces.send(PiecesWanted { first, reply }).await.ok()?;
        answer.await.ok()
    };
    let hashes = wait(rounds, asking).await?;
    let most = piece_count(rounds.request.version.size) - first;
    Ok(hashes.filter(|hashes| {
        let count = hashes.len();
        (1..=PIECES_PER_ANSWER_MAX).contains(&count) && count as u64 <= most
    }))
}

/// Waits for something that the server says, as long as it may take. Time in which the download is
/// paused does not count: nobody asks the server then.
async fn wait<T>(
    rounds: &mut Rounds<'_>,
    word: impl Future<Output = T>,
) -> Result<T, DownloadError> {
    let cancel = rounds.token();
    let mut left = patience(rounds.request.version.size);
    let mut word = std::pin::pin!(word);
    loop {
        let (since, is_paused) = (Instant::now(), rounds.is_paused());
        tokio::select! {
            () = cancel.cancelled() => return Err(DownloadError::Cancelled),
            said = &mut word => return Ok(said),
            () = told(&mut rounds.request.paused, !is_paused) => {}
            () = sleep(left), if !is_paused => return Err(DownloadError::NoHash),
        }
        if !is_paused {
            left = left.saturating_sub(since.elapsed());
        }
    }
}

fn patience(size: u64) -> Duration {
    PATIENCE_MIN + Duration::from_secs(size / READ_BYTES_PER_SECOND_MIN)
}
