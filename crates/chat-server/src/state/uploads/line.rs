//! Uploads that wait for a place: the question whether they may come is kept, and goes to the disk when
//! it is their turn.
//!
//! Nothing is done for one that waits, so nothing is lost when its client asks again or gives it up. The
//! answer is that to the question: until it comes the client is told where it stands.

use bytes::Bytes;
use common::wire::UploadQueued;
use common::wire::server_frame::Body;

use super::questions::Question;
use super::{Uploads, push};
use crate::state::State;
use crate::state::action::{Actions, Recipients};
use crate::state::places::Places;
use crate::state::refusal::{Refusal, UploadRefusal};
use crate::state::request::{ConnectionId, LoginId};

impl Uploads {
    /// Whose the places are that are taken.
    fn holders(&self) -> Vec<LoginId> {
        let placed = self.under_way.values().filter(|upload| upload.waits_at.is_none());
        placed.map(|upload| upload.login).collect()
    }
}

impl State {
    pub(super) fn upload_places(&self) -> Places {
        self.policy.places(self.uploads.holders())
    }

    /// Keeps what the client of an upload in line asks, and says where it stands. There is nothing yet
    /// that anything but its beginning could be asked about.
    pub(super) fn keep_in_line(
        &mut self,
        upload: u64,
        question: Question,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if !question.begins_any() {
            return Err(UploadRefusal::Unknown.into());
        }
        let connection = question.caller.connection;
        let entry = self.uploads.under_way.get_mut(&upload).ok_or(UploadRefusal::Unknown)?;
        entry.remember(&question.task);
        if let Some(replaced) = entry.questions.keep(question) {
            self.refuse(replaced, UploadRefusal::TooMany { allowed: 1 }.into(), out);
        }
        self.uploads.line_has_moved = true;
        let positions = self.upload_places().positions(&self.uploads.line);
        let position = positions.into_iter().find(|(waiting, _)| *waiting == upload);
        self.tell_upload_queued(
            connection,
            upload,
            position.map_or(1, |(_, position)| position),
            out,
        );
        Ok(())
    }

    /// One that waited is forgotten; whoever asked for it is told so.
    pub(super) fn leave_line(&mut self, upload: u64, out: &mut Actions) {
        let Some(mut entry) = self.uploads.under_way.remove(&upload) else { return };
        self.uploads.line.remove(upload);
        self.uploads.line_has_moved = true;
        if let Some(question) = entry.questions.take_kept() {
            self.refuse(question.caller, UploadRefusal::Unknown.into(), out);
        }
    }

    /// Gives the places that are free to those who wait: the disk is asked what was kept for it.
    pub(super) fn fill_upload_places(&mut self, out: &mut Actions) {
        while let Some(upload) = self.upload_places().next(&mut self.uploads.line) {
            self.uploads.line_has_moved = true;
            let Some(entry) = self.uploads.under_way.get_mut(&upload) else { continue };
            entry.waits_at = None;
            if let Some(question) = entry.questions.take_kept() {
                push(out, upload, entry.work_on(question));
            }
        }
    }

    /// Tells everybody who waits where they stand now, if that is somewhere else than they know.
    pub(crate) fn tell_upload_positions(&mut self, out: &mut Actions) {
        if !std::mem::take(&mut self.uploads.line_has_moved) {
            return;
        }
        for (upload, position) in self.upload_places().positions(&self.uploads.line) {
            let Some(entry) = self.uploads.under_way.get(&upload) else { continue };
            let session = self.roster.session(entry.login);
            if let Some(session) = session.filter(|_| entry.waits_at != Some(position)) {
                self.tell_upload_queued(session.connection, upload, position, out);
            }
        }
    }

    fn tell_upload_queued(
        &mut self,
        to: ConnectionId,
        upload: u64,
        position: u32,
        out: &mut Actions,
    ) {
        let Some(entry) = self.uploads.under_way.get_mut(&upload) else { return };
        entry.waits_at = Some(position);
        let attempt = Bytes::copy_from_slice(&entry.attempt);
        let queued = UploadQueued { upload_id: upload, position, attempt };
        out.tell(Recipients::One(to), Body::UploadQueued(queued));
    }
}
