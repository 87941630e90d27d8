//! Carries a hash job out, on a thread that may wait for the disk.

use common::wire::DownloadProblem;
use file_transfer::catalogue::{Catalogue, HashError};
use file_transfer::piece_hashes::PieceHash;
use tokio_util::sync::CancellationToken;

use crate::file_desk::hash_queue::{HashJob, Hashing};

/// Piece hashes in one answer: 2 GiB of file in 68 KiB, a quarter of the smallest outbox.
pub(crate) const PIECES_PER_ANSWER: usize = 2048;
const _: () = assert!(PIECES_PER_ANSWER <= common::limits::PIECE_HASHES_MAX);

/// What came of a job.
#[derive(Debug)]
pub(crate) enum HashOutcome {
    /// The hash of the whole file.
    Root([u8; 32]),
    /// The hashes of pieces.
    Pieces(Vec<PieceHash>),
    /// There is none.
    Failed(DownloadProblem),
    /// A look-up found nothing.
    NotRemembered,
    /// Nobody wants it any more.
    Stopped,
}

impl HashJob {
    /// What is known without reading the file.
    pub(super) fn look_up(&self, catalogue: &Catalogue) -> HashOutcome {
        let Self { path, version, what } = self;
        let known = match what {
            Hashing::Root => {
                catalogue.known_root_hash(path, version).map(|root| root.map(HashOutcome::Root))
            }
            Hashing::PiecesFrom(first) => catalogue
                .known_piece_hashes(path, version, *first, PIECES_PER_ANSWER)
                .map(|pieces| pieces.map(HashOutcome::Pieces)),
        };
        known
            .map_or_else(|error| self.failed(&error), |it| it.unwrap_or(HashOutcome::NotRemembered))
    }

    /// Reads what has to be read.
    pub(super) fn compute(&self, catalogue: &Catalogue, stop: &CancellationToken) -> HashOutcome {
        let Self { path, version, what } = self;
        let computed = match what {
            Hashing::Root => catalogue.root_hash_unless(path, version, stop).map(HashOutcome::Root),
            Hashing::PiecesFrom(first) => catalogue
                .piece_hashes(path, version, *first, PIECES_PER_ANSWER, stop)
                .map(HashOutcome::Pieces),
        };
        computed.unwrap_or_else(|error| self.failed(&error))
    }

    fn failed(&self, error: &HashError) -> HashOutcome {
        match error {
            HashError::Stopped => HashOutcome::Stopped,
            HashError::Changed => HashOutcome::Failed(DownloadProblem::FileChanged),
            HashError::File(_) | HashError::Read(_) => {
                tracing::warn!(%error, path = ?self.path.as_str(), "cannot hash a file");
                HashOutcome::Failed(DownloadProblem::FileUnreadable)
            }
        }
    }
}
