//! Accounts that tools put by the admin API. They are kept in the directory of the state, apart from the configuration's
//! files, and follow the same rules as an `[accounts.NAME]` there.

mod change;
mod stored_files;

pub use change::{AccountRefused, NewAccount, PlannedChange};
pub use stored_files::StoredFiles;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use config::{Map, Value};
use matterhost_actors::model::{AccountName, Token};

use super::{
    AccountConfig, AccountSource, Config, Problem, SinkConfig, StateConfig,
    accounts::{KnownNames, LEFT_OUT, TokenOrigin, TokenOwners, same_token},
    key_reader::Diagnostics,
    overrides::Level,
    read,
    servers::ReadContext,
    sinks::{self, SinkTable},
    sources::Locations,
};

/// The most accounts by the API: as many as a process hosts.
const MAX_ACCOUNTS: usize = 10_000;

/// The settings of an account, as the API takes them: the keys of `[accounts.NAME]` without those of the token.
type Settings = serde_json::Map<String, serde_json::Value>;

/// The accounts that the admin API keeps, also those that are left out.
#[derive(Clone, Default)]
pub struct ApiAccounts(Arc<BTreeMap<AccountName, Arc<StoredAccount>>>);

/// An account that the admin API keeps.
#[derive(Clone)]
struct StoredAccount {
    settings: Settings,
    token: Option<Token>,
    /// The reason why its files cannot be used.
    fault: Option<Problem>,
}

/// The parts of a configuration that one more account is read with.
#[derive(Default)]
pub(super) struct AccountReader {
    pub(super) names: KnownNames,
    /// The settings of each server with `[account_defaults]`.
    pub(super) levels: BTreeMap<String, Level>,
    /// The sinks with an instance for each account or server.
    pub(super) templates: Vec<SinkTable>,
    /// The places of the configuration's keys.
    pub(super) places: Locations,
}

/// A configuration to which accounts are added.
struct Additions<'a> {
    config: &'a mut Config,
    reader: &'a AccountReader,
    context: &'a ReadContext<'a>,
    owners: TokenOwners,
    names: HashSet<AccountName>,
}

impl ApiAccounts {
    /// Returns true if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the accounts from the directory of the state.
    pub(super) fn load(state: &StateConfig, report: &mut Diagnostics) -> Self {
        let Some(files) = StoredFiles::of(state) else { return Self::default() };
        let accounts = files.load(report).into_iter().map(|(name, account)| (name, Arc::new(account)));
        Self(Arc::new(accounts.collect()))
    }

    fn get(&self, name: &AccountName) -> Option<&Arc<StoredAccount>> {
        self.0.get(name)
    }

    /// Returns these accounts with a new or changed one, or without one.
    fn with(&self, name: &AccountName, account: Option<StoredAccount>) -> Self {
        let mut accounts = (*self.0).clone();
        match account {
            Some(account) => accounts.insert(name.clone(), Arc::new(account)),
            None => accounts.remove(name),
        };
        Self(Arc::new(accounts))
    }
}

impl StoredAccount {
    /// Returns the account as a table of the configuration.
    fn table(&self) -> Result<Value, String> {
        let settings = serde_json::Value::Object(self.settings.clone());
        let mut table: Map<String, Value> =
            serde_json::from_value(settings).map_err(|error| error.to_string())?;
        if let Some(token) = &self.token {
            table.insert("token".to_owned(), Value::from(token.expose()));
        }
        Ok(table.into())
    }
}

impl Config {
    /// Adds the accounts that the API keeps. One that cannot be used is left out, or refuses the configuration if it runs.
    pub(super) fn add_api_accounts(
        &mut self,
        kept: ApiAccounts,
        reader: &AccountReader,
        running: Option<&Self>,
        context: &ReadContext<'_>,
        report: &mut Diagnostics,
    ) {
        let files = StoredFiles::of(&running.unwrap_or(self).state);
        let runs: HashSet<_> = running.into_iter().flat_map(Self::accounts_by_api).collect();
        let mut additions = Additions::to(self, reader, context);
        for (name, account) in &*kept.0 {
            let Err(problems) = additions.add(name, account, report) else { continue };
            let place = files.as_ref().map(|files| files.settings(name).display().to_string());
            let problems = problems.into_iter().map(|problem| with_place(problem, place.as_ref()));
            if runs.contains(name) {
                report.problems.extend(problems);
            } else {
                report.left_out.extend(problems.map(|problem| problem.with_consequence(LEFT_OUT)));
            }
        }
        additions.finish();
        self.api_accounts = kept;
    }

    /// Returns the names of the accounts that the API keeps and that are in use.
    fn accounts_by_api(&self) -> impl Iterator<Item = &AccountName> {
        let by_api = self.accounts.iter().filter(|account| account.source == AccountSource::Api);
        by_api.map(|account| &account.name)
    }
}

