//! The stream of the queue of actions: created, or checked.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    context::CreateStreamErrorKind,
    stream::{Config, DiscardPolicy, Republish, RetentionPolicy, StorageType, Stream},
};
use matterhost_actors::model::Excerpt;

use super::NatsSettings;
use crate::{
    cluster::MOST_WAITING_OF_ACCOUNT,
    nats::{NatsError, RequestFailure, is_leaderless, request_of_leader},
};

/// The time after which an action is given up: its sender has sent another one by then, or waits no more.
const MAX_AGE: Duration = Duration::from_secs(3_600);
/// The most bytes of the queue. A larger one would be hours of work, and what members take at once, one action of each account, is in
/// their memory.
const MAX_BYTES: i64 = 256 * 1024 * 1024;
/// The most actions of the queue: a list of their accounts is one message of NATS.
const MAX_MESSAGES: i64 = 100_000;
/// The longest headers of a message, beside the longest text. A server of NATS takes no longer message than its `max_payload`, which is
/// 1 MiB by default, also with the headers.
const HEADER_BYTES: usize = 8 * 1024;
/// The longest message of a queue that was made before actions could be as long as by other doors.
const FORMER_MESSAGE_BYTES: i32 = (256 + 8) * 1024;
/// The header with the subject for the result: `JetStream` uses the message's own for its acknowledgement.
pub(super) const REPLY_TO: &str = "Matterhost-Reply-To";

/// Returns the name of the stream.
pub(super) fn name(settings: &NatsSettings) -> String {
    format!("{}_actions", settings.prefix)
}

/// Returns the subject of an account's actions, by the part for its name, or that of all.
pub(super) fn subject(settings: &NatsSettings, token: &str) -> String {
    format!("{}.actions.{token}", settings.prefix)
}

/// Returns the subject of the notices that an action of an account is stored.
pub(super) fn notice_subject(settings: &NatsSettings, token: &str) -> String {
    format!("{}.stored.{token}", settings.prefix)
}

/// Opens the stream, and creates it if there is none. The longest text of an action has so many bytes.
pub(super) async fn open(
    context: &Context,
    settings: &NatsSettings,
    most_bytes: usize,
) -> Result<(), NatsError> {
    let wanted = wanted(settings, most_bytes);
    let name = &wanted.name;
    let stream =
        request_of_leader(&format!("the stream {name}"), || try_to_open(context, wanted.clone())).await?;
    let found = &stream.cached_info().config;
    let differences: Vec<_> = essentials(found)
        .into_iter()
        .zip(essentials(&wanted))
        .filter(|(found, wanted)| found != wanted)
        .map(|((key, found), (_, wanted))| format!("{key} is {found}, not {wanted}"))
        .collect();
    if differences.is_empty() {
        if found.max_message_size == FORMER_MESSAGE_BYTES {
            raise_limit(context, found, wanted.max_message_size).await;
        }
        return Ok(());
    }
    Err(NatsError {
        what: format!(
            "the stream {name} of NATS JetStream is no queue of actions: {}",
            Excerpt::of(&differences.join("; "))
        ),
        remedy: format!("delete it with `nats stream rm {name}`, and start the member again"),
    })
}

async fn try_to_open(context: &Context, wanted: Config) -> Result<Stream, RequestFailure> {
    let name = wanted.name.clone();
    context.get_or_create_stream(wanted).await.map_err(|error| match error.kind() {
        CreateStreamErrorKind::JetStream(error) if is_leaderless(&error) => RequestFailure::NoLeader,
        _ => RequestFailure::Lasting(NatsError {
            what: format!("cannot use the stream {name} of NATS JetStream: {}", Excerpt::of(&error)),
            remedy: "enable JetStream on the servers and in the account, with room for 256 MiB and as many servers as cluster.replicas"
                .into(),
        }),
    })
}

/// Raises the limit of a queue that has the former one. A queue that cannot be changed goes on with its own.
async fn raise_limit(context: &Context, found: &Config, bytes: i32) {
    let name = &found.name;
    match context.update_stream(Config { max_message_size: bytes, ..found.clone() }).await {
        Ok(_) => tracing::info!(stream = name, bytes, "the queue of actions takes longer messages now"),
        Err(error) => {
            let (error, former) = (Excerpt::of(&error), FORMER_MESSAGE_BYTES);
            tracing::warn!(stream = name, %error, "the queue of actions takes no messages longer than {former} bytes; run `nats stream edit {name} --max-msg-size={bytes}`");
        }
    }
}

/// Returns the settings without which actions are lost or come twice. The limits may be others.
fn essentials(config: &Config) -> [(&'static str, String); 6] {
    [
        ("subjects", format!("{:?}", config.subjects)),
        ("retention", format!("{:?}", config.retention)),
        ("discard", format!("{:?}", config.discard)),
        ("discard_new_per_subject", config.discard_new_per_subject.to_string()),
        ("deny_delete", config.deny_delete.to_string()),
        ("republish", format!("{:?}", config.republish)),
    ]
}

fn wanted(settings: &NatsSettings, most_bytes: usize) -> Config {
    Config {
        name: name(settings),
        description: Some("matterhost: actions for accounts".into()),
        subjects: vec![subject(settings, "*")],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: i64::try_from(MOST_WAITING_OF_ACCOUNT).unwrap_or(i64::MAX),
        max_messages: MAX_MESSAGES,
        max_bytes: MAX_BYTES,
        max_message_size: i32::try_from(most_bytes + HEADER_BYTES).unwrap_or(i32::MAX),
        max_age: MAX_AGE,
        // A notice to the members once an action is stored. The action itself would go to all of them.
        republish: Some(Republish {
            source: subject(settings, "*"),
            destination: notice_subject(settings, "{{wildcard(1)}}"),
            headers_only: true,
        }),
        ..Config::default()
    }
}
