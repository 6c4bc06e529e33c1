//! Changes of single accounts by the admin API: checked, written to the directory of the state, and applied.

use matterhost_actors::model::AccountName;
use tokio::{
    sync::oneshot,
    task::{JoinError, spawn_blocking},
};

use super::{
    accounts::HostState,
    reload::{ReloadError, ReloadRequest, Reloader},
};
use crate::config::{self, AccountRefused, Config, ConfigDiff, NewAccount, PlannedChange, Sources};

/// A change of one account.
pub(super) enum AccountChange {
    /// Adds it, or replaces its settings.
    Put(NewAccount),
    /// Removes it.
    Remove,
}

/// A request to change one account.
pub(super) struct AccountRequest {
    name: AccountName,
    change: AccountChange,
    reply: oneshot::Sender<Result<ConfigDiff, AccountRefused>>,
}

impl Reloader {
    /// Changes one account, after the reloads and changes that were requested before.
    ///
    /// # Errors
    /// Fails with the reason why nothing was changed.
    pub(super) async fn change_account(
        &self,
        name: AccountName,
        change: AccountChange,
    ) -> Result<ConfigDiff, AccountRefused> {
        let ended = || AccountRefused::Unavailable(ReloadError::ShuttingDown.to_string());
        let (reply, result) = oneshot::channel();
        let request = ReloadRequest::Account(AccountRequest { name, change, reply });
        self.request(request).await.map_err(|_| ended())?;
        result.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl HostState {
    /// Performs a request, and sends its result.
    pub(super) async fn perform_account_request(&mut self, request: AccountRequest) {
        let AccountRequest { name, change, reply } = request;
        let result = self.try_change(&name, change).await;
        match &result {
            Ok(diff) => diff.changes.iter().for_each(|change| tracing::info!("{change}, by the admin API")),
            Err(AccountRefused::Unavailable(detail)) => {
                tracing::error!(account = name.as_str(), "the account was not changed: {detail}");
            }
            // The caller knows what it sent.
            Err(_) => {}
        }
        // The receiver may be dropped.
        let _ = reply.send(result);
    }

    async fn try_change(
        &mut self,
        name: &AccountName,
        change: AccountChange,
    ) -> Result<ConfigDiff, AccountRefused> {
        let (running, sources, account) = (self.config.clone(), self.sources.clone(), name.clone());
        let planned = spawn_blocking(move || plan(&running, &sources, &account, change)).await;
        let Some(planned) = planned.map_err(|error| failed(&error))?? else {
            return Ok(ConfigDiff::default());
        };
        // Everything that can fail comes first, and the files before the accounts: what is answered is kept.
        let prepared = self.sinks.prepare(&planned.config).map_err(ReloadError::from)?;
        let written = spawn_blocking(move || planned.write_files().map(|()| planned.config)).await;
        let config = written.map_err(|error| failed(&error))?.map_err(|error| {
            AccountRefused::Unavailable(format!("{error}; check the directory of the state"))
        })?;
        Ok(self.apply_prepared(config, prepared).await?)
    }
}

fn plan(
    running: &Config,
    sources: &Sources,
    name: &AccountName,
    change: AccountChange,
) -> Result<Option<PlannedChange>, AccountRefused> {
    if running.cluster.is_some() {
        let detail = "the other members of the cluster would not know of it; change the configuration of all members, \
                      and reload them";
        return Err(AccountRefused::Conflict(detail.into()));
    }
    match change {
        AccountChange::Put(new) => running.plan_put(sources, name, new, config::raise_open_files()),
        AccountChange::Remove => running.plan_removal(sources, name).map(Some),
    }
}

fn failed(error: &JoinError) -> AccountRefused {
    AccountRefused::Unavailable(format!("it failed unexpectedly ({error}); report it as a bug"))
}

impl From<ReloadError> for AccountRefused {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::InvalidConfig(invalid) => Self::Invalid(invalid.problems),
            ReloadError::ShuttingDown => Self::Unavailable(error.to_string()),
        }
    }
}
