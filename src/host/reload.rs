//! Reloading: the configuration on request, and the files with tokens, secrets and certificate authorities whenever
//! they change.

mod file_watch;
mod watched_paths;

pub(super) use self::file_watch::FileWatch;

use std::{convert::Infallible, path::Path, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::Instant,
};

use super::{account_changes::AccountRequest, accounts::HostState, signals::HangupSignals};
use crate::{
    config::{self, Config, ConfigDiff, ConfigError, Problem},
    sinks::SinkError,
};

/// Capacity of the queue of reload requests: one operator, or a few scripts. Others wait to send.
const QUEUE_LIMIT: usize = 8;

/// The time for which files may be left unread while single accounts are changed one after another.
const MAX_UNREAD: Duration = Duration::from_secs(2);

/// A handle that asks the host to read its configuration again. Clones ask the same host, from any thread.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<ReloadRequest>);

/// The reason why a reload changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is invalid, or one of its sinks cannot be started.
    #[error(transparent)]
    InvalidConfig(#[from] ConfigError),
    /// The host is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

impl From<actix::MailboxError> for ReloadError {
    /// A closed mailbox means that the Supervisor has stopped.
    fn from(_: actix::MailboxError) -> Self {
        Self::ShuttingDown
    }
}

impl From<SinkError> for ReloadError {
    fn from(error: SinkError) -> Self {
        let what = format!("it cannot be started: {}", error.cause);
        let problem = Problem::new(format!("sinks.{}", error.name), what, "fix the cause and reload again");
        Self::InvalidConfig(ConfigError { file: None, problems: vec![problem] })
    }
}

/// The sender of the result: the differences that were, or would be, applied.
type Reply = oneshot::Sender<Result<ConfigDiff, ReloadError>>;

/// A request to change the running configuration.
pub(super) enum ReloadRequest {
    /// To reload it, or to preview a reload.
    Reload {
        /// True to apply the changes, false for a preview.
        apply: bool,
        reply: Reply,
    },
    /// To change one account.
    Account(AccountRequest),
}

/// The kind of work that was done.
#[derive(PartialEq, Eq)]
enum Performed {
    AccountChange,
    ShardChange,
    Other,
}

/// The events that cause a reload.
pub(super) struct ReloadTriggers {
    pub(super) requests: mpsc::Receiver<ReloadRequest>,
    pub(super) hangups: HangupSignals,
    pub(super) files: FileWatch,
}

impl Reloader {
    /// Returns a handle, and the host's receiver of the requests.
    pub(super) fn new() -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (sender, requests) = mpsc::channel(QUEUE_LIMIT);
        (Self(sender), requests)
    }

    /// Reads the configuration again, applies the differences, and returns them. One reload runs at a time, and once
    /// started it is completed even if the returned future is dropped.
    ///
    /// # Errors
    /// Fails with every problem of the configuration, and then changes nothing; or if the host is shutting down.
    pub async fn reload(&self) -> Result<ConfigDiff, ReloadError> {
        self.send(true).await
    }

    /// Reads the configuration again, and returns what a reload would change.
    ///
    /// # Errors
    /// The same as [`Reloader::reload`].
    pub async fn preview(&self) -> Result<ConfigDiff, ReloadError> {
        self.send(false).await
    }

    async fn send(&self, apply: bool) -> Result<ConfigDiff, ReloadError> {
        let (reply, result) = oneshot::channel();
        self.request(ReloadRequest::Reload { apply, reply }).await?;
        result.await.unwrap_or(Err(ReloadError::ShuttingDown))
    }

    /// Waits for a place in the queue of requests.
    pub(super) async fn request(&self, request: ReloadRequest) -> Result<(), ReloadError> {
        self.0.send(request).await.map_err(|_| ReloadError::ShuttingDown)
    }
}

impl HostState {
    /// Performs reloads and changes, one after another, as long as the host runs.
    pub(super) async fn run_reloads(&mut self, triggers: &mut ReloadTriggers) -> Infallible {
        loop {
            // Watching starts before the files are read, so that no change is missed.
            let directories = self.config.layout.directories.clone();
            let files = self.config.files();
            triggers.files.watch_files(files.clone(), directories).await;
            // Directories first: a file that is gone from one is not a file that cannot be read.
            self.reread_directories().await;
            self.reread_files().await;
            let read = Instant::now();
            // A change of one account, or of a shard, leaves the files of the others as they were.
            while self.perform_next(triggers).await != Performed::Other
                && read.elapsed() < MAX_UNREAD
                && self.config.files() == files
            {}
        }
    }

    /// Waits for a request or a changed file, and performs the request.
    async fn perform_next(&mut self, triggers: &mut ReloadTriggers) -> Performed {
        tokio::select! {
            () = triggers.hangups.next() => {
                // The result is in the log.
                let _ = self.reload().await;
            }
            Some(request) = triggers.requests.recv() => match request {
                ReloadRequest::Reload { apply, reply } => {
                    let result = if apply { self.reload().await } else { self.preview().await };
                    // The receiver may be dropped.
                    let _ = reply.send(result);
                }
                ReloadRequest::Account(request) => {
                    self.perform_account_request(request).await;
                    return Performed::AccountChange;
                }
            },
            () = triggers.files.changed() => {}
            event = Self::next_shard_event(&mut self.shards) => {
                if let Err(error) = self.take_shard_event(event).await {
                    tracing::warn!(%error, "cannot start the accounts of a shard");
                }
                return Performed::ShardChange;
            }
        }
        Performed::Other
    }

