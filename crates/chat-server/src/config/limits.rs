//! How much of everything: each limit is a key of the table `[limits]`.

use std::time::Duration;

use common::limits::{
    self, HISTORY_PAGE_BYTES_MAX, HISTORY_PAGE_MESSAGES_MAX, NAME_BYTES_MAX, ONLINE_PAGE_NAMES_MAX,
};
use serde::Deserialize;

use crate::config::file::Complaint;
use crate::state::server_files::PAGE_BYTES_MAX as FILE_PAGE_BYTES_MAX;

/// Smallest outbox: half of it has to hold the longest page.
const OUTBOX_BYTES_MIN: usize = 256 * 1024;
/// Tag and length of a name in a page.
const NAME_OVERHEAD_BYTES: usize = 3;
const _: () = assert!(
    OUTBOX_BYTES_MIN / 2 >= ONLINE_PAGE_NAMES_MAX * (NAME_BYTES_MAX + NAME_OVERHEAD_BYTES) + 32
);
const _: () = assert!(OUTBOX_BYTES_MIN / 2 >= FILE_PAGE_BYTES_MAX + 32);
const _: () =
    assert!(OUTBOX_BYTES_MIN / 2 >= HISTORY_PAGE_BYTES_MAX + 20 * HISTORY_PAGE_MESSAGES_MAX);

/// Longest span that is believed: a year.
const SECONDS_MAX: u64 = 366 * 24 * 3600;

/// The table `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Until the TLS handshake is done.
    pub handshake_seconds: u64,
    /// From the connection to the login.
    pub login_seconds: u64,
    /// Connections without login at once.
    pub newcomers: usize,
    /// Connections that wait for one of these places.
    pub newcomers_in_line: usize,
    /// Logins at once.
    pub sessions: usize,
    /// Accounts.
    pub accounts: usize,
    /// Rooms beside the lobby.
    pub rooms: usize,
    /// Bytes that wait for one client.
    pub outbox_bytes: usize,
    /// How long a client may take no byte of what is written to it.
    pub stall_seconds: u64,
    /// Messages of one user at once, after a pause.
    pub messages_burst: u32,
    /// Messages of one user in the long run.
    pub messages_per_second: u32,
    /// Wrong passwords a minute for one name.
    pub failed_logins_per_name: u32,
    /// Wrong passwords a minute from one address.
    pub failed_logins_per_address: u32,
    /// Downloads of one user at once.
    pub downloads_per_user: usize,
    /// Downloads at once.
    pub downloads: usize,
    /// Downloads of one user that wait for a place.
    pub downloads_waiting_per_user: usize,
    /// Downloads that wait for a place.
    pub downloads_waiting: usize,
    /// Silence after which a client is asked whether it is there.
    pub ping_seconds: u64,
    /// Silence after which a connection counts as dead.
    pub dead_seconds: u64,
    /// How long the name of a broken connection is kept.
    pub name_hold_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_seconds: 10,
            login_seconds: 60,
            newcomers: 64,
            newcomers_in_line: 1024,
            sessions: 10_000,
            accounts: 10_000,
            rooms: 1000,
            outbox_bytes: OUTBOX_BYTES_MIN,
            stall_seconds: 60,
            messages_burst: 10,
            messages_per_second: 2,
            failed_logins_per_name: 5,
            failed_logins_per_address: 20,
            downloads_per_user: limits::DOWNLOADS_PER_USER_MAX,
            downloads: 64,
            downloads_waiting_per_user: limits::DOWNLOADS_WAITING_PER_USER_MAX,
            downloads_waiting: 1024,
            ping_seconds: limits::PING_INTERVAL.as_secs(),
            dead_seconds: limits::DEAD_AFTER.as_secs(),
            name_hold_seconds: limits::NAME_HOLD.as_secs(),
        }
    }
}

impl Limits {
    /// Everything that is wrong with them.
    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |key: &str, sentence: String| {
            let key = format!("limits.{key}");
            complaints.push(Complaint { sentence: format!("{key} {sentence}"), key });
        };
        let spans = [
            ("handshake_seconds", self.handshake_seconds),
            ("login_seconds", self.login_seconds),
            ("stall_seconds", self.stall_seconds),
            ("ping_seconds", self.ping_seconds),
            ("dead_seconds", self.dead_seconds),
        ];
        for (key, found) in spans.into_iter().filter(|(_, s)| !(1..=SECONDS_MAX).contains(s)) {
            complain(key, format!("is {found}, allowed are 1 to {SECONDS_MAX}"));
        }
        if self.name_hold_seconds > SECONDS_MAX {
            let found = self.name_hold_seconds;
            complain("name_hold_seconds", format!("is {found}, at most {SECONDS_MAX}"));
        }
        if self.dead_seconds <= self.ping_seconds {
            let key = "dead_seconds";
            complain(key, "must be more than limits.ping_seconds".into());
        }
        if self.outbox_bytes < OUTBOX_BYTES_MIN {
            let found = self.outbox_bytes;
            complain("outbox_bytes", format!("is {found}, at least {OUTBOX_BYTES_MIN}"));
        }
        let counts = [
            ("newcomers", self.newcomers),
            ("sessions", self.sessions),
            ("messages_burst", self.messages_burst as usize),
            ("messages_per_second", self.messages_per_second as usize),
            ("failed_logins_per_name", self.failed_logins_per_name as usize),
            ("failed_logins_per_address", self.failed_logins_per_address as usize),
        ];
        for (key, _) in counts.into_iter().filter(|(_, count)| *count == 0) {
            complain(key, "is 0, at least 1".into());
        }
        complaints
    }

    /// How long a client may take no byte of what is written to it.
    #[must_use]
    pub fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }

    /// Until the TLS handshake is done.
    #[must_use]
    pub fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    /// From the connection to the login.
    #[must_use]
    pub fn login(&self) -> Duration {
        Duration::from_secs(self.login_seconds)
    }
}
