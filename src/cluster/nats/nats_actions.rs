//! The queue of actions in NATS: one stream, read without a consumer.
//!
//! A consumer would hand a message out again while an action takes long, in another order, and could lose what waits when
//! its subjects change. The member that owns an account asks the leader of the stream for the first message of the account's
//! subject instead, and deletes it by its number once it is finished.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::{
    Client,
    connection::State,
    jetstream::{self, Context, stream::Stream},
};
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use matterhost_actors::model::{AccountName, Excerpt};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    NatsSettings,
    action_stream::{self, REPLY_TO},
    stored_message::{self, StoredMessage, failed},
};
use crate::{
    cluster::action_queue::{ActionQueue, NOTICES, QueueError, QueueNotice, QueueState, QueuedAction},
    nats::{NatsError, is_missing, name_of_token, subject_token},
};

/// The time limit of a request: an election of a leader takes up to six seconds, and then it is asked again.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The interval at which a new connection is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest subject of an inbox, in bytes. Those of clients have 50.
const MAX_INBOX_BYTES: usize = 256;

/// The status of a result that is too long for a message.
const TOO_LARGE: u16 = 413;

/// The queue of actions of a cluster. Clones share the connection.
#[derive(Debug, Clone)]
pub struct NatsActions {
    client: Client,
    context: Context,
    settings: NatsSettings,
    /// The beginnings of the subjects that a result may go to. A member may publish to others, and a client must not
    /// publish there by it.
    inboxes: Vec<String>,
    /// The longest text of an action.
    most_bytes: usize,
}

impl NatsActions {
    /// Opens the stream, and creates it if there is none.
    pub(super) async fn open(
        client: Client,
        settings: &NatsSettings,
        inboxes: &[String],
        most_bytes: usize,
    ) -> Result<Self, NatsError> {
        let context = jetstream::new(client.clone());
        action_stream::open(&context, settings, most_bytes).await?;
        Ok(Self { client, context, settings: settings.clone(), inboxes: inboxes.to_vec(), most_bytes })
    }

    /// Makes a request within its time limit. Without a connection it is not made, because the client would keep it and send
    /// it later.
    fn within_limit<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, QueueError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, QueueError>> {
        let is_connected = self.client.connection_state() == State::Connected;
        async move {
            if !is_connected {
                return Err(QueueError("there is no connection to NATS".into()));
            }
            let late = |_| QueueError(format!("no answer within {REQUEST_LIMIT:?}").into());
            timeout(REQUEST_LIMIT, request).await.map_err(late)?
        }
        .boxed()
    }

    async fn stream(&self) -> Result<Stream<()>, QueueError> {
        self.context
            .get_stream_no_info(action_stream::name(&self.settings))
            .await
            .map_err(|error| failed(&error))
    }

