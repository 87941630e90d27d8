//! The sockets of the server: for each address one for TCP and one for UDP, under the same port. Those that it
//! was given are [`passed`].

pub mod passed;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Listen;

/// Connections that the system keeps for us until they are accepted: a classroom that starts at once.
const BACKLOG: i32 = 1024;

/// How often a port that is free for TCP may turn out to be taken for UDP.
const FREE_PORT_TRIES: usize = 64;

/// Both sockets of one address.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) tcp: TcpListener,
    pub(crate) udp: UdpSocket,
    pub(crate) address: SocketAddr,
}

/// Why there are no sockets.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It is taken, or not an address of this machine.
    #[error("cannot listen on {address} ({protocol}): {error}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// For what.
        protocol: &'static str,
        /// The system's word.
        error: io::Error,
    },
    /// Nothing to listen on is left.
    #[error("this machine has neither 127.0.0.1 nor [::1]: use --listen")]
    NoAddress,
}

/// Binds everything, or nothing. All addresses with port 0 get the same port.
pub(crate) fn bind_all(listens: &[Listen]) -> Result<Vec<Pair>, SocketError> {
    let any_port = listens.iter().any(|listen| listen.address.port() == 0);
    let mut tries = if any_port { FREE_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match try_bind_all(listens) {
            Ok(pairs) if pairs.is_empty() => return Err(SocketError::NoAddress),
            Err(SocketError::Bind { error, .. }) if is_taken(&error) && tries > 0 => {}
            result => return result,
        }
    }
}

fn try_bind_all(listens: &[Listen]) -> Result<Vec<Pair>, SocketError> {
    let mut free_port = 0;
    let mut pairs = Vec::new();
    for listen in listens {
        let mut address = listen.address;
        if address.port() == 0 {
            address.set_port(free_port);
        }
        match bind(address) {
            Ok(pair) => {
                if listen.address.port() == 0 {
                    free_port = pair.address.port();
                }
                pairs.push(pair);
            }
            Err(SocketError::Bind { error, .. }) if listen.may_be_absent && is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(pairs)
}

fn bind(address: SocketAddr) -> Result<Pair, SocketError> {
    let failed = |address, protocol| move |error| SocketError::Bind { address, protocol, error };
    let (tcp, address) = bind_tcp(address).map_err(failed(address, "TCP"))?;
    let udp = bind_udp(address).map_err(failed(address, "UDP"))?;
    Ok(Pair { tcp, udp, address })
}

fn bind_tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server takes its port again although old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    keep_families_apart(&socket, address)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    keep_families_apart(&socket, address)?;
    // Bound once without sharing, so that somebody else's socket on this port is found; then each
    // transfer may have one of its own on it.
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    Ok(socket.into())
}

/// `[::]` is IPv6 alone, so that `0.0.0.0` can be listened on beside it on every machine alike.
fn keep_families_apart(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn is_absent(error: &io::Error) -> bool {
    let no_ipv6 = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    no_ipv6 || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> Listen {
        Listen { address: SocketAddr::from(([127, 0, 0, 1], port)), may_be_absent: false }
    }

    #[test]
    fn port_zero_is_one_free_port_for_tcp_and_udp() {
        let second = Listen { address: "127.0.0.2:0".parse().unwrap(), may_be_absent: false };
        let pairs = bind_all(&[loopback(0), second]).unwrap();
        let port = pairs[0].address.port();
        assert_ne!(port, 0);
        for pair in &pairs {
            assert_eq!(pair.tcp.local_addr().unwrap().port(), port);
            assert_eq!(pair.udp.local_addr().unwrap().port(), port);
        }
    }

    #[test]
    fn a_port_taken_for_either_protocol_is_an_error() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = bind_all(&[loopback(tcp.local_addr().unwrap().port())]).unwrap_err();
        assert!(matches!(taken, SocketError::Bind { protocol: "TCP", .. }), "{taken}");
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = bind_all(&[loopback(udp.local_addr().unwrap().port())]).unwrap_err();
        assert!(matches!(taken, SocketError::Bind { protocol: "UDP", .. }), "{taken}");
    }
}
