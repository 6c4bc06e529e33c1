//! A limit on how often an account is looked at because of news about it.

use std::time::{Duration, Instant};

/// The minimum time between two prompts for an account.
const PROMPT_INTERVAL: Duration = Duration::from_secs(1);

/// The prompts for one account, merged to at most one a second.
#[derive(Debug, Default)]
pub(crate) struct PromptLimit {
    next: Option<Instant>,
}

impl PromptLimit {
    /// Records news. Returns the delay until the account must be looked at, or `None` if a look that is already
    /// scheduled will see the news too.
    pub(crate) fn request(&mut self, now: Instant) -> Option<Duration> {
        match self.next {
            Some(at) if at > now + PROMPT_INTERVAL => None,
            Some(at) if at > now => {
                self.next = Some(at + PROMPT_INTERVAL);
                Some(at - now)
            }
            _ => {
                self.next = Some(now + PROMPT_INTERVAL);
                Some(Duration::ZERO)
            }
        }
    }
}
