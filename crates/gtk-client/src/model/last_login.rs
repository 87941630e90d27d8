//! What the log-in page remembers from the last time: the server and the name, never a password.

use std::path::{Path, PathBuf};

use gtk::glib;

const GROUP: &str = "last-login";

/// What was typed when a login last worked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LastLogin {
    /// Address or invite link.
    pub server: String,
    /// As the server spells it.
    pub name: String,
}

impl LastLogin {
    /// Where it is kept: `$XDG_CONFIG_HOME/simple-chat/window.ini`.
    #[must_use]
    pub fn file() -> PathBuf {
        glib::user_config_dir().join("simple-chat").join("window.ini")
    }

    /// Reads it. A file that is not there or not readable is an empty memory.
    #[must_use]
    pub fn load(file: &Path) -> Self {
        let keys = glib::KeyFile::new();
        if keys.load_from_file(file, glib::KeyFileFlags::NONE).is_err() {
            return Self::default();
        }
        let text =
            |key| keys.string(GROUP, key).map_or_else(|_| String::new(), |text| text.to_string());
        Self { server: text("server"), name: text("name") }
    }

    /// Writes it. The folder is made if it is missing.
    pub fn save(&self, file: &Path) -> Result<(), glib::Error> {
        if let Some(folder) = file.parent() {
            // A folder that cannot be made is told by the write that follows.
            std::fs::create_dir_all(folder).ok();
        }
        let keys = glib::KeyFile::new();
        keys.set_string(GROUP, "server", &self.server);
        keys.set_string(GROUP, "name", &self.name);
        keys.save_to_file(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/window.ini");
        let login = LastLogin {
            server: "simplechat://h:1/?fp=a&name=Büro; [1]".to_owned(),
            name: "bo b\\".to_owned(),
        };
        login.save(&file).unwrap();
        assert_eq!(LastLogin::load(&file), login);
    }

    #[test]
    fn nothing_there_is_an_empty_memory() {
        assert_eq!(LastLogin::load(Path::new("/nonexistent/window.ini")), LastLogin::default());
    }
}
