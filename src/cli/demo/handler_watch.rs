use std::time::SystemTime;

use crate::sinks::{
    SinkHandle,
    monitor::{SinkSnapshot, SinkState},
};

/// A watch on the handler of a bot, which notices when it crashes and when it runs again.
pub(super) struct HandlerWatch {
    bot: &'static str,
    handler: SinkHandle,
    /// The last crash that was told.
    told: Option<SystemTime>,
    is_down: bool,
}

impl HandlerWatch {
    pub(super) fn new(bot: &'static str, handler: SinkHandle) -> Self {
        Self { bot, handler, told: None, is_down: false }
    }

    /// Returns what has changed, in sentences.
    pub(super) fn look(&mut self) -> Vec<String> {
        self.describe(&self.handler.snapshot(Vec::new()))
    }

    fn describe(&mut self, seen: &SinkSnapshot) -> Vec<String> {
        let mut told = Vec::new();
        let bot = self.bot;
        if let Some(exit) = seen.exit.as_ref().filter(|exit| Some(exit.at) != self.told) {
            (self.told, self.is_down) = (Some(exit.at), true);
            told.push(format!("{bot}'s handler crashed ({}). Its posts wait.", exit.cause));
        }
        if self.is_down && seen.state == SinkState::Running {
            self.is_down = false;
            told.push(format!("{bot}'s handler runs again and has its posts."));
        }
        told
    }
}
