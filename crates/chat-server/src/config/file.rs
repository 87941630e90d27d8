//! The configuration file, as TOML says it. An unknown key is an error: a misspelt limit must not be
//! taken for none.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::arguments::AccessName;
use crate::config::limits::Limits;
use crate::config::merge::ConfigError;
use crate::config::transfer::Transfer;

/// Everything that a file may say. Paths in it are relative to the folder of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConfigFile {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) files: Option<PathBuf>,
    pub(crate) name: Option<String>,
    pub(crate) access: Option<AccessName>,
    pub(crate) join_password_file: Option<PathBuf>,
    pub(crate) allow_open_network: bool,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) transfer: Transfer,
    pub(crate) uploads: UploadsEntry,
    pub(crate) node: Vec<NodeEntry>,
    pub(crate) ban: Vec<BanEntry>,
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
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: shown.clone(), error })?;
        let mut file: Self = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            ConfigError::Syntax { path: shown, line, problem: error.message().to_owned() }
        })?;
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
