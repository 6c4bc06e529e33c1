//! Tells in the log what goes wrong with a sink: at once, then now and then, and that it is over.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use matterhost_actors::model::AccountName;
use tokio::time::Instant;

/// A sink that fails for hours fails a thousand times a minute, and says so once in each.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Tells of one kind of trouble with one sink.
#[derive(Debug)]
pub(in crate::sinks) struct ThrottledWarning {
    sink: Arc<str>,
    /// What is wrong, before the cause.
    what: &'static str,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// Failures since, of which nothing was said.
    untold: u64,
    /// Whether the last thing told was a failure.
    failing: bool,
}

impl ThrottledWarning {
    pub(in crate::sinks) fn new(sink: &Arc<str>, what: &'static str) -> Self {
        Self { sink: Arc::clone(sink), what, told: Mutex::default() }
    }

    /// It failed.
    pub(in crate::sinks) fn report_failure(&self, account: Option<&AccountName>, cause: &str) {
        if let Some(untold) = self.told().fail(Instant::now()) {
            let account = account.map(AccountName::as_str);
            tracing::warn!(sink = &*self.sink, account, untold, "{}: {cause}", self.what);
        }
    }

    /// It works.
    pub(in crate::sinks) fn report_success(&self) {
        if std::mem::take(&mut self.told().failing) {
            tracing::info!(sink = &*self.sink, "the sink works again");
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        // A panic while it was held leaves it whole.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// Takes note of a failure; if it is to be told, how many were not.
    fn fail(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < TELL_EVERY) {
            self.untold += 1;
            return None;
        }
        (self.last, self.failing) = (Some(now), true);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_once_and_then_once_a_minute() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert_eq!(told.fail(start), Some(0));
        assert!(std::mem::take(&mut told.failing));
        for second in 1..60 {
            assert_eq!(told.fail(start + Duration::from_secs(second)), None);
        }
        assert!(!told.failing, "that it works was told, and nothing since");
        assert_eq!(told.fail(start + TELL_EVERY), Some(59));
        assert_eq!(told.fail(start + 2 * TELL_EVERY), Some(0));
    }
}
