//! The configuration file that `chat-server init` writes: every key with its meaning and its default. It is
//! also the list of the keys that there are, which a misspelt one is compared with.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The file as it is written. A line that begins with `#` and a letter or a bracket is a key in waiting; one
/// that begins with `#` and a blank is for people.
pub(crate) const TEMPLATE: &str = include_str!("template.toml");

/// Writes the template to a file that must not be there yet.
///
/// # Errors
/// The system's word; nothing is left of the file then, and one that was there is as it was.
pub fn write(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(TEMPLATE.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first word is the one to tell.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// The template with each key in force.
pub(crate) fn with_every_key() -> String {
    let line_in_force = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
        _ => line,
    };
    TEMPLATE.lines().flat_map(|line| [line_in_force(line), "\n"]).collect()
}

#[cfg(test)]
mod tests;
