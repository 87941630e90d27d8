//! TLS towards a chat server: version 1.3 only, the server known by its key.
//!
//! A certificate is only a carrier of the key: its names and dates mean nothing here, so that an
//! expired one stops nobody. What counts is that the server proves to hold the key (the signature in
//! CertificateVerify, RFC 8446 section 4.4.3) and that the key is the expected one.

use std::sync::{Arc, Mutex, PoisonError};

use common::spki_pin::SpkiPin;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Settings for one connection, and the eye that sees the server's key on it.
pub(crate) struct TlsSetup {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) seen: SeenPin,
}

/// The key that a server showed; `None` until it did.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenPin(Arc<Mutex<Option<SpkiPin>>>);

impl SeenPin {
    pub(crate) fn pin(&self) -> Option<SpkiPin> {
        // Only whole values are ever written: a poisoned lock holds a good one.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pin: SpkiPin) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pin);
    }
}

/// Settings for a connection to the server with the key `expected`, or to one whose key is to be
/// looked at: in that case nothing may be sent on the connection.
pub(crate) fn setup(expected: Option<SpkiPin>) -> Result<TlsSetup, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let seen = SeenPin::default();
    let verifier = PinVerifier { expected, seen: seen.clone(), provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![common::alpn::CHAT.to_vec()];
    // A resumed TLS session shows no certificate, and there is only one connection to a server.
    config.resumption = Resumption::disabled();
    Ok(TlsSetup { config: Arc::new(config), seen })
}

#[derive(Debug)]
struct PinVerifier {
    expected: Option<SpkiPin>,
    seen: SeenPin,
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
        let found = SpkiPin::of_certificate(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        self.seen.set(found);
        match self.expected {
            Some(expected) if expected != found => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 is required".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
