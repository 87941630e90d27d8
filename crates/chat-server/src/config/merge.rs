//! Command line over file over defaults, and every check that can be made before anything is started.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::limits::PORT_DEFAULT;
use common::user_name::{NameKey, UserName};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FILE_BYTES_MAX;
use file_transfer::uploads::UploadRules;
use toml::value::{Datetime, Offset};

use crate::config::access::{Said, access};
use crate::config::arguments::{DataOptions, Options};
use crate::config::document::Problem;
use crate::config::file::{BanEntry, Complaint, ConfigFile, NodeEntry, UploadsEntry};
use crate::config::retention::retention;
use crate::config::{CertificateFiles, Config, Listen, MetricsAddress, NodeConfig};
use crate::log::event::ruling::End;
use crate::state::policy::Bans;

/// Longest time that an unfinished upload is kept: a year.
const UNFINISHED_HOURS_MAX: u64 = 366 * 24;

/// Longest name of a server, in bytes.
const SERVER_NAME_BYTES_MAX: usize = 64;

/// Why the server cannot be started with this configuration. One line each.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// The system's word.
        error: std::io::Error,
    },
    /// No TOML, an unknown key, a value of the wrong type, or one that makes no sense.
    #[error("{}", first_of(&self.lines()))]
    Wrong {
        /// Which file, if there is one.
        path: String,
        /// What is wrong in it, in the order of its lines.
        problems: Vec<Problem>,
        /// What is wrong on the command line, or in both together.
        others: Vec<String>,
    },
    /// A value that makes no sense.
    #[error("{0}")]
    Value(String),
    /// Two answers to one question.
    #[error(
        "the server was given sockets, on {0}, and `listen` is said as well: leave out the one or the other"
    )]
    ListenTwice(SocketAddr),
    /// Everybody on the network could come in, and nobody said that they may.
    #[error(
        "{0} can be reached by other machines and access is `open`: use --access password, or say --allow-open-network"
    )]
    OpenNetwork(SocketAddr),
}

impl ConfigError {
    /// Everything that is wrong, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Wrong { path, problems, others } => {
                let problems = problems.iter().map(|problem| format!("{path}:{problem}"));
                problems.chain(others.iter().cloned()).collect()
            }
            other => vec![other.to_string()],
        }
    }
}

/// The one line for whoever has room for one.
fn first_of(lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => {
            format!("{first} (and {} more: `chat-server check-config` tells all)", rest.len())
        }
    }
}

/// Gathers what is wrong, so that all of it is told at once.
#[derive(Default)]
struct Complaints(Vec<Complaint>);

impl Complaints {
    fn take<T>(&mut self, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.0.push(complaint)).ok()
    }
}

/// Puts everything together.
///
/// # Errors
/// What is wrong: in the file and its values as much of it as can be told.
pub fn load(options: Options) -> Result<Config, ConfigError> {
    let file = match &options.config {
        Some(path) => ConfigFile::read(path)?,
        None => ConfigFile::default(),
    };
    let mut source = file.source;
    if options.name.is_some() {
        source.overrule("name");
    }
    let mut complaints = Complaints(file.limits.complaints());
    complaints.0.extend(file.transfer.complaints(&file.limits));
    let has_nodes = !file.node.is_empty();
    let name = complaints.take(server_name(options.name.or(file.name)));
    let certificate = complaints.take(certificate(file.certificate, file.key));
    let nodes = file.node.into_iter().enumerate();
    let nodes = nodes.filter_map(|(index, entry)| complaints.take(node(index, entry))).collect();
    let bans = bans(file.ban, &mut complaints);
    let uploads = complaints.take(uploads(&file.uploads, has_nodes));
    let metrics = complaints.take(metrics(file.metrics, options.config.as_deref()));
    let retention = complaints.take(retention(file.history.retention.as_deref()));
    let (Some(name), Some(certificate), Some(uploads), Some(metrics), Some(retention), []) =
        (name, certificate, uploads, metrics, retention, complaints.0.as_slice())
    else {
        return Err(source.refuse(complaints.0));
    };
    let listen = listen(options.passed, [options.listen, file.listen])?;
    let said = Said {
        access: options.access.or(file.access),
        password_file: options.join_password_file.or(file.join_password_file),
        may_be_open: options.allow_open_network || file.allow_open_network,
    };
    let access = access(said, &listen)?;
    Ok(Config {
        listen,
        data: options.data.or(file.data).map_or_else(default_data, Ok)?,
        files: options.files.or(file.files).unwrap_or_else(|| PathBuf::from("ServerFiles")),
        name,
        access,
        registration: file.registration,
        certificate,
        nodes,
        bans,
        sending: file.transfer.into(),
        uploads,
        retention,
        metrics,
        limits: file.limits,
    })
}

