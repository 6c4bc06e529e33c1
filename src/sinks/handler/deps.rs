//! What a sink whose handler answers needs besides its own configuration.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::Excerpt,
    ports::{Outcome, Poster},
};

use crate::sinks::{dead_letter::DeadLetters, message::Message, reply::Reply};

/// A full disk is seldom empty sooner.
const KEEP_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a sink whose handler answers needs besides its own configuration.
#[derive(Clone)]
pub(in crate::sinks) struct HandlerDeps {
    /// The sink's name.
    pub(in crate::sinks) sink: Arc<str>,
    /// Posts replies as the account that received the event.
    pub(in crate::sinks) poster: Arc<dyn Poster>,
    /// Where what is refused goes; `None` while dead letters themselves are tried again.
    pub(in crate::sinks) dead_letters: Option<DeadLetters>,
}

impl HandlerDeps {
    /// Posts a reply, in order within its channel. The future ends in bounded time, once the reply is posted or has failed
    /// and been logged; only then may the event be acknowledged.
    pub(in crate::sinks) fn post(&self, reply: Reply) -> BoxFuture<'static, ()> {
        let (account, event, sink) = (reply.account.clone(), reply.event_id.clone(), Arc::clone(&self.sink));
        let posting = reply.into_action().map(|action| self.poster.post(&account, action));
        async move {
            let error = match posting {
                Ok(posting) => posting.await.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = error {
                let account = account.as_str();
                tracing::warn!(account, %sink, %event, error, "cannot post a reply; it is dropped");
            }
        }
        .boxed()
    }

    /// A handler refused the event for good: it is kept, and then passed over. While it cannot be kept, it is
    /// offered again.
    pub(in crate::sinks) fn rejected(&self, event: &Message, cause: &str) -> Outcome {
        let Some(letters) = &self.dead_letters else { return Outcome::Rejected { cause: cause.to_owned() } };
        let sink = &*self.sink;
        match letters.add(event, cause) {
            Ok(()) => {
                letters.warning().report_success();
                let cause = Excerpt::with_note(
                    &format_args!("sink {sink}: {cause}"),
                    &format_args!("event {}", event.id),
                );
                Outcome::Rejected { cause: cause.into() }
            }
            Err(error) => {
                letters.warning().report_failure(Some(&event.account), &error.to_string());
                let cause = format!("the dead letter cannot be written: {error}");
                Outcome::Retry { after: KEEP_AGAIN_AFTER, cause }
            }
        }
    }
}
