//! The way to a server or a handler: trusted certificates, a client certificate and a proxy.
//!
//! `[servers.NAME]` and webhooks have the same keys for it. Its files are watched while the host runs.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use matterhost_actors::mattermost::{
    ClientConfig, ClientLimits, Proxy, ProxyCredentials, ServerUrl, Tls, TlsError, TlsIdentity, proxy,
};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::{
    key_reader::TableReader, problem::Problem, secret_source::LARGEST_FILE, servers::ReadContext,
    sources::read_text,
};

/// Four times the size of a system's whole set of CA certificates.
const LARGEST_PEM_FILE: u64 = 1 << 20;

/// The value of `proxy` that leaves proxies of the environment aside.
const NO_PROXY: &str = "none";

/// The `User-Agent` of our requests.
const USER_AGENT: &str = concat!("matterhost/", env!("CARGO_PKG_VERSION"));

/// The parts of a connection's settings that come from files or the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// Additional CA certificates.
    pub ca: Option<CaFile>,
    /// The certificate that is shown to servers that want one.
    pub client_certificate: Option<ClientCertificate>,
    /// The file with the credentials for the proxy.
    pub proxy_auth_file: Option<PathBuf>,
    /// The variable that names the proxy, if the configuration does not.
    pub proxy_variable: Option<&'static str>,
}

/// A CA file and its content. Certificates are public, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFile {
    /// The path.
    pub path: PathBuf,
    /// The content, as PEM.
    pub pem: Arc<str>,
}

/// A client certificate and its key, and the files that they are from. The key cannot be printed.
#[derive(Clone)]
pub struct ClientCertificate {
    cert: CaFile,
    key_path: PathBuf,
    key: SecretString,
}

/// The values of the keys, before the address is known.
pub(super) struct TransportKeys {
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    proxy: Option<String>,
    proxy_auth_file: Option<PathBuf>,
}

/// A mistake that has been reported.
struct Refused;

impl TransportKeys {
    pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Self {
        let mut file = |key: &'static str| section.optional_path(key, context);
        Self {
            ca_file: file("ca_file"),
            cert_file: file("cert_file"),
            key_file: file("key_file"),
            proxy_auth_file: file("proxy_auth_file"),
            proxy: section.optional("proxy"),
        }
    }

    /// Reads the files, and combines everything with an address.
    pub(super) fn client(
        self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
        url: ServerUrl,
        limits: ClientLimits,
    ) -> Option<(ClientConfig, Transport)> {
        self.try_client(section, context, url, limits).ok()
    }

    fn try_client(
        self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
        url: ServerUrl,
        limits: ClientLimits,
    ) -> Result<(ClientConfig, Transport), Refused> {
        let (proxy, proxy_variable) = self.proxy(section, context, &url)?;
        let proxy_auth_file = self.proxy_auth_file.clone();
        let is_tls = url.is_tls() || proxy.as_ref().is_some_and(Proxy::is_tls);
        let mut transport = Transport { proxy_auth_file, proxy_variable, ..Transport::default() };
        let tls = if is_tls {
            transport.ca = self.ca_file.as_deref().map(|path| read_ca(section, path)).transpose()?;
            transport.client_certificate = self.client_certificate(section)?;
            Some(transport.load_tls(section)?)
        } else {
            self.warn_unused(section);
            None
        };
        let client = ClientConfig::new(url, tls, limits, USER_AGENT).with_proxy(proxy);
        Ok((client, transport))
    }