/// The data folder alone, for what looks at it without serving.
///
/// # Errors
/// What is wrong with the file, or that there is no place for data.
pub fn data_folder(options: DataOptions) -> Result<PathBuf, ConfigError> {
    let file = match &options.config {
        Some(path) => ConfigFile::read(path)?,
        None => ConfigFile::default(),
    };
    options.data.or(file.data).map_or_else(default_data, Ok)
}

/// Sockets that are there already leave nothing to choose.
fn listen(
    passed: Vec<SocketAddr>,
    choices: [Vec<SocketAddr>; 2],
) -> Result<Vec<Listen>, ConfigError> {
    let asked_for = |address| Listen { address, may_be_absent: false };
    let said = choices.into_iter().find(|addresses| !addresses.is_empty());
    match (passed.first(), said) {
        (Some(address), Some(_)) => Err(ConfigError::ListenTwice(*address)),
        (Some(_), None) => Ok(passed.into_iter().map(asked_for).collect()),
        (None, Some(addresses)) => Ok(addresses.into_iter().map(asked_for).collect()),
        (None, None) => Ok([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .map(|ip| Listen { address: SocketAddr::new(ip, PORT_DEFAULT), may_be_absent: true })
            .to_vec()),
    }
}

fn default_data() -> Result<PathBuf, ConfigError> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    // systemd joins several state directories with a colon; the first is ours.
    let state_directory =
        variable("STATE_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    let below = |folder: PathBuf| folder.join("simple-chat-server");
    state_directory
        .or_else(|| variable("XDG_STATE_HOME").map(|folder| below(folder.into())))
        .or_else(|| variable("HOME").map(|home| below(PathBuf::from(home).join(".local/state"))))
        .ok_or_else(|| ConfigError::Value("no place for data: use --data".into()))
}

fn server_name(name: Option<String>) -> Result<String, Complaint> {
    let name = name.unwrap_or_else(machine_name);
    let is_fine = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !is_fine || name.len() > SERVER_NAME_BYTES_MAX {
        let found = name.escape_debug();
        let problem = format!(
            "the server name “{found}”: 1 to {SERVER_NAME_BYTES_MAX} bytes without control characters"
        );
        return Err(Complaint::new("name", problem));
    }
    Ok(name)
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "Simple Chat".to_owned(),
        name => name.to_owned(),
    }
}

fn certificate(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<CertificateFiles>, Complaint> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (Some(_), None) => Err(Complaint::new("certificate", "certificate needs its key as well")),
        (None, Some(_)) => Err(Complaint::new("key", "key needs its certificate as well")),
    }
}

/// Where metrics can be asked for; a path is relative to the folder of the file.
fn metrics(
    found: Option<String>,
    file: Option<&Path>,
) -> Result<Option<MetricsAddress>, Complaint> {
    let Some(found) = found else { return Ok(None) };
    if found.contains('/') {
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        return Ok(Some(MetricsAddress::Socket(folder.join(found))));
    }
    match found.parse::<SocketAddr>() {
        Ok(address) if address.ip().to_canonical().is_loopback() => {
            Ok(Some(MetricsAddress::Loopback(address)))
        }
        _ => {
            let sentence = format!(
                "metrics is {found:?}: a loopback address with a port, like 127.0.0.1:9464, or a path with a slash"
            );
            Err(Complaint::new("metrics", sentence))
        }
    }
}

fn node(index: usize, entry: NodeEntry) -> Result<NodeConfig, Complaint> {
    let NodeEntry { address, key_file, spki } = entry;
    let wrong = |key: &str, problem: &dyn std::fmt::Display| {
        Complaint::new(format!("node.{index}.{key}"), format!("node {address}: {problem}"))
    };
    Ok(NodeConfig {
        address: address.parse().map_err(|error| wrong("address", &error))?,
        spki: spki.parse().map_err(|error| wrong("spki", &error))?,
        key_file,
    })
}

