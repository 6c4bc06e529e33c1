//! Servers, accounts, bots and a store, put together.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::sync::broadcast;

use super::{Bot, BotSink, RunningHost, running_host};
use crate::{
    hosting::{AccountSpec, HostSettings, Observer, ServerSpec, ShutdownReport},
    mattermost::{ClientConfig, ClientLimits, ServerUrl, Tls},
    model::{AccountName, Observation, ServerName, Token},
    policy::GateLimits,
    ports::{CursorStore, EventSink, HttpApi, Poster},
};

/// How long the end may take: about as long as whoever stops a process waits.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);

/// What the server is told by whom it is asked.
const USER_AGENT: &str = concat!("matterhost-actors/", env!("CARGO_PKG_VERSION"));

/// A host of bots; begins with [`Host::builder`].
#[derive(Debug)]
pub struct Host;

/// Makes the sink of an account, once there is a voice to speak by.
type MakeSink = Box<dyn FnOnce(Arc<dyn Poster>) -> Arc<dyn EventSink> + Send>;

/// An account whose sink is still to be made.
pub(super) struct PendingAccount {
    pub(super) name: AccountName,
    pub(super) server: ServerName,
    pub(super) token: Token,
    pub(super) sink: MakeSink,
}

impl PendingAccount {
    pub(super) fn into_spec(self, poster: Arc<dyn Poster>) -> AccountSpec {
        AccountSpec { name: self.name, server: self.server, token: self.token, sink: (self.sink)(poster) }
    }
}

/// Everything that a host is made of, checked.
pub(super) struct HostSpec {
    pub(super) settings: HostSettings,
    pub(super) servers: Vec<ServerSpec>,
    pub(super) accounts: Vec<PendingAccount>,
    pub(super) store: Option<Arc<dyn CursorStore>>,
    pub(super) observer: Observer,
}

/// Collects what a host is to be made of. What is wrong with it is told all at once by [`start`](Self::start).
#[must_use]
pub struct HostBuilder {
    spec: HostSpec,
    bot_deadline: Duration,
    shutdown_deadline: Duration,
    problems: Vec<String>,
}

/// Why a host was not started: all that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host cannot start: {}", .problems.join("; "))]
pub struct HostError {
    /// What is wrong, and how to mend it.
    pub problems: Vec<String>,
}

impl Host {
    /// A host without anything.
    pub fn builder() -> HostBuilder {
        HostBuilder {
            spec: HostSpec {
                settings: HostSettings::default(),
                servers: Vec::new(),
                accounts: Vec::new(),
                store: None,
                observer: Observer::default(),
            },
            bot_deadline: BotSink::<NoBot>::DEADLINE,
            shutdown_deadline: SHUTDOWN_DEADLINE,
            problems: Vec::new(),
        }
    }
}

/// Hears everything and says nothing.
struct NoBot;

impl Bot for NoBot {}

impl HostBuilder {
    /// A server, by its address, such as `https://chat.example.com`: the accounts that follow are on it. The
    /// certificates of the system are trusted.
    pub fn server(self, url: &str) -> Self {
        let tls = |url: &ServerUrl| if url.is_tls() { Tls::load(None).map(Some) } else { Ok(None) };
        let config = url.parse::<ServerUrl>().map_err(|error| error.to_string()).and_then(|url| {
            let tls = tls(&url).map_err(|error| error.to_string())?;
            Ok(ClientConfig::new(url, tls, ClientLimits::default(), USER_AGENT))
        });
        let n = self.spec.servers.len() + 1;
        match config {
            Ok(config) => self.server_with(config, GateLimits::default()),
            Err(problem) => self.problem(format!("server {n}: {problem}")),
        }
    }

    /// A server with settings of one's own: the accounts that follow are on it.
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

    /// An account on the server named last, and its bot. The name is yours, and unique; the token is the account's.
    pub fn account(self, name: &str, token: impl Into<String>, bot: impl Bot) -> Self {
        let deadline = self.bot_deadline;
        let sink =
            move |poster| Arc::new(BotSink::new(bot, poster).with_deadline(deadline)) as Arc<dyn EventSink>;
        self.add(name, token.into(), Box::new(sink))
    }

    /// An account whose events go to any sink.
    pub fn account_with(self, name: &str, token: impl Into<String>, sink: Arc<dyn EventSink>) -> Self {
        self.add(name, token.into(), Box::new(move |_| sink))
    }

    fn add(mut self, name: &str, token: String, sink: MakeSink) -> Self {
        let server = self.spec.servers.last().map(|server| server.name.clone());
        match (AccountName::new(name), Token::new(token), server) {
            (Ok(name), _, _) if self.spec.accounts.iter().any(|account| account.name == name) => {
                self.problem(format!("account {name}: there are two of that name; choose another"))
            }
            (Ok(name), Ok(token), Some(server)) => {
                self.spec.accounts.push(PendingAccount { name, server, token, sink });
                self
            }
            (Err(error), ..) => self.problem(format!("an account: {error}")),
            (_, Err(error), _) => self.problem(format!("account {name}: {error}")),
            (_, _, None) => self.problem(format!("account {name}: there is no server before it; name one")),
        }
    }

    /// Keeps what was taken, so that the next process goes on where this one ends.
    pub fn store(mut self, store: Arc<dyn CursorStore>) -> Self {
        self.spec.store = Some(store);
        self
    }

    /// Everything else that can be set.
    pub fn settings(mut self, settings: HostSettings) -> Self {
        self.spec.settings = settings;
        self
    }

    /// How long a handler of the bots that follow may take. Default: [`BotSink::DEADLINE`].
    pub fn bot_deadline(mut self, deadline: Duration) -> Self {
        self.bot_deadline = deadline;
        self
    }

    /// How long the end may take. Default: 30 s.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// Hears what happens from the start on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Observation>> {
        self.spec.observer.subscribe()
    }

    /// Starts the host: on this thread where it is one of actix, else on a thread of its own.
    ///
    /// # Errors
    /// With all that is wrong with what was given.
    pub async fn start(self) -> Result<RunningHost, HostError> {
        running_host::start(self.checked()?).await
    }

    /// Runs the host until the process is told to end (SIGINT, and SIGTERM on Unix), and ends it in order: what was
    /// heard is handled, what was said is posted.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run(self) -> Result<ShutdownReport, HostError> {
        self.run_until(running_host::wait_for_termination()).await
    }

    /// Runs the host until something of one's own comes, and ends it in order.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run_until(self, end: impl Future) -> Result<ShutdownReport, HostError> {
        let deadline = self.shutdown_deadline;
        let running = self.start().await?;
        end.await;
        Ok(running.shutdown(deadline).await)
    }

    fn checked(mut self) -> Result<HostSpec, HostError> {
        if self.spec.servers.is_empty() && self.problems.is_empty() {
            self.problems.push("there is no server; name one".into());
        } else if self.spec.accounts.is_empty() && self.problems.is_empty() {
            self.problems.push("there is no account; name one".into());
        }
        if self.problems.is_empty() { Ok(self.spec) } else { Err(HostError { problems: self.problems }) }
    }

    fn problem(mut self, problem: String) -> Self {
        self.problems.push(problem);
        self
    }
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
