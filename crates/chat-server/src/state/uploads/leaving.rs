//! Uploads that were given up: each holds its place until the disk is done with it, so that nobody can
//! have more of them at work than there are places. Whoever wants the same file again meanwhile waits,
//! and finds either all of the part or nothing.

use super::questions::Question;
use super::{Upload, UploadOutcome, UploadTask, push};
use crate::state::State;
use crate::state::action::Actions;
use crate::state::refusal::{Refusal, UploadRefusal};

/// What is left to be done for an upload that was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leaving {
    /// When the disk has answered what it works on, what there is of it stays …
    Released,
    /// … or is removed.
    Removed,
    /// The disk is removing it.
    BeingRemoved,
}

impl State {
    /// The client does not go on with it, or is gone. One that waits for a place has nothing on the disk.
    pub(super) fn give_up(&mut self, upload: u64, keep: bool, out: &mut Actions) {
        let Some(entry) = self.uploads.under_way.get_mut(&upload) else { return };
        if entry.leaving.is_some() {
            entry.leaving =
                entry.leaving.map(|before| if keep { before } else { before.removed() });
            return;
        }
        if entry.waits_at.is_some() {
            self.leave_line(upload, out);
            return;
        }
        let is_at_work = entry.questions.is_at_work();
        let unanswered = entry.questions.callers();
        entry.questions.take_kept();
        match (is_at_work, keep) {
            (true, true) => entry.leaving = Some(Leaving::Released),
            (true, false) => entry.leaving = Some(Leaving::Removed),
            (false, true) => self.release(upload, out),
            (false, false) => self.remove(upload, out),
        }
        for caller in unanswered {
            self.refuse(caller, UploadRefusal::Unknown.into(), out);
        }
    }

    fn remove(&mut self, upload: u64, out: &mut Actions) {
        if let Some(entry) = self.uploads.under_way.get_mut(&upload) {
            entry.leaving = Some(Leaving::BeingRemoved);
            push(out, upload, UploadTask::Remove);
        }
    }

    /// Keeps what is asked to begin the same file again until the disk is done with what was given up.
    /// Nothing else can be asked about that.
    pub(super) fn keep_until_gone(
        &mut self,
        upload: u64,
        question: Question,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        if !question.begins_any() {
            return Err(UploadRefusal::Unknown.into());
        }
        let entry = self.uploads.under_way.get_mut(&upload).ok_or(UploadRefusal::Unknown)?;
        if let Some(replaced) = entry.questions.keep(question) {
            self.refuse(replaced, UploadRefusal::TooMany { allowed: 1 }.into(), out);
        }
        Ok(())
    }

    /// The disk has answered for one that was given up.
    pub(super) fn leave(
        &mut self,
        upload: u64,
        leaving: Leaving,
        outcome: UploadOutcome,
        out: &mut Actions,
    ) {
        if leaving == Leaving::Removed {
            self.remove(upload, out);
            return;
        }
        let Some(mut entry) = self.uploads.under_way.remove(&upload) else { return };
        if leaving == Leaving::Released {
            push(out, upload, UploadTask::Release);
        }
        if let UploadOutcome::Stored(stored) = &outcome {
            self.log_stored(upload, entry.login, &entry.path, stored);
        }
        let Some(next) = entry.questions.take_kept() else { return };
        let is_stored = matches!(outcome, UploadOutcome::Stored(_));
        if is_stored && next.begins(&entry.path, entry.version) {
            self.answer_upload(next.caller, upload, outcome, out);
        } else {
            self.begin_anew(entry, next, out);
        }
    }

    /// In the same place, under another number: a word about the old one must not end the new one.
    fn begin_anew(&mut self, entry: Upload, question: Question, out: &mut Actions) {
        self.uploads.last_id += 1;
        let upload = self.uploads.last_id;
        let questions = super::Questions::default();
        let mut entry = Upload { leaving: None, questions, ..entry };
        push(out, upload, entry.work_on(question));
        self.uploads.under_way.insert(upload, entry);
    }
}

impl Leaving {
    fn removed(self) -> Self {
        match self {
            Self::Released | Self::Removed => Self::Removed,
            Self::BeingRemoved => Self::BeingRemoved,
        }
    }
}
