//! Making UDP sockets: the front door's, one of its own for each confirmed session, the client's.
//!
//! Every one gets large kernel buffers and forbids fragmentation, so that the path's true packet
//! size shows; [`DatagramIo`](super::datagram_io::DatagramIo) then sends and receives on it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_send_buffer_size,
    set_socket_send_buffer_size_force,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Bytes asked for as kernel buffer, each way. The usual default of 208 KiB holds 92 datagrams,
/// less than one millisecond at 1 Gbit/s; the kernel grants what `net.core.rmem_max` allows.
const SOCKET_BUFFER_BYTES: usize = 8 << 20;

/// Part of the receive buffer that may be filled: the kernel books a datagram at up to twice its
/// length and reports twice what it was asked for.
const RECEIVE_BUFFER_SHARE: usize = 4;

/// Binds a socket for a front door. Its sessions share address and port with it.
///
/// # Errors
/// The kernel's: address in use, not of this machine, not permitted.
pub fn bind_listener(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = new_socket(address)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` may both be listened on.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Prepares a socket that somebody else has bound, so that sessions may share its port.
pub(crate) fn prepare_listener(socket: &UdpSocket) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_reuse_port(true)?;
    grow_buffers(&socket);
    Ok(())
}

/// A socket on the listener's port that takes datagrams of `peer` alone.
///
/// Between its `bind` and its `connect` it also catches what others send to the port: the caller
/// reads it empty once and gives the front door what is not the peer's.
///
/// `local_ip` is the address the peer wrote to; a listener on all addresses would otherwise
/// answer from whichever one the routing prefers.
pub(crate) fn open_session_socket(
    listener: &UdpSocket,
    local_ip: Option<IpAddr>,
    peer: SocketAddr,
) -> io::Result<UdpSocket> {
    let mut local = listener.local_addr()?;
    if let (true, Some(ip)) = (local.ip().is_unspecified(), local_ip) {
        local.set_ip(ip);
    }
    if let (SocketAddr::V6(local), SocketAddr::V6(peer)) = (&mut local, peer) {
        // A link-local address means nothing without the interface.
        local.set_scope_id(peer.scope_id());
    }
    let socket = new_socket(local)?;
    if local.is_ipv6() {
        socket.set_only_v6(SockRef::from(listener).only_v6()?)?;
    }
    socket.set_reuse_port(true)?;
    socket.bind(&local.into())?;
    socket.connect(&peer.into())?;
    Ok(socket.into())
}

/// A socket of a client, on any free port, that takes datagrams of `node` alone.
pub(crate) fn open_client_socket(node: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match node {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = new_socket(node)?;
    socket.bind(&any.into())?;
    socket.connect(&node.into())?;
    Ok(socket.into())
}

/// The address from which this machine reaches `node` now. Sends nothing.
pub(crate) fn local_address_towards(node: SocketAddr) -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::for_address(node), Type::DGRAM, Some(Protocol::UDP))?;
    socket.connect(&node.into())?;
    UdpSocket::from(socket).local_addr()
}

/// Bytes that may wait in this socket's receive buffer without loss, by what the kernel granted.
pub(crate) fn receive_window(socket: &UdpSocket) -> u64 {
    let granted = SockRef::from(socket).recv_buffer_size().unwrap_or(0);
    (granted / RECEIVE_BUFFER_SHARE) as u64
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    grow_buffers(&socket);
    Ok(socket)
}

/// Asks for large buffers, beyond the system's limit where this process may. Granting less is no error:
/// the window follows what is read back.
fn grow_buffers(socket: &Socket) {
    let receive = set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER_BYTES)
        .or_else(|_| set_socket_recv_buffer_size(socket, SOCKET_BUFFER_BYTES));
    let send = set_socket_send_buffer_size_force(socket, SOCKET_BUFFER_BYTES)
        .or_else(|_| set_socket_send_buffer_size(socket, SOCKET_BUFFER_BYTES));
    if let Err(error) = receive.and(send) {
        tracing::debug!(%error, "the kernel refuses larger UDP buffers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn session_on(listener: &UdpSocket, peer: SocketAddr) -> UdpSocket {
        open_session_socket(listener, None, peer).unwrap()
    }

    #[test]
    fn a_session_takes_its_peers_datagrams_and_the_listener_everybody_elses() {
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        prepare_listener(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        let ((ours, our_address), (stranger, _)) = (peer(), peer());
        let session = session_on(&listener, our_address);

        stranger.send_to(b"stranger", address).unwrap();
        ours.send_to(b"ours", address).unwrap();

        let mut buffer = [0; 16];
        let bytes = session.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..bytes], b"ours");
        let bytes = listener.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..bytes], b"stranger");
    }

    #[test]
    fn a_session_answers_from_the_listeners_port() {
        let listener = bind_listener("[::1]:0".parse().unwrap()).unwrap();
        prepare_listener(&listener).unwrap();
        let ours = UdpSocket::bind("[::1]:0").unwrap();
        let session = session_on(&listener, ours.local_addr().unwrap());
        session.send(b"x").unwrap();
        let (_, from) = ours.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(from, listener.local_addr().unwrap());
    }

    #[test]
    fn a_session_of_a_wildcard_listener_answers_from_the_address_written_to() {
        let listener = bind_listener("0.0.0.0:0".parse().unwrap()).unwrap();
        prepare_listener(&listener).unwrap();
        let written_to = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let (ours, our_address) = peer();
        let session = open_session_socket(&listener, Some(written_to), our_address).unwrap();
        session.send(b"x").unwrap();
        let (_, from) = ours.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(from.ip(), written_to);
    }

    #[test]
    fn the_way_to_a_node_leaves_from_one_address() {
        let (_node, node) = peer();
        let client = open_client_socket(node).unwrap();
        let (here, now) = (client.local_addr().unwrap(), local_address_towards(node).unwrap());
        assert_eq!(here.ip(), now.ip());
        assert_ne!(here.port(), now.port());
    }

    #[test]
    fn the_window_follows_what_the_kernel_granted() {
        let (socket, _) = peer();
        SockRef::from(&socket).set_recv_buffer_size(64 << 10).unwrap();
        assert_eq!(receive_window(&socket), (128 << 10) / 4);
    }
}
