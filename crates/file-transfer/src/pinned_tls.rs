//! A TLS 1.3 client that knows a server by its key and trusts nothing else: no certificate authority,
//! no name, no date, so that an expired certificate stops nobody. What counts is that the server proves
//! to hold the key (the signature in CertificateVerify, RFC 8446, section 4.4.3).
//!
//! The chat's client uses it too: the two connections to a server differ by their ALPN alone.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};

use crate::tls_identity::spki_sha256_of;

/// The settings for one connection, and what is seen on it.
#[derive(Clone, Debug)]
pub struct PinnedTls {
    /// For one connection only: another one has another key to see.
    pub config: Arc<ClientConfig>,
    seen: Arc<OnceLock<[u8; 32]>>,
}

impl PinnedTls {
    /// For the server whose SubjectPublicKeyInfo has the SHA-256 `expected`. With `None` any key will
    /// do, to be looked at: nothing secret may be sent on that connection.
    ///
    /// # Errors
    /// The cipher library's, if it lacks TLS 1.3.
    pub fn new(expected: Option<[u8; 32]>, alpn: &[u8]) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let seen = Arc::new(OnceLock::new());
        let verifier =
            PinVerifier { expected, seen: Arc::clone(&seen), provider: Arc::clone(&provider) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        // A resumed TLS session shows no certificate.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), seen })
    }

    /// SHA-256 of the SubjectPublicKeyInfo that the server showed, once it did.
    #[must_use]
    pub fn seen(&self) -> Option<[u8; 32]> {
        self.seen.get().copied()
    }
}

/// Whether a handshake failed because the server has another key.
#[must_use]
pub fn is_wrong_key(error: &Error) -> bool {
    *error == wrong_key()
}

fn wrong_key() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

#[derive(Debug)]
struct PinVerifier {
    expected: Option<[u8; 32]>,
    seen: Arc<OnceLock<[u8; 32]>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = spki_sha256_of(end_entity)
            .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let first_seen = self.seen.get_or_init(|| found);
        let is_expected = self.expected.is_none_or(|expected| expected == found);
        if is_expected && *first_seen == found {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(wrong_key())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // TLS 1.2 is not offered.
        Err(PeerMisbehaved::SelectedUnofferedCipherSuite.into())
    }

    /// That the server has the private key: without this a pin proves nothing.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
