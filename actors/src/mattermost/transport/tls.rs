//! The TLS configuration: trusted roots and offered protocols.

use std::{fmt, sync::Arc};

use rustls::{ClientConfig, RootCertStore, client::VerifierBuilderError, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::verifier::Verifier;

/// The only protocol offered: a WebSocket cannot be opened over HTTP/2, which servers prefer if offered.
const ALPN: &[u8] = b"http/1.1";

/// The trusted root certificates and the sessions that can be resumed.
///
/// Cheap to clone; all clones share their sessions, so a reconnect seldom needs a full handshake.
/// Verification cannot be turned off.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

/// A client certificate with those between it and its authority, and its key, as PEM.
#[derive(Clone, Copy)]
pub struct TlsIdentity<'a> {
    /// The certificates, our own first.
    pub certificates: &'a [u8],
    /// The key.
    pub key: &'a [u8],
}

/// A failure to load certificates or a key. No error contains a part of a key.
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
    /// The trusted root certificates cannot be used.
    #[error("the CA certificates cannot be used: {0}")]
    Roots(VerifierBuilderError),
    /// The client certificate cannot be used.
    #[error("there is no client certificate; it must be PEM, with BEGIN CERTIFICATE")]
    NoClientCertificate,
    /// The key of the client certificate cannot be used.
    #[error(
        "there is no key for the client certificate; it must be PEM, with BEGIN PRIVATE KEY, and not encrypted"
    )]
    NoClientKey,
    /// The client certificate and its key do not belong together.
    #[error("the client certificate and the key cannot be used together: {0}")]
    Client(rustls::Error),
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
        Self::load_with_identity(ca_pem, None)
    }

    /// Loads the same, and a client certificate that is shown to servers that ask for one.
    ///
    /// # Errors
    ///
    /// Fails as `load` does, or if the client certificate or its key is invalid.
    pub fn load_with_identity(
        ca_pem: Option<&[u8]>,
        identity: Option<TlsIdentity<'_>>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        let named = ca_pem.map(|pem| add_certificates(&mut roots, pem)).transpose()?.unwrap_or_default();
        if roots.is_empty() {
            let error = system.errors.first().map_or("none found".to_owned(), ToString::to_string);
            return Err(TlsError::NoRoots(error));
        }
        Self::with_roots(roots, named, identity)
    }

    fn with_roots(
        roots: RootCertStore,
        named: Vec<CertificateDer<'static>>,
        identity: Option<TlsIdentity<'_>>,
    ) -> Result<Self, TlsError> {
        // Name the provider: the process-wide default depends on the other crates linked in.
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new(roots, named, Arc::clone(&provider)).map_err(TlsError::Roots)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Versions)?
            // Not weaker than the usual check: see `Verifier`.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.parse()?;
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Client)?
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl TlsIdentity<'_> {
    fn parse(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificates).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::NoClientCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key).map_err(|_| TlsError::NoClientKey)?;
        Ok((chain, key))
    }
}

/// Adds the certificates of a file to the roots, and returns them.
fn add_certificates(roots: &mut RootCertStore, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut added = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::Pem(error.to_string()))?;
        roots.add(certificate.clone()).map_err(TlsError::Certificate)?;
        added.push(certificate);
    }
    if added.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(added)
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
