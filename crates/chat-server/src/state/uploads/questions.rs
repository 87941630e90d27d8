//! What the client of one upload asks, one after the other.
//!
//! A client asks one thing at a time; whatever else waits is of a connection that it has lost, or of a
//! program that was killed. So at most two questions are known: the one that the disk works on, and the
//! latest one after that.

use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;

use super::UploadTask;
use crate::state::router::Caller;

/// What is to be done with the disk, and who waits for it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) caller: Caller,
    pub(super) task: UploadTask,
}

impl Question {
    /// Whether it asks to begin an upload, of whatever it be.
    pub(super) fn begins_any(&self) -> bool {
        matches!(self.task, UploadTask::Begin { .. })
    }

    /// Whether it asks to begin the upload of this file.
    pub(super) fn begins(&self, path: &FilePath, version: FileVersion) -> bool {
        match &self.task {
            UploadTask::Begin { wish, .. } => wish.path == *path && wish.version == version,
            _ => false,
        }
    }
}

/// What became of a question.
#[derive(Debug)]
pub(super) enum Asked {
    /// There is none before it: [`Questions::work_on`] it.
    First(Question),
    /// It waits, or is the one that the disk works on. Somebody else waits in vain from now on.
    Behind(Option<Caller>),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Questions {
    working: Option<Question>,
    /// Behind it; without it, this one waits for a place.
    next: Option<Question>,
}

impl Questions {
    /// Whether any is not answered.
    pub(super) fn is_any(&self) -> bool {
        self.working.is_some() || self.next.is_some()
    }

    /// Whether the disk works on one.
    pub(super) fn is_at_work(&self) -> bool {
        self.working.is_some()
    }

    /// Who waits for an answer.
    pub(super) fn callers(&self) -> Vec<Caller> {
        [&self.working, &self.next].into_iter().flatten().map(|question| question.caller).collect()
    }

    /// Keeps one for when there is a place. Whoever waited with another one does so in vain from now on.
    pub(super) fn keep(&mut self, asked: Question) -> Option<Caller> {
        self.next.replace(asked).map(|replaced| replaced.caller)
    }

    /// There is a place, or there will be none: gives the one that was kept.
    pub(super) fn take_kept(&mut self) -> Option<Question> {
        self.next.take()
    }

    /// Takes another one. The same as the one that the disk works on is answered in its place.
    pub(super) fn ask(&mut self, asked: Question) -> Asked {
        match &mut self.working {
            None => Asked::First(asked),
            Some(working) if working.task == asked.task && self.next.is_none() => {
                Asked::Behind(Some(std::mem::replace(&mut working.caller, asked.caller)))
            }
            Some(_) => Asked::Behind(self.next.replace(asked).map(|replaced| replaced.caller)),
        }
    }

    /// The disk works on this one now.
    pub(super) fn work_on(&mut self, question: Question) -> UploadTask {
        let task = question.task.clone();
        self.working = Some(question);
        task
    }

    /// The disk has answered: gives the question, and the one behind it.
    pub(super) fn done(&mut self) -> Option<(Question, Option<Question>)> {
        Some((self.working.take()?, self.next.take()))
    }
}
