//! Who a server is under TLS: a key and a certificate, made at first start and kept.
//!
//! Clients pin the SHA-256 of the key's SubjectPublicKeyInfo, so the certificate may be renewed at
//! will, and the key never is. What is there but cannot be read is an error, never replaced: a
//! silently new key would lock every client out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::secret_file;

/// File name of the private key in the identity's folder: PKCS #8 PEM, mode 0600.
pub const KEY_FILE: &str = "tls-key.pem";
/// File name of the certificate chain in the identity's folder: PEM.
pub const CERTIFICATE_FILE: &str = "tls-cert.pem";

/// A private key and the certificate for it.
pub struct TlsIdentity {
    key: PrivateKeyDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    spki_sha256: [u8; 32],
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum TlsIdentityError {
    /// The certificate is for another key.
    #[error("{} is not the certificate of the key {}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// There is a certificate but not its key.
    #[error("{} is there, but its key {} is not", certificate.display(), key.display())]
    KeyMissing {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A file holds no key or certificate that can be used.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl TlsIdentity {
    /// The identity kept in `folder`, made there if it has none. `name` stands in a new certificate
    /// for people to read; no client checks it.
    pub fn load_or_create(folder: &Path, name: &str) -> Result<Self, TlsIdentityError> {
        let key = folder.join(KEY_FILE);
        let certificate = folder.join(CERTIFICATE_FILE);
        match (exists(&key)?, exists(&certificate)?) {
            (true, true) => {}
            (false, true) => return Err(TlsIdentityError::KeyMissing { certificate, key }),
            // A crash between the two files leaves the key alone: the certificate is made anew.
            (true, false) => create_certificate(&key, &certificate, name)?,
            (false, false) => {
                create_key(&key)?;
                create_certificate(&key, &certificate, name)?;
            }
        }
        TlsIdentity::load(&certificate, &key)
    }

    /// Reads a certificate chain and its key from PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsIdentityError> {
        let unusable = |path: &Path, problem: String| TlsIdentityError::Unusable {
            path: path.into(),
            problem,
        };
        let chain = secret_file::read_public(certificate)
            .map_err(|error| TlsIdentityError::Io { path: certificate.into(), error })?;
        let chain = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable(certificate, error.to_string()))?;
        let first =
            chain.first().ok_or_else(|| unusable(certificate, "holds no certificate".into()))?;
        let spki_sha256 = spki_sha256_of(first)
            .ok_or_else(|| unusable(certificate, "not a certificate of X.509 version 3".into()))?;
        let private = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|error| unusable(key, error.to_string()))?;
        let identity = TlsIdentity { key: private, chain, spki_sha256 };
        match identity.server_config(&[]) {
            Ok(_) => Ok(identity),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsIdentityError::Mismatch { certificate: certificate.into(), key: key.into() })
            }
            Err(error) => Err(unusable(key, error.to_string())),
        }
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo: what clients pin.
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.spki_sha256
    }

    /// A TLS 1.3 server with this identity that speaks the given protocols (ALPN).
    pub fn server_config(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// The private key stays out of logs.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("spki_sha256", &self.spki_sha256)
            .finish_non_exhaustive()
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo, if it is a certificate.
pub fn spki_sha256_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let spki = certificate.subject_public_key_info();
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &spki).as_ref().try_into().ok()
}

fn exists(path: &Path) -> Result<bool, TlsIdentityError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(TlsIdentityError::Io { path: path.into(), error }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsIdentityError> {
    secret_file::read(path).map_err(|error| TlsIdentityError::Io { path: path.into(), error })
}

fn create_key(path: &Path) -> Result<(), TlsIdentityError> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .map_err(|error| unusable(path, &error))?;
    write_new(path, &key.serialize_pem())
}

fn create_certificate(key: &Path, path: &Path, name: &str) -> Result<(), TlsIdentityError> {
    let pem = String::from_utf8_lossy(&read(key)?).into_owned();
    let pair = rcgen::KeyPair::from_pem(&pem).map_err(|error| unusable(key, &error))?;
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = parameters.self_signed(&pair).map_err(|error| unusable(path, &error))?;
    write_new(path, &certificate.pem())
}

fn write_new(path: &Path, text: &str) -> Result<(), TlsIdentityError> {
    match secret_file::create(path, text.as_bytes()) {
        // Another process was faster: its file is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(|error| TlsIdentityError::Io { path: path.into(), error }),
    }
}

fn unusable(path: &Path, error: &rcgen::Error) -> TlsIdentityError {
    TlsIdentityError::Unusable { path: path.into(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let made = TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        let again = TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        assert_eq!(made.spki_sha256(), again.spki_sha256());
        let mode = fs::metadata(dir.path().join(KEY_FILE)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_lost_certificate_is_made_anew_for_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let made = TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        fs::remove_file(dir.path().join(CERTIFICATE_FILE)).unwrap();
        let again = TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        assert_eq!(made.spki_sha256(), again.spki_sha256());
    }

    #[track_caller]
    fn refused_and_kept(dir: &Path, what: &str) {
        let before = (fs::read(dir.join(KEY_FILE)).ok(), fs::read(dir.join(CERTIFICATE_FILE)).ok());
        let error = TlsIdentity::load_or_create(dir, "lab").unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        let after = (fs::read(dir.join(KEY_FILE)).ok(), fs::read(dir.join(CERTIFICATE_FILE)).ok());
        assert_eq!(before, after, "nothing is replaced");
    }

    #[test]
    fn broken_files_are_refused_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        let key = fs::read(dir.path().join(KEY_FILE)).unwrap();
        let certificate = fs::read(dir.path().join(CERTIFICATE_FILE)).unwrap();

        fs::write(dir.path().join(KEY_FILE), "junk").unwrap();
        refused_and_kept(dir.path(), KEY_FILE);
        fs::write(dir.path().join(KEY_FILE), key).unwrap();

        fs::write(dir.path().join(CERTIFICATE_FILE), "").unwrap();
        refused_and_kept(dir.path(), "holds no certificate");
        fs::write(dir.path().join(CERTIFICATE_FILE), certificate).unwrap();

        fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        refused_and_kept(dir.path(), "its key");
        fs::create_dir(dir.path().join(KEY_FILE)).unwrap();
        refused_and_kept(dir.path(), "not a small regular file");
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        TlsIdentity::load_or_create(ours.path(), "ours").unwrap();
        TlsIdentity::load_or_create(theirs.path(), "theirs").unwrap();
        fs::copy(theirs.path().join(KEY_FILE), ours.path().join(KEY_FILE)).unwrap();
        refused_and_kept(ours.path(), "is not the certificate of the key");
    }
}
