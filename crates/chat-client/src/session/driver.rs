//! Carries out what the machine decides: sockets, files, tasks and time.

use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use common::spki_pin::SpkiPin;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep_until, timeout};

use crate::command::{Command, ServerAddress};
use crate::dial::{self, Connected, DialError};
use crate::error::SessionError;
use crate::event::{DownloadChange, Event, UploadChange};
use crate::known_servers::KnownServers;
use crate::read_positions::ReadPositions;
use crate::resume_token::ResumeTokens;
use crate::session::connection::Connection;
use crate::session::downloads::TransferReport;
use crate::session::machine::{Machine, Output};
use crate::session::transfers::{REPORTS_MAX, Report, Server, Transfers};
use crate::session::upload_runs::{self, UploadRuns};
use crate::session::uploads::UploadReport;
use crate::session::{EVENTS_BUSY, SessionConfig};

/// How long a connection that is closed may take to write its last frames.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);

/// Everything that a session holds on to.
pub(crate) struct Driver {
    machine: Machine,
    commands: Receiver<Command>,
    /// The user interface is there. Without it the session logs out.
    has_user: bool,
    events: Sender<Event>,
    config: SessionConfig,
    known_servers: KnownServers,
    tokens: ResumeTokens,
    positions: ReadPositions,
    dialling: Option<JoinHandle<Result<Connected, DialError>>>,
    connection: Option<Connection>,
    /// Who the chat is or was connected to.
    server: Option<Server>,
    closing: JoinSet<()>,
    transfers: Transfers,
    reports: mpsc::Receiver<Report>,
    uploads: UploadRuns,
    upload_reports: mpsc::Receiver<upload_runs::Report>,
}

/// What happened outside.
enum Input {
    Command(Command),
    UserGone,
    Dialled(Result<Connected, DialError>),
    Frame(Result<common::wire::ServerFrame, SessionError>),
    Report(Report),
    UploadReport(upload_runs::Report),
    Timeout,
}

impl Driver {
    pub(crate) fn new(
        config: SessionConfig,
        commands: Receiver<Command>,
        events: Sender<Event>,
    ) -> Self {
        let (report_sender, reports) = mpsc::channel(REPORTS_MAX);
        let (upload_report_sender, upload_reports) = mpsc::channel(REPORTS_MAX);
        Self {
            machine: Machine::new(config.agent.clone(), config.catches_up, StdRng::from_os_rng()),
            commands,
            has_user: true,
            events,
            known_servers: KnownServers::in_folder(&config.config_dir),
            tokens: ResumeTokens::in_folder(&config.state_dir),
            positions: ReadPositions::in_folder(&config.state_dir),
            transfers: Transfers::new(report_sender, config.patience),
            config,
            dialling: None,
            connection: None,
            server: None,
            closing: JoinSet::new(),
            reports,
            uploads: UploadRuns::new(upload_report_sender),
            upload_reports,
        }
    }

    /// Runs until the session is over.
    pub(crate) async fn run(mut self) {
        loop {
            while let Some(output) = self.machine.poll_output() {
                self.carry_out(output).await;
            }
            if self.machine.is_ended() {
                break;
            }
            let input = self.next_input().await;
            self.handle(input);
        }
        tokio::join!(self.transfers.end(self.reports), self.uploads.end(self.upload_reports));
        while self.closing.join_next().await.is_some() {}
    }

    async fn next_input(&mut self) -> Input {
        let due = self.machine.poll_timeout();
        tokio::select! {
            // A person who leaves is not kept by a server that talks without end.
            biased;
            command = self.commands.recv(), if self.has_user => {
                command.map_or(Input::UserGone, Input::Command)
            }
            () = at(due) => Input::Timeout,
            dialled = dialled(&mut self.dialling) => Input::Dialled(dialled),
            Some(report) = self.reports.recv() => Input::Report(report),
            Some(report) = self.upload_reports.recv() => Input::UploadReport(report),
            frame = next_frame(&mut self.connection) => Input::Frame(frame),
        }
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now();
        match input {
            Input::Command(command) => self.machine.handle_command(now, command),
            Input::UserGone => {
                self.has_user = false;
                self.machine.handle_command(now, Command::LogOut);
            }
            Input::Dialled(outcome) => self.dialled(now, outcome),
            Input::Frame(Ok(frame)) => self.machine.handle_frame(now, frame),
            Input::Frame(Err(error)) => {
                self.connection = None;
                self.machine.handle_broken(now, error);
            }
            Input::Report((id, report)) => {
                if matches!(report, TransferReport::Finished(_) | TransferReport::Failed(_)) {
                    self.transfers.forget(id);
                }
                self.machine.handle_report(now, id, report);
            }
            Input::UploadReport((id, report)) => {
                if matches!(report, UploadReport::Finished(_) | UploadReport::Failed(_)) {
                    self.uploads.forget(id);
                }
                self.machine.handle_upload_report(now, id, report);
            }
            Input::Timeout => self.machine.handle_timeout(now),
        }
    }

