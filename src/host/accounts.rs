//! What is hosted, and how it comes to change.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use actix::Addr;
use matterhost_actors::{
    hosting::{AccountSpec, AddAccount, AddServer, ServerSpec, Supervisor},
    model::ServerName,
    ports::Mattermost,
};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    operations::Running,
    reload::{Ask, FileWatch, ReloadError},
    signals::Hangups,
    systemd::ServiceManager,
};
use crate::{
    config::{self, AccountConfig, Config, ConfigError, Difference, Problem, ServerConfig, Sources},
    sinks::Sinks,
    telemetry::{logging::LogLevel, metrics::Metrics},
};

/// What is hosted now.
pub(in crate::host) struct Hosting {
    pub(in crate::host) config: Config,
    /// Where the configuration is read from again.
    sources: Sources,
    pub(in crate::host) sinks: Sinks,
    /// How each server is spoken to.
    pub(super) apis: HashMap<ServerName, Arc<Mattermost>>,
    pub(super) around: Around,
    /// What was told of files that cannot be used: once, until it changes.
    told: Vec<Problem>,
}

/// What a host stands on.
pub(in crate::host) struct Around {
    pub(in crate::host) supervisor: Addr<Supervisor>,
    pub(in crate::host) operations: Arc<Running>,
    pub(in crate::host) level: LogLevel,
    pub(in crate::host) metrics: Metrics,
    pub(in crate::host) manager: ServiceManager,
}

/// The ways by which changes are asked for, or noticed.
pub(in crate::host) struct Doors {
    pub(in crate::host) asks: mpsc::Receiver<Ask>,
    pub(in crate::host) hangups: Hangups,
    pub(in crate::host) files: FileWatch,
}

impl Hosting {
    /// Adds all that the configuration has to a Supervisor.
    pub(in crate::host) async fn begin(
        (config, sources): (Config, Sources),
        sinks: Sinks,
        around: Around,
    ) -> anyhow::Result<Self> {
        tracing::info!(servers = config.servers.len(), accounts = config.accounts.len(), "matterhost begins");
        around.operations.hosts(&config);
        let mut hosting = Self { config, sources, sinks, apis: HashMap::new(), around, told: Vec::new() };
        for server in hosting.config.servers.clone() {
            hosting.add_server(&server).await?;
        }
        for account in hosting.config.accounts.clone() {
            let spec = hosting.spec(&account);
            hosting.around.supervisor.send(AddAccount(spec)).await??;
        }
        Ok(hosting)
    }

    /// How a server is spoken to, with its requests counted.
    pub(super) fn api(&self, server: &ServerConfig) -> Arc<Mattermost> {
        Arc::new(Mattermost::new(server.client.clone()).counted(self.around.metrics.tally(&server.name)))
    }

    pub(super) async fn add_server(&mut self, server: &ServerConfig) -> Result<(), actix::MailboxError> {
        let api = self.api(server);
        self.apis.insert(server.name.clone(), Arc::clone(&api));
        let spec = ServerSpec { name: server.name.clone(), api, limits: server.limits };
        self.around.supervisor.send(AddServer(spec)).await
    }

    pub(super) fn spec(&mut self, account: &AccountConfig) -> AccountSpec {
        AccountSpec {
            name: account.name.clone(),
            server: account.server.clone(),
            token: account.token.clone(),
            sink: self.sinks.of(account),
        }
    }

    /// Takes up changes, one after the other, for as long as the host runs.
    pub(in crate::host) async fn run(&mut self, doors: &mut Doors) -> Infallible {
        loop {
            // First: what changed before anybody watched is seen by the first look.
            doors.files.follow(self.config.files()).await;
            self.look_into_files().await;
            tokio::select! {
                () = doors.hangups.next() => {
                    // It is in the log; nobody waits for more.
                    let _ = self.reload().await;
                }
                Some(Ask { apply, answer }) = doors.asks.recv() => {
                    let told = if apply { self.reload().await } else { self.preview().await };
                    // Whoever asked may have gone.
                    let _ = answer.send(told);
                }
                () = doors.files.stir() => {}
            }
        }
    }

    /// Reads the configuration again and takes it up. This is the one place through which a reload goes.
    async fn reload(&mut self) -> Result<Difference, ReloadError> {
        self.around.manager.reloading();
        let done = match self.read().await {
            Ok(config) => self.take_up(config).await,
            Err(error) => Err(error.into()),
        };
        match &done {
            Ok(difference) => {
                self.log_as_set();
                tell_reload(difference, &self.config.warnings);
            }
            Err(error) => tell_refusal(error),
        }
        self.around.manager.ready();
        done
    }

    /// What an operator had set meanwhile is over: the configuration says what is logged.
    fn log_as_set(&self) {
        if let Err(problem) = self.around.level.set(&self.config.log.level.to_string()) {
            tracing::warn!(key = problem.key, "{}; {}", problem.what, problem.remedy);
        }
    }

    async fn preview(&self) -> Result<Difference, ReloadError> {
        Ok(Difference::between(&self.config, &self.read().await?))
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
            let (config, problems) = before.with_files_read();
            let differs = !Difference::between(&before, &config).is_empty();
            (config, problems, differs)
        });
        let Ok((config, problems, differs)) = read.await else { return };
        for problem in problems.iter().filter(|problem| !self.told.contains(problem)) {
            tracing::warn!(key = problem.key, "{}; {}", problem.what, problem.remedy);
        }
        self.told = problems;
        if !differs {
            return;
        }
        match self.take_up(config).await {
            Ok(difference) => {
                for change in &difference.changes {
                    tracing::info!("a file changed; {change}");
                }
            }
            Err(error) => tell_refusal(&error),
        }
    }
}

fn tell_reload(difference: &Difference, warnings: &[Problem]) {
    for warning in warnings {
        tracing::warn!(key = warning.key, "{}; {}", warning.what, warning.remedy);
    }
    for change in &difference.changes {
        tracing::info!("{change}");
    }
    tracing::info!(changes = difference.changes.len(), "the configuration was read again");
}

fn tell_refusal(error: &ReloadError) {
    let ReloadError::Refused(refused) = error else {
        return tracing::warn!("nothing is changed any more: {error}");
    };
    for problem in &refused.problems {
        tracing::error!(key = problem.key, "{}; {}", problem.what, problem.remedy);
    }
    tracing::error!(
        errors = refused.problems.len(),
        "the configuration cannot be used; everything goes on as it was"
    );
}
