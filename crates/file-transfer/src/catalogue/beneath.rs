//! Opening what lies beneath a folder, and nothing else, whatever others do to the tree meanwhile.
//!
//! Linux resolves the whole path in one step (`openat2`, since 5.6) and refuses symbolic links and
//! ways out. Where that call is missing or filtered, the path is walked part by part with
//! `O_NOFOLLOW`, which refuses the same: a [`FilePath`](crate::file_path::FilePath) has no `..`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, accessat, mkdirat, openat, openat2,
};
use rustix::io::Errno;

/// How often a lookup is repeated that lost a race against a rename.
const RACES_MAX: usize = 32;

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A folder, held open: moving or replacing it by name changes nothing here.
#[derive(Debug)]
pub(crate) struct Beneath {
    root: OwnedFd,
    way: Way,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    OneStep,
    PartByPart,
}

impl Beneath {
    /// Opens the folder; links in the way *to* it are the administrator's and are followed.
    pub(crate) fn open(folder: &Path) -> io::Result<Beneath> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, folder, flags, Mode::empty())?;
        let way = match openat2(&root, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), RESOLVE)
        {
            Ok(_) => Way::OneStep,
            // Missing, or refused by the sandbox of an old container.
            Err(Errno::NOSYS | Errno::PERM) => Way::PartByPart,
            Err(errno) => return Err(errno.into()),
        };
        Ok(Beneath { root, way })
    }

    /// Opens `path`, relative to the folder; empty or `.` is the folder itself.
    pub(crate) fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match self.way {
            Way::OneStep => self.open_in_one_step(path, flags),
            Way::PartByPart => self.open_part_by_part(path, flags),
        }
    }

    /// Opens the folder `path` below, and makes what is missing of it (mode 0755 less umask). What is
    /// there and is no folder, a link to one too, is refused.
    pub(crate) fn make_folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let mut folder = self.open_at(".", flags)?;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends.filter(|end| *end > 0) {
            let way = path.get(..end).unwrap_or_default();
            let name = way.rsplit('/').next().unwrap_or(way);
            folder = match self.open_at(way, flags) {
                Err(Errno::NOENT) => {
                    // Made in the folder that is held open; whoever is quicker is as good.
                    match mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => self.open_at(way, flags)?,
                        Err(errno) => return Err(errno),
                    }
                }
                result => result?,
            };
        }
        Ok(folder)
    }

    fn open_in_one_step(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut result = Err(Errno::AGAIN);
        for _ in 0..RACES_MAX {
            result = openat2(&self.root, path, flags, Mode::empty(), RESOLVE);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    fn open_part_by_part(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let (folders, last) = path.rsplit_once('/').unwrap_or(("", path));
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at = openat(&self.root, ".", step, Mode::empty())?;
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            if part == ".." {
                return Err(Errno::XDEV);
            }
            at = openat(&at, part, step, Mode::empty())?;
        }
        if last == ".." {
            return Err(Errno::XDEV);
        }
        openat(&at, last, flags | OFlags::NOFOLLOW, Mode::empty())
    }
}

/// Whether this process may read what an `O_PATH` descriptor stands for.
pub(super) fn is_readable(fd: &impl AsFd) -> bool {
    let fd = fd.as_fd();
    // The descriptor's own entry is a magic link to exactly that file. Where /proc is missing,
    // opening tells later.
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    !matches!(accessat(CWD, link, Access::READ_OK, AtFlags::EACCESS), Err(Errno::ACCESS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

    #[track_caller]
    fn check(path: &str, expected: Result<(), Errno>) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        fs::write(root.join("file"), "f").unwrap();
        fs::write(root.join("sub/deep/file"), "f").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("file", root.join("inside")).unwrap();
        symlink("..", root.join("parent")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let mut beneath = Beneath::open(&root).unwrap();
        for way in [beneath.way, Way::PartByPart] {
            beneath.way = way;
            assert_eq!(beneath.open_at(path, READ).map(drop), expected, "{way:?}");
        }
    }

    #[test]
    fn files_below_are_opened() {
        check("file", Ok(()));
        check("sub/deep/file", Ok(()));
        check("sub", Ok(()));
    }

    #[test]
    fn links_are_refused_wherever_they_lead() {
        check("out", Err(Errno::LOOP));
        check("inside", Err(Errno::LOOP));
        check("loop", Err(Errno::LOOP));
    }

    #[test]
    fn links_are_refused_in_the_middle_too() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        symlink("..", root.join("parent")).unwrap();
        let mut beneath = Beneath::open(&root).unwrap();
        assert_eq!(beneath.open_at("parent/secret", READ).map(drop), Err(Errno::LOOP));
        beneath.way = Way::PartByPart;
        assert_eq!(beneath.open_at("parent/secret", READ).map(drop), Err(Errno::NOTDIR));
    }

    #[test]
    fn folders_are_made_where_they_are_missing_and_never_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(root.join("file"), "f").unwrap();
        symlink("../outside", root.join("link")).unwrap();
        let mut beneath = Beneath::open(&root).unwrap();
        for (way, made) in [(beneath.way, "one"), (Way::PartByPart, "two")] {
            beneath.way = way;
            assert!(beneath.make_folder("").is_ok(), "{way:?}");
            assert!(beneath.make_folder(&format!("sub/{made}/deep")).is_ok(), "{way:?}");
            assert!(root.join("sub").join(made).join("deep").is_dir());
            assert!(beneath.make_folder("link/x").is_err(), "{way:?}");
            assert!(beneath.make_folder("file").is_err(), "{way:?}");
        }
        assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
    }

    #[test]
    fn ways_out_are_refused() {
        check("..", Err(Errno::XDEV));
        check("sub/../../secret", Err(Errno::XDEV));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        check("nothing", Err(Errno::NOENT));
        check("sub/nothing", Err(Errno::NOENT));
    }
}