    fn dialled(&mut self, now: Instant, outcome: Result<Connected, DialError>) {
        self.dialling = None;
        match outcome {
            Ok(Connected { stream, address, pin }) => {
                self.server = Some(Server { ip: address.ip(), pin });
                self.connection = Some(Connection::new(*stream));
                let kept = tokio::task::block_in_place(|| self.tokens.of_server(pin));
                let kept = kept.unwrap_or_else(|error| {
                    tracing::warn!(%error, "resume tokens cannot be read");
                    Vec::new()
                });
                self.machine.handle_connected(now, pin, kept);
            }
            Err(error) => self.machine.handle_dial_error(now, error),
        }
    }

    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Event(event) => self.tell(event).await,
            Output::Dial { server, pin } => self.dial(server, pin),
            Output::Send(frame) => {
                if let Some(connection) = &mut self.connection {
                    connection.send(&frame);
                }
            }
            Output::HangUp => self.hang_up(),
            Output::RememberServer { server, pin } => self.store("known servers", |driver| {
                driver.known_servers.remember(server.host_port(), pin)
            }),
            Output::KeepToken { pin, name, token } => {
                self.store("resume tokens", |driver| driver.tokens.keep(pin, &name, token));
            }
            Output::ReadPositions { reader } => {
                let kept = tokio::task::block_in_place(|| self.positions.of(&reader));
                self.machine.handle_positions(kept.unwrap_or_else(|error| {
                    tracing::warn!(%error, "read positions cannot be read");
                    Vec::new()
                }));
            }
            Output::KeepPositions { reader, positions } => {
                self.store("read positions", |driver| driver.positions.keep(&reader, &positions));
            }
            Output::Transfer(output) => self.transfers.carry_out(output, self.server),
            Output::Upload(output) => {
                self.uploads.carry_out(output, self.server.map(|server| server.ip));
            }
        }
    }

    /// Waits while the user interface is behind: see [`crate::session::EVENTS_MAX`].
    async fn tell(&mut self, event: Event) {
        let is_progress =
            matches!(&event, Event::Download { change: DownloadChange::Progress { .. }, .. })
                || matches!(&event, Event::Upload { change: UploadChange::Progress { .. }, .. });
        if is_progress && self.events.len() >= EVENTS_BUSY {
            return;
        }
        let is_read = self.events.send(event).await.is_ok();
        if !is_read && self.has_user {
            self.has_user = false;
            self.machine.handle_command(Instant::now(), Command::LogOut);
        }
    }

    fn dial(&mut self, server: ServerAddress, pin: Option<SpkiPin>) {
        self.stop_dialling();
        let known_servers = self.known_servers.clone();
        let path = self.config.known_servers();
        self.dialling = Some(tokio::spawn(async move {
            let pin = match pin {
                Some(pin) => Some(pin),
                None => known_servers.pin(server.host_port()).map_err(|error| {
                    let error = std::sync::Arc::new(error);
                    DialError::Failed(SessionError::Storage { path, error })
                })?,
            };
            dial::dial(&server, pin).await
        }));
    }

    fn stop_dialling(&mut self) {
        if let Some(dialling) = self.dialling.take() {
            dialling.abort();
        }
    }

    fn hang_up(&mut self) {
        self.stop_dialling();
        if let Some(connection) = self.connection.take() {
            self.closing.spawn(async move {
                if let Ok(Err(error)) = timeout(CLOSE_TIME_MAX, connection.close()).await {
                    tracing::debug!(%error, "the connection was not closed properly");
                }
            });
        }
        while self.closing.try_join_next().is_some() {}
    }

    /// What cannot be kept is known until the program ends, and asked for again after that.
    fn store(&self, what: &str, write: impl FnOnce(&Self) -> std::io::Result<()>) {
        if let Err(error) = tokio::task::block_in_place(|| write(self)) {
            tracing::warn!(%error, "{what} cannot be written");
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn dialled(
    dialling: &mut Option<JoinHandle<Result<Connected, DialError>>>,
) -> Result<Connected, DialError> {
    match dialling {
        Some(task) => task.await.unwrap_or(Err(DialError::Failed(SessionError::Lost))),
        None => std::future::pending().await,
    }
}

async fn next_frame(
    connection: &mut Option<Connection>,
) -> Result<common::wire::ServerFrame, SessionError> {
    match connection {
        Some(connection) => connection.next_frame().await,
        None => std::future::pending().await,
    }
}
