//! A server's identity: the SHA-256 of its public key, not of its certificate, so that a renewed or
//! expired certificate changes nothing (RFC 7469, section 2.4, pins the same thing).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;

/// SHA-256 of a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
///
/// Written as unpadded base64url (RFC 4648, section 5): 43 characters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpkiPin(pub [u8; 32]);

/// A certificate or text that holds no pin.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpkiPinError {
    /// No X.509 certificate.
    #[error("not a certificate that can be read")]
    Certificate,
    /// Not 43 characters of base64url.
    #[error("a fingerprint is 43 characters of base64url")]
    Text,
}

impl SpkiPin {
    /// Pin of a certificate's public key.
    ///
    /// # Errors
    /// [`SpkiPinError::Certificate`] where it cannot be parsed.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, SpkiPinError> {
        let parsed =
            webpki::EndEntityCert::try_from(certificate).map_err(|_| SpkiPinError::Certificate)?;
        Self::of_spki(&parsed.subject_public_key_info())
    }

    fn of_spki(spki: &[u8]) -> Result<Self, SpkiPinError> {
        let hash = digest(&SHA256, spki);
        hash.as_ref().try_into().map(Self).map_err(|_| SpkiPinError::Certificate)
    }

    /// For people who compare two of them by eye or by voice: groups of four hexadecimal digits.
    #[must_use]
    pub fn to_groups(&self) -> String {
        let groups: Vec<String> = self
            .0
            .chunks(2)
            .map(|pair| pair.iter().map(|b| format!("{b:02X}")).collect())
            .collect();
        groups.join(" ")
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for SpkiPin {
    type Err = SpkiPinError;

    fn from_str(text: &str) -> Result<Self, SpkiPinError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SpkiPinError::Text)?;
        bytes.try_into().map(Self).map_err(|_| SpkiPinError::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let pin: SpkiPin = text.parse().unwrap();
        assert_eq!(pin.0, std::array::from_fn(|i| u8::try_from(i).unwrap()));
        assert_eq!(pin.to_string(), text);
        assert!(pin.to_groups().starts_with("0001 0203 0405"));
    }

    #[test]
    fn other_lengths_and_alphabets_are_no_pins() {
        for text in ["", "AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", &"+".repeat(43)] {
            assert_eq!(text.parse::<SpkiPin>(), Err(SpkiPinError::Text), "{text}");
        }
    }

    #[test]
    fn junk_is_no_certificate() {
        let junk = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
        assert_eq!(SpkiPin::of_certificate(&junk), Err(SpkiPinError::Certificate));
    }
}
