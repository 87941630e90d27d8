//! Configurations: whatever is in the file, it is read, or refused with places that are in it.

use crate::config::document;
use crate::config::file::ConfigFile;
use crate::fuzzing::text;

/// Reads the bytes as a configuration file.
pub fn configs(bytes: &[u8]) {
    let text = text(bytes);
    let Err(problems) = document::parse::<ConfigFile>(&text) else { return };
    assert!(!problems.is_empty());
    for problem in problems {
        let line = text.split('\n').nth(problem.line.wrapping_sub(1));
        let columns = line.map(|line| line.chars().count() + 1);
        let is_there = columns.is_some_and(|columns| (1..=columns).contains(&problem.column));
        assert!(is_there && !problem.sentence.contains('\n'), "{problem}");
    }
}
