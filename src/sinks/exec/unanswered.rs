//! Events sent to a child and not answered yet.

use std::{collections::VecDeque, time::Duration};

use futures_util::future::{BoxFuture, join_all};
use matterhost_actors::ports::Outcome;
use tokio::time::Instant;

use super::protocol::{ChildMessage, EventRef};
use crate::sinks::{
    HandlerDeps,
    message::Message,
    queue::Job,
    reply::{RawReply, ReplyParseError},
};

/// The events sent to a child and not answered yet, oldest first.
pub(super) struct UnansweredEvents {
    events: VecDeque<UnansweredEvent>,
    handler_deps: HandlerDeps,
}

struct UnansweredEvent {
    job: Job<Message>,
    since: Instant,
    /// Replies being posted; the event is acknowledged after them.
    replies: Vec<BoxFuture<'static, ()>>,
}

impl UnansweredEvents {
    pub(super) fn new(handler_deps: HandlerDeps) -> Self {
        Self { events: VecDeque::new(), handler_deps }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn add(&mut self, job: Job<Message>) {
        self.events.push_back(UnansweredEvent { job, since: Instant::now(), replies: Vec::new() });
    }

    /// Returns the time since when the oldest event has been waiting.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.events.front().map(|event| event.since)
    }

    /// Handles a line of the child.
    ///
    /// # Errors
    /// A description of the problem if the line cannot be used.
    pub(super) fn handle_line(&mut self, line: &str) -> Result<(), String> {
        match ChildMessage::parse(line)? {
            ChildMessage::Ack(event_ref) => self.take(&event_ref)?.acknowledge(),
            ChildMessage::Retry(event_ref, after) => {
                let cause = "the handler asked for a retry".into();
                self.take(&event_ref)?.job.settle(Outcome::Retry { after, cause });
            }
            ChildMessage::Reject(event_ref, cause) => {
                let event = self.take(&event_ref)?;
                let outcome = self.handler_deps.reject(&event.job.item, &cause);
                event.job.settle(outcome);
            }
            ChildMessage::Reply(reply) => self.post_reply(*reply).map_err(|error| error.to_string())?,
        }
        Ok(())
    }

    /// Returns all events, to be delivered again.
    pub(super) fn return_all(&mut self, after: Duration, cause: &str) {
        for event in self.events.drain(..) {
            event.job.settle(Outcome::Retry { after, cause: cause.to_owned() });
        }
    }

    fn take(&mut self, event_ref: &EventRef) -> Result<UnansweredEvent, String> {
        let index = self.events.iter().position(|event| event_ref.matches(&event.job.item));
        let event = index.and_then(|index| self.events.remove(index));
        event.ok_or_else(|| "the answer names no unanswered event".into())
    }

    fn post_reply(&mut self, raw: RawReply) -> Result<(), ReplyParseError> {
        let events: Vec<_> = self.events.iter().map(|event| &event.job.item).collect();
        let index = raw.event_index(&events)?;
        let n = self.events[index].replies.len();
        let reply = raw.into_reply(events[index], &self.handler_deps.sink, n)?;
        if let (Some(reply), Some(event)) = (reply, self.events.get_mut(index)) {
            event.replies.push(self.handler_deps.post(reply));
        }
        Ok(())
    }
}

impl UnansweredEvent {
    /// Acknowledges the event once its replies are posted.
    fn acknowledge(self) {
        if self.replies.is_empty() {
            return self.job.settle(Outcome::Acknowledged);
        }
        tokio::task::spawn_local(async move {
            join_all(self.replies).await;
            self.job.settle(Outcome::Acknowledged);
        });
    }
}
