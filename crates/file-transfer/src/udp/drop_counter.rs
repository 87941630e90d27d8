//! How many datagrams the kernel has dropped because a socket's receive buffer was full.
//!
//! The count stands in the last column of `/proc/net/udp` and `/proc/net/udp6` (proc_net(5)), in the line
//! with the socket's inode.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;

use rustix::fs::fstat;

/// Column of the inode, counted from 0, and that of the drops.
const INODE_COLUMN: usize = 9;
const DROPS_COLUMN: usize = 12;

/// Reads the count of one socket.
#[derive(Debug)]
pub(crate) struct DropCounter {
    table: &'static str,
    inode: String,
}

impl DropCounter {
    /// For `socket`; `None` if it cannot be told from others.
    pub(crate) fn of(socket: &UdpSocket) -> Option<Self> {
        let is_v6 = socket.local_addr().ok()?.is_ipv6();
        let table = if is_v6 { "/proc/net/udp6" } else { "/proc/net/udp" };
        let inode = fstat(socket).ok()?.st_ino.to_string();
        Some(Self { table, inode })
    }

    /// The count since the socket was made; `None` if the kernel does not tell.
    pub(crate) fn read(&self) -> Option<u64> {
        let lines = BufReader::new(File::open(self.table).ok()?).lines();
        lines.map_while(Result::ok).find_map(|line| drops_in(&line, &self.inode))
    }
}

/// The drops that a line of the table tells, if it is that of `inode`.
fn drops_in(line: &str, inode: &str) -> Option<u64> {
    let mut columns = line.split_ascii_whitespace();
    if columns.nth(INODE_COLUMN)? != inode {
        return None;
    }
    columns.nth(DROPS_COLUMN - INODE_COLUMN - 1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = " 3431: 0100007F:8997 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                        0        0 4158778 2 00000000109ad6c8 17";

    #[test]
    fn the_line_of_the_inode_tells() {
        assert_eq!(drops_in(LINE, "4158778"), Some(17));
        assert_eq!(drops_in(LINE, "4158"), None);
        assert_eq!(drops_in("sl local_address", "4158778"), None);
        assert_eq!(drops_in("", "4158778"), None);
    }

    #[track_caller]
    fn check_drops_are_counted(address: &str) {
        let socket = UdpSocket::bind(address).unwrap();
        let sender = UdpSocket::bind(address).unwrap();
        let counter = DropCounter::of(&socket).unwrap();
        assert_eq!(counter.read(), Some(0));
        // More than any buffer of a socket that nobody enlarged holds.
        for _ in 0..1_000 {
            sender.send_to(&[0; 9_000], socket.local_addr().unwrap()).unwrap();
        }
        assert!(counter.read().unwrap() > 0);
    }

    #[test]
    fn what_the_kernel_drops_is_counted() {
        check_drops_are_counted("127.0.0.1:0");
        check_drops_are_counted("[::1]:0");
    }
}
