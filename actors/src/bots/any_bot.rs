use std::{fmt, sync::Arc, time::Duration};

use super::{Bot, BotSink, schedules::ScheduledBot};
use crate::ports::{EventSink, Poster};

/// A bot of any type, for a program with sinks of its own.
#[derive(Clone)]
pub struct AnyBot {
    sink: Arc<dyn EventSink>,
    scheduled: Arc<dyn ScheduledBot>,
}

impl AnyBot {
    /// Returns the bot of one account. Its replies go to the poster, and a handler that takes longer than the deadline has
    /// failed.
    pub fn new(bot: impl Bot, poster: Arc<dyn Poster>, deadline: Duration) -> Self {
        let sink = Arc::new(BotSink::new(bot, poster).with_deadline(deadline));
        Self { sink: Arc::clone(&sink) as Arc<dyn EventSink>, scheduled: sink }
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
