//! The events that a child has and has not answered.

use std::{collections::VecDeque, time::Duration};

use futures_util::future::{BoxFuture, join_all};
use matterhost_actors::ports::Outcome;
use tokio::time::Instant;

use super::protocol::{Line, Named};
use crate::sinks::{
    Supplies,
    message::Message,
    queue::Job,
    reply::{AnswerError, Given},
};

/// The events that a child has and has not answered, oldest first.
pub(super) struct Open {
    events: VecDeque<Event>,
    supplies: Supplies,
}

struct Event {
    job: Job<Message>,
    since: Instant,
    /// Replies that are on their way: the event is acknowledged after them.
    replies: Vec<BoxFuture<'static, ()>>,
}

impl Open {
    pub(super) fn new(supplies: Supplies) -> Self {
        Self { events: VecDeque::new(), supplies }
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
    pub(super) fn line(&mut self, line: &str) -> Result<(), String> {
        match Line::read(line)? {
            Line::Ack(named) => self.take(&named)?.acknowledge(),
            Line::Retry(named, after) => {
                let cause = "the handler wants it later".into();
                self.take(&named)?.job.settle(Outcome::Retry { after, cause });
            }
            Line::Reject(named, cause) => {
                let event = self.take(&named)?;
                let outcome = self.supplies.rejected(&event.job.item, &cause);
                event.job.settle(outcome);
            }
            Line::Reply(given) => self.reply(*given).map_err(|error| error.to_string())?,
        }
        Ok(())
    }

    /// Gives all of them back, to be offered again.
    pub(super) fn give_back(&mut self, after: Duration, cause: &str) {
        for event in self.events.drain(..) {
            event.job.settle(Outcome::Retry { after, cause: cause.to_owned() });
        }
    }

    fn take(&mut self, named: &Named) -> Result<Event, String> {
        let place = self.events.iter().position(|event| named.means(&event.job.item));
        let event = place.and_then(|place| self.events.remove(place));
        event.ok_or_else(|| "the answer names no event that waits for one".into())
    }

    fn reply(&mut self, given: Given) -> Result<(), AnswerError> {
        let events: Vec<_> = self.events.iter().map(|event| &event.job.item).collect();
        let place = given.among(&events)?;
        let n = self.events[place].replies.len();
        let reply = given.reply(events[place], &self.supplies.sink, n)?;
        if let (Some(reply), Some(event)) = (reply, self.events.get_mut(place)) {
            event.replies.push(self.supplies.post(reply));
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
