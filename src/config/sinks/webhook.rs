//! `type = "webhook"`.

use std::{fmt, path::PathBuf, time::Duration};

use matterhost_actors::mattermost::{ClientConfig, ClientLimits, ServerUrl, Tls, UrlError, proxy};
use url::Url;

use super::secret::{self, Secrets};
use crate::config::{
    key_reader::TableReader,
    servers::{CaFile, ReadContext, USER_AGENT, tls},
};

/// A handler that calls another service takes seconds, and people wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Long enough for three SYN packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No network answers sooner.
const SHORTEST: Duration = Duration::from_millis(100);
/// An answer after more than five minutes is of no use.
const LONGEST: Duration = Duration::from_secs(300);
/// Enough for hundreds of events a second at about ten milliseconds each, and gentle to a small handler.
const CONCURRENCY: usize = 8;
/// More simultaneous requests would amount to an attack.
const MOST_CONCURRENCY: usize = 1_000;
/// Every handler understands a single event per request.
const BATCH: usize = 1;
/// Larger batches bring no further gain.
const LARGEST_BATCH: usize = 1_000;
/// Shorter than the 60 s after which common servers close idle connections.
const KEEP_ALIVE: Duration = Duration::from_secs(50);

/// HTTP requests to a handler.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The handler's address, the trusted certificates and the connection timeout.
    pub client: ClientConfig,
    /// The path and query of the URL. They may contain a secret and are not shown.
    pub path: Box<str>,
    /// Additional CA certificates.
    pub ca: Option<CaFile>,
    /// The secrets that sign the requests.
    pub secrets: Secrets,
    /// The file that the secrets were read from, if they are in a file.
    pub secret_file: Option<PathBuf>,
    /// The time limit for a whole request, including the response body.
    pub timeout: Duration,
    /// The limit of simultaneous requests.
    pub concurrency: usize,
    /// The largest number of events in one request.
    pub batch: usize,
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<WebhookConfig> {
    let address = address(section, context);
    let secret_file = secret::file(section, context);
    let secrets = secret::read(section, context);
    let ca_file = section.optional::<PathBuf>("ca_file").map(|file| context.directory.join(file));
    let timeout = section.within("timeout", TIMEOUT, SHORTEST..=LONGEST);
    let connect_timeout = section.within("connect_timeout", CONNECT_TIMEOUT, SHORTEST..=LONGEST);
    let concurrency = section.within("concurrency", CONCURRENCY, 1..=MOST_CONCURRENCY);
    let batch = section.within("batch", BATCH, 1..=LARGEST_BATCH);
    let (server, path) = address?;
    let (tls, ca) = roots(section, &server, ca_file)?;
    let limits = ClientLimits {
        connect_timeout,
        request_timeout: timeout,
        rest_connections: concurrency,
        keep_alive: KEEP_ALIVE,
        ..ClientLimits::default()
    };
    let client = ClientConfig::new(server, tls, limits, USER_AGENT);
    let secrets = secrets?;
    Some(WebhookConfig { client, path, ca, secrets, secret_file, timeout, concurrency, batch })
}

impl PartialEq for WebhookConfig {
    fn eq(&self, other: &Self) -> bool {
        self.changed_keys(other).is_empty()
    }
}

impl WebhookConfig {
    /// Returns the keys whose values differ.
    pub(in crate::config) fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        let connect_timeout = |config: &Self| config.client.limits().connect_timeout;
        let same = [
            ("url", self.client.url() == other.client.url() && self.path == other.path),
            ("secret", self.secrets.same_as(&other.secrets)),
            ("ca_file", self.ca == other.ca),
            ("timeout", self.timeout == other.timeout),
            ("connect_timeout", connect_timeout(self) == connect_timeout(other)),
            ("concurrency", self.concurrency == other.concurrency),
            ("batch", self.batch == other.batch),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }

    /// Returns this webhook with other CA certificates.
    pub(in crate::config) fn with_ca(&self, ca: CaFile, tls: Tls) -> Self {
        let (url, limits) = (self.client.url().clone(), self.client.limits().clone());
        let client = ClientConfig::new(url, Some(tls), limits, USER_AGENT);
        Self { client, ca: Some(ca), ..self.clone() }
    }
}

/// Reads the trusted certificates; `None` if there are none.
fn roots(
    section: &mut TableReader<'_>,
    server: &ServerUrl,
    ca_file: Option<PathBuf>,
) -> Option<(Option<Tls>, Option<CaFile>)> {
    if server.is_tls() {
        let (tls, ca) = tls(section, ca_file)?;
        return Some((Some(tls), ca));
    }
    if ca_file.is_some() {
        let message = "the url begins with http, so certificates are not used";
        section.warn("ca_file", message, "write https");
    }
    Some((None, None))
}

/// Reads the URL as the handler's server and the path and query on it.
fn address(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<(ServerUrl, Box<str>)> {
    let Some(text) = section.optional::<String>("url") else {
        if !section.has("url") {
            section.refuse(
                "url",
                "it is missing",
                "write where the handler listens, like http://127.0.0.1:8000/events",
            );
        }
        return None;
    };
    match split(text.trim()) {
        Ok((server, path)) => {
            let lookup = |name: &str| context.environment.get(name).cloned();
            if let Err(error) = proxy::ensure_direct(&server, lookup) {
                section.refuse("url", error.what(), error.remedy());
            }
            Some((server, path))
        }
        Err(error) => {
            let remedy = match error {
                UrlError::Credentials => {
                    "leave out what stands before the @: requests are signed, and the handler checks that"
                }
                UrlError::Fragment => error.remedy(),
                _ => "write it like http://127.0.0.1:8000/events",
            };
            section.refuse("url", error.what(), remedy);
            None
        }
    }
}

fn split(text: &str) -> Result<(ServerUrl, Box<str>), UrlError> {
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => UrlError::Scheme,
        error => UrlError::Malformed(error),
    })?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut server = url;
    server.set_query(None);
    server.set_path("");
    Ok((server.as_str().parse()?, path.into()))
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("client", &self.client)
            .field("secrets", &self.secrets)
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}
