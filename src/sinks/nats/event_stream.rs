//! The stream of a sink: created, or checked.

use async_nats::{
    Client,
    jetstream::{
        Context,
        context::ContextBuilder,
        stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
    },
};
use matterhost_actors::model::Excerpt;

use crate::{
    config::NatsConfig,
    nats::{NatsError, is_missing},
    telemetry::time::human,
};

/// Returns the context of the sink's requests.
pub(super) fn context(config: &NatsConfig, client: Client) -> Context {
    ContextBuilder::new()
        .timeout(config.timeout)
        .ack_timeout(config.timeout)
        .max_ack_inflight(config.in_flight)
        .build(client)
}

/// Creates the stream if there is none, and checks its settings otherwise.
///
/// # Errors
/// Fails if the server stores nothing, or if the stream has settings that do not fit.
pub(super) async fn open(context: &Context, config: &NatsConfig) -> Result<(), NatsError> {
    if find(context, config).await?.is_some() {
        return Ok(());
    }
    let created = context.create_stream(wanted(config)).await;
    created.map(drop).map_err(|error| unusable(config, &error))
}

/// Checks the stream, without creating it.
///
/// # Errors
/// The same as [`open`].
pub(super) async fn check(context: &Context, config: &NatsConfig) -> Result<(), NatsError> {
    find(context, config).await.map(drop)
}

/// Returns the stream's settings, which fit; `None` if there is none.
async fn find(context: &Context, config: &NatsConfig) -> Result<Option<Config>, NatsError> {
    match context.get_stream(&config.stream).await {
        Ok(stream) => {
            let found = stream.cached_info().config.clone();
            check_settings(&found, config)?;
            Ok(Some(found))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(unusable(config, &error)),
    }
}

fn unusable(config: &NatsConfig, error: &dyn std::error::Error) -> NatsError {
    NatsError {
        what: format!("cannot use the stream {} of NATS JetStream: {}", config.stream, Excerpt::of(error)),
        remedy: "enable JetStream on the servers and in the account, with as many servers as replicas, and let the user \
                 create the stream, or create it yourself"
            .into(),
    }
}

/// Returns the subjects of all events.
fn subjects(config: &NatsConfig) -> String {
    format!("{}.>", config.subject)
}

/// Returns the settings of a stream that is created here.
fn wanted(config: &NatsConfig) -> Config {
    Config {
        name: config.stream.clone(),
        description: Some("matterhost: events of Mattermost".into()),
        subjects: vec![subjects(config)],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: config.keep_for,
        max_bytes: i64::try_from(config.keep_size).unwrap_or(i64::MAX),
        duplicate_window: config.duplicate_window,
        num_replicas: config.replicas,
        allow_direct: true,
        ..Config::default()
    }
}

/// Checks the settings on which the promises of the sink depend. All others are the operator's choice.
fn check_settings(found: &Config, config: &NatsConfig) -> Result<(), NatsError> {
    let stream = &config.stream;
    let wrong = |what: String, remedy: String| {
        Err(NatsError { what: format!("the stream {stream} of NATS JetStream {what}"), remedy })
    };
    let edit = |flag: &str| format!("run `nats stream edit {stream} {flag}`");
    let subjects = subjects(config);
    if found.mirror.is_some() || found.sealed {
        let what = if found.sealed { "is sealed" } else { "is a mirror" };
        return wrong(format!("{what} and takes no events"), "set stream to another one".into());
    }
    if !found.subjects.iter().any(|pattern| covers(pattern, &subjects)) {
        let what = format!("does not take the subjects {subjects}, but {}", found.subjects.join(", "));
        let edit = edit(&format!("--subjects '{subjects}'"));
        return wrong(Excerpt::of(&what).to_string(), format!("{edit}, or set subject or stream"));
    }
    if found.no_ack {
        return wrong("does not say when it has stored an event".into(), edit("--ack"));
    }
    if found.duplicate_window < config.duplicate_window {
        let (has, wants) = (human(found.duplicate_window), human(config.duplicate_window));
        let what = format!("recognizes duplicates for {has}, not for {wants}");
        let edit = edit(&format!("--dupe-window {}s", config.duplicate_window.as_secs()));
        return wrong(what, format!("{edit}, or set duplicate_window to {has}"));
    }
    if found.num_replicas < config.replicas {
        let what = format!("is on {} servers, not on {}", found.num_replicas, config.replicas);
        let edit = edit(&format!("--replicas {}", config.replicas));
        return wrong(what, format!("{edit}, or set replicas to {}", found.num_replicas));
    }
    Ok(())
}

/// Returns true if a pattern of subjects has all those of another, which ends with `>`.
fn covers(pattern: &str, wanted: &str) -> bool {
    let (mut pattern, mut wanted) = (pattern.split('.'), wanted.split('.'));
    loop {
        match (pattern.next(), wanted.next()) {
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(word)) if word != ">" => {}
            (Some(part), Some(word)) if part == word => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_must_have_all_subjects() {
        for pattern in ["matterhost.events.>", "matterhost.>", ">", "*.events.>", "matterhost.*.>"] {
            assert!(covers(pattern, "matterhost.events.>"), "{pattern}");
        }
        for pattern in ["matterhost.events", "matterhost.events.*", "matterhost.events.a.>", "other.>", "*.*"]
        {
            assert!(!covers(pattern, "matterhost.events.>"), "{pattern}");
        }
    }
}
