//! The buckets of a cluster: created, or checked.

use std::time::Duration;

use async_nats::{
    Client,
    jetstream::{
        self,
        context::GetStreamErrorKind,
        kv::{Config, Store},
    },
};
use matterhost_actors::model::Excerpt;

use super::NatsSettings;
use crate::nats::{NatsError, RequestFailure, is_leaderless, is_missing, request_of_leader};

/// Time for which the end of a key stays visible: far longer than a member is without a connection.
const MARK_TTL: Duration = Duration::from_secs(3_600);

/// The oldest version of NATS that marks the end of keys.
const OLDEST_VERSION: (i64, i64, i64) = (2, 11, 0);

/// The buckets of a cluster.
pub(super) struct Buckets {
    pub(super) members: Store,
    pub(super) shards: Store,
    pub(super) cursors: Store,
}

pub(super) async fn open(
    client: &Client,
    settings: &NatsSettings,
    lease_ttl: Duration,
) -> Result<Buckets, NatsError> {
    let (major, minor, patch) = OLDEST_VERSION;
    if !client.is_server_compatible(major, minor, patch) {
        return Err(NatsError {
            what: format!("the NATS server is version {}", Excerpt::of(&client.server_info().version)),
            remedy: format!("upgrade it to {major}.{minor} or newer, which marks the end of keys"),
        });
    }
    let context = jetstream::new(client.clone());
    let config = |suffix: &str, description: &str| Config {
        bucket: format!("{}_{suffix}", settings.prefix),
        description: description.into(),
        history: 1,
        num_replicas: settings.replicas,
        ..Config::default()
    };
    let members = Config {
        max_age: lease_ttl,
        limit_markers: Some(MARK_TTL),
        ..config("members", "matterhost: live members")
    };
    let shards = config("shards", "matterhost: the owner of each shard");
    let cursors = config("cursors", "matterhost: the read position of each account in each channel");
    Ok(Buckets {
        members: open_bucket(&context, members).await?,
        shards: open_bucket(&context, shards).await?,
        cursors: open_bucket(&context, cursors).await?,
    })
}

/// Opens a bucket with these settings, and creates it if there is none.
async fn open_bucket(context: &jetstream::Context, config: Config) -> Result<Store, NatsError> {
    let what = format!("the bucket {}", config.bucket);
    request_of_leader(&what, || try_to_open(context, config.clone())).await
}

async fn try_to_open(context: &jetstream::Context, config: Config) -> Result<Store, RequestFailure> {
    let name = config.bucket.clone();
    let failed = |error: &dyn std::error::Error| {
        RequestFailure::Lasting(NatsError {
            what: format!("cannot use the bucket {name} of NATS JetStream: {}", Excerpt::of(error)),
            remedy:
                "enable JetStream on the servers and in the account, with as many servers as cluster.replicas"
                    .into(),
        })
    };
    let stream = match context.get_stream(format!("KV_{name}")).await {
        Ok(stream) => Some(stream.cached_info().config.clone()),
        Err(error) if is_missing(&error) => None,
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if is_leaderless(&cause) => {
                return Err(RequestFailure::NoLeader);
            }
            _ => return Err(failed(&error)),
        },
    };
    match stream {
        Some(found) => {
            check(&name, &found, &config).map_err(RequestFailure::Lasting)?;
            context.get_key_value(&name).await.map_err(|error| failed(&error))
        }
        None => context.create_key_value(config).await.map_err(|error| failed(&error)),
    }
}

/// Compares the settings of a bucket that exists with those that are needed.
fn check(name: &str, found: &jetstream::stream::Config, needed: &Config) -> Result<(), NatsError> {
    let wrong = |what: String, remedy: String| {
        Err(NatsError { what: format!("the bucket {name} of NATS JetStream {what}"), remedy })
    };
    let again = format!("stop all members, delete it with `nats kv del {name}`, and start them again");
    if found.max_age != needed.max_age {
        let what = format!("keeps keys for {:?}, not for {:?}", found.max_age, needed.max_age);
        return wrong(what, format!("use the same cluster.lease_ttl on all members; to change it, {again}"));
    }
    if found.max_messages_per_subject != needed.history {
        return wrong(format!("keeps {} values of a key, not one", found.max_messages_per_subject), again);
    }
    if needed.limit_markers.is_some() && found.subject_delete_marker_ttl.is_none() {
        return wrong("does not mark the end of keys".into(), again);
    }
    if found.num_replicas != needed.num_replicas {
        let what = format!("is on {} servers, not on {}", found.num_replicas, needed.num_replicas);
        let edit = format!("`nats stream edit KV_{name} --replicas {}`", needed.num_replicas);
        return wrong(what, format!("set cluster.replicas to {}, or run {edit}", found.num_replicas));
    }
    Ok(())
}
