//! The state shared by the handlers of the admin API.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix::{Addr, Handler, Message, dev::ToEnvelope};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use matterhost_actors::{
    hosting::{Observer, Supervisor},
    model::AccountName,
    policy::TokenBucket,
    ports::Poster,
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    access::Access,
    account_feed::AccountFeed,
    account_shares::{AccountPlace, AccountShares},
    accounts::parse_name,
    all_accounts::{AllAccounts, OtherMembers},
    api_error::ApiError,
    authenticator::Authenticator,
    body::MAX_LONG_BODIES,
    event_log::EventLog,
    health::StateCountsCache,
    hosted_accounts::{HostedAccounts, ask},
    sign_in::SignInLinks,
    sink_operations::SinkOperations,
    upload_space::{MAX_UPLOADS, UploadPermit, UploadSpace},
};
use crate::{
    actions::ReplyTokens,
    admin::{
        dto::{self, AccountSettings, ConfigProblem},
        ui::page_link,
    },
    config::{AccountRefused, AdminConfig, ConfigDiff, RandomError, ReadyPolicy, TokenScope},
    telemetry::{metrics::Format, time::rfc3339, version},
};

/// Requests per second, of all authenticated callers together: the page needs a dozen at once, and people are slower.
const REQUESTS_PER_SECOND: f64 = 200.0;
/// Requests per second for public paths, of all callers together: the page has some dozen files.
const ANONYMOUS_REQUESTS_PER_SECOND: f64 = 200.0;

/// Concurrent responses about all accounts: for ten thousand accounts each holds about 10 MB until it is sent.
const MAX_LARGE_ANSWERS: usize = 16;
/// The `Retry-After` when there are too many of them: most are sent sooner.
const LARGE_ANSWER_RETRY: Duration = Duration::from_secs(1);

/// The look-ups of all accounts at once: each may take as much memory, and as long as a slow server takes.
const MAX_LOOK_UPS: usize = 32;
/// The time after which an action or look-up may be tried again while too many wait: each takes about so long.
const ACTION_RETRY: Duration = Duration::from_secs(1);

/// The most files that are downloaded at once, as many as are uploaded.
const MAX_DOWNLOADS: usize = MAX_UPLOADS;
/// The `Retry-After` when there are too many of them.
const DOWNLOAD_RETRY: Duration = Duration::from_secs(2);

/// The operations of the program that the API offers beyond hosting.
pub trait Operations: Send + Sync + 'static {
    /// Returns the URL of a server.
    fn server_url(&self, server: &str) -> Option<String>;

    /// Returns the place that makes an account one: a file, `environment` or `api`.
    fn account_source(&self, _account: &AccountName) -> Option<String> {
        None
    }

    /// Puts an account, or removes it if there are no settings; returns what changed.
    fn change_account(
        &self,
        _account: AccountName,
        _settings: Option<AccountSettings>,
    ) -> BoxFuture<'static, Result<ConfigDiff, AccountRefused>> {
        let refused = AccountRefused::Conflict("this host keeps no accounts".into());
        ready(Err(refused)).boxed()
    }

    /// Returns the metrics in a Prometheus text format.
    fn metrics(&self, format: Format) -> BoxFuture<'static, Result<String, String>>;

    /// Returns the log level.
    fn log_level(&self) -> String;

    /// Sets the log level.
    ///
    /// # Errors
    /// When the level is not valid: a description of the syntax.
    fn set_log_level(&self, level: &str) -> Result<(), String>;

    /// Returns the changes that a reload would make; with `apply`, makes them.
    fn reload(&self, apply: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>>;

    /// Returns the name of this member of a cluster; `None` if the host is in none.
    fn member(&self) -> Option<String> {
        None
    }

    /// Returns the other members of the cluster; `None` if the host is in none.
    fn members(&self) -> Option<Arc<dyn OtherMembers>> {
        None
    }

    /// Describes the cluster; `None` if the host is in none.
    fn cluster(&self) -> Option<dto::Cluster> {
        None
    }

    /// Returns the reason why this member of a cluster is not ready; `None` if it is, or if the host is in no cluster.
    fn unready_member(&self) -> Option<&'static str> {
        None
    }

    /// Gives the accounts of this member away, or takes accounts again; `None` if the host is in no cluster.
    fn set_draining(&self, draining: bool) -> Option<Result<(), String>> {
        let _ = draining;
        None
    }

    /// Shares the accounts of the cluster evenly among its members; `None` if the host is in no cluster.
    fn rebalance(&self) -> Option<BoxFuture<'static, Result<dto::PlannedMoves, String>>> {
        None
    }

    /// Returns the operations on the sinks; `None` if the host has none.
    fn sinks(&self) -> Option<Arc<dyn SinkOperations>> {
        None
    }
}

