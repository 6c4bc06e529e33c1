//! What handlers answer is posted by the account that heard the event.

use actix::Addr;
use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    hosting::Supervisor,
    model::{Draft, OutgoingAction, ReplyKey, ReplyKeyError},
    ports::Poster as _,
};

use crate::sinks::reply::{Audience, Reply, ReplyPoster};

/// Posts through the account's own actor: once, in order within a channel, and given up at a deadline.
pub(super) struct SupervisorPoster(pub(super) Addr<Supervisor>);

impl ReplyPoster for SupervisorPoster {
    fn post(&self, reply: Reply) -> BoxFuture<'static, ()> {
        let (account, sink, event) = (reply.account.clone(), reply.sink.clone(), reply.event_id.clone());
        let asked = order(reply).map(|order| self.0.post(&account, order));
        async move {
            let failed = match asked {
                Ok(asked) => asked.await.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = failed {
                let (account, sink) = (account.as_str(), &*sink);
                tracing::warn!(account, sink, %event, error, "a reply could not be posted and is given up");
            }
        }
        .boxed()
    }
}

fn order(reply: Reply) -> Result<OutgoingAction, ReplyKeyError> {
    let key = key(&reply)?;
    let draft = Draft {
        channel: reply.channel,
        text: reply.text,
        root_id: reply.thread,
        props: reply.props,
        key: Some(key),
        ..Draft::default()
    };
    Ok(match reply.audience {
        Audience::Channel => OutgoingAction::Post(draft),
        Audience::Author(user) => OutgoingAction::Ephemeral { user, draft },
    })
}

/// The same when the event comes again, after a kill too: the event, the sink, and which of its answers it is.
fn key(reply: &Reply) -> Result<ReplyKey, ReplyKeyError> {
    let key = ReplyKey::new(&format!("{}#{}#{}", reply.event_id, reply.sink, reply.index))?.into_answer();
    Ok(match reply.event_create_at {
        Some(since) => key.with_earliest(since),
        None => key,
    })
}
