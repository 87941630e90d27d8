//! Requests that wait for their reply: which number was given to what.

use std::collections::HashMap;

use crate::command::{DownloadId, MessageId, UploadId};
use crate::question::QuestionId;

/// What a reply is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    Hello,
    LogIn,
    LogOut,
    Message(MessageId),
    History,
    OnlinePage,
    Away,
    FilePage,
    Download(DownloadId),
    Pieces(DownloadId),
    DownloadPaused,
    /// By the server's number.
    DownloadDone(u64),
    Upload(UploadId),
    /// By the server's number.
    UploadAbandoned(u64),
    Question(QuestionId),
}

/// Numbers are unique on one connection and never 0.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last_id: u64,
    waiting: HashMap<u64, Request>,
}

impl Requests {
    /// A number for a frame that nobody answers.
    pub(crate) fn unanswered_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The number under which `request` is sent.
    pub(crate) fn expect_reply(&mut self, request: Request) -> u64 {
        let id = self.unanswered_id();
        self.waiting.insert(id, request);
        id
    }

    /// The request that a reply answers; each is answered once.
    pub(crate) fn answered(&mut self, id: u64) -> Option<Request> {
        self.waiting.remove(&id)
    }

    /// The connection is gone, and every reply with it: the questions that stay without an answer, in order.
    pub(crate) fn clear(&mut self) -> Vec<QuestionId> {
        let waiting = std::mem::take(self).waiting;
        let questions = waiting.into_iter().filter_map(|(id, request)| match request {
            Request::Question(question) => Some((id, question)),
            _ => None,
        });
        let mut questions: Vec<_> = questions.collect();
        questions.sort_unstable();
        questions.into_iter().map(|(_, question)| question).collect()
    }
}
