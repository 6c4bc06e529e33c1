//! The builder of a host.

use std::{fmt, future::Future, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::broadcast;

use super::{
    Bot, BotSink, RunningHost, host_log, running_host,
    schedules::{Journal, ScheduledBot, schedule_problems},
    state::StateOnDisk,
};
use crate::{
    hosting::{AccountSpec, HostSettings, Observer, ServerSpec, ShutdownReport},
    mattermost::{ClientConfig, ClientLimits, Proxy, ServerUrl, Tls, UrlError, proxy},
    model::{AccountName, Observation, ServerName, Token},
    policy::GateLimits,
    ports::{CursorStore, EventSink, HttpApi, Poster},
};

/// The default deadline of a shutdown: a usual time between SIGTERM and SIGKILL.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);

/// The time for the last lines of the log after a shutdown, which are ready by then.
const LAST_LINES: Duration = Duration::from_millis(500);

/// The file of the schedules' runs in the directory of the state.
#[cfg(feature = "disk-state")]
const SCHEDULE_FILE: &str = "schedules.json";

/// The `User-Agent` of requests.
const USER_AGENT: &str = concat!("matterhost-actors/", env!("CARGO_PKG_VERSION"));

/// The entry point to hosting bots; see [`Host::builder`].
#[derive(Debug)]
pub struct Host;

/// Creates the sink of an account as soon as the poster exists.
type MakeSink = Box<dyn FnOnce(Arc<dyn Poster>) -> NewSink + Send>;

/// The sink of an account, and its bot if that may have schedules.
type NewSink = (Arc<dyn EventSink>, Option<Arc<dyn ScheduledBot>>);

/// An account whose sink has not been created yet.
pub(super) struct PendingAccount {
    pub(super) name: AccountName,
    pub(super) server: ServerName,
    pub(super) token: Token,
    pub(super) sink: MakeSink,
}

impl PendingAccount {
    pub(super) fn into_spec(self, poster: Arc<dyn Poster>) -> (AccountSpec, Option<Arc<dyn ScheduledBot>>) {
        let Self { name, server, token, sink } = self;
        let (sink, scheduled) = sink(poster);
        (AccountSpec { name, server, token, sink, settings: None }, scheduled)
    }
}

/// The verified parts of a host.
pub(super) struct HostSpec {
    pub(super) settings: HostSettings,
    pub(super) servers: Vec<ServerSpec>,
    pub(super) accounts: Vec<PendingAccount>,
    pub(super) store: Option<Arc<dyn CursorStore>>,
    pub(super) observer: Observer,
    pub(super) journal: Journal,
    pub(super) state: StateOnDisk,
}

/// A builder of a host. [`start`](Self::start) reports all problems at once.
#[must_use]
pub struct HostBuilder {
    spec: HostSpec,
    bot_deadline: Duration,
    shutdown_deadline: Duration,
    /// True if the journal of the schedules has a file of its own.
    has_schedule_file: bool,
    problems: Vec<String>,
}

/// All problems that prevented a host from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host cannot start: {}", .problems.join("; "))]
pub struct HostError {
    /// The problems, with remedies.
    pub problems: Vec<String>,
}

impl Host {
    /// Returns a builder without servers and accounts.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            spec: HostSpec {
                settings: HostSettings::default(),
                servers: Vec::new(),
                accounts: Vec::new(),
                store: None,
                observer: Observer::default(),
                journal: Journal::default(),
                state: StateOnDisk::default(),
            },
            bot_deadline: BotSink::<NoBot>::DEADLINE,
            shutdown_deadline: SHUTDOWN_DEADLINE,
            has_schedule_file: false,
            problems: Vec::new(),
        }
    }
}

/// A bot without handlers, to name [`BotSink::DEADLINE`].
struct NoBot;

impl Bot for NoBot {}

impl HostBuilder {
    /// Adds a server by its address, such as `https://chat.example.com`. The accounts added next belong to it. The
    /// system's root certificates are trusted, and the proxies of the environment are used: `HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY` and `NO_PROXY`.
    pub fn server(self, url: &str) -> Self {
        let n = self.spec.servers.len() + 1;
        match client_config(url, |variable| std::env::var(variable).ok()) {
            Ok(config) => self.server_with(config, GateLimits::default()),
            Err(problem) => self.problem(format!("server {n}: {problem}")),
        }
    }

