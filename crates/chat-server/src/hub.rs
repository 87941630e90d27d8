//! The one owner of the chat's state: takes what the connections ask, one after the other, and
//! carries out what the state decides.
//!
//! A frame is encoded once for all its receivers, and each writer is woken once for a whole batch.

mod delivering;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use common::wire::GoodbyeReason;
use file_transfer::catalogue::CatalogueChange;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::connection::link::Link;
use crate::file_desk::FileDesk;
use crate::file_desk::hash_job::HashOutcome;
use crate::file_desk::hash_queue::{HashJob, Hashing};
use crate::history_desk::HistoryDesk;
use crate::log::event::Event;
use crate::log::follower::HistoryAnswer;
use crate::log::writer::{LogWriter, Outcome, StorageProblem};
use crate::metrics::Measured;
use crate::password_desk::PasswordDesk;
use crate::state::State;
use crate::state::action::{Action, Delivery, Recipients};
use crate::state::history::{HistoryProblem, HistoryQuestion};
use crate::state::now::Now;
use crate::state::passwords::{PasswordResult, PasswordTask, PasswordTicket};
use crate::state::policy::Policy;
use crate::state::request::{Asked, ById, ConnectionId};
use crate::state::tally::Tally;
use crate::upload_desk::{DoneUpload, UploadDesk};

/// Inputs that wait for the hub. When full, whoever has one waits: a connection is not read any
/// further, the catalogue's watch holds its changes back.
pub(crate) const INPUTS_MAX: usize = 1024;

/// Inputs handled before their receivers are woken.
const BATCH_INPUTS_MAX: usize = 128;

/// Of stored events so many bytes are told at a time …
const SLICE_BYTES: usize = 64 * 1024;
/// … and the next when every outbox has room for them, but at the latest after this: who does not read
/// holds nobody up. Outboxes hold four slices at least.
const SLICE_PATIENCE: Duration = Duration::from_millis(50);
/// How often it is looked whether there is room.
const ROOM_POLL: Duration = Duration::from_millis(1);

/// How often time passes for the state: holds and pings are as exact as this.
const TICK: Duration = Duration::from_millis(250);

/// How long the end of the server waits for the disk.
const LOG_FAREWELL: Duration = Duration::from_secs(5);

/// What the hub is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// A connection is ready to talk.
    Opened { connection: ConnectionId, address: IpAddr, link: Arc<Link> },
    /// Who runs the server is ready to talk.
    OperatorConnected { connection: ConnectionId, link: Arc<Link> },
    /// It asks; answered by [`Link::batch_handled`] and whatever is in its outbox.
    Asked { connection: ConnectionId, requests: Vec<Asked> },
    /// It has to end, with a last word.
    Failed { connection: ConnectionId, reason: GoodbyeReason },
    /// Its place among those who have not logged in is needed for another one.
    PlaceLost { connection: ConnectionId },
    /// It is closed.
    Closed { connection: ConnectionId },
    /// A server file came, changed or went.
    File(CatalogueChange),
    /// Something came of a hash that was asked for.
    Hashed { job: HashJob, outcome: HashOutcome },
    /// Stored messages were read.
    History(HistoryAnswer),
    /// Something was done with a password.
    Password { ticket: PasswordTicket, result: PasswordResult },
    /// The disk had its say about an upload.
    Upload(DoneUpload),
    /// The watchdog: answered by the log's thread, after the hub.
    Beat(oneshot::Sender<()>),
    /// Somebody wants to know how things are.
    Measure(oneshot::Sender<Measured>),
    /// The operator decided anew.
    Policy { policy: Box<Policy>, applied: oneshot::Sender<()> },
}

/// The owner of the state and of the ways to the connections.
pub(crate) struct Hub {
    state: State,
    links: ById<ConnectionId, Arc<Link>>,
    files: FileDesk,
    uploads: UploadDesk,
    log: LogWriter,
    history: HistoryDesk,
    passwords: PasswordDesk,
    /// Events of this batch that are to be stored.
    to_record: Vec<Event>,
    /// Events that are stored and that nobody was told of yet.
    to_settle: usize,
    /// When the next slice of them is told even if some outbox has no room.
    settling_waits_until: Instant,
    /// Bytes encoded for anybody since the last slice began.
    encoded_bytes: usize,
    /// Links that got a first frame in this batch.
    to_wake: Vec<Arc<Link>>,
    /// Connections whose outbox overflowed in this batch.
    overflowed: Vec<ConnectionId>,
}

impl Hub {
    pub(crate) fn new(
        state: State,
        files: FileDesk,
        uploads: UploadDesk,
        log: LogWriter,
        history: HistoryDesk,
        passwords: PasswordDesk,
    ) -> Self {
        Self {
            state,
            links: ById::default(),
            files,
            uploads,
            log,
            history,
            passwords,
            to_record: Vec::new(),
            to_settle: 0,
            settling_waits_until: Instant::now(),
            encoded_bytes: 0,
            to_wake: Vec::new(),
            overflowed: Vec::new(),
        }
    }

