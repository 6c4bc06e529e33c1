//! The events that a child has and has not answered.

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

/// The events that a child has and has not answered, oldest first.
pub(super) struct UnansweredEvents {
    events: VecDeque<Event>,
    handler_deps: HandlerDeps,
}

struct Event {
    job: Job<Message>,
    since: Instant,
    /// Replies that are on their way: the event is acknowledged after them.
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
        self.events.push_back(Event { job, since: Instant::now(), replies: Vec::new() });
    }

    /// Since when the oldest waits for its answer.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.events.front().map(|event| event.since)
    }

    /// Takes a line of the child to heart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn handle_line(&mut self, line: &str) -> Result<(), String> {
        match ChildMessage::parse(line)? {
            ChildMessage::Ack(named) => self.take(&named)?.acknowledge(),
            ChildMessage::Retry(named, after) => {
                let cause = "the handler wants it later".into();
                self.take(&named)?.job.settle(Outcome::Retry { after, cause });
            }
            ChildMessage::Reject(named, cause) => {
                let event = self.take(&named)?;
                let outcome = self.handler_deps.rejected(&event.job.item, &cause);
                event.job.settle(outcome);
            }
            ChildMessage::Reply(given) => self.reply(*given).map_err(|error| error.to_string())?,
        }
        Ok(())
    }

    /// Gives all of them back, to be offered again.
    pub(super) fn return_all(&mut self, after: Duration, cause: &str) {
        for event in self.events.drain(..) {
            event.job.settle(Outcome::Retry { after, cause: cause.to_owned() });
        }
    }

    fn take(&mut self, named: &EventRef) -> Result<Event, String> {
        let place = self.events.iter().position(|event| named.matches(&event.job.item));
        let event = place.and_then(|place| self.events.remove(place));
        event.ok_or_else(|| "the answer names no event that waits for one".into())
    }

    fn reply(&mut self, given: RawReply) -> Result<(), ReplyParseError> {
        let events: Vec<_> = self.events.iter().map(|event| &event.job.item).collect();
        let place = given.event_index(&events)?;
        let n = self.events[place].replies.len();
        let reply = given.into_reply(events[place], &self.handler_deps.sink, n)?;
        if let (Some(reply), Some(event)) = (reply, self.events.get_mut(place)) {
            event.replies.push(self.handler_deps.post(reply));
        }
        Ok(())
    }
}

impl Event {
    /// Acknowledges it, once its replies are posted.
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