/// Gives a problem of an account the place of its settings. Other keys are in the configuration's files.
fn with_place(problem: Problem, place: Option<&String>) -> Problem {
    if problem.key.starts_with("accounts.") { Problem { place: place.cloned(), ..problem } } else { problem }
}

impl<'a> Additions<'a> {
    fn to(config: &'a mut Config, reader: &'a AccountReader, context: &'a ReadContext<'a>) -> Self {
        let mut owners = TokenOwners::default();
        for account in &config.accounts {
            // The tokens of a valid configuration differ.
            owners.claim(&account.token, &account.name);
        }
        let names = config.accounts.iter().map(|account| account.name.clone()).collect();
        Self { config, reader, context, owners, names }
    }

    /// Adds one account, with its instances of sinks.
    ///
    /// # Errors
    /// Returns all that is wrong with it; then the configuration is as before.
    fn add(
        &mut self,
        name: &AccountName,
        stored: &StoredAccount,
        report: &mut Diagnostics,
    ) -> Result<(), Vec<Problem>> {
        if let Some(fault) = &stored.fault {
            return Err(vec![fault.clone()]);
        }
        if self.names.contains(name) {
            let message = "an account by the admin API has this name, too";
            let remedy = format!("rename this one, or send DELETE /v1/accounts/{name} while the host runs");
            return Err(vec![Problem::new(format!("accounts.{name}"), message, remedy)]);
        }
        let mut own = Diagnostics::default();
        let account = self.read(name, stored, &mut own);
        if let Some(first) = stored.token.as_ref().and_then(|token| self.owners.owner(token)) {
            own.problems.push(same_token(name, first));
        }
        let (Some(mut account), true) = (account, own.problems.is_empty()) else { return Err(own.problems) };
        let sinks = self.instances(&mut account, &mut own);
        own.complete(&self.reader.places);
        if !own.problems.is_empty() {
            return Err(own.problems);
        }
        report.warnings.extend(own.warnings);
        self.config.sinks.extend(sinks);
        self.owners.claim(&account.token, name);
        self.names.insert(name.clone());
        self.config.accounts.push(account);
        Ok(())
    }

    fn read(
        &self,
        name: &AccountName,
        stored: &StoredAccount,
        report: &mut Diagnostics,
    ) -> Option<AccountConfig> {
        let key = format!("accounts.{name}");
        let table = match stored.table() {
            Ok(table) => table,
            Err(message) => {
                report.problems.push(Problem::new(key, message, "write it like [accounts.NAME]"));
                return None;
            }
        };
        let (named, AccountReader { names, levels, .. }) =
            ((name.to_string(), Some(name.clone()), table), self.reader);
        let account =
            read::read_account(named, TokenOrigin::Configured, levels, names, self.context, report)?;
        Some(AccountConfig { source: AccountSource::Api, ..account })
    }

    /// Names the account's instances of sinks in it, and reads those that are new.
    fn instances(&self, account: &mut AccountConfig, report: &mut Diagnostics) -> Vec<SinkConfig> {
        let templates = self.reader.templates.iter();
        let used = templates.filter(|template| account.sinks.iter().any(|sink| **sink == *template.name()));
        let used: Vec<_> = used.cloned().collect();
        let read = |template: SinkTable| template.read(std::slice::from_mut(account), self.context, report);
        let read: Vec<_> = used.into_iter().flat_map(read).collect();
        let is_new = |sink: &SinkConfig| !self.config.sinks.iter().any(|existing| existing.name == sink.name);
        let new: Vec<_> = read.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            let all: Vec<_> = self.config.sinks.iter().chain(&new).cloned().collect();
            report.problems.extend(sinks::shared_files(&all));
            report.problems.extend(sinks::shared_dead_letters(&all));
        }
        new
    }

    /// Restores the order of the lists, and removes the instances of sinks that no account uses any more.
    fn finish(self) {
        let Self { config, reader, context, .. } = self;
        config.accounts.sort_by(|a, b| a.name.cmp(&b.name));
        let named: HashSet<_> = config.accounts.iter().flat_map(|account| account.sinks.clone()).collect();
        for template in &reader.templates {
            let is_used = named.iter().any(|sink| template.has_instance(sink));
            let is_kept = |sink: &SinkConfig| {
                if *sink.name == *template.name() { !is_used } else { named.contains(&sink.name) }
            };
            let is_of_template =
                |sink: &SinkConfig| *sink.name == *template.name() || template.has_instance(&sink.name);
            config.sinks.retain(|sink| !is_of_template(sink) || is_kept(sink));
            if !config.sinks.iter().any(is_of_template) {
                // It is shown without an instance, as at a start. Its mistakes were reported there.
                let unused = template.clone().read(&mut [], context, &mut Diagnostics::default());
                config.sinks.extend(unused);
            }
        }
        config.sinks.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

impl fmt::Debug for ApiAccounts {
    /// Shows the names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for AccountReader {
    /// Shows nothing: a table may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountReader").finish_non_exhaustive()
    }
}
