//! Takes up changes while the host runs: of the configuration when it is asked to, and of the files with tokens, secrets
//! and authorities by itself.

mod apply;
mod file_watch;
mod watched_paths;

use tokio::sync::{mpsc, oneshot};

pub(super) use super::accounts::{HostDeps, HostState, ReloadTriggers};
pub(super) use file_watch::FileWatch;

use crate::{
    config::{ConfigDiff, ConfigError, Problem},
    sinks::SinkError,
};

/// Those who may wait for their turn before others have to wait to ask: one operator, or a few scripts.
const MOST_WAITING: usize = 8;

/// Asks the host to read its configuration again. Clones ask the same host, from any thread.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<ReloadRequest>);

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be used.
    #[error(transparent)]
    InvalidConfig(#[from] ConfigError),
    /// The host ends.
    #[error("the host ends")]
    ShuttingDown,
}

impl From<actix::MailboxError> for ReloadError {
    /// A Supervisor without a mailbox has ended.
    fn from(_: actix::MailboxError) -> Self {
        Self::ShuttingDown
    }
}

impl From<SinkError> for ReloadError {
    fn from(error: SinkError) -> Self {
        let what = format!("it cannot be started: {}", error.cause);
        let problem = Problem::new(format!("sinks.{}", error.name), what, "mend that, and reload again");
        Self::InvalidConfig(ConfigError { file: None, problems: vec![problem] })
    }
}

/// The answer to a question: what was changed, or would be.
type Answer = oneshot::Sender<Result<ConfigDiff, ReloadError>>;

/// What the host is asked.
#[derive(Debug)]
pub(super) struct ReloadRequest {
    /// Whether it is to be done, or only to be told.
    pub(super) apply: bool,
    pub(super) answer: Answer,
}

impl Reloader {
    /// A way to ask, and the host's end of it.
    pub(super) fn new() -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (sender, requests) = mpsc::channel(MOST_WAITING);
        (Self(sender), requests)
    }

    /// Reads the configuration again, and takes up what differs; says what that was. One reload is under way at a time.
    /// Once begun it is carried through, also when nobody waits for it any more.
    ///
    /// # Errors
    /// All that is wrong with the configuration, and nothing is changed; or that the host ends.
    pub async fn reload(&self) -> Result<ConfigDiff, ReloadError> {
        self.ask(true).await
    }

    /// Reads the configuration again, and says what a reload would do.
    ///
    /// # Errors
    /// As [`Reloader::reload`].
    pub async fn preview(&self) -> Result<ConfigDiff, ReloadError> {
        self.ask(false).await
    }

    async fn ask(&self, apply: bool) -> Result<ConfigDiff, ReloadError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(ReloadRequest { apply, answer }).await.map_err(|_| ReloadError::ShuttingDown)?;
        answered.await.unwrap_or(Err(ReloadError::ShuttingDown))
    }
}
