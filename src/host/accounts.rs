//! The hosted servers and accounts: added at the start, and changed when a new configuration is applied.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use actix::{Addr, MailboxError};
use futures_util::future::join_all;
use matterhost_actors::{
    hosting::{
        AccountSpec, AddAccount, AddServer, ChangeAccount, ChangeServer, ChangeSettings, RemoveAccount,
        RemoveServer, ServerSpec, SinkReleased, Supervisor, SupervisorError,
    },
    model::{AccountName, ServerName},
    policy::GateLimits,
    ports::HttpApi,
};

use super::{
    cluster::{OwnedShards, ShardEvent},
    hooks::HookDeps,
    operations::HostOperations,
    reload::ReloadError,
    systemd::ServiceManager,
};
use crate::{
    config::{
        AccountConfig, Change, ChangeStatus, Config, ConfigDiff, Effect, ItemKind, Problem, ServerConfig,
        Sources,
    },
    sinks::{PreparedSinks, SinkRegistry},
    telemetry::{logging::LogLevelHandle, metrics::Metrics},
};

/// The running configuration, and everything built from it.
pub(super) struct HostState {
    pub(super) config: Config,
    /// The sources that a reload reads.
    pub(super) sources: Sources,
    pub(super) sinks: SinkRegistry,
    /// The REST and WebSocket client of each server.
    apis: HashMap<ServerName, Arc<HttpApi>>,
    pub(super) deps: HostDeps,
    /// Problems of token, secret and certificate files that are already logged.
    pub(super) reported_problems: Vec<Problem>,
    /// The fingerprint of the configuration's directories when they were last read.
    pub(super) seen_directories: u64,
    /// The shards that it runs as a member of a cluster; all accounts without one.
    pub(super) shards: Option<OwnedShards>,
}

/// The parts of the host that a reload does not replace.
pub(super) struct HostDeps {
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) operations: Arc<HostOperations>,
    pub(super) level: LogLevelHandle,
    pub(super) metrics: Metrics,
    pub(super) manager: ServiceManager,
    pub(super) hooks: Option<HookDeps>,
}

impl HostDeps {
    /// Passes a configuration on to the parts that are asked about it.
    fn set_config(&self, config: &Config) {
        self.operations.set_config(config);
        if let Some(hooks) = &self.hooks {
            hooks.set_config(config);
        }
    }
}

impl HostState {
    /// Adds all servers and accounts of the configuration to the Supervisor.
    pub(super) async fn start(
        config: Config,
        sources: Sources,
        sinks: SinkRegistry,
        deps: HostDeps,
        shards: Option<OwnedShards>,
    ) -> anyhow::Result<Self> {
        tracing::info!(
            servers = config.servers.len(),
            accounts = config.accounts.len(),
            "starting matterhost"
        );
        deps.set_config(&config);
        let seen_directories = config.layout.fingerprint();
        let mut state = Self {
            config,
            sources,
            sinks,
            apis: HashMap::new(),
            deps,
            reported_problems: Vec::new(),
            seen_directories,
            shards,
        };
        for server in state.config.servers.clone() {
            state.add_server(&server).await?;
        }
        for account in state.config.accounts.clone() {
            if state.hosts(&account.name) {
                let spec = state.account_spec(&account);
                state.deps.supervisor.send(AddAccount(spec)).await??;
            }
        }
        Ok(state)
    }

    /// Returns true unless another member of the cluster hosts the account.
    fn hosts(&self, account: &AccountName) -> bool {
        self.shards.as_ref().is_none_or(|shards| shards.owns(account))
    }

    /// Waits for a shard to be started or stopped; forever if the host is in no cluster.
    pub(super) async fn next_shard_event(shards: &mut Option<OwnedShards>) -> ShardEvent {
        match shards {
            Some(shards) => shards.next().await,
            None => std::future::pending().await,
        }
    }

    /// Starts or stops the accounts of a shard.
    pub(super) async fn take_shard_event(&mut self, event: ShardEvent) -> Result<(), ReloadError> {
        let Some(shards) = &mut self.shards else { return Ok(()) };
        match event {
            ShardEvent::Start(shard, fence, started) => {
                for name in shards.start(shard, fence, started) {
                    self.add_account(&name).await?;
                }
            }
            ShardEvent::Stop(shard, done) => {
                let leaving = shards.stop(shard, done, &self.deps.supervisor);
                for account in &leaving {
                    self.sinks.board().set_leaving(account);
                }
            }
            ShardEvent::Members => self.share_limits().await?,
            ShardEvent::Stopped(stopped) => {
                for account in shards.stopped(stopped) {
                    self.sinks.forget_account(&account);
                }
            }
        }
        Ok(())
    }

