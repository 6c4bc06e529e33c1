//! The connection to NATS.

use std::{fmt, path::PathBuf, time::Duration};

use async_nats::{Client, ConnectOptions, Event};
use matterhost_actors::model::Excerpt;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use super::NatsError;

/// Time limit for the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval of pings, the second of which shows that a connection is dead.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// The settings of the connection, and of the buckets.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// The servers, such as `nats://nats-1:4222` or `tls://nats-1:4222`. One that answers is enough.
    pub servers: Vec<String>,
    /// The proof of the member's identity.
    pub credentials: NatsCredentials,
    /// A file with certificate authorities, besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The files with the client certificate and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The beginning of the buckets' names.
    pub prefix: String,
    /// The number of servers that hold each bucket.
    pub replicas: usize,
    /// The name of the connection that the servers show.
    pub name: String,
}

/// The proof of a member's identity.
#[derive(Clone, Default)]
pub enum NatsCredentials {
    /// None.
    #[default]
    None,
    /// A token.
    Token(SecretString),
    /// A user with a password.
    User(String, SecretString),
    /// The seed of an nkey.
    NKey(SecretString),
    /// The text of a credentials file.
    Creds(SecretString),
}

impl fmt::Debug for NatsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token",
            Self::User(..) => "User",
            Self::NKey(_) => "NKey",
            Self::Creds(_) => "Creds",
        })
    }
}

pub(super) async fn connect(settings: &NatsSettings) -> Result<Client, NatsError> {
    let options = options(settings)?;
    // An address may have a password before its host.
    let hosts: Vec<_> = settings.servers.iter().filter_map(|server| server.rsplit('@').next()).collect();
    let failed = |what: String| NatsError {
        what: format!("cannot connect to NATS at {}: {what}", hosts.join(", ")),
        remedy: "check the servers, their TLS and the credentials".into(),
    };
    let connected = timeout(CONNECT_TIMEOUT, options.connect(settings.servers.as_slice())).await;
    let connected = connected.map_err(|_| failed(format!("no answer within {CONNECT_TIMEOUT:?}")))?;
    connected.map_err(|error| failed(Excerpt::of(&error).to_string()))
}

fn options(settings: &NatsSettings) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name(&settings.name)
        .ping_interval(PING_INTERVAL)
        .event_callback(|event| async move { log(&event) });
    options = match &settings.credentials {
        NatsCredentials::None => options,
        NatsCredentials::Token(token) => options.token(token.expose_secret().to_owned()),
        NatsCredentials::User(user, password) => {
            options.user_and_password(user.clone(), password.expose_secret().to_owned())
        }
        NatsCredentials::NKey(seed) => options.nkey(seed.expose_secret().trim().to_owned()),
        NatsCredentials::Creds(creds) => {
            options.credentials(creds.expose_secret()).map_err(|_| NatsError {
                what: "the NATS credentials cannot be read".into(),
                remedy: "use a file made by `nsc generate creds`, with a JWT and a seed".into(),
            })?
        }
    };
    if let Some(file) = &settings.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost; reconnecting"),
        other => tracing::warn!(event = %Excerpt::of(other), "NATS reports"),
    }
}