    /// Reads the configuration again and applies it. SIGHUP and the admin API both reload through this function.
    async fn reload(&mut self) -> Result<ConfigDiff, ReloadError> {
        self.deps.manager.reloading();
        let result = match self.read_config().await {
            Ok(config) => self.apply(config).await,
            Err(error) => Err(error.into()),
        };
        match &result {
            Ok(diff) => {
                self.reset_log_level();
                self.seen_directories = self.config.layout.fingerprint();
                log_reload(diff, &self.config);
            }
            Err(error) => log_failure(error),
        }
        self.deps.manager.ready();
        result
    }

    /// Sets the log level of the configuration; a level that an operator has set lasts until a reload.
    fn reset_log_level(&self) {
        if let Err(problem) = self.deps.level.set(&self.config.log.level.to_string()) {
            tracing::warn!(key = problem.key, "{}; {}", problem.message, problem.remedy);
        }
    }

    async fn preview(&self) -> Result<ConfigDiff, ReloadError> {
        Ok(ConfigDiff::between(&self.config, &self.read_config().await?))
    }

    async fn read_config(&self) -> Result<Config, ConfigError> {
        let (running, sources) = (self.config.clone(), self.sources.clone());
        let read = spawn_blocking(move || running.reload(&sources, config::raise_open_files())).await;
        read.unwrap_or_else(|error| {
            let remedy = "see the log, and report it as a bug";
            let problem = Problem::new("", format!("reading it failed unexpectedly ({error})"), remedy);
            Err(ConfigError { file: self.sources.first_file().map(Path::to_owned), problems: vec![problem] })
        })
    }

    /// Reads the files with tokens, secrets and certificate authorities again, and applies what changed.
    async fn reread_files(&mut self) {
        let before = self.config.clone();
        let read = spawn_blocking(move || {
            let (config, problems) = before.reread_files();
            let is_changed = !ConfigDiff::between(&before, &config).is_empty();
            (config, problems, is_changed)
        });
        let Ok((config, problems, is_changed)) = read.await else { return };
        for problem in problems.iter().filter(|problem| !self.reported_problems.contains(problem)) {
            tracing::warn!(key = problem.key, "{}; {}", problem.message, problem.remedy);
        }
        self.reported_problems = problems;
        if !is_changed {
            return;
        }
        log_noticed("a file", self.apply(config).await);
    }

    /// Reads the files of the configuration's directories again if they changed, and applies the differences. The files
    /// that are named take effect only by a reload.
    async fn reread_directories(&mut self) {
        if self.config.layout.directories.is_empty() {
            return;
        }
        let (running, sources, seen) = (self.config.clone(), self.sources.clone(), self.seen_directories);
        let read = spawn_blocking(move || {
            let now = running.layout.current_fingerprint();
            let read = || running.reload_directories(&sources, config::raise_open_files());
            (now != seen).then(|| (now, read()))
        });
        let Ok(Some((now, result))) = read.await else { return };
        self.seen_directories = now;
        let config = match result {
            Ok(config) => config.keeping_next_start_keys(&self.config),
            Err(error) => return log_failure(&error.into()),
        };
        let known = &self.config.left_out;
        config.left_out.iter().filter(|problem| !known.contains(problem)).for_each(log_left_out);
        log_noticed("a directory", self.apply(config).await);
    }
}

/// Logs the warnings of a configuration, and the files that it leaves out.
pub(crate) fn log_warnings(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!(key = warning.key, "{}; {}", warning.message, warning.remedy);
    }
    config.left_out.iter().for_each(log_left_out);
}

fn log_left_out(problem: &Problem) {
    tracing::error!(key = problem.key, "{}; {}", problem.message, problem.remedy);
}

fn log_reload(diff: &ConfigDiff, config: &Config) {
    log_warnings(config);
    for change in &diff.changes {
        tracing::info!("{change}");
    }
    tracing::info!(changes = diff.changes.len(), "the configuration was reloaded");
}

/// Logs the result of applying a change that was noticed in a file or a directory.
fn log_noticed(what: &str, result: Result<ConfigDiff, ReloadError>) {
    match result {
        Ok(diff) => diff.changes.iter().for_each(|change| tracing::info!("{what} changed; {change}")),
        Err(error) => log_failure(&error),
    }
}

fn log_failure(error: &ReloadError) {
    let ReloadError::InvalidConfig(invalid) = error else {
        return tracing::warn!("the reload was refused: {error}");
    };
    for problem in &invalid.problems {
        let place = problem.place.as_deref();
        tracing::error!(key = problem.key, place, "{}; {}", problem.message, problem.remedy);
    }
    tracing::error!(errors = invalid.problems.len(), "the configuration is invalid; nothing was changed");
}