    /// Tells the servers that see all members behind one address how many there are by now.
    async fn share_limits(&mut self) -> Result<(), ReloadError> {
        for server in self.config.servers.clone().iter().filter(|server| server.shared_address) {
            self.change_server(server, &[]).await?;
        }
        Ok(())
    }

    /// Returns the limits of a server in a cluster with the members of now.
    fn limits(&self, server: &ServerConfig) -> GateLimits {
        server.limits_among(self.shards.as_ref().map_or(1, OwnedShards::members))
    }

    async fn add_account(&mut self, name: &AccountName) -> Result<(), ReloadError> {
        let accounts = &self.config.accounts;
        let Ok(at) = accounts.binary_search_by(|account| account.name.cmp(name)) else { return Ok(()) };
        let spec = self.account_spec(&accounts[at].clone());
        log_refusal(self.deps.supervisor.send(AddAccount(spec)).await?)
    }

    /// Applies a new configuration, and returns the differences.
    ///
    /// Everything that can fail comes first: reading the configuration, and starting its sinks. The rest is always
    /// carried out.
    ///
    /// # Errors
    /// Fails if a sink cannot be started; then nothing has changed.
    pub(super) async fn apply(&mut self, config: Config) -> Result<ConfigDiff, ReloadError> {
        let prepared = self.sinks.prepare(&config)?;
        self.apply_prepared(config, prepared).await
    }

    /// Applies a new configuration whose sinks are started.
    pub(super) async fn apply_prepared(
        &mut self,
        config: Config,
        prepared: PreparedSinks,
    ) -> Result<ConfigDiff, ReloadError> {
        let diff = ConfigDiff::between(&self.config, &config);
        self.apply_servers(&config, &diff).await?;
        if config.host != self.config.host {
            self.deps.supervisor.send(ChangeSettings(config.host.clone())).await?;
            self.sinks.set_restart_policy(config.host.restart);
        }
        let leaving = self.sinks.install(prepared, &config);
        let released = self.apply_accounts(&config).await?;
        self.remove_servers(&config).await?;
        self.deps.set_config(&config);
        self.config = config.keeping_next_start_keys(&self.config);
        actix_rt::spawn(leaving.end(async {
            join_all(released.into_iter().map(SinkReleased::wait)).await;
        }));
        Ok(diff)
    }

    /// Creates the client of a server. Its requests are counted in the metrics.
    fn new_api(&self, server: &ServerConfig) -> Arc<HttpApi> {
        Arc::new(
            HttpApi::new(server.client.clone()).with_stats(self.deps.metrics.request_stats(&server.name)),
        )
    }

    fn account_spec(&mut self, account: &AccountConfig) -> AccountSpec {
        AccountSpec {
            name: account.name.clone(),
            server: account.server.clone(),
            token: account.token.clone(),
            sink: self.sinks.sink_for(account),
            settings: account.settings.clone(),
        }
    }

    async fn add_server(&mut self, server: &ServerConfig) -> Result<(), MailboxError> {
        let api = self.new_api(server);
        self.apis.insert(server.name.clone(), Arc::clone(&api));
        let spec = ServerSpec { name: server.name.clone(), api, limits: self.limits(server) };
        self.deps.supervisor.send(AddServer(spec)).await
    }

    /// Adds new servers, and updates changed ones.
    async fn apply_servers(&mut self, config: &Config, diff: &ConfigDiff) -> Result<(), ReloadError> {
        for server in &config.servers {
            let is_of_server =
                |change: &&Change| change.kind == ItemKind::Server && change.name == server.name.as_str();
            let changes: Vec<_> = diff.changes.iter().filter(is_of_server).collect();
            if changes.iter().any(|change| change.status == ChangeStatus::Added) {
                self.add_server(server).await?;
            } else if !changes.is_empty() {
                let effects: Vec<_> = changes.iter().map(|change| change.effect).collect();
                self.change_server(server, &effects).await?;
            }
        }
        Ok(())
    }

