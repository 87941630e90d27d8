//! Sockets that whoever starts the server made for it (socket activation, sd_listen_fds(3)): it then listens on
//! those and on nothing else.
//!
//! Each must listen on TCP. Beside each belongs one for UDP under the same address, which the server makes if
//! it was not passed. That is the rule under systemd: its sockets are root's, and only sockets of one user may
//! share a port, as those of the transfers do.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Pair, SocketError, bind_udp};

/// The first socket has this number.
const FIRST_NUMBER: usize = 3;

/// What they are called, with colons between.
const NAMES_VARIABLE: &str = "LISTEN_FDNAMES";

/// Why what was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketError {
    /// No socket, or one of another kind.
    #[error("{which} is no socket for TCP or UDP")]
    Kind {
        /// Which one.
        which: String,
    },
    /// A TCP socket that is no listener.
    #[error(
        "{which} is a socket for TCP that does not listen: `ListenStream=` and `Accept=no` are needed"
    )]
    NoListener {
        /// Which one.
        which: String,
    },
    /// One socket for two families: addresses of IPv4 would not be known as what they are.
    #[error(
        "{which} takes IPv4 as well: say `BindIPv6Only=ipv6-only`, and pass one for 0.0.0.0 beside it"
    )]
    BothFamilies {
        /// Which one.
        which: String,
    },
    /// Nobody could log in.
    #[error("{which} is for UDP, and there is none for TCP under {address}")]
    NoTcp {
        /// Which one.
        which: String,
        /// Its address.
        address: SocketAddr,
    },
    /// Transfers could have no socket of their own.
    #[error(
        "{which} is for UDP and of another user, who alone could share its port: do not pass it, the server makes its own"
    )]
    NotOurs {
        /// Which one.
        which: String,
    },
    /// The system's word.
    #[error("{which}: {error}")]
    System {
        /// Which one.
        which: String,
        /// What it says.
        error: io::Error,
    },
}

/// What was passed, fit to be used.
#[derive(Debug)]
pub struct PassedSockets(Vec<Passed>);

#[derive(Debug)]
struct Passed {
    tcp: TcpListener,
    udp: Option<UdpSocket>,
    address: SocketAddr,
}

impl PassedSockets {
    /// What this process was given, if anything. To be called once, before there is a second thread: the
    /// environment forgets it, so that no program that this one starts takes it for its own.
    ///
    /// # Errors
    /// The first one that does not fit.
    pub fn take() -> Result<Option<Self>, PassedSocketError> {
        let names = std::env::var(NAMES_VARIABLE).unwrap_or_default();
        let mut names = names.split(':');
        let mut given = ListenFd::from_env();
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        for index in 0..given.len() {
            let which = which(index, names.next());
            match taken(&mut given, index) {
                Some(Given::Tcp(socket)) => tcp.push(listener(which, socket)?),
                Some(Given::Udp(socket)) => udp.push((which, socket)),
                None => return Err(PassedSocketError::Kind { which }),
            }
        }
        for (which, socket) in udp {
            put_beside(&mut tcp, which, socket)?;
        }
        Ok((!tcp.is_empty()).then_some(Self(tcp)))
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|passed| passed.address).collect()
    }

    /// Both sockets of each address.
    ///
    /// # Errors
    /// Where one for UDP was not passed and cannot be made.
    pub(crate) fn into_pairs(self) -> Result<Vec<Pair>, SocketError> {
        let pair = |Passed { tcp, udp, address }| {
            let failed = |error| SocketError::Bind { address, protocol: "UDP", error };
            let udp = udp.map_or_else(|| bind_udp(address), Ok).map_err(failed)?;
            Ok(Pair { tcp, udp, address })
        };
        self.0.into_iter().map(pair).collect()
    }
}

enum Given {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

fn taken(given: &mut ListenFd, index: usize) -> Option<Given> {
    if let Ok(Some(socket)) = given.take_tcp_listener(index) {
        return Some(Given::Tcp(socket));
    }
    given.take_udp_socket(index).ok().flatten().map(Given::Udp)
}

/// What a socket is called in a sentence.
fn which(index: usize, name: Option<&str>) -> String {
    let number = FIRST_NUMBER + index;
    match name {
        None | Some("" | "unknown") => format!("the socket passed as {number}"),
        Some(name) => format!("the socket passed as {number} ({})", name.escape_debug()),
    }
}

fn listener(which: String, tcp: TcpListener) -> Result<Passed, PassedSocketError> {
    let look = || -> io::Result<_> {
        let socket = SockRef::from(&tcp);
        let address = tcp.local_addr()?;
        let is_wildcard = address.is_ipv6() && address.ip().is_unspecified();
        tcp.set_nonblocking(true)?;
        Ok((address, socket.is_listener()?, is_wildcard && !socket.only_v6()?))
    };
    match look() {
        Ok((address, true, false)) => Ok(Passed { tcp, udp: None, address }),
        Ok((_, false, _)) => Err(PassedSocketError::NoListener { which }),
        Ok((_, true, true)) => Err(PassedSocketError::BothFamilies { which }),
        Err(error) => Err(PassedSocketError::System { which, error }),
    }
}

/// Beside the TCP socket of its address.
fn put_beside(tcp: &mut [Passed], which: String, udp: UdpSocket) -> Result<(), PassedSocketError> {
    let address = match udp.local_addr().and_then(|address| Ok((address, share(&udp)?))) {
        Ok((address, ())) => address,
        Err(error) => return Err(PassedSocketError::System { which, error }),
    };
    let place = tcp.iter_mut().find(|it| it.address == address && it.udp.is_none());
    let Some(place) = place else { return Err(PassedSocketError::NoTcp { which, address }) };
    if second(address).is_err() {
        return Err(PassedSocketError::NotOurs { which });
    }
    place.udp = Some(udp);
    Ok(())
}

/// As those that the server makes are.
fn share(udp: &UdpSocket) -> io::Result<()> {
    udp.set_nonblocking(false)?;
    SockRef::from(udp).set_reuse_port(true)
}

/// Another one on the same port, as each transfer has.
fn second(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    super::keep_families_apart(&socket, address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
