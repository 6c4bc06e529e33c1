//! The queue of actions in NATS: a stream as a work queue, with a consumer for each shard that has accounts.

use std::{collections::HashMap, time::Duration};

use async_nats::{
    Client,
    jetstream::{
        self, AckKind, Context, Message,
        consumer::{AckPolicy, PullConsumer, pull},
        stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
    },
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use matterhost_actors::model::{AccountName, Excerpt};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::NatsSettings;
use crate::{
    cluster::{
        ShardId,
        action_queue::{ActionQueue, MOST_OPEN_ACTIONS, QueuedAction},
    },
    nats::{NatsError, subject_token},
};

/// The time after which an action is given up: its sender has sent another one by then, or waits no more.
const MAX_AGE: Duration = Duration::from_secs(3_600);
/// The most bytes of the queue. A larger one would be hours of work.
const MAX_BYTES: i64 = 256 * 1024 * 1024;
/// The longest action, as by the API.
const MAX_MESSAGE_BYTES: i32 = 1024 * 1024;
/// The time after which an action of a member that has died comes again, at another one.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// The interval at which a member says that it still works on an action.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);
/// The time until an action that this member cannot take comes again.
const COMES_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The pause after a failure of NATS.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The header with the subject for the result: `JetStream` uses the message's own for its acknowledgement.
const REPLY_TO: &str = "Matterhost-Reply-To";
/// The beginning of the subjects that a result may go to. A member may publish to others, and a client must not
/// publish there by it.
const INBOX: &str = "_INBOX.";

/// The queue of actions of a cluster.
#[derive(Debug, Clone)]
pub struct NatsActions {
    client: Client,
    context: Context,
    stream: String,
    prefix: String,
}

impl NatsActions {
    /// Opens the stream, and creates it if there is none.
    pub(super) async fn open(client: Client, settings: &NatsSettings) -> Result<Self, NatsError> {
        let context = jetstream::new(client.clone());
        let stream = format!("{}_actions", settings.prefix);
        let wanted = wanted(stream.clone(), settings);
        let unusable = |error: &dyn std::error::Error| NatsError {
            what: format!("cannot use the stream {stream} of NATS JetStream: {}", Excerpt::of(error)),
            remedy:
                "enable JetStream on the servers and in the account, with as many servers as cluster.replicas"
                    .into(),
        };
        let opened = context.get_or_create_stream(wanted.clone()).await.map_err(|error| unusable(&error))?;
        let found = &opened.cached_info().config;
        if found.retention != wanted.retention || found.subjects != wanted.subjects {
            return Err(NatsError {
                what: format!(
                    "the stream {stream} of NATS JetStream is no work queue of {:?}",
                    wanted.subjects
                ),
                remedy: format!("delete it with `nats stream rm {stream}`, and start the member again"),
            });
        }
        Ok(Self { client, context, stream, prefix: settings.prefix.clone() })
    }

    fn subject(&self, account: &AccountName) -> String {
        format!("{}.actions.{}", self.prefix, subject_token(account.as_str()))
    }

    /// Opens the consumer of a shard, and gives it the subjects of the accounts.
    async fn consumer(&self, shard: ShardId, subjects: Vec<String>) -> Result<PullConsumer, String> {
        let stream = self.context.get_stream(&self.stream).await.map_err(|error| error.to_string())?;
        let config = pull::Config {
            durable_name: Some(format!("shard-{shard}")),
            filter_subjects: subjects,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: i64::try_from(MOST_OPEN_ACTIONS).unwrap_or(i64::MAX),
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.map_err(|error| error.to_string())
    }

    /// Takes the actions of a shard until its receiver is dropped.
    async fn run(
        self,
        shard: ShardId,
        accounts: HashMap<String, AccountName>,
        sender: mpsc::Sender<QueuedAction>,
    ) {
        while !sender.is_closed() {
            if let Err(error) = self.take_all(shard, &accounts, &sender).await {
                tracing::warn!(%shard, error = %Excerpt::of(&error), "cannot take actions from NATS; trying again");
                sleep(RETRY_AFTER).await;
            }
        }
    }

    async fn take_all(
        &self,
        shard: ShardId,
        accounts: &HashMap<String, AccountName>,
        sender: &mpsc::Sender<QueuedAction>,
    ) -> Result<(), String> {
        let consumer = self.consumer(shard, accounts.keys().cloned().collect()).await?;
        let stream = consumer.stream().max_messages_per_batch(MOST_OPEN_ACTIONS);
        let mut messages = stream.messages().await.map_err(|error| error.to_string())?;
        let mut open = FuturesUnordered::new();
        loop {
            let message = tokio::select! {
                () = sender.closed() => {
                    // What is done is taken out of the queue, and what is not comes again.
                    open.collect::<()>().await;
                    return Ok(());
                }
                Some(()) = open.next(), if !open.is_empty() => continue,
                message = messages.next() => message,
            };
            let message = message.ok_or("the consumer has ended")?.map_err(|error| error.to_string())?;
            let Some(account) = accounts.get(message.subject.as_str()) else { continue };
            let (result, done) = oneshot::channel();
            let (id, text) = (identity(&message)?, message.payload.to_vec());
            let action = QueuedAction { account: account.clone(), id, text, result };
            if sender.send(action).await.is_err() {
                return Ok(());
            }
            open.push(finish(&self.client, message, done));
        }
    }
}

impl ActionQueue for NatsActions {
    fn take(&self, shard: ShardId, accounts: Vec<AccountName>) -> mpsc::Receiver<QueuedAction> {
        let (sender, receiver) = mpsc::channel(MOST_OPEN_ACTIONS);
        let accounts = accounts.into_iter().map(|account| (self.subject(&account), account)).collect();
        tokio::spawn(self.clone().run(shard, accounts, sender));
        receiver
    }
}

fn wanted(name: String, settings: &NatsSettings) -> Config {
    Config {
        name,
        description: Some("matterhost: actions for accounts".into()),
        subjects: vec![format!("{}.actions.*", settings.prefix)],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        max_age: MAX_AGE,
        max_bytes: MAX_BYTES,
        max_message_size: MAX_MESSAGE_BYTES,
        ..Config::default()
    }
}

/// Returns the identity of a message: its number in the stream.
fn identity(message: &Message) -> Result<String, String> {
    let info = message.info().map_err(|error| error.to_string())?;
    Ok(format!("nats-{}-{}", info.stream, info.stream_sequence))
}

/// Waits for the result of an action, sends it, and takes the action out of the queue. Without a result it comes again.
async fn finish(client: &Client, message: Message, mut done: oneshot::Receiver<Vec<u8>>) {
    let result = loop {
        tokio::select! {
            result = &mut done => break result,
            () = sleep(PROGRESS_EVERY) => {
                // Without a connection it comes again.
                let _ = message.ack_with(AckKind::Progress).await;
            }
        }
    };
    let acknowledged = match result {
        Ok(result) => {
            send_result(client, &message, result).await;
            message.double_ack().await
        }
        Err(_) => message.ack_with(AckKind::Nak(Some(COMES_AGAIN_AFTER))).await,
    };
    if let Err(error) = acknowledged {
        tracing::warn!(%error, "an action from NATS comes again, because NATS does not answer");
    }
}

/// Sends a result to the inbox that the action names, if it names one.
async fn send_result(client: &Client, message: &Message, result: Vec<u8>) {
    let Some(inbox) = message.headers.as_ref().and_then(|headers| headers.get(REPLY_TO)) else { return };
    if !inbox.as_str().starts_with(INBOX) {
        tracing::warn!(subject = %Excerpt::of(inbox), "an action from NATS wants its result elsewhere than in an inbox; it gets none");
        return;
    }
    if let Err(error) = client.publish(inbox.as_str().to_owned(), result.into()).await {
        tracing::warn!(%error, "the result of an action from NATS cannot be sent");
    }
}
