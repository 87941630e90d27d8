//! Walks the whole tree and finds what is offered. Iterative, one folder open at a time; the limit
//! on the length of a path is the limit on depth.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, Stat, accessat, openat, statat};

use super::FILES_MAX;
use super::beneath::Beneath;
use crate::file_path::FilePath;
use crate::file_version::{FILE_BYTES_MAX, FileVersion};
use crate::uploads::PartId;

/// Most folders that are looked into. Each costs a watch of the kernel.
pub(crate) const FOLDERS_MAX: usize = 20_000;
/// What keeps an empty folder in a git repository is not offered.
const PLACEHOLDER: &str = ".gitkeep";

/// All files offered now. `on_folder` is told each folder (`None` is the root) before it is read, so a
/// watch set there misses nothing.
pub(super) fn scan(
    beneath: &Beneath,
    mut on_folder: impl FnMut(Option<&FilePath>, BorrowedFd<'_>),
) -> io::Result<BTreeMap<FilePath, FileVersion>> {
    let mut scan = Scan::default();
    let root = beneath.open_at(".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    on_folder(None, root.as_fd());
    scan.read_folder(None, &root)?;
    while let Some(folder) = scan.folders.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        // Gone meanwhile, or no permission: it offers nothing.
        let Ok(fd) = beneath.open_at(folder.as_str(), flags) else { continue };
        on_folder(Some(&folder), fd.as_fd());
        if let Err(error) = scan.read_folder(Some(&folder), &fd) {
            tracing::warn!(folder = ?folder.as_str(), %error, "cannot read a folder of the catalogue");
        }
    }
    scan.report();
    Ok(scan.files)
}

/// Whether a path may be in the list, whatever is there. The part of an upload never is.
pub(crate) fn is_offered(path: &FilePath) -> bool {
    path.base_name() != PLACEHOLDER && !PartId::is_part_of(path)
}

/// The version that a file has according to `stat`.
pub(super) fn version_of(stat: &Stat) -> FileVersion {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    FileVersion {
        size: u64::try_from(stat.st_size).unwrap_or(u64::MAX),
        modified_ns: stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanoseconds),
    }
}

#[derive(Default)]
struct Scan {
    files: BTreeMap<FilePath, FileVersion>,
    /// Found but not yet read.
    folders: Vec<FilePath>,
    folders_seen: usize,
    /// Left out for their name, e.g. not UTF-8 or too long.
    unnameable: usize,
    /// Left out because there are too many.
    beyond_limit: usize,
}

impl Scan {
    fn read_folder(&mut self, folder: Option<&FilePath>, fd: &OwnedFd) -> io::Result<()> {
        let listing = openat(fd, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        for entry in Dir::new(listing)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = name.to_str().ok().and_then(|name| below(folder, name));
            let Some(path) = path else {
                self.unnameable += 1;
                continue;
            };
            match entry.file_type() {
                FileType::Directory => self.add_folder(path),
                FileType::RegularFile | FileType::Unknown => self.add(fd, name, path),
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, folder: &OwnedFd, name: &std::ffi::CStr, path: FilePath) {
        // Gone meanwhile is as good as never there.
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.add_folder(path),
            FileType::RegularFile => {}
            _ => return,
        }
        let version = version_of(&stat);
        let readable = accessat(folder, name, Access::READ_OK, AtFlags::EACCESS).is_ok();
        if !readable || version.size > FILE_BYTES_MAX || !is_offered(&path) {
            return;
        }
        if self.files.len() >= FILES_MAX {
            self.beyond_limit += 1;
            return;
        }
        self.files.insert(path, version);
    }

    fn add_folder(&mut self, path: FilePath) {
        if self.folders_seen >= FOLDERS_MAX {
            self.beyond_limit += 1;
            return;
        }
        self.folders_seen += 1;
        self.folders.push(path);
    }

    fn report(&self) {
        let (unnameable, beyond_limit) = (self.unnameable, self.beyond_limit);
        if unnameable > 0 || beyond_limit > 0 {
            tracing::warn!(unnameable, beyond_limit, "some names of the folder are not listed");
        }
    }
}

/// The path of something in a folder, if it has one.
pub(super) fn below(folder: Option<&FilePath>, name: &str) -> Option<FilePath> {
    match folder {
        Some(folder) => folder.join(name).ok(),
        None => FilePath::parse(name).ok(),
    }
}
