//! One visit to a server: come in, do something, leave.

use std::path::Path;
use std::time::Duration;

use chat_client::command::{Command, ServerAddress};
use chat_client::error_text;
use chat_client::event::{Event, FilesChange, OnlineChange, ServerFile};
use chat_client::question::{Answer, Question, QuestionId};
use chat_client::session::{self, SessionConfig, SessionHandle};
use common::wire::Role;
use tokio::time::{Instant, timeout, timeout_at};

use crate::failure::Failure;
use crate::options::Options;

/// How long a lost connection may take to come back before a command that has an end gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long leaving may take: the session's own limits add up to less.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Visit {
    config: SessionConfig,
    session: SessionHandle,
    server: Option<ServerAddress>,
    lost_at: Option<Instant>,
    /// The lists as they were when the server had sent them, after the last login.
    online: Option<Vec<(String, bool)>>,
    files: Option<Vec<ServerFile>>,
}

impl Visit {
    /// A session that is not connected. `catches_up`: it tells what was said while nobody listened.
    pub(crate) fn start(catches_up: bool) -> Self {
        let agent = concat!("simple-chat-cli ", env!("CARGO_PKG_VERSION"));
        let config = SessionConfig { catches_up, ..SessionConfig::of_this_person(agent) };
        let session = session::start(config.clone());
        Self { config, session, server: None, lost_at: None, online: None, files: None }
    }

    /// Connects and logs in. One attempt: who is not let in is told why.
    pub(crate) async fn log_in(&mut self, options: &Options) -> Result<Role, Failure> {
        let password = options.log_in_password().map(read_password).transpose()?;
        self.server = Some(options.server.clone());
        self.ask(Command::Connect { server: options.server.clone() }).await?;
        self.ask(Command::LogIn { name: options.name.clone(), password }).await?;
        loop {
            match self.session.events.recv().await {
                Ok(Event::LoggedIn { role, .. }) => return Ok(role),
                Ok(Event::FirstContact { pin }) if options.accept_new => {
                    self.ask(Command::Trust { pin }).await?;
                }
                Ok(Event::FirstContact { pin }) => {
                    let sentence = error_text::first_contact(&self.address(), pin);
                    let hint = "If they agree, run the command again with --accept-new.";
                    return Err(Failure::Refused(format!("{sentence}\n{hint}")));
                }
                Ok(Event::Disconnected { error, .. }) => {
                    return Err(Failure::of_session_error(&error));
                }
                Ok(event) => self.check(&event)?,
                Err(_) => return Err(closed()),
            }
        }
    }

    /// Asks the session for something.
    pub(crate) async fn ask(&mut self, command: Command) -> Result<(), Failure> {
        self.session.commands.send(command).await.map_err(|_| closed())
    }

    /// Asks the server something and waits for the answer.
    pub(crate) async fn question(&mut self, question: Question) -> Result<Answer, Failure> {
        let id = QuestionId(0);
        self.ask(Command::Ask { id, question }).await?;
        loop {
            match self.next().await? {
                Event::Answered { answer: Ok(answer), .. } => return Ok(answer),
                Event::Answered { answer: Err(reason), .. } => {
                    return Err(Failure::of_no_answer(&reason));
                }
                _ => {}
            }
        }
    }

    /// The next event; none of those that end the visit, and none after a connection that was lost for
    /// longer than [`PATIENCE`].
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        let event = match self.lost_at {
            None => self.session.events.recv().await,
            Some(lost_at) => timeout_at(lost_at + PATIENCE, self.session.events.recv())
                .await
                .map_err(|_| Failure::Network("The connection to the server was lost and did not come back. Check the network and try again.".into()))?,
        };
        let event = event.map_err(|_| closed())?;
        match &event {
            Event::Disconnected { .. } => {
                self.lost_at.get_or_insert_with(Instant::now);
            }
            Event::LoggedIn { .. } => self.lost_at = None,
            _ => {}
        }
        self.check(&event)?;
        Ok(event)
    }

    /// The next event, however long a lost connection takes to come back.
    pub(crate) async fn next_for_ever(&mut self) -> Result<Event, Failure> {
        self.lost_at = None;
        self.next().await
    }

    /// Who is online, and whether they are away.
    pub(crate) async fn online(&mut self) -> Result<Vec<(String, bool)>, Failure> {
        loop {
            if let Some(online) = self.online.take() {
                return Ok(online);
            }
            self.next().await?;
        }
    }

    /// Which files there are.
    pub(crate) async fn files(&mut self) -> Result<Vec<ServerFile>, Failure> {
        loop {
            if let Some(files) = self.files.take() {
                return Ok(files);
            }
            self.next().await?;
        }
    }

    /// Logs out and waits until everything is cleaned up.
    pub(crate) async fn leave(self) {
        let leaving = async {
            // A session that is over needs no asking.
            let _ = self.session.commands.send(Command::LogOut).await;
            while self.session.events.recv().await.is_ok() {}
        };
        let _ = timeout(LEAVE_TIME_MAX, leaving).await;
    }

    fn check(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::KeyChanged { expected, found } => {
                let known_servers = self.config.known_servers();
                let address = self.address();
                let sentence = error_text::key_changed(&address, *expected, *found, &known_servers);
                Err(Failure::Refused(sentence))
            }
            Event::LogInRefused(refusal) => Err(Failure::of_refusal(refusal)),
            Event::Ended(reason) => Err(Failure::of_end(reason)),
            Event::Online(OnlineChange::Reset { names, away }) => {
                let people = names.iter().map(|name| (name.clone(), away.contains(name)));
                self.online = Some(people.collect());
                Ok(())
            }
            Event::Files(FilesChange::Reset(files)) => {
                self.files = Some(files.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn address(&self) -> String {
        self.server.as_ref().map(|server| server.host_port().to_string()).unwrap_or_default()
    }
}

fn closed() -> Failure {
    Failure::Other("The session ended unexpectedly. Try again.".into())
}

/// The first line of a file.
pub(crate) fn read_password(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::Disk(format!("The password file {} cannot be read: {error}.", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
