//! What hashing files brings to their downloads.

use bytes::Bytes;
use common::wire::server_frame::Body;
use common::wire::{DownloadProblem, FileHashes, PieceHashes};
use file_transfer::file_path::FilePath;
use file_transfer::piece_hashes::piece_count;

use super::{PiecesAsked, PiecesResult, RootResult};
use crate::state::State;
use crate::state::action::{Action, Actions, Recipients};
use crate::state::request::NoFile;

impl State {
    /// A file that [`Action::HashFile`] asked for is hashed.
    #[must_use]
    pub fn file_hashed(&mut self, download: u64, root: RootResult) -> Vec<Action> {
        let mut out = Actions::default();
        if let Some(entry) = self.downloads.by_id.get_mut(&download) {
            (entry.root, entry.is_hashing) = (Some(root), false);
            let frame = file_hashes(download, &entry.path, root);
            if let Some(session) = self.roster.session(entry.login) {
                out.tell(Recipients::One(session.connection), Body::FileHashes(frame));
            }
        }
        out.into_vec()
    }

    /// Pieces that [`Action::HashPieces`] asked for, from `first` on, are hashed.
    #[must_use]
    pub fn pieces_hashed(
        &mut self,
        download: u64,
        first: u64,
        pieces: PiecesResult,
    ) -> Vec<Action> {
        let mut out = Actions::default();
        let Some(entry) = self.downloads.by_id.get_mut(&download) else { return out.into_vec() };
        let Some(asked) = entry.pieces_asked.take_if(|asked| asked.first == first) else {
            return out.into_vec();
        };
        let PiecesAsked { caller, .. } = asked;
        match pieces {
            Ok(pieces) => {
                let hashes = pieces.iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect();
                let total = piece_count(entry.version.size);
                let body = PieceHashes { download_id: download, first_piece: first, hashes, total };
                out.reply(caller.connection, caller.request_id, Body::PieceHashes(body));
            }
            Err(problem) => {
                let none = match problem {
                    DownloadProblem::FileUnreadable => NoFile::Unreadable,
                    DownloadProblem::Unspecified | DownloadProblem::FileChanged => NoFile::Missing,
                };
                let refusal = none.refusal(entry.path.as_str().to_owned());
                self.refuse(caller, refusal, &mut out);
            }
        }
        out.into_vec()
    }
}

pub(super) fn file_hashes(download_id: u64, path: &FilePath, root: RootResult) -> FileHashes {
    let path = path.as_str().to_owned();
    let unspecified = DownloadProblem::Unspecified;
    let (root, problem) = match root {
        Ok(root) => (Bytes::copy_from_slice(&root), unspecified),
        Err(problem) => (Bytes::new(), problem),
    };
    FileHashes { download_id, root, path, problem: problem.into() }
}
