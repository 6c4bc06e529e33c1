use std::{fmt, sync::Arc};

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::config::{key_reader::TableReader, servers::ReadContext, sources::read_text};

/// A certificate chain or a key is a hundred times smaller.
const LARGEST_FILE: u64 = 1 << 20;

/// A certificate and its key, ready for a TLS server.
#[derive(Clone)]
pub struct AdminTls(Arc<ServerConfig>, Arc<[CertificateDer<'static>]>);

impl AdminTls {
    /// Returns true if both have the same certificates. Keys are not compared, because a certificate has only one.
    pub fn same_as(&self, other: &Self) -> bool {
        self.1 == other.1
    }

    /// Returns the configuration for a TLS server.
    pub fn server_config(&self) -> ServerConfig {
        (*self.0).clone()
    }
}

impl fmt::Debug for AdminTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminTls(redacted)")
    }
}

/// Reads `tls_cert_file` and `tls_key_file`, if they are set.
pub(in crate::config) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<AdminTls> {
    let mut file = |key: &'static str| section.optional_path(key, context);
    let (cert, key) = (file("tls_cert_file"), file("tls_key_file"));
    let (cert, key) = match (cert, key) {
        (None, None) => return None,
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => {
            section.refuse("tls_cert_file", "the key is missing", "set tls_key_file too");
            return None;
        }
        (None, Some(_)) => {
            section.refuse("tls_key_file", "the certificate is missing", "set tls_cert_file too");
            return None;
        }
    };
    let chain = pem(section, "tls_cert_file", &cert, |text| {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        chain.ok().filter(|chain| !chain.is_empty())
    });
    let private =
        pem(section, "tls_key_file", &key, |text| PrivateKeyDer::from_pem_slice(text.as_bytes()).ok());
    let (chain, private) = chain.zip(private)?;
    let certificates = chain.clone().into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    match made {
        Ok(config) => Some(AdminTls(Arc::new(config), certificates)),
        Err(error) => {
            let remedy = "use a certificate and the key that belongs to it";
            section.refuse("tls_cert_file", error.to_string(), remedy);
            None
        }
    }
}

/// Reads a PEM file. Its content is never part of a message.
fn pem<T>(
    section: &mut TableReader<'_>,
    key: &str,
    file: &std::path::Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let message = match read_text(file, LARGEST_FILE) {
        Ok(text) => match parse(&text) {
            Some(parsed) => return Some(parsed),
            None => "it contains no usable PEM block".to_owned(),
        },
        Err(message) => message,
    };
    section.refuse(key, format!("{}: {message}", file.display()), "use a PEM file");
    None
}
