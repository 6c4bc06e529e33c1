//! The connection to NATS.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use matterhost_actors::model::Excerpt;
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::NatsError;
use crate::config::{NatsAccess, NatsCredentials};

/// Time limit for the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval of pings, the second of which shows that a connection is dead.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Connects under a name that the servers show. `inboxes` is the beginning of the subjects for answers, if it is not the usual one.
///
/// # Errors
/// Fails if no server answers in time or accepts the credentials.
pub async fn connect(access: &NatsAccess, name: &str, inboxes: Option<&str>) -> Result<Client, NatsError> {
    let options = options(access, name)?;
    let options = match inboxes {
        Some(prefix) => options.custom_inbox_prefix(prefix),
        None => options,
    };
    // An address may have a password before its host.
    let hosts: Vec<_> = access.servers.iter().filter_map(|server| server.rsplit('@').next()).collect();
    let failed = |what: String| NatsError {
        what: format!("cannot connect to NATS at {}: {what}", hosts.join(", ")),
        remedy: "check the servers, their TLS and the credentials".into(),
    };
    let connected = timeout(CONNECT_TIMEOUT, options.connect(access.servers.as_slice())).await;
    let connected = connected.map_err(|_| failed(format!("no answer within {CONNECT_TIMEOUT:?}")))?;
    connected.map_err(|error| failed(Excerpt::of(&error).to_string()))
}

fn options(access: &NatsAccess, name: &str) -> Result<ConnectOptions, NatsError> {
    let mut options = ConnectOptions::new()
        .name(name)
        .ping_interval(PING_INTERVAL)
        .event_callback(|event| async move { log(&event) });
    options = match &access.credentials {
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
    if let Some(file) = &access.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &access.client_certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(options)
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("the connection to NATS is lost; reconnecting"),
        Event::ServerError(ServerError::Other(text)) if is_denial(text) => {
            tracing::error!(cause = %Excerpt::of(text), "NATS denies this user a right, and what needs it is lost; give the user the rights of the documentation");
        }
        other => tracing::warn!(event = %Excerpt::of(other), "NATS reports"),
    }
}

/// Returns true if a server denies a right. It says so after the request, which has no answer.
fn is_denial(text: &str) -> bool {
    text.to_ascii_lowercase().starts_with("permissions violation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_denied_is_told_from_other_errors() {
        for (text, denies) in [
            ("Permissions Violation for Publish to \"_INBOX_shop.abc\"", true),
            ("Permissions Violation for Subscription to \"matterhost.stored.*\"", true),
            ("Maximum Payload Violation", false),
            ("Slow Consumer", false),
        ] {
            assert_eq!(is_denial(text), denies, "{text}");
        }
    }
}