    fn client_certificate(
        &self,
        section: &mut TableReader<'_>,
    ) -> Result<Option<ClientCertificate>, Refused> {
        let (cert, key) = match (&self.cert_file, &self.key_file) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => (cert, key),
            (Some(_), None) => {
                section.refuse("cert_file", "its key is missing", "set key_file, too");
                return Err(Refused);
            }
            (None, Some(_)) => {
                section.refuse("key_file", "its certificate is missing", "set cert_file, too");
                return Err(Refused);
            }
        };
        match ClientCertificate::read(cert, key) {
            Ok(certificate) => {
                section.warn_if_readable("key_file", key);
                Ok(Some(certificate))
            }
            Err((key, message)) => {
                section.refuse(key, message, if key == "key_file" { KEY_REMEDY } else { CERT_REMEDY });
                Err(Refused)
            }
        }
    }

    fn warn_unused(&self, section: &mut TableReader<'_>) {
        for (key, file) in [("ca_file", &self.ca_file), ("cert_file", &self.cert_file)] {
            if file.is_some() {
                section.warn(key, "the url begins with http, so certificates are not used", "write https");
            }
        }
    }

    /// Finds the proxy, in the configuration or else in the environment, and the variable that names it.
    fn proxy(
        &self,
        section: &mut TableReader<'_>,
        context: &ReadContext<'_>,
        url: &ServerUrl,
    ) -> Result<(Option<Proxy>, Option<&'static str>), Refused> {
        let (proxy, variable) = match self.proxy.as_deref().map(str::trim) {
            Some(NO_PROXY) => (None, None),
            Some(text) => (Some(configured_proxy(section, text)?), None),
            None => proxy_of_environment(section, context, url)?,
        };
        let Some(file) = &self.proxy_auth_file else { return Ok((proxy, variable)) };
        let Some(proxy) = proxy else {
            section.warn("proxy_auth_file", "there is no proxy", "set proxy, or take this out");
            return Ok((None, None));
        };
        match read_credentials(file) {
            Ok(credentials) => {
                section.warn_if_readable("proxy_auth_file", file);
                Ok((Some(proxy.with_credentials(credentials)), variable))
            }
            Err(message) => {
                section.refuse("proxy_auth_file", message, AUTH_REMEDY);
                Err(Refused)
            }
        }
    }
}

fn configured_proxy(section: &mut TableReader<'_>, text: &str) -> Result<Proxy, Refused> {
    match text.parse::<Proxy>() {
        Ok(proxy) if proxy.has_credentials() => {
            let remedy = "put user:password into a file, and set proxy_auth_file to it";
            section.refuse("proxy", "there are credentials in the URL", remedy);
            Err(Refused)
        }
        Ok(proxy) => Ok(proxy),
        Err(error) => {
            let remedy = "write it like http://proxy.example.com:3128 (or https, socks5), or \"none\"";
            section.refuse("proxy", error.to_string(), remedy);
            Err(Refused)
        }
    }
}

fn proxy_of_environment(
    section: &mut TableReader<'_>,
    context: &ReadContext<'_>,
    url: &ServerUrl,
) -> Result<(Option<Proxy>, Option<&'static str>), Refused> {
    match proxy::from_environment(url, |name| context.environment.get(name).cloned()) {
        Ok(Some((variable, proxy))) => Ok((Some(proxy), Some(variable))),
        Ok(None) => Ok((None, None)),
        Err(error) => {
            section.refuse("proxy", error.what(), error.remedy());
            Err(Refused)
        }
    }
}

const CA_REMEDY: &str = "use a PEM file with CA certificates";
const CERT_REMEDY: &str =
    "use a PEM file with the client certificate, and those between it and its authority";
const KEY_REMEDY: &str = "use a PEM file with the key of the client certificate, not encrypted";
const AUTH_REMEDY: &str = "use a file that holds user:password and nothing else";

fn read_ca(section: &mut TableReader<'_>, path: &Path) -> Result<CaFile, Refused> {
    CaFile::read(path).map_err(|message| {
        section.refuse("ca_file", message, CA_REMEDY);
        Refused
    })
}

fn read_credentials(path: &Path) -> Result<ProxyCredentials, String> {
    let show = |message: &dyn fmt::Display| format!("{}: {message}", path.display());
    let text = read_text(path, LARGEST_FILE).map(Zeroizing::new).map_err(|message| show(&message))?;
    text.parse().map_err(|error| show(&error))
}

