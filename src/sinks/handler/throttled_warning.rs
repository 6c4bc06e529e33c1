//! Warnings about a sink, and the line that it works again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use matterhost_actors::model::AccountName;

/// Tells of one kind of trouble with one sink.
#[derive(Debug)]
pub(in crate::sinks) struct ThrottledWarning {
    sink: Arc<str>,
    /// What is wrong, before the cause.
    what: &'static str,
    /// True while the last report was a failure.
    failing: AtomicBool,
}

impl ThrottledWarning {
    pub(in crate::sinks) fn new(sink: &Arc<str>, what: &'static str) -> Self {
        Self { sink: Arc::clone(sink), what, failing: AtomicBool::default() }
    }

    /// Logs a failure. The log's budget leaves out all but one a minute.
    pub(in crate::sinks) fn report_failure(&self, account: Option<&AccountName>, cause: &str) {
        let account = account.map(AccountName::as_str);
        self.failing.store(true, Relaxed);
        tracing::warn!(sink = &*self.sink, account, kind = self.what, "{}: {cause}", self.what);
    }

    /// Logs that the sink works, after a failure.
    pub(in crate::sinks) fn report_success(&self) {
        if self.failing.swap(false, Relaxed) {
            tracing::info!(sink = &*self.sink, kind = self.what, "the sink works again");
        }
    }
}
