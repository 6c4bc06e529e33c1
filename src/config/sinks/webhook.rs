//! `type = "webhook"`.

use std::{collections::BTreeSet, fmt, path::PathBuf, time::Duration};

use config::ValueKind;
use matterhost_actors::mattermost::{ClientConfig, ClientLimits, ServerUrl, UrlError};
use url::Url;

use super::{
    attempts::{self, AttemptLimits},
    secret::{self, Secrets},
};
use crate::config::{
    key_reader::TableReader,
    route::{Transport, TransportKeys},
    servers::ReadContext,
    value::{ConfigValue, StringList},
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

/// The statuses by which a handler that works refuses an event.
const REJECT_ON: [u16; 5] = [400, 409, 413, 415, 422];

/// The extent of a pause that a handler asks for with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseScope {
    /// The channel of the event.
    Channel,
    /// The whole sink.
    Sink,
}

/// HTTP requests to a handler.
#[derive(Clone)]
pub struct WebhookConfig {
    /// The handler's address, the trusted certificates and the connection timeout.
    pub client: ClientConfig,
    /// The path and query of the URL. They may contain a secret and are not shown.
    pub path: Box<str>,
    /// The files and variables that decide the way to it.
    pub transport: Transport,
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
    /// The limits of the attempts for one event.
    pub attempts: AttemptLimits,
    /// The statuses that refuse an event; any other means that it is delivered again.
    pub reject_on: BTreeSet<u16>,
    /// The extent of a pause that the handler asks for.
    pub retry_after: PauseScope,
    /// True if the bot is shown as typing while the handler works.
    pub typing: bool,
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<WebhookConfig> {
    let address = address(section);
    let secret_file = secret::file(section, context);
    let secrets = secret::read(section, context);
    let keys = TransportKeys::read(section, context);
    let timeout = section.within("timeout", TIMEOUT, SHORTEST..=LONGEST);
    let connect_timeout = section.within("connect_timeout", CONNECT_TIMEOUT, SHORTEST..=LONGEST);
    let concurrency = section.within("concurrency", CONCURRENCY, 1..=MOST_CONCURRENCY);
    let batch = section.within("batch", BATCH, 1..=LARGEST_BATCH);
    let attempts = attempts::read(section);
    let Statuses(reject_on) = section.read("reject_on", Statuses(REJECT_ON.into()));
    let retry_after = section.read("retry_after", PauseScope::Channel);
    let typing = section.read("typing", false);
    let (server, path) = address?;
    let limits = ClientLimits {
        connect_timeout,
        request_timeout: timeout,
        rest_connections: concurrency,
        keep_alive: KEEP_ALIVE,
        ..ClientLimits::default()
    };
    let (client, transport) = keys.client(section, context, server, limits)?;
    Some(WebhookConfig {
        client,
        path,
        transport,
        secrets: secrets?,
        secret_file,
        timeout,
        concurrency,
        batch,
        attempts,
        reject_on,
        retry_after,
        typing,
    })
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
            ("timeout", self.timeout == other.timeout),
            ("connect_timeout", connect_timeout(self) == connect_timeout(other)),
            ("concurrency", self.concurrency == other.concurrency),
            ("batch", self.batch == other.batch),
            ("max_attempts", self.attempts.max_attempts == other.attempts.max_attempts),
            ("max_age", self.attempts.max_age == other.attempts.max_age),
            ("reject_on", self.reject_on == other.reject_on),
            ("retry_after", self.retry_after == other.retry_after),
            ("typing", self.typing == other.typing),
        ];
        let way = Transport::same((&self.transport, &self.client), (&other.transport, &other.client));
        same.into_iter().chain(way).filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

/// Statuses of errors; in a variable, separated by commas.
struct Statuses(BTreeSet<u16>);

impl ConfigValue for Statuses {
    const KIND: &'static str = "list of statuses";
    const HINT: &'static str = "write statuses from 400 to 599, such as [400, 422]";

    fn read(value: &ValueKind) -> Option<Self> {
        let status = |text: &String| text.trim().parse().ok().filter(|status| (400..=599).contains(status));
        let texts = match value {
            ValueKind::Array(values) => values.iter().map(|value| value.kind.to_string()).collect(),
            other => StringList::read(other)?.0,
        };
        texts.iter().map(status).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        format!("{:?}", self.0.iter().collect::<Vec<_>>())
    }
}

impl ConfigValue for PauseScope {
    const KIND: &'static str = "channel or sink";
    const HINT: &'static str = "write channel or sink";

    fn read(value: &ValueKind) -> Option<Self> {
        match String::read(value)?.as_str() {
            "channel" => Some(Self::Channel),
            "sink" => Some(Self::Sink),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Channel => "channel".into(),
            Self::Sink => "sink".into(),
        }
    }
}

/// Reads the URL as the handler's server and the path and query on it.
fn address(section: &mut TableReader<'_>) -> Option<(ServerUrl, Box<str>)> {
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
        Ok(address) => Some(address),
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
