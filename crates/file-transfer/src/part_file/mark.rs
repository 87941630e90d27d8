//! The mark of a part file that this program made: an extended attribute with the file's inode number
//! and a hash of its name. So a copy of such a file, made by whoever wants to keep it, does not carry
//! the mark, nor does one that got another name: a finished download, or one that was put aside.
//!
//! Where a file system has no extended attributes no file is marked, and none is taken over.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};

/// In the part of the name space that is open to the file's owner.
const NAME: &str = "user.simplechat.part";
/// An inode number and half a hash.
const VALUE_BYTES: usize = 24;

/// Says that the file is a part file of ours under this name, if the file system can keep that.
pub(super) fn set(file: &File, name: &OsStr) {
    if let Some(value) = value_for(file, name) {
        let _ = fsetxattr(file, NAME, &value, XattrFlags::empty());
    }
}

/// Whether this very file was marked under this name.
pub(super) fn is_set(file: &File, name: &OsStr) -> bool {
    let mut found = [0; VALUE_BYTES];
    let length = fgetxattr(file, NAME, &mut found[..]);
    length == Ok(found.len()) && value_for(file, name) == Some(found)
}

/// Takes the mark away, for tidiness: under another name it says nothing.
pub(super) fn remove(file: &File) {
    let _ = fremovexattr(file, NAME);
}

fn value_for(file: &File, name: &OsStr) -> Option<[u8; VALUE_BYTES]> {
    let mut value = [0; VALUE_BYTES];
    let (inode, hash) = value.split_first_chunk_mut::<8>()?;
    *inode = file.metadata().ok()?.ino().to_le_bytes();
    hash.copy_from_slice(blake3::hash(name.as_bytes()).as_bytes().first_chunk::<16>()?);
    Some(value)
}
