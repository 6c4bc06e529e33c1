//! What is hosted, and how it comes to change.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use actix::Addr;
use matterhost_actors::{
    hosting::{AccountSpec, AddAccount, AddServer, ServerSpec, Supervisor},
    model::ServerName,
    ports::HttpApi,
};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    operations::HostOperations,
    reload::{FileWatch, ReloadError, ReloadRequest},
    signals::HangupSignals,
    systemd::ServiceManager,
};
use crate::{
    config::{self, AccountConfig, Config, ConfigDiff, ConfigError, Problem, ServerConfig, Sources},
    sinks::SinkRegistry,
    telemetry::{logging::LogLevelHandle, metrics::Metrics},
};

/// What is hosted now.
pub(in crate::host) struct HostState {
    pub(in crate::host) config: Config,
    /// Where the configuration is read from again.
    sources: Sources,
    pub(in crate::host) sinks: SinkRegistry,
    /// How each server is spoken to.
    pub(super) apis: HashMap<ServerName, Arc<HttpApi>>,
    pub(super) deps: HostDeps,
    /// What was told of files that cannot be used: once, until it changes.
    reported_problems: Vec<Problem>,
}

/// What a host stands on.
pub(in crate::host) struct HostDeps {
    pub(in crate::host) supervisor: Addr<Supervisor>,
    pub(in crate::host) operations: Arc<HostOperations>,
    pub(in crate::host) level: LogLevelHandle,
    pub(in crate::host) metrics: Metrics,
    pub(in crate::host) manager: ServiceManager,
}

/// The ways by which changes are asked for, or noticed.
pub(in crate::host) struct ReloadTriggers {
    pub(in crate::host) requests: mpsc::Receiver<ReloadRequest>,
    pub(in crate::host) hangups: HangupSignals,
    pub(in crate::host) files: FileWatch,
}

impl HostState {
    /// Adds all that the configuration has to a Supervisor.
    pub(in crate::host) async fn start(
        (config, sources): (Config, Sources),
        sinks: SinkRegistry,
        deps: HostDeps,
    ) -> anyhow::Result<Self> {
        tracing::info!(servers = config.servers.len(), accounts = config.accounts.len(), "matterhost begins");
        deps.operations.set_config(&config);
        let mut hosting =
            Self { config, sources, sinks, apis: HashMap::new(), deps, reported_problems: Vec::new() };
        for server in hosting.config.servers.clone() {
            hosting.add_server(&server).await?;
        }
        for account in hosting.config.accounts.clone() {
            let spec = hosting.spec(&account);
            hosting.deps.supervisor.send(AddAccount(spec)).await??;
        }
        Ok(hosting)
    }

    /// How a server is spoken to, with its requests counted.
    pub(super) fn api(&self, server: &ServerConfig) -> Arc<HttpApi> {
        Arc::new(
            HttpApi::new(server.client.clone()).with_stats(self.deps.metrics.request_stats(&server.name)),
        )
    }

    pub(super) async fn add_server(&mut self, server: &ServerConfig) -> Result<(), actix::MailboxError> {
        let api = self.api(server);
        self.apis.insert(server.name.clone(), Arc::clone(&api));
        let spec = ServerSpec { name: server.name.clone(), api, limits: server.limits };
        self.deps.supervisor.send(AddServer(spec)).await
    }

    pub(super) fn spec(&mut self, account: &AccountConfig) -> AccountSpec {
        AccountSpec {
            name: account.name.clone(),
            server: account.server.clone(),
            token: account.token.clone(),
            sink: self.sinks.sink_for(account),
        }
    }

    /// Takes up changes, one after the other, for as long as the host runs.
    pub(in crate::host) async fn run(&mut self, triggers: &mut ReloadTriggers) -> Infallible {
        loop {
            // First: what changed before anybody watched is seen by the first look.
            triggers.files.watch_files(self.config.files()).await;
            self.look_into_files().await;
            tokio::select! {
                () = triggers.hangups.next() => {
                    // It is in the log; nobody waits for more.
                    let _ = self.reload().await;
                }
                Some(ReloadRequest { apply, answer }) = triggers.requests.recv() => {
                    let told = if apply { self.reload().await } else { self.preview().await };
                    // Whoever asked may have gone.
                    let _ = answer.send(told);
                }
                () = triggers.files.changed() => {}
            }
        }
    }

    /// Reads the configuration again and takes it up. This is the one place through which a reload goes.
    async fn reload(&mut self) -> Result<ConfigDiff, ReloadError> {
        self.deps.manager.reloading();
        let done = match self.read().await {
            Ok(config) => self.apply(config).await,
            Err(error) => Err(error.into()),
        };
        match &done {
            Ok(difference) => {
                self.log_as_set();
                tell_reload(difference, &self.config.warnings);
            }
            Err(error) => tell_refusal(error),
        }
        self.deps.manager.ready();
        done
    }

    /// What an operator had set meanwhile is over: the configuration says what is logged.
    fn log_as_set(&self) {
        if let Err(problem) = self.deps.level.set(&self.config.log.level.to_string()) {
            tracing::warn!(key = problem.key, "{}; {}", problem.message, problem.remedy);
        }
    }

    async fn preview(&self) -> Result<ConfigDiff, ReloadError> {
        Ok(ConfigDiff::between(&self.config, &self.read().await?))
    }

    async fn read(&self) -> Result<Config, ConfigError> {
        let sources = self.sources.clone();
        let read = spawn_blocking(move || Config::load(&sources, config::raise_open_files())).await;
        read.unwrap_or_else(|error| {
            let remedy = "see the log, and report it";
            let problem = Problem::new("", format!("reading it broke off ({error})"), remedy);
            Err(ConfigError { file: Some(self.sources.file.clone()), problems: vec![problem] })
        })
    }

    /// Takes up what the files with tokens, secrets and authorities hold now.
    async fn look_into_files(&mut self) {
        let before = self.config.clone();
        let read = spawn_blocking(move || {
            let (config, problems) = before.reread_files();
            let differs = !ConfigDiff::between(&before, &config).is_empty();
            (config, problems, differs)
        });
        let Ok((config, problems, differs)) = read.await else { return };
        for problem in problems.iter().filter(|problem| !self.reported_problems.contains(problem)) {
            tracing::warn!(key = problem.key, "{}; {}", problem.message, problem.remedy);
        }
        self.reported_problems = problems;
        if !differs {
            return;
        }
        match self.apply(config).await {
            Ok(difference) => {
                for change in &difference.changes {
                    tracing::info!("a file changed; {change}");
                }
            }
            Err(error) => tell_refusal(&error),
        }
    }
}

fn tell_reload(difference: &ConfigDiff, warnings: &[Problem]) {
    for warning in warnings {
        tracing::warn!(key = warning.key, "{}; {}", warning.message, warning.remedy);
    }
    for change in &difference.changes {
        tracing::info!("{change}");
    }
    tracing::info!(changes = difference.changes.len(), "the configuration was read again");
}

fn tell_refusal(error: &ReloadError) {
    let ReloadError::InvalidConfig(refused) = error else {
        return tracing::warn!("nothing is changed any more: {error}");
    };
    for problem in &refused.problems {
        tracing::error!(key = problem.key, "{}; {}", problem.message, problem.remedy);
    }
    tracing::error!(
        errors = refused.problems.len(),
        "the configuration cannot be used; everything goes on as it was"
    );
}
