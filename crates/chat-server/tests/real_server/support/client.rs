//! A client of raw frames: blocking, and as wrong as a test wants it to be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::framing::{self, FrameDecoder};
use common::invite_link::InviteLink;
use common::spki_pin::SpkiPin;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, ClientFrame, LoggedIn, RefusalCode, ServerFrame};
use prost::Message;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// After so long without a byte a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    decoder: FrameDecoder,
    last_request: u64,
}

/// The body of a `LoggedIn`, whatever else it is a failure.
#[track_caller]
pub(crate) fn logged_in(body: Body) -> LoggedIn {
    match body {
        Body::LoggedIn(logged_in) => logged_in,
        other => panic!("not logged in: {other:?}"),
    }
}

impl Client {
    pub(crate) fn connect(link: &InviteLink, alpn: &[&[u8]]) -> Self {
        let address = (link.server.host.as_str(), link.server.port);
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(link.pin)))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("simple-chat.invalid").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        Self {
            stream: StreamOwned::new(tls, tcp),
            decoder: FrameDecoder::default(),
            last_request: 0,
        }
    }

    // ---- Asking ----

    /// Sends one request; its number.
    pub(crate) fn send(&mut self, body: Ask) -> u64 {
        self.last_request += 1;
        let frame = ClientFrame { request_id: self.last_request, body: Some(body) };
        self.send_bytes(&framing::encode(&frame).unwrap());
        self.last_request
    }

    /// The same to a server that may be gone.
    pub(crate) fn try_send(&mut self, body: Ask) -> std::io::Result<u64> {
        self.last_request += 1;
        let frame = ClientFrame { request_id: self.last_request, body: Some(body) };
        self.stream.write_all(&framing::encode(&frame).unwrap())?;
        self.stream.flush()?;
        Ok(self.last_request)
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Sends one request and returns its answer; events in between are dropped.
    #[track_caller]
    pub(crate) fn ask(&mut self, body: Ask) -> Body {
        let request = self.send(body);
        self.answer_to(request)
    }

    #[track_caller]
    pub(crate) fn answer_to(&mut self, request: u64) -> Body {
        loop {
            let frame = self.receive();
            if frame.in_reply_to == request {
                return frame.body.unwrap();
            }
            assert_eq!(frame.in_reply_to, 0, "an answer to another request: {frame:?}");
        }
    }

    #[track_caller]
    pub(crate) fn greet(&mut self) {
        let hello = wire::Hello { version_min: 1, version_max: 1, agent: "test".into() };
        let answer = self.ask(Ask::Hello(hello));
        assert!(matches!(answer, Body::ServerHello(_)), "{answer:?}");
    }

    pub(crate) fn try_log_in(&mut self, name: &str) -> Body {
        self.ask(Ask::LogIn(wire::LogIn { name: name.into(), ..Default::default() }))
    }

    #[track_caller]
    pub(crate) fn log_in(&mut self, name: &str) -> LoggedIn {
        logged_in(self.try_log_in(name))
    }

    #[track_caller]
    pub(crate) fn resume(&mut self, name: &str, token: &Bytes) -> Body {
        let (name, resume_token) = (name.to_owned(), token.clone());
        self.ask(Ask::LogIn(wire::LogIn { name, resume_token, ..Default::default() }))
    }

    /// Sends a message to `#room` or a name, under a fresh id.
    pub(crate) fn say(&mut self, to: &str, text: &str) -> Body {
        self.ask(message(to, text, rand::random()))
    }

    // ---- Hearing ----

    /// The next frame.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> ServerFrame {
        self.try_receive().expect("a frame, not the end of the connection")
    }

    /// The next frame, or `None` where the server closed the connection.
    #[track_caller]
    pub(crate) fn try_receive(&mut self) -> Option<ServerFrame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(ServerFrame::decode(frame).unwrap());
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.decoder.extend(&buffer[..count]),
                Err(error) if is_timeout(&error) => panic!("nothing came for {PATIENCE:?}"),
                Err(_) => return None,
            }
        }
    }

    /// The next event; a test that uses it has no answer outstanding.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Body {
        let frame = self.receive();
        assert_eq!(frame.in_reply_to, 0, "an event: {frame:?}");
        frame.body.unwrap()
    }

    /// All events up to now: whatever the server had queued before it answered this.
    #[track_caller]
    pub(crate) fn events(&mut self) -> Vec<Body> {
        let request = self.send(Ask::Ping(wire::Ping { token: 42 }));
        let mut events = Vec::new();
        loop {
            let frame = self.receive();
            if frame.in_reply_to == request {
                assert_eq!(frame.body, Some(Body::Pong(wire::Pong { token: 42 })));
                return events;
            }
            events.push(frame.body.unwrap());
        }
    }

    /// Reads to the end of the connection; the last words before it.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<Body> {
        std::iter::from_fn(|| self.try_receive()).map(|frame| frame.body.unwrap()).collect()
    }

    /// Closes the connection as a dying program's system does, and waits until the server knows: it
    /// closes its side only then.
    pub(crate) fn close(mut self) {
        self.stream.conn.send_close_notify();
        self.stream.flush().unwrap();
        self.stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
        self.read_to_end();
    }

    /// Breaks the connection without a word, as a lost network does.
    pub(crate) fn break_off(self) {
        socket2::SockRef::from(&self.stream.sock).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A message to `#room` or a name.
pub(crate) fn message(to: &str, text: &str, id: [u8; 16]) -> Ask {
    Ask::SendMessage(wire::SendMessage {
        message_id: Bytes::copy_from_slice(&id),
        conversation: Some(common::conversation::Conversation::from_text(to).to_wire()),
        text: text.into(),
    })
}

/// The code of a refusal, whatever else it is a failure.
#[track_caller]
pub(crate) fn refusal(body: &Body) -> RefusalCode {
    match body {
        Body::Refused(refused) => refused.code(),
        other => panic!("not refused: {other:?}"),
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Trusts one key.
#[derive(Debug)]
struct Pinned(SpkiPin);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(
            SpkiPin::of_certificate(end_entity),
            Ok(self.0),
            "the link's pin is the server's"
        );
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms =
            rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
