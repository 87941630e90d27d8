//! A configuration that is read again while the server runs. What decides about people changes at once;
//! what sockets, threads and folders were made of stays until a restart, and is named.

use std::io;
use std::path::Path;
use std::time::Duration;

use common::invite_link::InviteLink;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{AccessConfig, Config, Limits};
use crate::hub::Input;
use crate::join_password::{self, JoinPassword, OwnPassword};
use crate::state::login_attempts::AttemptLimits;
use crate::state::policy::{Access, Policy};
use crate::state::rate_limit::Rate;
use crate::token_key::TokenKey;

/// A configuration to go by from now on: complete, and checked as at a start.
pub struct Reload {
    /// What the operator wants.
    pub config: Config,
    /// Told when it is in force: the keys whose new values wait for a restart.
    pub done: oneshot::Sender<Vec<&'static str>>,
}

/// What the server goes by.
pub(crate) struct Running {
    config: Config,
    /// As the sockets are.
    link: InviteLink,
    token_key: TokenKey,
    access: RunningAccess,
}

/// Who may come in, with a password that the server made where it was to make one.
pub(crate) enum RunningAccess {
    Open,
    Accounts,
    /// `is_new`: it was made just now, and somebody has to be told.
    Password {
        text: String,
        is_new: bool,
    },
}

impl RunningAccess {
    /// Reads the password of the data folder, or makes it, where that is what counts.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn resolve(access: &AccessConfig, data: &Path) -> io::Result<Self> {
        Ok(match access {
            AccessConfig::Open => Self::Open,
            AccessConfig::Accounts => Self::Accounts,
            AccessConfig::Password(text) => Self::Password { text: text.clone(), is_new: false },
            AccessConfig::OwnPassword => {
                let OwnPassword { text, is_new } = OwnPassword::load_or_create(data)?;
                Self::Password { text, is_new }
            }
        })
    }

    /// The password, if it was made just now.
    pub(crate) fn new_password(&self) -> Option<&str> {
        match self {
            Self::Password { text, is_new: true } => Some(text),
            Self::Password { .. } | Self::Open | Self::Accounts => None,
        }
    }
}

impl Running {
    pub(crate) fn new(
        config: Config,
        link: InviteLink,
        token_key: TokenKey,
        access: RunningAccess,
    ) -> Self {
        Self { config, link, token_key, access }
    }

    /// How long messages are kept. `None`: for ever.
    pub(crate) fn retention(&self) -> Option<Duration> {
        self.config.retention
    }

    /// What the state has to know of it.
    pub(crate) fn policy(&self) -> Policy {
        let limits = &self.config.limits;
        Policy {
            server_name: self.config.name.clone(),
            link: InviteLink { server_name: self.config.name.clone(), ..self.link.clone() },
            access: match &self.access {
                RunningAccess::Open => Access::Open,
                RunningAccess::Accounts => Access::Accounts,
                RunningAccess::Password { text, .. } => {
                    Access::Password(Box::new(JoinPassword::new(text, rand::random())))
                }
            },
            takes_registrations: self.config.registration,
            accounts_max: limits.accounts,
            rooms_max: limits.rooms,
            bans: self.config.bans.clone(),
            token_key: self.token_key.clone(),
            sessions_max: limits.sessions,
            attempts: AttemptLimits {
                per_name: limits.failed_logins_per_name,
                per_address: limits.failed_logins_per_address,
            },
            messages: Rate { burst: limits.messages_burst, per_second: limits.messages_per_second },
            downloads_per_user_max: limits.downloads_per_user,
            downloads_max: limits.downloads,
            takes_uploads: self.config.uploads.is_some(),
            downloads_waiting_per_user_max: limits.downloads_waiting_per_user,
            downloads_waiting_max: limits.downloads_waiting,
            ping_interval: Duration::from_secs(limits.ping_seconds),
            dead_after: Duration::from_secs(limits.dead_seconds),
            name_hold: Duration::from_secs(limits.name_hold_seconds),
            take_over_ping: common::limits::TAKE_OVER_PING,
        }
    }

    /// Takes over what can change; the keys of the rest, where it is another than before.
    fn adopt(&mut self, new: Config) -> Vec<&'static str> {
        // Taken apart as a whole, so that a new key is decided about here.
        let Config {
            listen,
            data,
            files,
            name,
            access,
            registration,
            certificate,
            nodes,
            bans,
            sending,
            uploads,
            retention,
            metrics,
            limits,
        } = new;
        let running = &mut self.config;
        let is_listen_same = listen == running.listen;
        let mut waiting = waiting_limits(&running.limits, &limits);
        let fixed = [
            ("listen", is_listen_same),
            ("data", data == running.data),
            ("files", files == running.files),
            ("certificate", certificate == running.certificate),
            ("node", nodes == running.nodes),
            ("transfer", sending == running.sending),
            ("uploads", uploads == running.uploads),
            ("metrics", metrics == running.metrics),
        ];
        waiting.extend(fixed.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key));
        if is_listen_same {
            match RunningAccess::resolve(&access, &running.data) {
                Ok(resolved) => {
                    self.access = resolved;
                    running.access = access;
                }
                Err(error) => {
                    tracing::error!(%error, file = join_password::FILE_NAME, "access stays as it was");
                    waiting.push("access");
                }
            }
        } else if access != running.access {
            // It was checked beside addresses that are not the ones listened on: who may come in there
            // was not said.
            waiting.push("access");
        }
        running.name = name;
        running.registration = registration;
        running.bans = bans;
        running.retention = retention;
        running.limits = Limits {
            handshake_seconds: running.limits.handshake_seconds,
            login_seconds: running.limits.login_seconds,
            newcomers: running.limits.newcomers,
            newcomers_in_line: running.limits.newcomers_in_line,
            outbox_bytes: running.limits.outbox_bytes,
            stall_seconds: running.limits.stall_seconds,
            downloads: running.limits.downloads,
            downloads_per_user: running.limits.downloads_per_user,
            ..limits
        };
        waiting
    }
}

