//! Files that only their owner may read: keys. Written once, whole or not at all, never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Largest key or certificate file that is read. Real ones have a few kilobytes.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// Writes a new file with mode 0600 that is complete as soon as it has its name.
///
/// Fails with [`io::ErrorKind::AlreadyExists`] when there is something of that name, be it a broken
/// symbolic link.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut temporary = folder.to_owned();
    temporary.push(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let _ = fs::remove_file(&temporary);
    let result = write_synced(&temporary, bytes).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    result.and(removed)?;
    File::open(folder)?.sync_all()
}

/// Reads a secret, and warns in the log when others may read it too.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = read_public(path)?;
    if fs::metadata(path)?.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "a secret file is open to others; chmod 600 it");
    }
    Ok(bytes)
}

/// Reads a whole small file that others may read.
pub(crate) fn read_public(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > SECRET_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a small regular file"));
    }
    fs::read(path)
}

/// The folder a path is in; the current one for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_only_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, b"first").unwrap();
        let again = create(&path, b"second").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("elsewhere");
        std::os::unix::fs::symlink(&target, dir.path().join("key")).unwrap();
        assert!(create(&dir.path().join("key"), b"x").is_err());
        assert!(!target.exists());
    }

    #[test]
    fn a_folder_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
