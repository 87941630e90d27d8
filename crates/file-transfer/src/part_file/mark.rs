//! The mark of a part file that this program made: an extended attribute with the file's inode
//! number, so that a copy of such a file, made by whoever wants to keep it, does not carry the mark.
//!
//! Where a file system has no extended attributes no file is marked, and none is taken over.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// In the part of the name space that is open to the file's owner.
const NAME: &str = "user.simplechat.part";

/// Says that the file is a part file of ours, if the file system can keep that.
pub(super) fn set(file: &File) {
    if let Some(value) = value_for(file) {
        let _ = fsetxattr(file, NAME, &value, XattrFlags::empty());
    }
}

/// Whether this very file was marked.
pub(super) fn is_set(file: &File) -> bool {
    let mut found = [0; 8];
    let length = fgetxattr(file, NAME, &mut found[..]);
    length == Ok(found.len()) && value_for(file) == Some(found)
}

/// Takes the mark away. Succeeds if there is none.
pub(super) fn remove(file: &File) -> Result<(), Errno> {
    match fremovexattr(file, NAME) {
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS) => Ok(()),
        result => result,
    }
}

fn value_for(file: &File) -> Option<[u8; 8]> {
    file.metadata().ok().map(|metadata| metadata.ino().to_le_bytes())
}
