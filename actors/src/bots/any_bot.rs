use std::{fmt, sync::Arc, time::Duration};

use super::{Bot, BotSink, handler_panics, schedules::ScheduledBot};
use crate::{
    model::{AccountName, BotName},
    ports::{EventSink, Poster},
};

/// A bot of any type, for a program with sinks of its own.
#[derive(Clone)]
pub struct AnyBot {
    name: BotName,
    sink: Arc<dyn EventSink>,
    scheduled: Arc<dyn ScheduledBot>,
}

impl AnyBot {
    /// Returns a bot of one account. The name tells the bots of the account apart, as in [`BotSink::named`]. Its replies go to the
    /// poster, and a handler that takes longer than the deadline has failed.
    pub fn new(name: BotName, bot: impl Bot, poster: Arc<dyn Poster>, deadline: Duration) -> Self {
        let sink = Arc::new(BotSink::new(bot, poster).with_deadline(deadline).named(name.clone()));
        Self { name, sink: Arc::clone(&sink) as Arc<dyn EventSink>, scheduled: sink }
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Drops the bot of an account. If its destructor panics, the log says so, and the caller goes on.
    pub fn retire(self, account: &AccountName) {
        handler_panics::drop_caught(account, self);
    }

    pub(super) fn scheduled(&self) -> &Arc<dyn ScheduledBot> {
        &self.scheduled
    }

    /// Returns the sink that passes events to the bot.
    pub fn sink(&self) -> &Arc<dyn EventSink> {
        &self.sink
    }
}

impl fmt::Debug for AnyBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyBot")
    }
}
