use std::{fmt, sync::Arc, time::Duration};

use super::{Bot, BotSink};
use crate::ports::{EventSink, Poster};

/// A bot of any type, for a program with sinks of its own.
#[derive(Clone)]
pub struct AnyBot {
    sink: Arc<dyn EventSink>,
}

impl AnyBot {
    /// Returns the bot of one account. Its replies go to the poster, and a handler that takes longer than the deadline has
    /// failed.
    pub fn new(bot: impl Bot, poster: Arc<dyn Poster>, deadline: Duration) -> Self {
        Self { sink: Arc::new(BotSink::new(bot, poster).with_deadline(deadline)) }
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