    async fn change_server(&mut self, server: &ServerConfig, effects: &[Effect]) -> Result<(), ReloadError> {
        let restart = effects.contains(&Effect::Restart);
        let needs_client = restart || effects.contains(&Effect::NextConnection);
        let current = self.apis.get(&server.name).filter(|_| !needs_client).map(Arc::clone);
        let api = current.unwrap_or_else(|| self.new_api(server));
        self.apis.insert(server.name.clone(), Arc::clone(&api));
        let spec = ServerSpec { name: server.name.clone(), api, limits: self.limits(server) };
        log_refusal(self.deps.supervisor.send(ChangeServer { spec, restart }).await?)
    }

    /// Updates existing accounts first; removes old ones before adding new ones, which may reuse their names or tokens.
    async fn apply_accounts(&mut self, config: &Config) -> Result<Vec<SinkReleased>, ReloadError> {
        let before = self.hosted_names(&self.config);
        let unchanged: HashSet<AccountName> = self.unchanged_accounts(config);
        let mut released = Vec::new();
        for account in config.accounts.iter().filter(|account| before.contains(&account.name)) {
            let is_unchanged = unchanged.contains(&account.name);
            released.extend(self.change_account(account, is_unchanged).await?);
        }
        let after = self.hosted_names(config);
        let removed = before.iter().filter(|name| !after.contains(*name));
        let removals = removed.clone().map(|name| self.deps.supervisor.send(RemoveAccount(name.clone())));
        for result in join_all(removals).await {
            log_refusal(result?)?;
        }
        removed.for_each(|name| self.sinks.forget_account(name));
        let is_new =
            |account: &&AccountConfig| after.contains(&account.name) && !before.contains(&account.name);
        for account in config.accounts.iter().filter(is_new) {
            let spec = self.account_spec(account);
            log_refusal(self.deps.supervisor.send(AddAccount(spec)).await?)?;
        }
        if let Some(shards) = &mut self.shards {
            shards.set_accounts(config);
        }
        Ok(released)
    }

    /// Returns the accounts of a configuration that this host runs.
    fn hosted_names(&self, config: &Config) -> HashSet<AccountName> {
        let names = config.accounts.iter().map(|account| &account.name);
        names.filter(|name| self.hosts(name)).cloned().collect()
    }

    /// Returns the accounts whose server, token and settings are the same as before.
    fn unchanged_accounts(&self, config: &Config) -> HashSet<AccountName> {
        let after: HashMap<_, _> = config.accounts.iter().map(|account| (&account.name, account)).collect();
        let is_unchanged = |before: &&AccountConfig| {
            let after = after.get(&before.name);
            after.is_some_and(|after| {
                before.server == after.server
                    && before.token.same_as(&after.token)
                    && before.settings == after.settings
            })
        };
        self.config.accounts.iter().filter(is_unchanged).map(|account| account.name.clone()).collect()
    }

    /// Updates an existing account if its server, token, settings or sink changed. Its old sink is in use until the returned
    /// [`SinkReleased`].
    async fn change_account(
        &mut self,
        account: &AccountConfig,
        is_unchanged: bool,
    ) -> Result<Option<SinkReleased>, ReloadError> {
        let old_sink = self.sinks.current_sink(&account.name).cloned();
        let spec = self.account_spec(account);
        let same_sink = old_sink.is_some_and(|old| Arc::ptr_eq(&old, &spec.sink));
        if same_sink && is_unchanged {
            return Ok(None);
        }
        match self.deps.supervisor.send(ChangeAccount(spec)).await? {
            Ok(released) => Ok(Some(released)),
            Err(error) => log_refusal(Err(error)).map(|()| None),
        }
    }

    async fn remove_servers(&mut self, config: &Config) -> Result<(), ReloadError> {
        let is_kept = |name: &ServerName| config.servers.iter().any(|server| server.name == *name);
        let removed: Vec<_> = self.apis.keys().filter(|name| !is_kept(name)).cloned().collect();
        for name in removed {
            self.apis.remove(&name);
            log_refusal(self.deps.supervisor.send(RemoveServer(name)).await?)?;
        }
        Ok(())
    }
}

/// Logs a change that the Supervisor refuses, and continues with the others. A validated configuration causes no
/// refusal.
fn log_refusal(result: Result<(), SupervisorError>) -> Result<(), ReloadError> {
    match result {
        Ok(()) => Ok(()),
        Err(SupervisorError::ShuttingDown) => Err(ReloadError::ShuttingDown),
        Err(error) => {
            tracing::error!(%error, "the Supervisor refused a change");
            Ok(())
        }
    }
}
