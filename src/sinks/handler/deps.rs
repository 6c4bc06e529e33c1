//! What a sink whose handler answers needs besides its own configuration.

use std::{sync::Arc, time::Duration};

use matterhost_actors::ports::Outcome;

use crate::sinks::{dead_letter::DeadLetters, message::Message, reply::ReplyPoster};

/// A full disk is seldom empty sooner.
const KEEP_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a sink whose handler answers needs besides its own configuration.
#[derive(Clone)]
pub(in crate::sinks) struct HandlerDeps {
    /// The sink's name.
    pub(in crate::sinks) sink: Arc<str>,
    /// Who posts replies.
    pub(in crate::sinks) reply_poster: Arc<dyn ReplyPoster>,
    /// Where what is refused goes; `None` while dead letters themselves are tried again.
    pub(in crate::sinks) dead_letters: Option<DeadLetters>,
}

impl HandlerDeps {
    /// A handler refused the event for good: it is kept, and then passed over. While it cannot be kept, it is
    /// offered again.
    pub(in crate::sinks) fn rejected(&self, event: &Message, cause: &str) -> Outcome {
        let Some(letters) = &self.dead_letters else { return Outcome::Rejected { cause: cause.to_owned() } };
        let sink = &*self.sink;
        match letters.add(event, cause) {
            Ok(()) => {
                letters.warning().report_success();
                Outcome::Rejected { cause: format!("sink {sink}: {cause} (event {})", event.id) }
            }
            Err(error) => {
                letters.warning().report_failure(Some(&event.account), &error.to_string());
                let cause = format!("the dead letter cannot be written: {error}");
                Outcome::Retry { after: KEEP_AGAIN_AFTER, cause }
            }
        }
    }
}
