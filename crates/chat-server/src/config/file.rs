//! The configuration file, as TOML says it. An unknown key is an error: a misspelt limit must not be
//! taken for none.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::arguments::AccessName;
use crate::config::document::{self, Places, problem_at};
use crate::config::limits::Limits;
use crate::config::merge::ConfigError;
use crate::config::transfer::Transfer;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Everything that a file may say. Paths in it are relative to the folder of the file.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConfigFile {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) files: Option<PathBuf>,
    pub(crate) name: Option<String>,
    pub(crate) access: Option<AccessName>,
    pub(crate) join_password_file: Option<PathBuf>,
    pub(crate) allow_open_network: bool,
    pub(crate) registration: bool,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// An address, or with a slash in it a path.
    pub(crate) metrics: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) transfer: Transfer,
    pub(crate) uploads: UploadsEntry,
    pub(crate) history: HistoryEntry,
    pub(crate) node: Vec<NodeEntry>,
    pub(crate) ban: Vec<BanEntry>,
    /// Where in the file things are said.
    #[serde(skip)]
    pub(crate) source: Source,
}

impl Default for ConfigFile {
    fn default() -> Self {
        Self {
            registration: true,
            listen: Vec::new(),
            data: None,
            files: None,
            name: None,
            access: None,
            join_password_file: None,
            allow_open_network: false,
            certificate: None,
            key: None,
            metrics: None,
            limits: Limits::default(),
            transfer: Transfer::default(),
            uploads: UploadsEntry::default(),
            history: HistoryEntry::default(),
            node: Vec::new(),
            ban: Vec::new(),
            source: Source::default(),
        }
    }
}

/// The text that a configuration was read from. Empty: there was none.
#[derive(Debug, Default)]
pub(crate) struct Source {
    path: String,
    text: String,
    places: Places,
}

/// A value that makes no sense: which key has it, and why.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Complaint {
    /// Dotted, as in [`Places`].
    pub(crate) key: String,
    /// Complete: it names the key where that helps.
    pub(crate) sentence: String,
}

impl Complaint {
    pub(crate) fn new(key: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { key: key.into(), sentence: sentence.into() }
    }
}

impl Source {
    /// A key counts no more: the command line has said something else.
    pub(crate) fn overrule(&mut self, key: &str) {
        self.places.remove(key);
    }

    /// Complaints, told with their places where they are about something in the file.
    pub(crate) fn refuse(&self, complaints: Vec<Complaint>) -> ConfigError {
        let (mut problems, mut others) = (Vec::new(), Vec::new());
        for Complaint { key, sentence } in complaints {
            match self.place(&key) {
                Some(byte) => problems.push(problem_at(&self.text, byte, sentence)),
                None => others.push(sentence),
            }
        }
        problems.sort();
        ConfigError::Wrong { path: self.path.clone(), problems, others }
    }

    /// Of the key, or of the innermost table around it that is there.
    fn place(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(byte) = self.places.get(key) {
                return Some(*byte);
            }
            (key, _) = key.rsplit_once('.')?;
        }
    }
}

/// `[uploads]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UploadsEntry {
    pub(crate) enabled: bool,
    /// Below the folder of files, where uploads go; anywhere in it where this is missing.
    pub(crate) folder: Option<String>,
    pub(crate) quota_bytes_per_user: u64,
    pub(crate) file_bytes_max: u64,
    /// How long an unfinished upload is kept after its last byte.
    pub(crate) unfinished_hours: u64,
}

impl Default for UploadsEntry {
    /// Off. When it is switched on: a few large files each, to be gone on with after a long weekend.
    fn default() -> Self {
        Self {
            enabled: false,
            folder: None,
            quota_bytes_per_user: 4 << 30,
            file_bytes_max: 4 << 30,
            unfinished_hours: 96,
        }
    }
}

/// `[history]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HistoryEntry {
    /// How long messages are kept; for ever where it is missing.
    pub(crate) retention: Option<String>,
}

/// `[[node]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeEntry {
    pub(crate) address: String,
    pub(crate) key_file: PathBuf,
    pub(crate) spki: String,
}

/// `[[ban]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BanEntry {
    pub(crate) name: String,
    /// With offset, e.g. `2026-12-31T23:59:59Z`; for ever where it is missing.
    pub(crate) until: Option<toml::value::Datetime>,
}

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let unreadable = |error| ConfigError::Unreadable { path: shown.clone(), error };
        let mut text = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(ConfigError::Value(format!("{shown}: longer than {FILE_BYTES_MAX} bytes")));
        }
        let (mut file, places) = document::parse::<Self>(&text).map_err(|problems| {
            ConfigError::Wrong { path: shown.clone(), problems, others: Vec::new() }
        })?;
        file.source = Source { path: shown, text, places };
        file.resolve_paths(path.parent().unwrap_or(Path::new("")));
        Ok(file)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let nodes = self.node.iter_mut().map(|node| &mut node.key_file);
        let paths = [
            &mut self.data,
            &mut self.files,
            &mut self.join_password_file,
            &mut self.certificate,
            &mut self.key,
        ];
        for path in paths.into_iter().flatten().chain(nodes) {
            *path = folder.join(&*path);
        }
    }
}
