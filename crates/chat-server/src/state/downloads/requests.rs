//! What clients ask about downloads.

use common::wire::DownloadRecorded;
use common::wire::server_frame::Body;
use file_transfer::catalogue::CatalogueEntry;
use file_transfer::piece_hashes::piece_count;

use super::{Download, PiecesAsked, Stage, queued};
use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::{DownloadDone, LoginId, NoFile, PiecesWanted};
use crate::state::router::Caller;

/// When somebody who asks for piece hashes twice at once may try again.
const PIECES_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

impl State {
    /// The ticket is minted at once if there is a place; the hash follows when it is known. `goes_on`: a
    /// download of this login that may keep its number and its place.
    pub(crate) fn request_download(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        (path, file): (String, Result<CatalogueEntry, NoFile>),
        goes_on: u64,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let file = file.map_err(|none| none.refusal(path))?;
        let known = self.downloads.own_mut(login, goes_on).filter(|it| it.path == file.path);
        match known.map(|download| (download.set_version(file.version), download.stage).1) {
            None => self.new_download(now, caller, login, file, out),
            Some(Stage::Running { .. }) => {
                self.start_download(now, goes_on, Some(caller), out);
                Ok(())
            }
            Some(Stage::Waiting { .. }) => self.say_queued(caller, goes_on, out),
            Some(Stage::Resting) => {
                self.check_line(login)?;
                if self.download_places().has_one_for(login) {
                    self.start_download(now, goes_on, Some(caller), out);
                    return Ok(());
                }
                self.downloads.line.push_first(login, goes_on);
                self.say_queued(caller, goes_on, out)
            }
        }
    }

    fn new_download(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        file: CatalogueEntry,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        self.check_line(login)?;
        let has_place = self.download_places().has_one_for(login);
        self.downloads.last_id += 1;
        let id = self.downloads.last_id;
        let CatalogueEntry { path, version } = file;
        let stage = Stage::Resting;
        let (root, pieces_asked) = (None, None);
        let is_hashing = false;
        let download = Download { login, path, version, stage, root, is_hashing, pieces_asked };
        self.downloads.by_id.insert(id, download);
        if has_place {
            self.start_download(now, id, Some(caller), out);
            return Ok(());
        }
        self.downloads.line.push(login, id);
        self.say_queued(caller, id, out)
    }

    /// Whether this login may run or wait for one more.
    fn check_line(&self, login: LoginId) -> Result<(), Refusal> {
        let checked = self.download_places().check_line(&self.downloads.line, login);
        checked.map_err(|allowed| Refusal::TooManyDownloads { allowed })
    }

    /// Answers that a download stands in line, and where.
    fn say_queued(&mut self, caller: Caller, id: u64, out: &mut Actions) -> Result<(), Refusal> {
        self.downloads.line_has_moved = true;
        let position = self.positions().into_iter().find(|(waiting, _)| *waiting == id);
        let told_position = position.map_or(1, |(_, position)| position);
        let Some(download) = self.downloads.by_id.get_mut(&id) else {
            return Err(Refusal::UnknownDownload);
        };
        download.stage = Stage::Waiting { told_position };
        let queued = queued(id, told_position, &download.path);
        caller.reply(out, Body::DownloadQueued(queued))
    }

    /// Frees the place, and keeps the rest. One that is unknown, or somebody else's, is answered alike.
    pub(crate) fn pause_download(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        id: u64,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if self.downloads.own_mut(login, id).is_some() {
            self.rest(id, out);
        }
        caller.reply(out, Body::DownloadRecorded(DownloadRecorded { download_id: id }))?;
        self.fill_places(now, out);
        Ok(())
    }

    /// Frees the download's place. One that is unknown, or somebody else's, is answered alike: it may
    /// have ended with an earlier login.
    pub(crate) fn download_done(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        done: &DownloadDone,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let DownloadDone { download, verified, bytes, transport } = *done;
        if let Some(entry) = self.downloads.own_mut(login, download) {
            let (file, was_waiting) = (entry.path.clone(), entry.stage.is_waiting());
            let user = self.name_of(login);
            let transport = transport.as_str_name();
            if !was_waiting {
                self.tally.download_ended(verified, bytes);
            }
            tracing::info!(?user, file = ?file.as_str(), download, verified, bytes, transport, "download ended");
            self.forget_download(download, out);
        }
        caller.reply(out, Body::DownloadRecorded(DownloadRecorded { download_id: download }))?;
        self.fill_places(now, out);
        Ok(())
    }

    /// Nothing is known of it any more; who still asks something about it is told so.
    pub(super) fn forget_download(&mut self, id: u64, out: &mut Actions) {
        let Some(download) = self.downloads.by_id.remove(&id) else { return };
        if download.stage.is_waiting() {
            self.downloads.line.remove(id);
            self.downloads.line_has_moved = true;
        }
        if download.is_hashing || download.pieces_asked.is_some() {
            out.push(Action::ForgetHash { download: id });
        }
        if let Some(PiecesAsked { caller, .. }) = download.pieces_asked {
            self.refuse(caller, Refusal::UnknownDownload, out);
        }
    }

    /// Answered when the hashes are known. One question of a login at a time: an answer is long.
    pub(crate) fn request_piece_hashes(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        wanted: PiecesWanted,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let is_waiting = self.downloads.by_id.values().any(|it| {
            let asked = it.pieces_asked.filter(|it| it.caller.connection == caller.connection);
            it.login == login && asked.is_some()
        });
        if is_waiting {
            return Err(Refusal::SlowDown { retry_at_ms: now.unix_ms_after(PIECES_PAUSE) });
        }
        let PiecesWanted { download, first } = wanted;
        let entry = self.downloads.own_mut(login, download).ok_or(Refusal::UnknownDownload)?;
        if first >= piece_count(entry.version.size) {
            return Err(Refusal::Malformed);
        }
        entry.pieces_asked = Some(PiecesAsked { caller, first });
        let (path, version) = (entry.path.clone(), entry.version);
        out.push(Action::HashPieces { download, path, version, first });
        Ok(())
    }
}

impl Stage {
    fn is_waiting(self) -> bool {
        matches!(self, Stage::Waiting { .. })
    }
}
