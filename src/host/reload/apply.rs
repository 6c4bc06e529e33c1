//! Makes the host as a configuration says.
//!
//! What can fail comes first: reading the configuration, and starting its sinks. From then on all of it is carried out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures_util::future::join_all;
use matterhost_actors::{
    hosting::{
        AddAccount, ChangeAccount, ChangeServer, ChangeSettings, RemoveAccount, RemoveServer, ServerSpec,
        SinkReleased, SupervisorError,
    },
    model::{AccountName, ServerName},
};

use super::{HostState, ReloadError};
use crate::config::{
    AccountConfig, Change, ChangeStatus, Config, ConfigDiff, Effect, ItemKind, ServerConfig,
};

impl HostState {
    /// Makes the host as the configuration says. Says what differed.
    ///
    /// # Errors
    /// When a sink cannot be started: then nothing has changed.
    pub(in crate::host) async fn apply(&mut self, config: Config) -> Result<ConfigDiff, ReloadError> {
        let difference = ConfigDiff::between(&self.config, &config);
        let prepared = self.sinks.prepare(&config)?;
        self.apply_servers(&config, &difference).await?;
        if config.host != self.config.host {
            self.deps.supervisor.send(ChangeSettings(config.host.clone())).await?;
            self.sinks.set_restart_policy(config.host.restart);
        }
        let removed_sinks = self.sinks.install(prepared, &config);
        let released = self.apply_accounts(&config).await?;
        self.remove_servers(&config).await?;
        self.deps.operations.set_config(&config);
        self.config = config.keeping_next_start_keys(&self.config);
        actix_rt::spawn(removed_sinks.end(async {
            join_all(released.into_iter().map(SinkReleased::wait)).await;
        }));
        Ok(difference)
    }

    async fn apply_servers(&mut self, config: &Config, difference: &ConfigDiff) -> Result<(), ReloadError> {
        for server in &config.servers {
            let about =
                |change: &&Change| change.kind == ItemKind::Server && change.name == server.name.as_str();
            let changes: Vec<_> = difference.changes.iter().filter(about).collect();
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
        let new_client = restart || effects.contains(&Effect::NextConnection);
        let before = self.apis.get(&server.name).filter(|_| !new_client).map(Arc::clone);
        let api = before.unwrap_or_else(|| self.api(server));
        self.apis.insert(server.name.clone(), Arc::clone(&api));
        let spec = ServerSpec { name: server.name.clone(), api, limits: server.limits };
        note(self.deps.supervisor.send(ChangeServer { spec, restart }).await?)
    }

    /// Those that stay are changed at once; those that come wait until those that go have gone, whose tokens and names
    /// they may have.
    async fn apply_accounts(&mut self, config: &Config) -> Result<Vec<SinkReleased>, ReloadError> {
        let before = names(&self.config);
        let is_as_before: HashSet<AccountName> = self.unchanged(config);
        let mut released = Vec::new();
        for account in config.accounts.iter().filter(|account| before.contains(&account.name)) {
            let same = is_as_before.contains(&account.name);
            released.extend(self.change_account(account, same).await?);
        }
        let after = names(config);
        let gone = before.iter().filter(|name| !after.contains(*name));
        let removals = gone.clone().map(|name| self.deps.supervisor.send(RemoveAccount(name.clone())));
        for removed in join_all(removals).await {
            note(removed?)?;
        }
        gone.for_each(|name| self.sinks.forget_account(name));
        for account in config.accounts.iter().filter(|account| !before.contains(&account.name)) {
            let spec = self.spec(account);
            note(self.deps.supervisor.send(AddAccount(spec)).await?)?;
        }
        Ok(released)
    }

    /// Those whose server and token are as they were.
    fn unchanged(&self, config: &Config) -> HashSet<AccountName> {
        let now: HashMap<_, _> = config.accounts.iter().map(|account| (&account.name, account)).collect();
        let same = |before: &&AccountConfig| {
            let now = now.get(&before.name);
            now.is_some_and(|now| before.server == now.server && before.token.same_as(&now.token))
        };
        self.config.accounts.iter().filter(same).map(|account| account.name.clone()).collect()
    }

    /// Changes an account that stays, if anything of it did.
    async fn change_account(
        &mut self,
        account: &AccountConfig,
        is_as_before: bool,
    ) -> Result<Option<SinkReleased>, ReloadError> {
        let sink_before = self.sinks.current_sink(&account.name).cloned();
        let spec = self.spec(account);
        let same_sink = sink_before.is_some_and(|before| Arc::ptr_eq(&before, &spec.sink));
        if same_sink && is_as_before {
            return Ok(None);
        }
        match self.deps.supervisor.send(ChangeAccount(spec)).await? {
            Ok(released) => Ok(Some(released)),
            Err(error) => note(Err(error)).map(|()| None),
        }
    }

    async fn remove_servers(&mut self, config: &Config) -> Result<(), ReloadError> {
        let stay = |name: &ServerName| config.servers.iter().any(|server| server.name == *name);
        let gone: Vec<_> = self.apis.keys().filter(|name| !stay(name)).cloned().collect();
        for name in gone {
            self.apis.remove(&name);
            note(self.deps.supervisor.send(RemoveServer(name)).await?)?;
        }
        Ok(())
    }
}

fn names(config: &Config) -> HashSet<AccountName> {
    config.accounts.iter().map(|account| account.name.clone()).collect()
}

/// What the Supervisor refuses is told: the rest is carried out all the same. Nothing of it comes from a configuration that
/// was checked.
fn note(answer: Result<(), SupervisorError>) -> Result<(), ReloadError> {
    match answer {
        Ok(()) => Ok(()),
        Err(SupervisorError::ShuttingDown) => Err(ReloadError::ShuttingDown),
        Err(error) => {
            tracing::error!(%error, "a change could not be made");
            Ok(())
        }
    }
}
