//! The certificate by which browsers and tools know the API.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::config::{servers::ReadContext, sources::read_text, table::TableReader};

/// A chain of certificates, or a key, takes a hundredth of it.
const LARGEST_FILE: u64 = 1 << 20;

/// A certificate with its key, ready for use.
#[derive(Clone)]
pub struct AdminTls(Arc<ServerConfig>, Arc<[CertificateDer<'static>]>);

impl AdminTls {
    /// Whether both have the same certificates; a key belongs to one alone.
    pub fn same_as(&self, other: &Self) -> bool {
        self.1 == other.1
    }

    /// What a TLS server is made from.
    pub fn server_config(&self) -> ServerConfig {
        (*self.0).clone()
    }
}

impl fmt::Debug for AdminTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminTls(redacted)")
    }
}

/// Reads `tls_cert_file` and `tls_key_file`, if they are given.
pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<AdminTls> {
    let mut file =
        |key: &'static str| section.optional::<PathBuf>(key).map(|file| context.directory.join(file));
    let (cert, key) = (file("tls_cert_file"), file("tls_key_file"));
    let (cert, key) = match (cert, key) {
        (None, None) => return None,
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => {
            section.refuse("tls_cert_file", "its key is missing", "give tls_key_file, too");
            return None;
        }
        (None, Some(_)) => {
            section.refuse("tls_key_file", "its certificate is missing", "give tls_cert_file, too");
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
            let remedy = "give a certificate and the key that belongs to it";
            section.refuse("tls_cert_file", error.to_string(), remedy);
            None
        }
    }
}

/// Reads a file of one kind of PEM. What a key file holds is never part of a message.
fn pem<T>(
    section: &mut TableReader<'_>,
    key: &str,
    file: &std::path::Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let what = match read_text(file, LARGEST_FILE) {
        Ok(text) => match parse(&text) {
            Some(parsed) => return Some(parsed),
            None => "there is none in it".to_owned(),
        },
        Err(what) => what,
    };
    section.refuse(key, format!("{}: {what}", file.display()), "give a PEM file");
    None
}
