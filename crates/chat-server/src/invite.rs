//! The link that people are invited with: where the server is reached and which key it has.

use std::net::{IpAddr, SocketAddr};

use common::invite_link::{HostPort, InviteLink};
use common::spki_pin::SpkiPin;

/// Further addresses in one link: it has to stay short enough to be passed on.
const ALTERNATIVES_MAX: usize = 8;

/// Makes the link of a server that listens on `listening`. Where that is a wildcard, the addresses of
/// the machine stand for it.
pub(crate) fn link(
    listening: &[SocketAddr],
    machine: &[IpAddr],
    pin: SpkiPin,
    server_name: &str,
) -> Option<InviteLink> {
    let mut addresses = Vec::new();
    for address in listening.iter().flat_map(|address| reachable(*address, machine)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let mut addresses = addresses
        .into_iter()
        .map(|address| HostPort { host: address.ip().to_string(), port: address.port() });
    Some(InviteLink {
        server: addresses.next()?,
        pin,
        server_name: server_name.to_owned(),
        alternatives: addresses.take(ALTERNATIVES_MAX).collect(),
        token: None,
    })
}

/// What others dial to reach a listening address: first what is furthest visible.
fn reachable(listening: SocketAddr, machine: &[IpAddr]) -> Vec<SocketAddr> {
    if !listening.ip().is_unspecified() {
        return vec![listening];
    }
    let mut addresses: Vec<IpAddr> = machine
        .iter()
        .copied()
        .filter(|ip| ip.is_ipv4() == listening.is_ipv4() && !is_link_local(*ip))
        .collect();
    addresses.sort_by_key(IpAddr::is_loopback);
    let others = addresses.iter().filter(|ip| !ip.is_loopback()).count();
    addresses.truncate(others.max(1));
    addresses.into_iter().map(|ip| SocketAddr::new(ip, listening.port())).collect()
}

/// Such an address means nothing without the name of an interface.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The addresses of this machine.
pub(crate) fn machine_addresses() -> Vec<IpAddr> {
    if_addrs::get_if_addrs()
        .inspect_err(|error| tracing::warn!(%error, "cannot list the machine's addresses"))
        .map(|interfaces| interfaces.iter().map(if_addrs::Interface::ip).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: [&str; 5] = ["127.0.0.1", "10.0.0.7", "::1", "fe80::1", "fd00::7"];

    #[track_caller]
    fn check(listening: &[&str], machine: &[&str], expected: &[&str]) {
        let listening: Vec<_> = listening.iter().map(|text| text.parse().unwrap()).collect();
        let machine: Vec<_> = machine.iter().map(|text| text.parse().unwrap()).collect();
        let found: Vec<String> = link(&listening, &machine, SpkiPin([0; 32]), "lab")
            .into_iter()
            .flat_map(|link| std::iter::once(link.server).chain(link.alternatives))
            .map(|address| address.to_string())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn addresses_that_are_listened_on_stand_as_they_are() {
        check(&["127.0.0.1:5050", "[::1]:5050"], &MACHINE, &["127.0.0.1:5050", "[::1]:5050"]);
    }

    #[test]
    fn a_wildcard_stands_for_what_others_can_reach() {
        check(&["0.0.0.0:7", "[::]:7"], &MACHINE, &["10.0.0.7:7", "[fd00::7]:7"]);
    }

    #[test]
    fn a_machine_alone_is_reached_by_itself() {
        check(&["0.0.0.0:7"], &["127.0.0.1"], &["127.0.0.1:7"]);
    }
}