impl Transport {
    /// Returns the files.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let ca = self.ca.as_ref().map(|ca| ca.path.clone());
        let client = self.client_certificate.as_ref();
        let client = client.map(|client| [client.cert.path.clone(), client.key_path.clone()]);
        ca.into_iter().chain(client.into_iter().flatten()).chain(self.proxy_auth_file.clone())
    }

    /// Returns the keys for which the two differ.
    pub(super) fn same(
        (a, a_client): (&Self, &ClientConfig),
        (b, b_client): (&Self, &ClientConfig),
    ) -> [(&'static str, bool); 3] {
        [
            ("ca_file", a.ca == b.ca),
            ("cert_file", a.client_certificate == b.client_certificate),
            ("proxy", a_client.proxy() == b_client.proxy()),
        ]
    }

    fn tls(&self) -> Result<Tls, TlsError> {
        let identity = self.client_certificate.as_ref().map(|client| TlsIdentity {
            certificates: client.cert.pem.as_bytes(),
            key: client.key.expose_secret().as_bytes(),
        });
        Tls::load_with_identity(self.ca.as_ref().map(|ca| ca.pem.as_bytes()), identity)
    }

    fn load_tls(&self, section: &mut TableReader<'_>) -> Result<Tls, Refused> {
        match self.tls() {
            Ok(tls) => Ok(tls),
            Err(error) => {
                let (key, remedy) = key_of(&error);
                section.refuse(key, error.to_string(), remedy);
                Err(Refused)
            }
        }
    }

    /// Reads the files again. Returns this with the new content, and settings that use it, if the content differs.
    pub(super) fn reread(
        &self,
        section: &str,
        client: &ClientConfig,
        remedy: &'static str,
    ) -> Result<Option<(Self, ClientConfig)>, Problem> {
        let refuse = |key: &str, message| Problem::new(format!("{section}.{key}"), message, remedy);
        let (mut now, mut now_client) = (self.clone(), client.clone());
        if let Some(ca) = &mut now.ca {
            *ca = CaFile::read(&ca.path).map_err(|message| refuse("ca_file", message))?;
        }
        if let Some(own) = &mut now.client_certificate {
            *own = ClientCertificate::read(&own.cert.path, &own.key_path)
                .map_err(|(key, message)| refuse(key, message))?;
        }
        if now != *self {
            let tls = now.tls().map_err(|error| {
                let key = key_of(&error).0;
                refuse(key, format!("{}: {error}", now.path_of(key).display()))
            })?;
            now_client = now_client.with_tls(Some(tls));
        }
        if let (Some(file), Some(proxy)) = (&self.proxy_auth_file, client.proxy()) {
            let credentials = read_credentials(file).map_err(|message| refuse("proxy_auth_file", message))?;
            let proxy = proxy.clone().with_credentials(credentials);
            if client.proxy() != Some(&proxy) {
                return Ok(Some((now, now_client.with_proxy(Some(proxy)))));
            }
        }
        Ok((now != *self).then_some((now, now_client)))
    }

    fn path_of(&self, key: &str) -> &Path {
        let client = self.client_certificate.as_ref();
        let path = match key {
            "cert_file" => client.map(|client| &client.cert.path),
            "key_file" => client.map(|client| &client.key_path),
            _ => self.ca.as_ref().map(|ca| &ca.path),
        };
        path.map_or(Path::new(""), PathBuf::as_path)
    }
}

/// The key that an error is about, and its remedy.
fn key_of(error: &TlsError) -> (&'static str, &'static str) {
    match error {
        TlsError::NoClientCertificate => ("cert_file", CERT_REMEDY),
        TlsError::Client(_) => ("cert_file", "use a certificate and the key that belongs to it"),
        TlsError::NoClientKey => ("key_file", KEY_REMEDY),
        TlsError::NoCertificate
        | TlsError::Pem(_)
        | TlsError::Certificate(_)
        | TlsError::NoRoots(_)
        | TlsError::Roots(_)
        | TlsError::Versions(_) => ("ca_file", CA_REMEDY),
    }
}

impl CaFile {
    /// Reads a PEM file, limited in size.
    fn read(path: &Path) -> Result<Self, String> {
        match read_text(path, LARGEST_PEM_FILE) {
            Ok(pem) => Ok(Self { path: path.to_owned(), pem: pem.into() }),
            Err(message) => Err(format!("{}: {message}", path.display())),
        }
    }
}

impl ClientCertificate {
    /// Reads both files; a failure names the key of its file.
    fn read(cert: &Path, key: &Path) -> Result<Self, (&'static str, String)> {
        let cert = CaFile::read(cert).map_err(|message| ("cert_file", message))?;
        let text = read_text(key, LARGEST_PEM_FILE).map(Zeroizing::new);
        let text = text.map_err(|message| ("key_file", format!("{}: {message}", key.display())))?;
        Ok(Self { cert, key_path: key.to_owned(), key: text.as_str().into() })
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.cert == other.cert
            && self.key_path == other.key_path
            && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for ClientCertificate {}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("cert", &self.cert.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
