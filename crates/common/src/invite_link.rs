//! Invite links: everything a client needs to reach one server and know it again.
//!
//! `simplechat://host[:port]/?fp=PIN&name=SERVER-NAME[&at=host:port…][&inv=TOKEN]`, a URI (RFC 3986)
//! whose query is form-encoded. Unknown keys are ignored, so that links may grow.

use std::fmt;
use std::str::FromStr;

use crate::invite_token::{InviteToken, NoInviteToken};
use crate::limits::PORT_DEFAULT;
use crate::spki_pin::{SpkiPin, SpkiPinError};

const SCHEME: &str = "simplechat://";

/// Longest link that is looked at: room for some twenty addresses.
const LINK_BYTES_MAX: usize = 4096;

/// Longest host name (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// A host name or address and a port. IPv6 addresses are written in brackets.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HostPort {
    /// Name, IPv4 or IPv6 address, without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// What a server prints when it starts, and what people pass on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InviteLink {
    /// Where to dial first.
    pub server: HostPort,
    /// The key to find there.
    pub pin: SpkiPin,
    /// What the server calls itself; may be empty.
    pub server_name: String,
    /// Further addresses of the same server.
    pub alternatives: Vec<HostPort>,
    /// Opens the server to who is invited, where it is not open to everybody.
    pub token: Option<InviteToken>,
}

/// A text that is no address or no invite link.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InviteLinkError {
    /// Another scheme, or none.
    #[error("an invite link starts with {SCHEME}")]
    Scheme,
    /// Host or port.
    #[error("“{0}” is no address; expected HOST or HOST:PORT")]
    Address(String),
    /// The fingerprint is missing.
    #[error("the link has no fingerprint (fp=…)")]
    PinMissing,
    /// The fingerprint is malformed.
    #[error("the link's fingerprint: {0}")]
    Pin(#[from] SpkiPinError),
    /// The invite token is malformed.
    #[error("the link's invite (inv=…): {0}")]
    Token(#[from] NoInviteToken),
    /// Longer than any link needs to be.
    #[error("a link of {0} bytes; at most {LINK_BYTES_MAX} are allowed")]
    TooLong(usize),
}

impl HostPort {
    fn split(text: &str) -> Option<(&str, Option<&str>)> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let (host, rest) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            return match rest {
                "" => Some((host, None)),
                _ => Some((host, Some(rest.strip_prefix(':')?))),
            };
        }
        let is_bare_ipv6 = text.parse::<std::net::Ipv6Addr>().is_ok();
        match text.rsplit_once(':') {
            Some((host, port)) if !is_bare_ipv6 => Some((host, Some(port))),
            _ => Some((text, None)),
        }
    }
}

fn is_host(text: &str) -> bool {
    let is_name = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    !text.is_empty() && text.len() <= HOST_BYTES_MAX && (is_name || is_address)
}

impl FromStr for HostPort {
    type Err = InviteLinkError;

    fn from_str(text: &str) -> Result<Self, InviteLinkError> {
        let malformed = || InviteLinkError::Address(text.to_owned());
        let (host, port) = Self::split(text).ok_or_else(malformed)?;
        let port = match port {
            None => PORT_DEFAULT,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| malformed())?
            }
            Some(_) => return Err(malformed()),
        };
        if port == 0 || !is_host(host) {
            return Err(malformed());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for InviteLink {
    type Err = InviteLinkError;

    fn from_str(text: &str) -> Result<Self, InviteLinkError> {
        if text.len() > LINK_BYTES_MAX {
            return Err(InviteLinkError::TooLong(text.len()));
        }
        let scheme = text.get(..SCHEME.len()).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(InviteLinkError::Scheme);
        }
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let server = authority.strip_suffix('/').unwrap_or(authority).parse()?;
        Self::from_parts(server, query)
    }
}

