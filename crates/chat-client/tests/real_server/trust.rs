//! Who the server is: first contact, remembered keys, changed keys, and what is no server at all.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use common::invite_link::InviteLink;
use common::spki_pin::SpkiPin;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, ServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::support::{Person, Server};

/// A port that needs a privilege and belongs to a service that nobody runs any more (RFC 1078).
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn an_unknown_server_is_shown_and_not_trusted() {
    let server = Server::start();
    let bob = Person::new("bob");
    let refused = bob.run(&server.address(), &["online"]);
    refused.check(3, &["not known yet", "--accept-new"]);
    let pin = pin_in(&server.link).to_groups();
    assert!(refused.stderr.contains(&pin), "{refused:?}");
    bob.run(&server.address(), &["online"]).check(3, &["not known yet"]);
}

#[test]
fn an_accepted_server_is_remembered() {
    let server = Server::start();
    let bob = Person::new("bob");
    bob.run(&server.address(), &["--accept-new", "online"]).check(0, &["bob"]);
    bob.run(&server.address(), &["online"]).check(0, &["bob"]);
}

#[test]
fn an_invite_link_is_trusted_without_asking_and_remembered() {
    let server = Server::start();
    let bob = Person::new("bob");
    bob.run(&server.link, &["online"]).check(0, &["bob"]);
    bob.run(&server.address(), &["online"]).check(0, &["bob"]);
}

#[test]
fn a_changed_key_stops_everything_until_a_new_link_comes() {
    let mut server = Server::start();
    let bob = Person::new("bob");
    bob.run(&server.link, &["online"]).check(0, &[]);
    let old_link = server.link.clone();
    server.stop();
    server.lose_key();
    server.start_again();
    let stopped = bob.run(&server.address(), &["--accept-new", "online"]);
    stopped.check(3, &["has changed", "nothing was sent", "known_servers"]);
    bob.run(&old_link, &["online"]).check(3, &["has changed"]);
    bob.run(&server.link, &["online"]).check(0, &["bob"]);
    bob.run(&server.address(), &["online"]).check(0, &["bob"]);
}

/// The key is pinned, not the certificate: expiry bricks nobody. At a first contact without a link it is a reason
/// to ask like any other.
#[test]
fn an_expired_certificate_of_the_pinned_key_stops_nobody() {
    let mut server = Server::start();
    let bob = Person::new("bob");
    bob.run(&server.link, &["online"]).check(0, &["bob"]);
    server.stop();
    server.let_certificate_expire();
    server.start_again();
    bob.run(&server.address(), &["online"]).check(0, &["bob"]);
    bob.run(&server.link, &["online"]).check(0, &["bob"]);
    Person::new("cy").run(&server.link, &["online"]).check(0, &["cy"]);
}

#[test]
fn nothing_is_sent_to_a_server_that_is_not_trusted() {
    let (address, received) = eavesdropper(&Identity::new());
    let bob = Person::new("bob");
    std::fs::write(bob.home().join("password"), "secret\n").unwrap();
    let words = ["--password-file", "password", "send", "hi"];
    bob.run(&address, &words).check(3, &["not known yet"]);
    assert_eq!(received.join().unwrap().as_deref(), Some(b"".as_slice()));
}

#[test]
fn a_copied_certificate_without_its_key_fools_nobody() {
    let (owner, thief) = (Identity::new(), Identity::new());
    let copied = Identity { certificate: owner.certificate.clone(), key: thief.key };
    let (address, received) = eavesdropper(&copied);
    let link = format!("simplechat://{address}/?fp={}&name=x", owner.pin());
    Person::new("bob").run(&link, &["send", "secret"]).check(6, &["no Simple Chat server"]);
    assert_eq!(received.join().unwrap(), None);
}

#[test]
fn a_name_with_an_address_that_nobody_listens_on_is_no_obstacle() {
    let server = Server::start();
    let by_name = server.address().replace("127.0.0.1", "localhost");
    let bob = Person::new("bob");
    bob.run(&by_name, &["--accept-new", "online"]).check(0, &["bob"]);
    bob.run(&by_name, &["online"]).check(0, &["bob"]);
}

#[test]
fn a_dead_address_before_the_good_one_is_no_obstacle() {
    let server = Server::start();
    let (_, rest) = server.link.split_once("/?").unwrap();
    let link = format!("simplechat://{NOBODY}/?{rest}&at={}", server.address());
    Person::new("bob").run(&link, &["online"]).check(0, &["bob"]);
}

#[test]
fn a_stranger_before_the_good_address_is_no_obstacle() {
    let server = Server::start();
    let stranger = Server::start();
    let (_, rest) = server.link.split_once("/?").unwrap();
    let link = format!("simplechat://{}/?{rest}&at={}", stranger.address(), server.address());
    Person::new("bob").run(&link, &["online"]).check(0, &["bob"]);
}

#[test]
fn no_server_is_a_network_failure() {
    Person::new("bob").run(NOBODY, &["online"]).check(6, &["No server is running", NOBODY]);
}

#[test]
fn another_kind_of_server_is_called_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        let _ = stream.read(&mut [0; 1024]);
    });
    Person::new("bob").run(&address, &["online"]).check(6, &["no Simple Chat server", &address]);
    server.join().unwrap();
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    let bob = Person::new("bob");
    bob.run("a b", &["online"]).check(2, &["“a b”", "HOST:PORT"]);
    bob.run("simplechat://h/", &["online"]).check(2, &["invite link"]);
}

fn pin_in(link: &str) -> SpkiPin {
    link.parse::<InviteLink>().unwrap().pin
}

/// A certificate and the key that signs for it.
struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { certificate: made.cert.der().clone(), key: made.signing_key.serialize_der() }
    }

    fn pin(&self) -> SpkiPin {
        SpkiPin::of_certificate(&self.certificate).unwrap()
    }
}

/// A TLS server that speaks the right protocol and keeps what it is told. `None` where the client
/// broke the handshake off.
fn eavesdropper(identity: &Identity) -> (String, JoinHandle<Option<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = Arc::new(server_config(identity));
    let received = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(config).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).ok()?;
        }
        let mut received = Vec::new();
        rustls::Stream::new(&mut tls, &mut stream).read_to_end(&mut received).unwrap();
        Some(received)
    });
    (address, received)
}

fn server_config(identity: &Identity) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    // Unlike a configured certificate, a resolved one is not compared with its key.
    let shown = CertifiedKey::new(vec![identity.certificate.clone()], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![common::alpn::CHAT.to_vec()];
    config
}
