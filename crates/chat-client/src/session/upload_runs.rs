//! The uploads that run: one task each around [`file_transfer::upload`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::wire;
use file_transfer::download::TransportChoice;
use file_transfer::piece_hashes::PieceHash;
use file_transfer::upload::{
    self, Leave, Question, UploadProgress, UploadRequest, UploadTicket, Verdict,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::command::UploadId;
use crate::session::transfers::{resolve, wanted_way};
use crate::session::uploads::{Answer, Ask, UploadOutput, UploadReport};

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// How long a full disk of the server is waited for: as long as somebody may need who is told and makes
/// room. The server holds nothing meanwhile but what it has of the file.
const DISK_PATIENCE: Duration = Duration::from_secs(3600);

/// Longest time that uploads get to end when the session is over.
const CLEAN_UP_TIME_MAX: Duration = Duration::from_secs(2);

/// What an upload reports, and which one it is.
pub(crate) type Report = (UploadId, UploadReport);

/// All running uploads. Dropping it cancels them.
#[derive(Debug)]
pub(crate) struct UploadRuns {
    by_id: HashMap<UploadId, Control>,
    tasks: JoinSet<()>,
    reports: mpsc::Sender<Report>,
}

/// The way to one running upload.
#[derive(Debug)]
struct Control {
    cancel: CancellationToken,
    answers: mpsc::Sender<Answer>,
}

/// Where the answer to a question goes.
enum Reply {
    Begin(oneshot::Sender<Leave>),
    Sent(oneshot::Sender<Verdict>),
    Pieces(oneshot::Sender<Option<u64>>),
}

impl UploadRuns {
    /// Their reports go to `reports`.
    pub(crate) fn new(reports: mpsc::Sender<Report>) -> Self {
        Self { by_id: HashMap::new(), tasks: JoinSet::new(), reports }
    }

    /// Carries out what the machine decided. `server`: the address that the chat is connected to.
    pub(crate) fn carry_out(&mut self, output: UploadOutput, server: Option<IpAddr>) {
        match output {
            UploadOutput::Start { id, file, transport } => {
                self.start(id, file, wanted_way(transport), server);
            }
            UploadOutput::Answer { id, answer } => {
                if let Some(control) = self.by_id.get(&id) {
                    // It asked once and has room for the one answer.
                    let _ = control.answers.try_send(answer);
                }
            }
            UploadOutput::Stop { id } => {
                if let Some(control) = self.by_id.get(&id) {
                    control.cancel.cancel();
                }
            }
            UploadOutput::Request { .. } | UploadOutput::Abandon(_) | UploadOutput::Tell { .. } => {
                debug_assert!(false, "the machine keeps these")
            }
        }
    }

    /// Forgets an upload that reported its end.
    pub(crate) fn forget(&mut self, id: UploadId) {
        self.by_id.remove(&id);
        while self.tasks.try_join_next().is_some() {}
    }

    /// Cancels all and gives them a moment to tell their nodes.
    pub(crate) async fn end(mut self, mut reports: mpsc::Receiver<Report>) {
        self.by_id.values().for_each(|control| control.cancel.cancel());
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        // Nobody listens any more, but nobody shall wait for room either.
        let drained = async { while reports.recv().await.is_some() {} };
        tokio::select! {
            () = all_ended => {}
            () = drained => {}
            () = tokio::time::sleep(CLEAN_UP_TIME_MAX) => {}
        }
    }

    fn start(
        &mut self,
        id: UploadId,
        file: PathBuf,
        transport: TransportChoice,
        server: Option<IpAddr>,
    ) {
        let (answer_sender, answers) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        self.by_id.insert(id, Control { cancel: cancel.clone(), answers: answer_sender });
        let run = Run { id, answers, reports: self.reports.clone(), server };
        self.tasks.spawn(run.run(file, transport, cancel));
    }
}

impl Drop for UploadRuns {
    fn drop(&mut self) {
        self.by_id.values().for_each(|control| control.cancel.cancel());
    }
}

/// One running upload, seen from inside its task.
struct Run {
    id: UploadId,
    answers: mpsc::Receiver<Answer>,
    reports: mpsc::Sender<Report>,
    server: Option<IpAddr>,
}

impl Run {
    async fn run(mut self, file: PathBuf, transport: TransportChoice, cancel: CancellationToken) {
        let (questions, mut asked) = mpsc::channel(1);
        let (progress_sender, progress) = watch::channel(UploadProgress::default());
        let request =
            UploadRequest { file, transport, disk_patience: DISK_PATIENCE, server: questions };
        let uploading = upload::upload(request, progress_sender, cancel);
        tokio::pin!(uploading);
        let mut ticks = interval(PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reply = None;
        let outcome = loop {
            tokio::select! {
                outcome = &mut uploading => break outcome,
                Some(question) = asked.recv() => {
                    let (ask, waits) = take_apart(question);
                    reply = waits;
                    self.report(UploadReport::Asks(ask)).await;
                }
                Some(answer) = self.answers.recv() => {
                    if let Some(reply) = reply.take() {
                        pass_on(reply, answer, self.server).await;
                    }
                }
                _ = ticks.tick() => self.report_progress(*progress.borrow()),
            }
        };
        self.report_progress(*progress.borrow());
        self.report(match outcome {
            Ok(uploaded) => UploadReport::Finished(uploaded),
            Err(failure) => UploadReport::Failed(Arc::new(failure)),
        })
        .await;
    }

    fn report_progress(&self, progress: UploadProgress) {
        // A later one replaces what finds no room.
        let _ = self.reports.try_send((self.id, UploadReport::Progress(progress)));
    }

    async fn report(&self, report: UploadReport) {
        // Nobody listens when the session is over.
        let _ = self.reports.send((self.id, report)).await;
    }
}

fn take_apart(question: Question) -> (Ask, Option<Reply>) {
    match question {
        Question::Begin { attempt, version, reply } => {
            (Ask::Begin { attempt, version }, Some(Reply::Begin(reply)))
        }
        Question::Sent { root, reply } => (Ask::Sent { root }, Some(Reply::Sent(reply))),
        Question::Pieces { first, hashes, reply } => {
            let hashes: Vec<PieceHash> = hashes;
            (Ask::Pieces { first, hashes }, Some(Reply::Pieces(reply)))
        }
        Question::GiveUp => (Ask::GiveUp, None),
    }
}

/// A reply that is dropped says that the server declines. The upload may have ended meanwhile.
async fn pass_on(reply: Reply, answer: Answer, server: Option<IpAddr>) {
    match (reply, answer) {
        (Reply::Begin(reply), Answer::Ticket(ticket)) => {
            if let Some(ticket) = usable(*ticket, server).await {
                let _ = reply.send(Leave::Ticket(ticket));
            }
        }
        (Reply::Begin(reply), Answer::Stored { path, root }) => {
            let _ = reply.send(Leave::Stored { path, root });
        }
        (Reply::Begin(reply), Answer::DiskFull) => {
            let _ = reply.send(Leave::DiskFull);
        }
        (Reply::Begin(reply), Answer::Later) => {
            let _ = reply.send(Leave::Busy);
        }
        (Reply::Sent(reply), Answer::Stored { path, .. }) => {
            let _ = reply.send(Verdict::Stored { path });
        }
        (Reply::Sent(reply), Answer::Verdict(verdict)) => {
            let _ = reply.send(verdict);
        }
        (Reply::Pieces(reply), Answer::Compared { differing }) => {
            let _ = reply.send(Some(differing));
        }
        (Reply::Pieces(reply), Answer::Forgotten) => {
            let _ = reply.send(None);
        }
        (Reply::Begin(_) | Reply::Sent(_) | Reply::Pieces(_), _) => {}
    }
}

async fn usable(ticket: wire::UploadTicket, server: Option<IpAddr>) -> Option<UploadTicket> {
    let secret = ticket.secret.as_ref().try_into().ok()?;
    let nodes = resolve(&ticket.nodes, server).await;
    Some(UploadTicket { ticket: ticket.ticket.to_vec(), secret, nodes, kept: ticket.kept })
}