/// Limits that the door and the transfer node were made with.
fn waiting_limits(running: &Limits, new: &Limits) -> Vec<&'static str> {
    let fixed = [
        ("limits.handshake_seconds", running.handshake_seconds == new.handshake_seconds),
        ("limits.login_seconds", running.login_seconds == new.login_seconds),
        ("limits.newcomers", running.newcomers == new.newcomers),
        ("limits.newcomers_in_line", running.newcomers_in_line == new.newcomers_in_line),
        ("limits.outbox_bytes", running.outbox_bytes == new.outbox_bytes),
        ("limits.stall_seconds", running.stall_seconds == new.stall_seconds),
        ("limits.downloads", running.downloads == new.downloads),
        ("limits.downloads_per_user", running.downloads_per_user == new.downloads_per_user),
    ];
    fixed.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
}

/// Puts configurations in force as they come. `retention` is told how long messages are kept.
pub(crate) async fn follow(
    mut running: Running,
    mut reloads: mpsc::Receiver<Reload>,
    hub: mpsc::Sender<Input>,
    retention: watch::Sender<Option<Duration>>,
) {
    while let Some(Reload { config, done }) = reloads.recv().await {
        let waiting = running.adopt(config);
        retention.send_replace(running.retention());
        let (applied, is_applied) = oneshot::channel();
        let policy = Box::new(running.policy());
        // Whoever is gone needs no answer.
        if hub.send(Input::Policy { policy, applied }).await.is_ok() && is_applied.await.is_ok() {
            let _ = done.send(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::arguments::Options;
    use crate::config::load;

    /// What a server with the file `before` makes of the file `after`.
    #[track_caller]
    fn check(before: &str, after: &str, expected_waiting: &[&str]) -> Policy {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let config = |text: &str| {
            std::fs::write(&path, text).unwrap();
            load(Options { config: Some(path.clone()), ..Options::default() }).unwrap()
        };
        std::fs::write(folder.path().join("password"), "secret").unwrap();
        let before = config(before);
        let access = RunningAccess::resolve(&before.access, folder.path()).unwrap();
        let mut running = Running::new(before, link(), TokenKey::new(&[7; 32]), access);
        assert_eq!(running.adopt(config(after)), expected_waiting);
        running.policy()
    }

    fn link() -> InviteLink {
        let pin = common::spki_pin::SpkiPin([0; 32]);
        format!("simplechat://h/?fp={pin}").parse().unwrap()
    }

    const OPEN: &str = "listen = ['127.0.0.1:5']\naccess = 'open'";
    const CLOSED: &str =
        "listen = ['0.0.0.0:5']\naccess = 'password'\njoin_password_file = 'password'";

    #[test]
    fn what_decides_about_people_changes() {
        let after = "name = 'b'\n[limits]\nsessions = 3\nmessages_burst = 4";
        let policy = check("name = 'a'", after, &[]);
        assert_eq!((policy.server_name.as_str(), policy.sessions_max), ("b", 3));
        assert_eq!(policy.messages.burst, 4);
        check("[history]\nretention = '9d'", "[history]\nretention = '1h'", &[]);
    }

    #[test]
    fn what_is_in_use_stays_and_is_named() {
        let after = "[limits]\ndownloads = 70\noutbox_bytes = 300000\nsessions = 9";
        let policy = check("", after, &["limits.outbox_bytes", "limits.downloads"]);
        assert_eq!((policy.downloads_max, policy.sessions_max), (64, 9));
        check("", "files = 'f'\n[uploads]\nenabled = true", &["files", "uploads"]);
    }

    #[test]
    fn access_does_not_open_on_addresses_that_it_was_not_said_for() {
        let policy = check(CLOSED, OPEN, &["listen", "access"]);
        assert!(matches!(policy.access, Access::Password(_)));
        let here = "listen = ['127.0.0.1:5']\naccess = 'password'\njoin_password_file = 'password'";
        assert!(matches!(check(here, OPEN, &[]).access, Access::Open));
        assert!(matches!(check(OPEN, here, &[]).access, Access::Password(_)));
    }
}
