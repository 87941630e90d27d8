//! Who may come in, as the operator said it, or did not.

use std::path::{Path, PathBuf};

use crate::config::arguments::AccessName;
use crate::config::merge::ConfigError;
use crate::config::{AccessConfig, Listen};
use crate::join_password::first_line;

/// What was said of it.
pub(crate) struct Said {
    pub(crate) access: Option<AccessName>,
    pub(crate) password_file: Option<PathBuf>,
    /// `open` is meant for whoever can reach the server.
    pub(crate) may_be_open: bool,
}

/// Who may come in. Where nothing was said: everybody of this machine, and whoever knows the password that the
/// server makes as soon as other machines can reach it.
///
/// # Errors
/// What cannot be used, or was not said clearly enough.
pub(crate) fn access(said: Said, listen: &[Listen]) -> Result<AccessConfig, ConfigError> {
    let exposed = listen.iter().find(|it| !it.address.ip().to_canonical().is_loopback());
    match (said.access, said.password_file) {
        (Some(AccessName::Accounts), _) => Ok(AccessConfig::Accounts),
        (Some(AccessName::Open), _) => match exposed {
            Some(listen) if !said.may_be_open => Err(ConfigError::OpenNetwork(listen.address)),
            _ => Ok(AccessConfig::Open),
        },
        (Some(AccessName::Password), Some(path)) => given_password(&path),
        (Some(AccessName::Password), None) => Ok(AccessConfig::OwnPassword),
        (None, Some(path)) if exposed.is_some() && !said.may_be_open => given_password(&path),
        (None, None) if exposed.is_some() && !said.may_be_open => Ok(AccessConfig::OwnPassword),
        (None, _) => Ok(AccessConfig::Open),
    }
}

fn given_password(path: &Path) -> Result<AccessConfig, ConfigError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: shown.clone(), error })?;
    match first_line(&text) {
        Some(password) => Ok(AccessConfig::Password(password.to_owned())),
        None => Err(ConfigError::Value(format!("{shown}: the first line is empty"))),
    }
}