/// The reason why a reload changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadRefused {
    /// The reason as a sentence.
    pub detail: String,
    /// All errors of the configuration.
    pub problems: Vec<ConfigProblem>,
}

/// The state shared by the handlers of the admin API.
#[derive(Clone)]
pub struct Backend {
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) operations: Arc<dyn Operations>,
    pub(super) accounts: AllAccounts,
    /// Takes the actions of accounts.
    pub(super) poster: Arc<dyn Poster>,
    pub(super) access: Arc<Access>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) sign_in_links: SignInLinks,
    /// The tokens by which handlers answer later; `None` if no sink issues any.
    pub(super) reply_tokens: Option<ReplyTokens>,
    pub(super) ready: ReadyPolicy,
    pub(super) instance: Arc<str>,
    pub(super) event_log: EventLog,
    pub(super) account_feed: AccountFeed,
    pub(super) streams: Arc<Semaphore>,
    pub(super) max_connections: usize,
    /// Requests with full rights; a tool that only reads, or only acts as an account, cannot use them up.
    pub(super) full_rate: RateLimit,
    pub(super) act_rate: RateLimit,
    pub(super) reply_rate: RateLimit,
    /// Places of actions; while a server is down they wait, and must leave connections for operators.
    actions: AccountShares,
    /// Places of requests with long bodies, which a slow client keeps for as long as it may send one.
    long_bodies: AccountShares,
    /// Places of look-ups, which may also have large answers.
    look_ups: AccountShares,
    pub(super) read_rate: RateLimit,
    pub(super) anonymous_rate: RateLimit,
    pub(super) state_counts: StateCountsCache,
    large: Arc<Semaphore>,
    /// Permits for files that are kept until they are uploaded.
    uploads: UploadSpace,
    downloads: Arc<Semaphore>,
    /// The directory for these files.
    pub(super) upload_dir: Arc<Path>,
    started: SystemTime,
}

/// A shared limit of requests per second.
#[derive(Clone)]
pub(crate) struct RateLimit(Arc<Mutex<TokenBucket>>);

impl RateLimit {
    /// Returns a limit with so many requests per second.
    pub(crate) fn new(requests_per_second: f64) -> Self {
        Self(Arc::new(Mutex::new(TokenBucket::new(Instant::now(), requests_per_second))))
    }

    /// Admits one request.
    pub(crate) fn take(&self) -> Result<(), ApiError> {
        let result = self.0.lock().take(Instant::now());
        result.map_err(|wait| ApiError::too_many_requests("too many requests", wait))
    }
}

