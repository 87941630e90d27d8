//! What is done when everything has come and is not the file: the pieces that differ are found, and
//! only they are fetched again.

use std::collections::BTreeMap;

use super::rounds::Rounds;
use super::{DownloadError, server_word};
use crate::piece_hashes::{PieceHash, PieceTree, piece_count};

/// Pieces that are repaired: 64 GiB of damage, 3 MB of memory. More than that is no damage.
const PIECES_MAX: usize = 65_536;

/// Makes the pieces that are not those of the file with this root missing again.
///
/// Where there are no piece hashes, or they do not add up to the root, everything comes again, once, if
/// it was an earlier download that left the damage; else it is an integrity error.
pub(super) async fn repair(rounds: &mut Rounds<'_>, root: [u8; 32]) -> Result<(), DownloadError> {
    if let Some(differing) = find_damage(rounds, root).await? {
        tracing::warn!(pieces = differing.len(), "what arrived is damaged");
        return rounds.on_disk(move |part| part.repair(root, differing)).await;
    }
    let (found, kept) = rounds
        .on_disk(move |part| {
            let found = (part.root(), part.kept_bytes());
            if part.kept_bytes() > 0 {
                part.forget();
            }
            found
        })
        .await?;
    if kept > 0 {
        return Ok(());
    }
    Err(DownloadError::Integrity { expected: root, found: found.unwrap_or_default() })
}

/// The pieces that differ and what they should be; `None` if nobody knows.
async fn find_damage(
    rounds: &mut Rounds<'_>,
    root: [u8; 32],
) -> Result<Option<BTreeMap<u64, PieceHash>>, DownloadError> {
    let size = rounds.request.version.size;
    let (mut tree, mut differing) = (PieceTree::new(size), BTreeMap::new());
    let mut first = 0;
    while first < piece_count(size) {
        let Some(hashes) = server_word::piece_hashes(rounds, first).await? else { return Ok(None) };
        (first..).zip(&hashes).for_each(|(piece, hash)| tree.insert(piece, *hash));
        let (cancel, asked) = (rounds.token(), first);
        first += hashes.len() as u64;
        let found = rounds.on_disk(move |part| part.differing(asked, &hashes, &cancel)).await?;
        if rounds.token().is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        differing.extend(found);
        if differing.len() > PIECES_MAX {
            return Ok(None);
        }
    }
    Ok((tree.root() == Some(root)).then_some(differing))
}