    /// Adds a server with custom settings, which name its proxy, too. The accounts added next belong to it.
    pub fn server_with(mut self, config: ClientConfig, limits: GateLimits) -> Self {
        let name = format!("server-{}", self.spec.servers.len() + 1);
        match ServerName::new(&name) {
            Ok(name) => {
                let api = Arc::new(HttpApi::new(config));
                self.spec.servers.push(ServerSpec { name, api, limits });
                self
            }
            Err(error) => self.problem(error.to_string()),
        }
    }

    /// Adds an account with its bot to the last server. The name is your choice and unique; the token is the account's.
    pub fn account(mut self, name: &str, token: impl Into<String>, bot: impl Bot) -> Self {
        let deadline = self.bot_deadline;
        let problems = bot.problems().into_iter().chain(schedule_problems(&bot));
        self.problems.extend(problems.map(|problem| format!("account {name}: {problem}")));
        let sink = move |poster| {
            let sink = Arc::new(BotSink::new(bot, poster).with_deadline(deadline));
            (sink.clone() as Arc<dyn EventSink>, Some(sink as Arc<dyn ScheduledBot>))
        };
        self.add(name, token.into(), Box::new(sink))
    }

    /// Adds an account whose events go to a custom sink.
    pub fn account_with(self, name: &str, token: impl Into<String>, sink: Arc<dyn EventSink>) -> Self {
        self.add(name, token.into(), Box::new(move |_| (sink, None)))
    }

    fn add(mut self, name: &str, token: String, sink: MakeSink) -> Self {
        let server = self.spec.servers.last().map(|server| server.name.clone());
        match (AccountName::new(name), Token::new(token), server) {
            (Ok(name), _, _) if self.spec.accounts.iter().any(|account| account.name == name) => {
                self.problem(format!("account {name}: the name is used twice; choose another"))
            }
            (Ok(name), Ok(token), Some(server)) => {
                self.spec.accounts.push(PendingAccount { name, server, token, sink });
                self
            }
            (Err(error), ..) => self.problem(format!("an account: {error}")),
            (_, Err(error), _) => self.problem(format!("account {name}: {error}")),
            (_, _, None) => self.problem(format!("account {name}: no server was added before it; add one")),
        }
    }

    /// Keeps the state in a directory, which is created: the next process continues where this one ends, also after a kill. It
    /// fetches the posts made between the two, and makes up for the schedules' missed runs. Without it, a process begins with what
    /// happens after its start. Two hosts must not share a directory; the second one does not start.
    ///
    /// Opens the file `cursors.redb`, which the program `matterhost` uses, too, and reads all of it; the calling thread waits
    /// meanwhile. The runs of schedules are in `schedules.json`, unless [`schedule_file`](Self::schedule_file) names another file.
    #[cfg(feature = "disk-state")]
    pub fn state(mut self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        match StateOnDisk::open(&directory) {
            Ok((state, cursors)) => {
                self.spec.state = state;
                self.spec.store = Some(cursors);
            }
            Err(problem) => return self.problem(problem),
        }
        if self.has_schedule_file { self } else { self.journal_in(directory.join(SCHEDULE_FILE)) }
    }

    /// Stores acknowledgements, so that the next process continues where this one ends.
    pub fn store(mut self, store: Arc<dyn CursorStore>) -> Self {
        self.spec.store = Some(store);
        self
    }

