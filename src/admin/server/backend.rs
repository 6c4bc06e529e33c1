//! What the API stands on.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use actix::{Addr, Handler, Message, dev::ToEnvelope};
use futures_util::future::BoxFuture;
use matterhost_actors::{
    hosting::{Observer, Supervisor},
    policy::TokenBucket,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    account_feed::AccountFeed, api_error::ApiError, authenticator::Authenticator, event_log::EventLog,
    health::StateCountsCache,
};
use crate::{
    admin::dto::{self, ConfigProblem},
    config::{AdminConfig, ConfigDiff, ReadyPolicy},
    telemetry::{metrics::Format, time::rfc3339},
};

/// How long the Supervisor may take to answer. It never waits for anything itself.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// Requests a second, of all who are let in together: a page needs a dozen at once, and nobody reads faster.
const REQUESTS_PER_SECOND: f64 = 200.0;
/// Requests a second for what is open to all, of all together: a page is some dozen files.
const ANONYMOUS_REQUESTS_PER_SECOND: f64 = 200.0;

/// Answers at once that tell of all accounts: of ten thousand each is some ten MB until it is sent.
const LARGE_ANSWERS: usize = 16;
/// When to ask again for one: most take less.
const LARGE_AGAIN: Duration = Duration::from_secs(1);

/// What the program does for the API beyond hosting.
pub trait Operations: Send + Sync + 'static {
    /// A server's address.
    fn server_url(&self, server: &str) -> Option<String>;

    /// The metrics, as Prometheus reads them.
    fn metrics(&self, format: Format) -> BoxFuture<'static, Result<String, String>>;

    /// What is logged.
    fn log_level(&self) -> String;

    /// Sets what is logged.
    ///
    /// # Errors
    /// When that is no level: how it is written.
    fn set_log_level(&self, level: &str) -> Result<(), String>;

    /// What a reload would do; with `apply` it does it.
    fn reload(&self, apply: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>>;
}

/// Why a reload changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadRefused {
    /// In a sentence.
    pub detail: String,
    /// Everything that is wrong with the configuration.
    pub problems: Vec<ConfigProblem>,
}

/// What the API stands on.
#[derive(Clone)]
pub struct Backend {
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) operations: Arc<dyn Operations>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) ready: ReadyPolicy,
    pub(super) instance: Arc<str>,
    pub(super) event_log: EventLog,
    pub(super) account_feed: AccountFeed,
    pub(super) streams: Arc<Semaphore>,
    pub(super) max_connections: usize,
    pub(super) authenticated_rate: RateLimit,
    pub(super) anonymous_rate: RateLimit,
    pub(super) state_counts: StateCountsCache,
    large: Arc<Semaphore>,
    started: SystemTime,
}

/// Lets so many through a second.
#[derive(Clone)]
pub(super) struct RateLimit(Arc<Mutex<TokenBucket>>);

impl RateLimit {
    fn new(requests_per_second: f64) -> Self {
        Self(Arc::new(Mutex::new(TokenBucket::new(Instant::now(), requests_per_second))))
    }

    /// Takes leave for one request.
    pub(super) fn take(&self) -> Result<(), ApiError> {
        // A panic while it was held leaves a number that is whole.
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        taken.map_err(|wait| ApiError::too_many_requests("too many requests", wait))
    }
}

impl Backend {
    /// Puts together what the API stands on.
    pub fn new(
        config: &AdminConfig,
        supervisor: Addr<Supervisor>,
        observer: &Observer,
        operations: Arc<dyn Operations>,
    ) -> Self {
        let instance: Arc<str> = format!("{:016x}", fastrand::u64(..)).into();
        Self {
            account_feed: AccountFeed::new(supervisor.clone()),
            supervisor,
            operations,
            authenticator: Arc::new(Authenticator::new(config)),
            ready: config.ready,
            event_log: EventLog::new(Arc::clone(&instance), observer.subscribe()),
            instance,
            streams: Arc::new(Semaphore::new(config.max_streams)),
            max_connections: config.max_connections,
            started: SystemTime::now(),
            authenticated_rate: RateLimit::new(REQUESTS_PER_SECOND),
            anonymous_rate: RateLimit::new(ANONYMOUS_REQUESTS_PER_SECOND),
            state_counts: StateCountsCache::default(),
            large: Arc::new(Semaphore::new(LARGE_ANSWERS)),
        }
    }

    /// Asks the Supervisor, and waits for so long.
    pub(super) async fn ask<M>(&self, message: M) -> Result<M::Result, ApiError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Supervisor: Handler<M>,
        <Supervisor as actix::Actor>::Context: ToEnvelope<Supervisor, M>,
    {
        match timeout(ASK_WITHIN, self.supervisor.send(message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(ApiError::unavailable("the host is ending")),
            Err(_) => Err(ApiError::unavailable(format!(
                "the Supervisor did not answer within {} s",
                ASK_WITHIN.as_secs()
            ))),
        }
    }

    /// A place for an answer that tells of all accounts, to be held until it is sent.
    pub(super) fn large_answer_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| ApiError::busy("many large answers are on their way already", LARGE_AGAIN);
        Arc::clone(&self.large).try_acquire_owned().map_err(full)
    }

    /// The process, as this caller sees it.
    pub(super) fn instance_for(&self, caller: super::authenticator::Caller) -> dto::Instance {
        dto::Instance {
            version: env!("CARGO_PKG_VERSION").into(),
            instance: self.instance.to_string(),
            started: rfc3339(self.started),
            now: rfc3339(SystemTime::now()),
            read_only: !caller.may_change,
            authenticated: caller.authenticated,
        }
    }
}
