//! Opening what lies beneath a folder, and nothing else, whatever others do to the tree meanwhile.
//!
//! Linux resolves the whole path in one step (`openat2`, since 5.6) and refuses symbolic links and
//! ways out. Where that call is missing or filtered, the path is walked part by part with
//! `O_NOFOLLOW`, which refuses the same: a [`FilePath`](crate::file_path::FilePath) has no `..`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, accessat, fsync, mkdirat, openat, openat2,
    unlinkat,
};
use rustix::io::Errno;

/// How often a lookup is repeated that lost a race against a rename.
const RACES_MAX: usize = 32;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NONBLOCK);

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

    /// Opens as much of the folder `path` below as there is; gives also which part of `path` that is,
    /// empty for the folder itself. What is there and is no folder, a link to one too, is refused.
    pub(crate) fn deepest_folder<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str), Errno> {
        let (mut folder, mut found) = (self.open_at(".", FOLDER)?, "");
        for way in ways_down(path) {
            match self.open_at(way, FOLDER) {
                Ok(deeper) => (folder, found) = (deeper, way),
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok((folder, found))
    }

    /// Opens the folder `path` below, and makes what is missing of it (mode 0755 less umask), each one
    /// safely on disk. What is there and is no folder, a link to one too, is refused; nothing is made
    /// then.
    pub(crate) fn make_folder(&self, path: &str) -> Result<MadeFolder, Errno> {
        let mut made =
            MadeFolder { folder: Arc::new(self.open_at(".", FOLDER)?), made: Vec::new() };
        let result = ways_down(path).try_for_each(|way| self.step_into(way, &mut made));
        if let Err(errno) = result {
            made.unmake();
            return Err(errno);
        }
        Ok(made)
    }

    fn step_into(&self, way: &str, made: &mut MadeFolder) -> Result<(), Errno> {
        let name = way.rsplit('/').next().unwrap_or(way);
        let deeper = match self.open_at(way, FOLDER) {
            Err(Errno::NOENT) => {
                // Made in the folder that is held open; whoever is quicker is as good.
                match mkdirat(&made.folder, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) => made.made.push((Arc::clone(&made.folder), name.to_owned())),
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                fsync(&made.folder)?;
                self.open_at(way, FOLDER)?
            }
            result => result?,
        };
        made.folder = Arc::new(deeper);
        Ok(())
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

/// A folder that [`Beneath::make_folder`] opened, and what it made for it.
#[derive(Debug)]
pub(crate) struct MadeFolder {
    folder: Arc<OwnedFd>,
    /// In which folder each one was made, and its name; the uppermost first.
    made: Vec<(Arc<OwnedFd>, String)>,
}

impl MadeFolder {
    /// The folder itself.
    pub(crate) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// Removes what was made for it, as far as there is nothing in it.
    pub(crate) fn unmake(self) {
        for (parent, name) in self.made.iter().rev() {
            if unlinkat(parent, name, AtFlags::REMOVEDIR).is_err() {
                break;
            }
        }
    }
}

/// `a`, `a/b`, `a/b/c` for `a/b/c`.
fn ways_down(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.filter(|end| *end > 0).filter_map(|end| path.get(..end))
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
    use std::os::unix::fs::{MetadataExt, symlink};

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
        for (way, name) in [(beneath.way, "one"), (Way::PartByPart, "two")] {
            beneath.way = way;
            assert!(beneath.make_folder("").is_ok(), "{way:?}");
            assert!(beneath.make_folder(&format!("sub/{name}/deep")).is_ok(), "{way:?}");
            assert!(root.join("sub").join(name).join("deep").is_dir());
            assert!(beneath.make_folder("link/x").is_err(), "{way:?}");
            assert!(beneath.make_folder("file").is_err(), "{way:?}");
            let made = beneath.make_folder(&format!("sub/{name}/deep/er")).unwrap();
            made.unmake();
            assert!(root.join("sub").join(name).join("deep").is_dir(), "was there before");
            assert!(!root.join("sub").join(name).join("deep/er").exists(), "{way:?}");
            let too_long = format!("new/folder/{}", "x".repeat(256));
            assert_eq!(beneath.make_folder(&too_long).map(drop), Err(Errno::NAMETOOLONG));
            assert!(!root.join("new").exists(), "{way:?}: what was made for nothing is gone");
        }
        assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
    }

    #[track_caller]
    fn check_deepest(path: &str, expected: Result<&str, Errno>) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
        fs::write(dir.path().join("sub/file"), "f").unwrap();
        symlink("sub", dir.path().join("link")).unwrap();
        let mut beneath = Beneath::open(dir.path()).unwrap();
        for way in [beneath.way, Way::PartByPart] {
            beneath.way = way;
            assert!(beneath.deepest_folder("link/new").is_err(), "{way:?}");
            let found = beneath.deepest_folder(path);
            assert_eq!(found.as_ref().map(|(_, way)| *way).map_err(|e| *e), expected, "{way:?}");
            if let Ok((folder, way)) = found {
                let inode = fs::metadata(dir.path().join(way)).unwrap().ino();
                assert_eq!(rustix::fs::fstat(folder).unwrap().st_ino, inode);
            }
        }
    }

    #[test]
    fn as_much_of_a_folder_as_there_is() {
        check_deepest("", Ok(""));
        check_deepest("sub/deep", Ok("sub/deep"));
        check_deepest("sub/deep/new/er", Ok("sub/deep"));
        check_deepest("new", Ok(""));
        check_deepest("sub/file/new", Err(Errno::NOTDIR));
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
