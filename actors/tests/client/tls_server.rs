//! TLS servers with certificates of every kind.

use std::{io, sync::Arc};

use matterhost_actors::mattermost::Tls;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::{json, read_head};

/// A TLS server whose certificate is issued by its own CA, or signed by itself.
pub(crate) struct TlsServer {
    pub(crate) listener: TcpListener,
    acceptor: TlsAcceptor,
    /// The certificates that a client names in `ca_file`.
    pub(crate) ca_pem: String,
}

/// A CA of a test.
pub(crate) fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, format!("authority {:x}", fastrand::u64(..)));
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl TlsServer {
    pub(crate) async fn bind(address: &str, name: &str) -> Self {
        Self::issued(address, CertificateParams::new(vec![name.to_owned()]).unwrap()).await
    }

    /// A server with a certificate that its own CA issued.
    pub(crate) async fn issued(address: &str, params: CertificateParams) -> Self {
        let (ca, key) = (authority(), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &ca).unwrap();
        Self::new(address, &certificate, &key, ca.pem(), None).await
    }

    /// A server with a certificate that it signed itself.
    pub(crate) async fn self_signed(address: &str, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let pem = certificate.pem();
        Self::new(address, &certificate, &key, pem, None).await
    }

    /// A server that wants a client certificate of an authority.
    pub(crate) async fn wanting_clients(address: &str, clients: CertificateDer<'static>) -> Self {
        let (ca, key) = (authority(), KeyPair::generate().unwrap());
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        Self::new(address, &certificate, &key, ca.pem(), Some(clients)).await
    }

    async fn new(
        address: &str,
        certificate: &Certificate,
        key: &KeyPair,
        ca_pem: String,
        clients: Option<CertificateDer<'static>>,
    ) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        // Prefer HTTP/2, as most servers do.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { listener: TcpListener::bind(address).await.unwrap(), acceptor, ca_pem }
    }

    pub(crate) fn trusted(&self) -> Tls {
        Tls::load(Some(self.ca_pem.as_bytes())).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port())
    }

    pub(crate) async fn accept(&self) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(self.listener.accept().await?.0).await
    }

    /// Accepts one connection and answers one request; fails where the client does not like the certificate.
    pub(crate) async fn answer(&self) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = self.accept().await?;
        read_head(&mut stream).await.ok_or(io::ErrorKind::UnexpectedEof)?;
        stream.write_all(json("{\"status\":\"OK\"}").as_bytes()).await?;
        stream.flush().await?;
        Ok(stream)
    }
}
