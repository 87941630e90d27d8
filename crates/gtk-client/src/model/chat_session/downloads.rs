//! Downloads: asked for, followed, cancelled; how each ended is said in the conversation.

use std::path::{Path, PathBuf};
use std::time::Instant;

use chat_client::command::{Command, DownloadId, TransportChoice};
use chat_client::error::DownloadFailure;
use chat_client::error_text;
use chat_client::event::DownloadChange;
use gtk::subclass::prelude::*;

use super::{ChatSession, not_taken};
use crate::model::message::Kind;
use crate::model::plain_text;
use crate::model::transfer::{Order, Stage, Transfer};

impl ChatSession {
    /// Asks the server for the file `path`, to be saved as `save_as`. Whatever exists stays as it is:
    /// the file then gets another name.
    pub fn download(&self, path: &str, save_as: PathBuf) {
        let imp = self.imp();
        let id = DownloadId(imp.downloads_asked.get());
        imp.downloads_asked.set(id.0 + 1);
        let transfer = Transfer::new(Order { id, path: path.to_owned(), save_as: save_as.clone() });
        imp.transfers.add(&transfer);
        if let Some(Err(error)) = save_as.parent().map(std::fs::create_dir_all) {
            return self.not_downloaded(&transfer, &format!("its folder cannot be made ({error})"));
        }
        let transport = TransportChoice::Auto;
        if !self.ask(Command::Download { id, path: path.to_owned(), save_as, transport }) {
            self.not_downloaded(&transfer, &not_taken());
        }
    }

    /// Gives a download up; what there is of it is removed.
    pub fn cancel(&self, transfer: &Transfer) {
        if !transfer.stage().is_over() {
            self.ask(Command::CancelDownload { id: transfer.id() });
            transfer.failed(None);
        }
    }

    /// Lets a download rest; what there is of it is kept. The row says so when the session did it.
    pub fn pause(&self, transfer: &Transfer) {
        if transfer.stage().can_pause() {
            self.ask(Command::PauseDownload { id: transfer.id() });
        }
    }

    /// Lets a download that rests go on.
    pub fn resume(&self, transfer: &Transfer) {
        if transfer.stage() == Stage::Paused {
            self.ask(Command::ResumeDownload { id: transfer.id() });
        }
    }

    /// Asks once more for a file that did not come.
    pub fn download_again(&self, transfer: &Transfer) {
        self.download(&transfer.path(), transfer.save_as());
    }

    pub(super) fn download_changed(&self, id: DownloadId, change: DownloadChange) {
        let Some(transfer) = self.imp().transfers.find(id) else { return };
        match change {
            DownloadChange::Queued { position } => transfer.queued(position),
            DownloadChange::Started { size } => transfer.started(Instant::now(), size),
            DownloadChange::Progress { bytes, transport, waiting } => {
                transfer.progressed(Instant::now(), bytes, transport, waiting)
            }
            DownloadChange::Paused => transfer.paused(),
            DownloadChange::Resumed => transfer.resumed(),
            DownloadChange::StartedAnew => transfer.started_anew(),
            DownloadChange::Verifying => transfer.verifying(),
            DownloadChange::Finished { path, bytes, transport, resumed_from, .. } => {
                transfer.finished(&path, bytes, transport, resumed_from);
                self.downloaded(&transfer, &path);
            }
            DownloadChange::Failed(failure) => self.download_failed(&transfer, &failure),
        }
    }

    /// The session is over, and with it every download.
    pub(super) fn end_downloads(&self) {
        for transfer in self.imp().transfers.iter() {
            if !transfer.stage().is_over() {
                transfer.failed(Some(not_taken()));
            }
        }
    }

    fn downloaded(&self, transfer: &Transfer, path: &Path) {
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let saved_as = plain_text::shown_name(&path.to_string_lossy());
        self.say(
            Kind::Downloaded { folder },
            &format!("{} was downloaded to {saved_as}", transfer.shown_name()),
        );
    }

    fn download_failed(&self, transfer: &Transfer, failure: &DownloadFailure) {
        // A cancelled one was said to be so when the person asked for it.
        if transfer.stage() != Stage::Cancelled {
            self.not_downloaded(transfer, &error_text::download_failure(failure));
        }
    }

    fn not_downloaded(&self, transfer: &Transfer, reason: &str) {
        transfer.failed(Some(reason.to_owned()));
        self.say(
            Kind::NotDownloaded,
            &format!("{} was not downloaded: {reason}", transfer.shown_name()),
        );
        self.show_new_rows();
    }
}