    /// Returns the accounts of which the stream has messages, and creates the stream again if it is gone.
    async fn list(self) -> Result<Vec<AccountName>, QueueError> {
        let (name, all) = (action_stream::name(&self.settings), action_stream::subject(&self.settings, "*"));
        let stream = match self.context.get_stream(&name).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error) => {
                tracing::warn!(stream = name, "the queue of actions is gone; making it anew");
                let opened = action_stream::open(&self.context, &self.settings, self.most_bytes).await;
                opened.map_err(|error| failed(&error))?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(failed(&error)),
        };
        let subjects = stream.info_builder().subjects(all).fetch().await.map_err(|error| failed(&error))?;
        // It must not be read on after an error.
        let subjects: Vec<_> = subjects.try_collect().await.map_err(|error| failed(&error))?;
        Ok(subjects.into_iter().filter_map(|(subject, _)| account_of(&subject)).collect())
    }

    async fn read_first(self, account: AccountName) -> Result<Option<QueuedAction>, QueueError> {
        let subject = action_stream::subject(&self.settings, &subject_token(account.as_str()));
        let stream = action_stream::name(&self.settings);
        let message = stored_message::first_of(&self.context, &stream, &subject).await?;
        Ok(message.map(|message| {
            let inbox = self.inbox(&account, &message);
            let StoredMessage { sequence, stored_at, text, .. } = message;
            QueuedAction { account, sequence, stored_at, text, inbox }
        }))
    }

    async fn read_state(self) -> Result<QueueState, QueueError> {
        stored_message::state_of(&self.context, &action_stream::name(&self.settings)).await
    }

    /// Returns the inbox that an action names, if a result may go there.
    fn inbox(&self, account: &AccountName, message: &StoredMessage) -> Option<String> {
        let inbox = message.header(REPLY_TO)?;
        let is_allowed = is_inbox(&inbox, &self.inboxes);
        if !is_allowed {
            tracing::warn!(%account, subject = %Excerpt::of(&inbox), "an action from NATS wants its result elsewhere than in an inbox; it gets none");
        }
        is_allowed.then_some(inbox)
    }

    async fn send_result(&self, action: &QueuedAction, result: Vec<u8>) -> Result<(), QueueError> {
        let Some(inbox) = action.inbox.clone() else { return Ok(()) };
        let limit = self.client.server_info().max_payload;
        let result = if result.len() > limit {
            let cause = format!(
                "the result has {} bytes, and a message of NATS at most {limit}; ask for less",
                result.len()
            );
            json!({ "status": TOO_LARGE, "detail": cause }).to_string().into_bytes()
        } else {
            result
        };
        self.client.publish(inbox, result.into()).await.map_err(|error| failed(&error))
    }

    /// Sends the result first: without a member that deletes the message, the next one finds the action done and sends it again.
    async fn send_and_delete(self, action: QueuedAction, result: Vec<u8>) -> Result<(), QueueError> {
        self.send_result(&action, result).await?;
        let stream = action_stream::name(&self.settings);
        let message = stored_message::by_number(&self.context, &stream, action.sequence).await?;
        // In a stream that was made anew meanwhile, the number is another message's.
        if message.is_some_and(|message| message.stored_at == action.stored_at) {
            let stream = self.stream().await?;
            stream.delete_message(action.sequence).await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Passes notices on until the receiver is dropped, and tells it of each new connection.
    async fn pass_on(self, notices: mpsc::Sender<QueueNotice>) {
        let all = action_stream::notice_subject(&self.settings, "*");
        let Ok(mut stored) = self.client.subscribe(all).await else {
            tracing::error!("this member hears of no actions in NATS; it looks for them every minute");
            return;
        };
        let statistics = self.client.statistics();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first look is one for what was stored before the subscription.
        let mut connections = 0;
        loop {
            let notice = tokio::select! {
                () = notices.closed() => return,
                message = stored.next() => {
                    // The client has ended.
                    let Some(message) = message else { return };
                    account_of(&message.subject).map(QueueNotice::Stored)
                }
                _ = look.tick() => {
                    let now = statistics.connects.load(Ordering::Relaxed);
                    (std::mem::replace(&mut connections, now) != now).then_some(QueueNotice::Missed)
                }
            };
            if let Some(notice) = notice
                && notices.send(notice).await.is_err()
            {
                return;
            }
        }
    }
}

impl ActionQueue for NatsActions {
    fn accounts(&self) -> BoxFuture<'static, Result<Vec<AccountName>, QueueError>> {
        self.within_limit(self.clone().list())
    }

    fn first(&self, account: &AccountName) -> BoxFuture<'static, Result<Option<QueuedAction>, QueueError>> {
        self.within_limit(self.clone().read_first(account.clone()))
    }

    fn finish(&self, action: QueuedAction, result: Vec<u8>) -> BoxFuture<'static, Result<(), QueueError>> {
        self.within_limit(self.clone().send_and_delete(action, result))
    }

    fn state(&self) -> BoxFuture<'static, Result<QueueState, QueueError>> {
        self.within_limit(self.clone().read_state())
    }

    fn notices(&self) -> mpsc::Receiver<QueueNotice> {
        let (sender, receiver) = mpsc::channel(NOTICES);
        tokio::spawn(self.clone().pass_on(sender));
        receiver
    }
}

/// Returns the account of a subject. Other texts than a name stand for no account, and wait until they are too old.
fn account_of(subject: &str) -> Option<AccountName> {
    let (_, token) = subject.rsplit_once('.')?;
    AccountName::new(&name_of_token(token)?).ok()
}

/// Returns true if a result may go to a subject: one of a client's inboxes.
fn is_inbox(subject: &str, inboxes: &[String]) -> bool {
    let is_text = subject.bytes().all(|byte| byte.is_ascii_graphic() && !b"*>".contains(&byte));
    let has_parts = subject.split('.').all(|part| !part.is_empty());
    let is_below =
        |inbox: &String| subject.strip_prefix(inbox.as_str()).is_some_and(|rest| rest.starts_with('.'));
    subject.len() <= MAX_INBOX_BYTES && is_text && has_parts && inboxes.iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_goes_to_an_inbox_alone() {
        let inboxes = ["_INBOX".to_owned(), "_INBOX_shop.bots".to_owned()];
        let long = format!("_INBOX.{}", "x".repeat(250));
        for (subject, is_allowed) in [
            ("_INBOX.abc", true),
            ("_INBOX.abc.1", true),
            ("_INBOX_shop.bots.abc", true),
            ("_INBOX", false),
            ("_INBOX.", false),
            ("_INBOX..a", false),
            ("_INBOX.*", false),
            ("_INBOX.>", false),
            ("_INBOX.a b", false),
            ("_INBOX.a\r\nPUB x", false),
            ("_INBOXES.abc", false),
            ("_INBOX_shop.abc", false),
            ("matterhost.member.a.0000000000000001", false),
            ("matterhost.member.inbox.abc", false),
            ("$JS.API.STREAM.DELETE.matterhost_actions", false),
            (&long, false),
            ("", false),
        ] {
            assert_eq!(is_inbox(subject, &inboxes), is_allowed, "{subject}");
        }
    }

    #[test]
    fn a_subject_names_an_account_or_none() {
        assert_eq!(account_of("matterhost.actions.help%2Edesk").unwrap().as_str(), "help.desk");
        for other in
            ["matterhost.actions.help%2edesk", "matterhost.actions.a%20b", "matterhost.actions.-%", "x"]
        {
            assert_eq!(account_of(other), None, "{other}");
        }
    }
}