    /// Runs until `stop`, waits for what is on its way to the log, then says goodbye to everybody.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut outcomes: mpsc::Receiver<Outcome>,
        stop: CancellationToken,
    ) -> Tally {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_INPUTS_MAX);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Answers before new questions.
                () = self.room_for_a_slice(), if self.to_settle > 0 => self.settle_a_slice(),
                Some(outcome) = outcomes.recv(), if self.to_settle == 0 => self.log_said(outcome),
                _ = ticks.tick() => {
                    self.look_after_places();
                    let actions = self.state.tick(now());
                    self.carry_out(actions);
                }
                count = inputs.recv_many(&mut batch, BATCH_INPUTS_MAX) => {
                    if count == 0 {
                        break;
                    }
                    batch.drain(..).for_each(|input| self.take(input));
                }
            }
            self.end_overflowed();
            self.hand_over_records();
            self.wake_writers();
        }
        self.finish_log(outcomes).await;
        let actions = self.state.shut_down();
        self.carry_out(actions);
        self.wake_writers();
        self.state.tally().clone()
    }

    /// Everything that was accepted from a client is stored and answered, unless the disk takes too long.
    async fn finish_log(&mut self, mut outcomes: mpsc::Receiver<Outcome>) {
        self.log.finish();
        let patience = tokio::time::sleep(LOG_FAREWELL);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                outcome = outcomes.recv() => match outcome {
                    Some(outcome) => {
                        self.log_said(outcome);
                        self.settle_the_rest().await;
                    }
                    None => return,
                },
                () = &mut patience => {
                    tracing::error!("the disk does not take the last messages");
                    return;
                }
            }
        }
    }

    fn log_said(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Committed(events) => {
                self.to_settle += events;
                // The wait for the disk was wait enough.
                self.settling_waits_until = Instant::now();
            }
            Outcome::Failed(problem) => self.not_recorded(problem),
        }
    }

    fn not_recorded(&mut self, problem: StorageProblem) {
        // What was stored before it is no part of it.
        while self.to_settle > 0 {
            self.settle_a_slice();
        }
        // They are numbered behind those that failed.
        self.to_record.clear();
        self.log.next_round();
        let actions = self.state.not_recorded(now(), problem);
        self.carry_out(actions);
    }

    /// Tells of stored events until a slice of an outbox is full: a commit that gathered during a long
    /// wait for the disk is more than an outbox holds, and whoever reads is not to be taken for slow.
    fn settle_a_slice(&mut self) {
        self.encoded_bytes = 0;
        while self.to_settle > 0 && self.encoded_bytes < SLICE_BYTES {
            self.to_settle -= 1;
            let actions = self.state.recorded(now(), 1);
            self.carry_out(actions);
        }
        self.settling_waits_until = Instant::now() + SLICE_PATIENCE;
    }

    /// Waits until each outbox has room for a slice, or for so long as somebody who reads would need.
    async fn room_for_a_slice(&self) {
        while Instant::now() < self.settling_waits_until && !self.has_room_for_a_slice() {
            tokio::time::sleep(ROOM_POLL).await;
        }
    }

    fn has_room_for_a_slice(&self) -> bool {
        self.links.values().all(|link| link.has_room_for(2 * SLICE_BYTES))
    }

    async fn settle_the_rest(&mut self) {
        while self.to_settle > 0 {
            self.room_for_a_slice().await;
            self.settle_a_slice();
            self.end_overflowed();
            self.wake_writers();
        }
    }

    /// Hands what is to be stored to the log's writer, which tells what became of it.
    fn hand_over_records(&mut self) {
        if self.to_record.is_empty() {
            return;
        }
        if !self.log.submit(std::mem::take(&mut self.to_record)) {
            self.not_recorded(StorageProblem::Failed);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Opened { connection, address, link } => {
                self.links.insert(connection, link);
                self.state.connection_opened(connection, address);
            }
            Input::OperatorConnected { connection, link } => {
                link.admit();
                self.links.insert(connection, link);
                self.state.operator_connected(connection);
            }
            Input::Asked { connection, requests } => self.answer(connection, requests),
            Input::Failed { connection, reason } => {
                let actions = self.state.end_connection(now(), connection, reason);
                self.carry_out(actions);
            }
            Input::PlaceLost { connection } => {
                let actions = self.state.place_lost(now(), connection);
                self.carry_out(actions);
            }
            Input::Closed { connection } => {
                if let Some(link) = self.links.get(&connection) {
                    link.abandon();
                }
                let actions = self.state.connection_closed(now(), connection);
                self.carry_out(actions);
            }
            Input::File(CatalogueChange::Changed(file)) => {
                let actions = self.state.file_changed(file);
                self.carry_out(actions);
            }
            Input::File(CatalogueChange::Removed(path)) => {
                let actions = self.state.file_removed(&path);
                self.carry_out(actions);
            }
            Input::Hashed { job, outcome } => self.hashed(&job, &outcome),
            Input::History((asker, result)) => {
                let actions = self.state.history_read(now(), asker, result);
                self.carry_out(actions);
            }
            Input::Password { ticket, result } => {
                let actions = self.state.password_done(now(), ticket, result);
                self.carry_out(actions);
            }
            Input::Beat(asker) => self.log.beat(asker),
            Input::Measure(asker) => {
                // Who asked may be gone.
                let _ = asker.send(self.measured());
            }
            Input::Policy { policy, applied } => {
                self.state.adopt(*policy);
                // Whoever wanted to know may be gone.
                let _ = applied.send(());
            }
            Input::Upload(done) => {
                let result = self.uploads.done(done);
                let actions = self.state.upload_result(now(), result);
                self.carry_out(actions);
            }
        }
    }

    fn measured(&self) -> Measured {
        Measured {
            sessions: self.state.connections().count(),
            connections: self.links.len(),
            outbox_bytes: self.links.values().map(|link| link.waiting_bytes()).sum(),
            downloads: self.state.running_downloads().count(),
            tally: self.state.tally().clone(),
            commits: self.log.commit_counts(),
        }
    }

    fn hashed(&mut self, job: &HashJob, outcome: &HashOutcome) {
        for download in self.files.hashed(job, outcome) {
            let actions = match (outcome, job.what) {
                (HashOutcome::Root(root), _) => self.state.file_hashed(download, Ok(*root)),
                (HashOutcome::Pieces(pieces), Hashing::PiecesFrom(first)) => {
                    self.state.pieces_hashed(download, first, Ok(pieces.clone()))
                }
                (HashOutcome::Failed(problem), Hashing::PiecesFrom(first)) => {
                    self.state.pieces_hashed(download, first, Err(*problem))
                }
                (HashOutcome::Failed(problem), Hashing::Root) => {
                    self.state.file_hashed(download, Err(*problem))
                }
                // These end no job, and pieces are no answer to another question.
                (HashOutcome::Pieces(_), Hashing::Root)
                | (HashOutcome::NotRemembered | HashOutcome::Stopped, _) => continue,
            };
            self.carry_out(actions);
        }
    }

    /// Places that nobody uses are given to those who wait.
    fn look_after_places(&mut self) {
        let running = self.state.running_downloads().collect();
        let served = self.files.served(&running);
        let actions = self.state.downloads_served(now(), &served);
        self.carry_out(actions);
        let actions = self.state.uploads_served(now(), &self.uploads.served());
        self.carry_out(actions);
    }

    fn answer(&mut self, connection: ConnectionId, requests: Vec<Asked>) {
        let link = self.links.get(&connection).cloned();
        let now = now();
        for asked in requests {
            let actions = self.state.handle(now, connection, asked);
            self.carry_out(actions);
        }
        if let Some(link) = link {
            link.batch_handled();
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Deliver(delivery) => self.deliver(&delivery),
                Action::Admit(connection) => {
                    if let Some(link) = self.links.get(&connection) {
                        link.admit();
                    }
                }
                Action::Close(connection) => {
                    if let Some(link) = self.links.remove(&connection) {
                        link.end();
                    }
                }
                Action::CloseAndHold(connection) => {
                    if let Some(link) = self.links.get_mut(&connection) {
                        let held = Arc::new(link.split_off_held());
                        std::mem::replace(link, held).end();
                    }
                }
                Action::MoveOutbox { from, to } => self.move_outbox(from, to),
                Action::Forget(connection) => drop(self.links.remove(&connection)),
                Action::MintTicket(wanted) => {
                    let connection = wanted.connection;
                    let frame = self.files.mint(&wanted, now().unix_ms);
                    self.deliver(&Delivery { to: Recipients::One(connection), frame });
                }
                Action::HashFile { download, path, version } => {
                    let what = Hashing::Root;
                    self.files.hash(download, HashJob { path, version, what });
                }
                Action::HashPieces { download, path, version, first } => {
                    let what = Hashing::PiecesFrom(first);
                    self.files.hash(download, HashJob { path, version, what });
                }
                Action::ForgetHash { download } => self.files.forget_hash(download),
                Action::Upload(work) => self.uploads.begin(*work),
                Action::Record(event) => self.to_record.push(event),
                Action::ReadHistory(question) => self.read_history(question),
                Action::Password(task) => self.ask_password_desk(task),
                Action::EndLogin(login) => self.files.end_login(login),
            }
        }
    }

    fn ask_password_desk(&mut self, task: PasswordTask) {
        if let Err(PasswordTask { ticket, .. }) = self.passwords.take(task) {
            let actions = self.state.password_done(now(), ticket, PasswordResult::Busy);
            self.carry_out(actions);
        }
    }

    fn read_history(&mut self, question: Box<HistoryQuestion>) {
        if let Err(asker) = self.history.read(question) {
            let busy = Err(HistoryProblem::Busy);
            let actions = self.state.history_read(now(), asker, busy);
            self.carry_out(actions);
        }
    }
}

pub(crate) fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let unix_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    Now { instant: Instant::now(), unix_ms }
}