impl Backend {
    /// Creates the state of the API.
    pub fn new(
        config: &AdminConfig,
        access: Access,
        supervisor: Addr<Supervisor>,
        observer: &Observer,
        operations: Arc<dyn Operations>,
    ) -> Self {
        let access = Arc::new(access);
        let hosted = HostedAccounts::new(supervisor.clone(), Arc::clone(&operations));
        let accounts = AllAccounts::new(hosted);
        let instance: Arc<str> = format!("{:016x}", fastrand::u64(..)).into();
        Self {
            account_feed: AccountFeed::new(accounts.clone()),
            accounts,
            poster: Arc::new(supervisor.clone()),
            supervisor,
            operations,
            authenticator: Arc::new(Authenticator::new(config, Arc::clone(&access))),
            access,
            sign_in_links: SignInLinks::default(),
            reply_tokens: None,
            ready: config.ready,
            event_log: EventLog::new(Arc::clone(&instance), observer.subscribe()),
            instance,
            streams: Arc::new(Semaphore::new(config.max_streams)),
            max_connections: config.max_connections,
            started: SystemTime::now(),
            full_rate: RateLimit::new(REQUESTS_PER_SECOND),
            act_rate: RateLimit::new(REQUESTS_PER_SECOND),
            reply_rate: RateLimit::new(REQUESTS_PER_SECOND),
            actions: AccountShares::new(config.max_connections / 2),
            long_bodies: AccountShares::new(MAX_LONG_BODIES.min(config.max_connections / 2)),
            look_ups: AccountShares::new(MAX_LOOK_UPS),
            read_rate: RateLimit::new(REQUESTS_PER_SECOND),
            anonymous_rate: RateLimit::new(ANONYMOUS_REQUESTS_PER_SECOND),
            state_counts: StateCountsCache::default(),
            large: Arc::new(Semaphore::new(MAX_LARGE_ANSWERS)),
            uploads: UploadSpace::new(MAX_UPLOADS.min(config.max_connections / 4)),
            downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS.min(config.max_connections / 4))),
            upload_dir: upload_dir(config).into(),
        }
    }

    /// Accepts the reply tokens of this issuer.
    #[must_use]
    pub fn with_reply_tokens(self, tokens: ReplyTokens) -> Self {
        Self { reply_tokens: Some(tokens), ..self }
    }

    /// Takes the actions of accounts by this poster instead of the Supervisor itself.
    #[must_use]
    pub fn with_poster(self, poster: Arc<dyn Poster>) -> Self {
        Self { poster, ..self }
    }

    /// True if the host generated the token, so that an operator needs a link to the page.
    pub fn has_generated_token(&self) -> bool {
        matches!(*self.access, Access::Tokens { is_generated: true, .. })
    }

    /// Makes a link that signs a browser in to the page at this URL, once; returns the URL itself if no sign-in is needed.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn page_link(&self, url: &str) -> Result<String, RandomError> {
        match *self.access {
            Access::Anonymous => Ok(url.to_owned()),
            Access::Tokens { .. } => {
                let code = self.sign_in_links.create(Instant::now())?;
                Ok(page_link(url, code.expose()))
            }
        }
    }

    /// Asks the Supervisor, within the time limit.
    pub(super) async fn ask<M>(&self, message: M) -> Result<M::Result, ApiError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Supervisor: Handler<M>,
        <Supervisor as actix::Actor>::Context: ToEnvelope<Supervisor, M>,
    {
        ask(&self.supervisor, message).await
    }

    /// Reads the name of an account that must be hosted here, because only its member can answer the request.
    pub(super) fn hosted_name(&self, name: &str) -> Result<AccountName, ApiError> {
        let name = parse_name(name)?;
        self.accounts.check_is_here(&name)?;
        Ok(name)
    }

    /// Acquires a permit for a response about all accounts, to hold until it is sent.
    pub(super) fn large_answer_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| ApiError::busy("too many large responses are being sent", LARGE_ANSWER_RETRY);
        Arc::clone(&self.large).try_acquire_owned().map_err(full)
    }

    /// Takes a place of an account for actions that wait for its server, to hold until they are done.
    pub(super) fn action_place(&self, account: &AccountName) -> Result<AccountPlace, ApiError> {
        self.actions.take(account).ok_or_else(|| too_many("actions", account))
    }

    /// Takes a place of an account for a request with a long body, to hold until its actions are done.
    pub(super) fn long_body_place(&self, account: &AccountName) -> Result<AccountPlace, ApiError> {
        self.long_bodies.take(account).ok_or_else(|| too_many("long requests", account))
    }

    /// Takes a place of an account for a look-up, to hold until its answer is sent.
    pub(super) fn look_up_place(&self, account: &AccountName) -> Result<AccountPlace, ApiError> {
        self.look_ups.take(account).ok_or_else(|| too_many("look-ups", account))
    }

    /// Acquires a permit for files to upload, to hold until that is done.
    pub(super) fn upload_permit(&self) -> Result<UploadPermit, ApiError> {
        self.uploads.begin()
    }

    /// Acquires a permit for a file to download, to hold until that is done.
    pub(super) fn download_permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| ApiError::busy("too many files are being downloaded", DOWNLOAD_RETRY);
        Arc::clone(&self.downloads).try_acquire_owned().map_err(full)
    }

    /// Describes the process for this caller.
    pub(super) fn instance_for(&self, caller: super::authenticator::Caller) -> dto::Instance {
        dto::Instance {
            version: version::VERSION.into(),
            instance: self.instance.to_string(),
            started: rfc3339(self.started),
            now: rfc3339(SystemTime::now()),
            read_only: !caller.may_change,
            authenticated: caller.authenticated,
            acts_as: match caller.scope {
                TokenScope::Act(accounts) => Some(accounts.iter().map(ToString::to_string).collect()),
                TokenScope::Read | TokenScope::Full => None,
            },
        }
    }
}

/// Returns the error for more than an account's share of what waits for servers.
fn too_many(what: &str, account: &AccountName) -> ApiError {
    ApiError::busy(format!("too many {what} of account {account} wait for its server"), ACTION_RETRY)
}

/// Returns the directory for files that are to be uploaded: that of the state if it is on disk, else that of the generated token.
fn upload_dir(config: &AdminConfig) -> PathBuf {
    let state = config.generated_token_file.as_deref().and_then(Path::parent);
    state.map_or_else(env::temp_dir, Path::to_owned)
}