impl InviteLink {
    fn from_parts(server: HostPort, query: &str) -> Result<Self, InviteLinkError> {
        let mut pin = None;
        let mut server_name = String::new();
        let mut alternatives = Vec::new();
        let mut token = None;
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "fp" => pin = Some(value.parse()?),
                "name" => server_name = value.into_owned(),
                "at" => alternatives.push(value.parse()?),
                "inv" => token = Some(value.parse()?),
                _ => {}
            }
        }
        let pin = pin.ok_or(InviteLinkError::PinMissing)?;
        Ok(Self { server, pin, server_name, alternatives, token })
    }
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("fp", &self.pin.to_string()).append_pair("name", &self.server_name);
        for address in &self.alternatives {
            query.append_pair("at", &address.to_string());
        }
        if let Some(token) = &self.token {
            query.append_pair("inv", &token.to_string());
        }
        write!(f, "{SCHEME}{}/?{}", self.server, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

    #[track_caller]
    fn check_address(text: &str, host: &str, port: u16) {
        assert_eq!(text.parse(), Ok(HostPort { host: host.into(), port }), "{text}");
    }

    #[test]
    fn addresses_have_a_default_port() {
        check_address("localhost", "localhost", 5050);
        check_address("10.0.0.1:80", "10.0.0.1", 80);
        check_address("[::1]:6000", "::1", 6000);
        check_address("[::1]", "::1", 5050);
        check_address("fd00::1", "fd00::1", 5050);
        check_address("bücher.example:1", "bücher.example", 1);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "", ":1", "a:", "a:0", "a:65536", "a:+1", "a b", "a/b", "user@a", "[::1", "[::1]x",
            "[a]:1", "a\n", "::1:x",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_link_survives_the_round_trip() {
        let link = InviteLink {
            server: HostPort { host: "::1".into(), port: 5051 },
            pin: PIN.parse().unwrap(),
            server_name: "Lab & Office 100 %".into(),
            alternatives: vec![HostPort { host: "10.0.0.7".into(), port: 5051 }],
            token: Some(TOKEN.parse().unwrap()),
        };
        assert_eq!(link.to_string().parse(), Ok(link));
    }

    #[test]
    fn a_link_reads_as_specified() {
        let text =
            format!("simplechat://lab.example/?fp={PIN}&name=My%20lab&at=%5B%3A%3A1%5D:7&new=1");
        let link: InviteLink = text.parse().unwrap();
        assert_eq!(link.server, HostPort { host: "lab.example".into(), port: 5050 });
        assert_eq!(link.server_name, "My lab");
        assert_eq!(link.alternatives, [HostPort { host: "::1".into(), port: 7 }]);
        assert_eq!(link.token, None);
        let invited: InviteLink = format!("{text}&inv={TOKEN}").parse().unwrap();
        assert_eq!(invited.token, Some(TOKEN.parse().unwrap()));
    }

    #[track_caller]
    fn check_refused(text: &str, error: &InviteLinkError) {
        assert_eq!(&text.parse::<InviteLink>().unwrap_err(), error, "{text}");
    }

    #[test]
    fn broken_links_say_what_is_wrong() {
        check_refused("https://lab.example/", &InviteLinkError::Scheme);
        check_refused("simplechat://lab.example/", &InviteLinkError::PinMissing);
        check_refused(
            "simplechat://lab.example/?fp=short",
            &InviteLinkError::Pin(SpkiPinError::Text),
        );
        check_refused(
            &format!("simplechat:///?fp={PIN}"),
            &InviteLinkError::Address(String::new()),
        );
        // Cut off where it was copied: nobody should try with half of it.
        for token in ["", "AAEC", &TOKEN[1..]] {
            let error = InviteLinkError::Token(NoInviteToken);
            check_refused(&format!("simplechat://h/?fp={PIN}&inv={token}"), &error);
        }
        check_refused(&"s".repeat(5000), &InviteLinkError::TooLong(5000));
    }
}