    /// Keeps the times of the schedules' runs in a file, which is created. The next process then makes up for a run that was
    /// due between the two, the latest of each schedule; without the file it begins with the first run after its start. Two
    /// hosts must not share a file.
    pub fn schedule_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.has_schedule_file = true;
        self.journal_in(path.into())
    }

    fn journal_in(mut self, path: PathBuf) -> Self {
        match Journal::load(path) {
            Ok(journal) => self.spec.journal = journal,
            Err(problem) => self.problems.push(problem),
        }
        self
    }

    /// Replaces the default settings.
    pub fn settings(mut self, settings: HostSettings) -> Self {
        self.spec.settings = settings;
        self
    }

    /// Limits the duration of a handler, for the bots added next. Default: [`BotSink::DEADLINE`].
    pub fn bot_deadline(mut self, deadline: Duration) -> Self {
        self.bot_deadline = deadline;
        self
    }

    /// Limits the duration of the shutdown by [`run`](Self::run) and [`run_until`](Self::run_until). Default: 30 s.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// Returns a stream of all observations, from the start of the host.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Observation>> {
        self.spec.observer.subscribe()
    }

    /// Starts the host: on this thread if it has an actix system, otherwise on a new thread.
    ///
    /// # Errors
    /// With all problems of the servers and accounts.
    pub async fn start(self) -> Result<RunningHost, HostError> {
        running_host::start(self.validate()?).await
    }

    /// Runs the host until SIGINT (or SIGTERM on Unix), then shuts it down: events already received are handled, and
    /// their replies posted.
    ///
    /// Logs the observations by `tracing`. Without a subscriber of the program, the log goes to standard error from level
    /// `INFO` on.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run(self) -> Result<ShutdownReport, HostError> {
        self.run_until(running_host::wait_for_termination()).await
    }

    /// Runs the host until a future completes, then shuts it down. It logs as [`run`](Self::run) does.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run_until(self, until: impl Future) -> Result<ShutdownReport, HostError> {
        let host_log = host_log::init();
        let (deadline, log) = (self.shutdown_deadline, host_log::log(self.subscribe()));
        let running = self.start().await?;
        let log = tokio::spawn(log);
        until.await;
        let report = running.shutdown(deadline).await;
        // The stream ends with the host; if an actor is still alive, its log is not waited for.
        if tokio::time::timeout(LAST_LINES, log).await.is_err() {
            tracing::debug!("the host has not ended yet");
        }
        host_log.flush(LAST_LINES).await;
        Ok(report)
    }

    fn validate(mut self) -> Result<HostSpec, HostError> {
        if self.spec.servers.is_empty() && self.problems.is_empty() {
            self.problems.push("the host has no server; add one".into());
        } else if self.spec.accounts.is_empty() && self.problems.is_empty() {
            self.problems.push("the host has no account; add one".into());
        }
        if self.problems.is_empty() { Ok(self.spec) } else { Err(HostError { problems: self.problems }) }
    }

    fn problem(mut self, problem: String) -> Self {
        self.problems.push(problem);
        self
    }
}

/// Returns the settings for an address, with the proxy that the environment names for it.
///
/// # Errors
/// If the address or a proxy is not valid, or no certificates can be loaded: a description.
fn client_config(url: &str, environment: impl Fn(&str) -> Option<String>) -> Result<ClientConfig, String> {
    let url: ServerUrl = url.parse().map_err(|error: UrlError| error.to_string())?;
    let found = proxy::from_environment(&url, environment).map_err(|error| error.to_string())?;
    let proxy = found.map(|(_, proxy)| proxy);
    let needs_tls = url.is_tls() || proxy.as_ref().is_some_and(Proxy::is_tls);
    let tls = if needs_tls { Some(Tls::load(None).map_err(|error| error.to_string())?) } else { None };
    Ok(ClientConfig::new(url, tls, ClientLimits::default(), USER_AGENT).with_proxy(proxy))
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("servers", &self.spec.servers)
            .field("accounts", &self.spec.accounts.len())
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_as_the_environment_says() {
        let proxy_of = |url: &str, environment: &[(&str, &str)]| {
            let lookup = |name: &str| {
                environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            client_config(url, lookup).map(|config| config.proxy().map(ToString::to_string))
        };
        let named = |proxy: &str| Ok(Some(proxy.to_owned()));
        let secure = "https://chat.test";
        assert_eq!(proxy_of(secure, &[]), Ok(None));
        assert_eq!(proxy_of(secure, &[("HTTPS_PROXY", "proxy:3128")]), named("http://proxy:3128"));
        assert_eq!(
            proxy_of("http://chat.test", &[("ALL_PROXY", "https://proxy")]),
            named("https://proxy:443")
        );
        assert_eq!(proxy_of(secure, &[("ALL_PROXY", "proxy:1"), ("NO_PROXY", "chat.test")]), Ok(None));
        assert_eq!(proxy_of("http://127.0.0.1:8065", &[("HTTP_PROXY", "proxy:1")]), Ok(None));
        let refused = proxy_of(secure, &[("HTTPS_PROXY", "ftp://u:hidden@proxy")]).unwrap_err();
        assert!(refused.contains("HTTPS_PROXY") && !refused.contains("hidden"), "{refused}");
    }
}
