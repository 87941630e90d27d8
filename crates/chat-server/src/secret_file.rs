//! A small file of the data folder that holds something secret: made once, for its owner alone, and never
//! replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The longest of them, in bytes.
const BYTES_MAX: u64 = 4096;

/// A secret, and whether it was made just now.
pub(crate) struct Secret {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_new: bool,
}

/// Reads the file of that name, which is made with the bytes of `make` if it is not there.
///
/// # Errors
/// The system's word. What is there and cannot be read stays as it is.
pub(crate) fn load_or_create(
    folder: &Path,
    name: &str,
    make: impl FnOnce() -> Vec<u8>,
) -> io::Result<Secret> {
    let path = folder.join(name);
    if !path.try_exists()? {
        let bytes = make();
        create(folder, name, &bytes)?;
        return Ok(Secret { bytes, is_new: true });
    }
    let mut bytes = Vec::new();
    File::open(&path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Secret { bytes, is_new: false })
}

/// Whole or not at all: a server that is killed here starts again.
fn create(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}
