//! The TLS configuration: trusted roots and offered protocols.

use std::{fmt, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// The only protocol offered: a WebSocket cannot be opened over HTTP/2, which servers prefer if offered.
const ALPN: &[u8] = b"http/1.1";

/// The trusted root certificates and the sessions that can be resumed.
///
/// Cheap to clone; all clones share their sessions, so a reconnect seldom needs a full handshake.
/// Verification cannot be turned off.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

/// A failure to load the trusted root certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file contains no certificate.
    #[error("the CA file contains no certificate; it must be PEM, with BEGIN CERTIFICATE")]
    NoCertificate,
    /// The file is not PEM.
    #[error("the CA file is not valid PEM: {0}")]
    Pem(String),
    /// A certificate in the file cannot be used.
    #[error("a certificate in the CA file cannot be used: {0}")]
    Certificate(rustls::Error),
    /// Neither the system nor a file provides a root certificate.
    #[error("this system has no CA certificates ({0}); install ca-certificates or configure a CA file")]
    NoRoots(String),
    /// The cryptography provider supports no safe version of TLS.
    #[error("no safe TLS version is available: {0}")]
    Versions(rustls::Error),
}

impl Tls {
    /// Loads the system's roots and those in `ca_pem`.
    ///
    /// This reads files: call it once per server, not once per connection.
    ///
    /// # Errors
    ///
    /// Fails if `ca_pem` contains no certificate or an invalid one, or if there are no roots at all.
    pub fn load(ca_pem: Option<&[u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if let Some(pem) = ca_pem {
            add_certificates(&mut roots, pem)?;
        }
        if roots.is_empty() {
            let error = system.errors.first().map_or("none found".to_owned(), ToString::to_string);
            return Err(TlsError::NoRoots(error));
        }
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TlsError> {
        // Name the provider: the process-wide default depends on the other crates linked in.
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

fn add_certificates(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), TlsError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::Pem(error.to_string()))?;
        roots.add(certificate).map_err(TlsError::Certificate)?;
    }
    if roots.len() == before {
        return Err(TlsError::NoCertificate);
    }
    Ok(())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_certificate_is_refused() {
        assert!(matches!(Tls::load(Some(b"")), Err(TlsError::NoCertificate)));
        assert!(matches!(Tls::load(Some(b"hello")), Err(TlsError::NoCertificate)));
        let cut = b"-----BEGIN CERTIFICATE-----\nMIIB\n";
        assert!(matches!(Tls::load(Some(cut)), Err(TlsError::Pem(_))));
        let junk = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(matches!(Tls::load(Some(junk)), Err(TlsError::Certificate(_))));
    }

    #[test]
    fn only_http_1_1_is_offered() {
        let ca = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
        let tls = Tls::load(Some(ca.cert.pem().as_bytes())).unwrap();
        assert_eq!(tls.config().alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
