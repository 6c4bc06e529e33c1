//! The check of a server's certificate.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// The usual check, and one thing more: a server may show the very certificate that `ca_file` names, also if that is the
/// certificate of an authority. Those who make a self-signed certificate usually make one of an authority without
/// knowing.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// The certificates of `ca_file`.
    named: Vec<CertificateDer<'static>>,
}

/// A certificate that no server can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnusableCertificate {
    /// A certificate of an authority, which signs and is not shown.
    #[error("a certificate of an authority")]
    AuthorityOfItsOwn,
    /// It is older than the format with server names.
    #[error("a certificate of version 1")]
    Version1,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        named: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { webpki, named })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.webpki.verify_server_cert(shown, intermediates, name, ocsp, now);
        match checked.as_ref().err().and_then(unusable) {
            // It is found to be an authority's after its dates were checked, and before its names.
            Some(UnusableCertificate::AuthorityOfItsOwn) if self.named.contains(shown) => {
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            Some(unusable) => {
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(unusable)))))
            }
            None => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

fn unusable(error: &Error) -> Option<UnusableCertificate> {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return None };
    match other.0.downcast_ref::<webpki::Error>()? {
        webpki::Error::CaUsedAsEndEntity => Some(UnusableCertificate::AuthorityOfItsOwn),
        webpki::Error::UnsupportedCertVersion => Some(UnusableCertificate::Version1),
        _ => None,
    }
}