/// What may be uploaded, if anything may.
fn uploads(entry: &UploadsEntry, has_nodes: bool) -> Result<Option<UploadRules>, Complaint> {
    let wrong = |key: &str, problem: String| {
        let key = format!("uploads.{key}");
        Complaint { sentence: format!("{key} {problem}"), key }
    };
    let folder = match &entry.folder {
        None => None,
        Some(folder) => Some(
            FilePath::parse(folder)
                .map_err(|error| wrong("folder", format!("{folder:?}: {error}")))?,
        ),
    };
    if !(1..=UNFINISHED_HOURS_MAX).contains(&entry.unfinished_hours) {
        let found = entry.unfinished_hours;
        let problem = format!("is {found}, allowed are 1 to {UNFINISHED_HOURS_MAX}");
        return Err(wrong("unfinished_hours", problem));
    }
    if entry.enabled && has_nodes {
        // The file appears on the machine that the bytes went to, and is told of here.
        return Err(wrong("enabled", "does not go together with [[node]]".into()));
    }
    Ok(entry.enabled.then_some(UploadRules {
        folder,
        quota_bytes_per_user: entry.quota_bytes_per_user,
        file_bytes_max: entry.file_bytes_max.min(FILE_BYTES_MAX),
        parts_kept: Duration::from_secs(entry.unfinished_hours * 3600),
    }))
}

fn bans(entries: Vec<BanEntry>, complaints: &mut Complaints) -> Bans {
    let mut bans = Bans::default();
    for (index, entry) in entries.into_iter().enumerate() {
        if let Some((name, end)) = complaints.take(ban(index, entry)) {
            bans.insert(name, end);
        }
    }
    bans
}

fn ban(index: usize, entry: BanEntry) -> Result<(NameKey, End), Complaint> {
    let BanEntry { name, until } = entry;
    let wrong = |key: &str, problem: String| {
        Complaint::new(format!("ban.{index}.{key}"), format!("ban of {name:?}: {problem}"))
    };
    let parsed = UserName::parse(&name).map_err(|problem| wrong("name", format!("{problem:?}")))?;
    let end = match until {
        None => End::Never,
        Some(time) => End::At(unix_ms(time).ok_or_else(|| {
            let problem = format!(
                "until = {time} must be a date and time with offset, like 2026-12-31T23:59:59Z"
            );
            wrong("until", problem)
        })?),
    };
    Ok((parsed.key(), end))
}

/// Milliseconds since 1970-01-01 UTC of a date and time with offset.
fn unix_ms(time: Datetime) -> Option<i64> {
    let (date, clock) = (time.date?, time.time?);
    let offset_minutes = match time.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = (days * 24 + i64::from(clock.hour)) * 60 + i64::from(clock.minute);
    let seconds = (minutes - offset_minutes) * 60 + i64::from(clock.second);
    Some(seconds * 1000)
}

/// Days since 1970-01-01 of a date in the Gregorian calendar: years begin in March, so that the leap
/// day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_off_unless_switched_on_and_stay_below_the_folder() {
        let on = || UploadsEntry { enabled: true, ..UploadsEntry::default() };
        let to = |folder: &str| UploadsEntry { folder: Some(folder.into()), ..on() };
        assert_eq!(uploads(&UploadsEntry::default(), true).unwrap(), None);
        let rules = uploads(&to("in/box"), false).unwrap().unwrap();
        assert_eq!(rules.folder, FilePath::parse("in/box").ok());
        for folder in ["", "..", "/tmp", "a/../b"] {
            assert!(uploads(&to(folder), false).is_err(), "{folder:?}");
        }
        assert!(uploads(&on(), true).is_err(), "with other nodes");
        for unfinished_hours in [0, u64::MAX] {
            assert!(uploads(&UploadsEntry { unfinished_hours, ..on() }, false).is_err());
        }
    }

    #[track_caller]
    fn check_time(text: &str, ms: Option<i64>) {
        assert_eq!(unix_ms(text.parse().unwrap()), ms, "{text}");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        check_time("1970-01-01T00:00:00Z", Some(0));
        check_time("2000-02-29T12:00:00Z", Some(951_825_600_000));
        check_time("2026-11-22T21:00:00+01:00", Some(1_795_377_600_000));
        check_time("2100-03-01T00:00:00Z", Some(4_107_542_400_000));
    }

    #[test]
    fn a_time_without_offset_is_none() {
        check_time("2026-11-22T21:00:00", None);
        check_time("2026-11-22", None);
    }
}
