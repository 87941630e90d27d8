//! Unix sockets that only the server's own user and root may use.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Listens there. A socket that an earlier run left behind is replaced; anything else in its place is not.
/// To be called within a runtime.
///
/// # Errors
/// The system's word.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    if is_left_behind(path) {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// The same in a folder, however long its path is: addresses of Unix sockets are short. For the owner alone.
///
/// # Errors
/// The system's word.
pub(crate) fn listen_in(folder: &Path, name: &str) -> io::Result<UnixListener> {
    let (_opened, path) = short_path(folder, name)?;
    let listener = listen(&path)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a socket in a folder.
///
/// # Errors
/// The system's word.
pub(crate) fn connect_in(folder: &Path, name: &str) -> io::Result<std::os::unix::net::UnixStream> {
    let (_opened, path) = short_path(folder, name)?;
    std::os::unix::net::UnixStream::connect(path)
}

/// The user of the server, and root.
///
/// # Errors
/// The system does not say who it is.
pub(crate) fn is_of_the_operator(stream: &UnixStream) -> io::Result<bool> {
    let user = stream.peer_cred()?.uid();
    Ok(user == 0 || user == rustix::process::geteuid().as_raw())
}

/// Good while the folder is open.
fn short_path(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let opened = File::open(folder)?;
    let path = format!("/proc/self/fd/{}/{name}", opened.as_raw_fd()).into();
    Ok((opened, path))
}

/// Whether a socket is there that nobody listens on.
fn is_left_behind(path: &Path) -> bool {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = || std::os::unix::net::UnixStream::connect(path).err();
    is_socket && refused().is_some_and(|it| it.kind() == io::ErrorKind::ConnectionRefused)
}
