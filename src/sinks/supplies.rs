//! What a sink whose handler answers needs besides its own configuration.

use std::{sync::Arc, time::Duration};

use matterhost_actors::ports::Outcome;

use super::{answers::Answers, dead_letter::DeadLetters, message::Message};

/// A full disk is seldom empty sooner.
const KEEP_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a sink whose handler answers needs besides its own configuration.
#[derive(Clone)]
pub(super) struct Supplies {
    /// The sink's name.
    pub(super) sink: Arc<str>,
    /// Who posts replies.
    pub(super) answers: Arc<dyn Answers>,
    /// Where what is refused goes; `None` while dead letters themselves are tried again.
    pub(super) dead_letters: Option<DeadLetters>,
}

impl Supplies {
    /// A handler refused the event for good: it is kept. While it cannot be kept, it is offered again.
    pub(super) fn rejected(&self, event: &Message, cause: &str) -> Outcome {
        let kept = self.dead_letters.as_ref().map_or(Ok(()), |letters| letters.add(event, cause));
        let (sink, account) = (&*self.sink, event.account.as_str());
        match kept {
            Ok(()) => {
                tracing::warn!(
                    sink,
                    account,
                    event = &*event.id,
                    "the handler refused an event for good: {cause}"
                );
                Outcome::Rejected { cause: format!("sink {sink}: {cause}") }
            }
            Err(error) => {
                tracing::error!(sink, account, %error, "an event was refused and cannot be kept; trying again");
                let cause = format!("the dead letter cannot be written: {error}");
                Outcome::Retry { after: KEEP_AGAIN_AFTER, cause }
            }
        }
    }
}
