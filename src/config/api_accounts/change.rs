//! A change of one account by the admin API: checked against the running configuration, then written.

use matterhost_actors::model::{AccountName, Token};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Additions, MAX_ACCOUNTS, Settings, StoredAccount, StoredFiles, with_place};
use crate::config::{
    AccountSource, Config, Problem, Sources, did_you_mean, key_reader::Diagnostics, servers::ReadContext,
};

/// The remedy for a host that keeps nothing between runs.
const NO_DIRECTORY: &str = "the state is in memory, so that the account would be lost; set state.store = \"disk\" and \
                            state.dir, and start the host again";

/// Stands for a token that is missing or malformed while the rest of an account is checked.
const UNSET: &str = "unset";

/// An account to put.
pub struct NewAccount {
    /// The keys of `[accounts.NAME]` without those of the token.
    pub settings: Settings,
    /// The token; without it, the account keeps its own.
    pub token: Option<SecretString>,
}

/// The configuration after a change of one account, and the files to write before it is used.
pub struct PlannedChange {
    /// The configuration with the change.
    pub config: Config,
    files: FileChange,
}

enum FileChange {
    Write { files: StoredFiles, name: AccountName, settings: Settings, token: Token },
    Remove { files: StoredFiles, name: AccountName },
}

/// The reason why an account was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountRefused {
    /// There is no such account.
    Unknown(String),
    /// The account is not the API's to change, or the host cannot keep it.
    Conflict(String),
    /// The account would make the configuration invalid: all problems.
    Invalid(Vec<Problem>),
    /// The files cannot be written, or the host is shutting down.
    Unavailable(String),
}

impl Config {
    /// Plans to put an account; returns `None` if it is the same already.
    ///
    /// # Errors
    /// Fails with all that is wrong with the account; nothing else of the configuration is read again.
    pub fn plan_put(
        &self,
        sources: &Sources,
        name: &AccountName,
        new: NewAccount,
        open_files: Option<u64>,
    ) -> Result<Option<PlannedChange>, AccountRefused> {
        let files = self.own_files(name)?;
        let stored = self.api_accounts.get(name);
        if stored.is_none() && self.api_accounts.0.len() >= MAX_ACCOUNTS {
            let detail = format!("there are {MAX_ACCOUNTS} accounts by the API already; delete some");
            return Err(AccountRefused::Conflict(detail));
        }
        let NewAccount { settings, token } = new;
        let account = |token| StoredAccount { settings, token: Some(token), fault: None };
        let token = match token_of(token, stored.map(|stored| &**stored)) {
            Ok(token) => token,
            Err((message, remedy)) => {
                let problem = Problem::new(format!("accounts.{name}.token"), message, remedy);
                // The other mistakes are reported, too.
                let others =
                    Token::new(UNSET).map(|unset| self.with_account(sources, name, &account(unset), None));
                let others =
                    others.ok().and_then(Result::err).into_iter().flat_map(AccountRefused::into_problems);
                return Err(AccountRefused::Invalid([problem].into_iter().chain(others).collect()));
            }
        };
        let account = account(token.clone());
        let is_used = self.accounts_by_api().any(|used| used == name);
        if is_used && stored.is_some_and(|stored| stored.is_same_as(&account)) {
            return Ok(None);
        }
        let config = self.with_account(sources, name, &account, open_files)?;
        let settings = account.settings;
        let files = FileChange::Write { files, name: name.clone(), settings, token };
        Ok(Some(PlannedChange { config, files }))
    }

    /// Plans to remove an account that was put.
    ///
    /// # Errors
    /// Fails if there is no such account, or the configuration's files have it.
    pub fn plan_removal(
        &self,
        sources: &Sources,
        name: &AccountName,
    ) -> Result<PlannedChange, AccountRefused> {
        let files = self.own_files(name)?;
        if self.api_accounts.get(name).is_none() {
            let names = self.api_accounts.0.keys().map(AccountName::as_str);
            let meant = did_you_mean(name.as_str(), names).map(|meant| format!("; did you mean {meant}?"));
            let detail = format!("there is no account {name}{}", meant.unwrap_or_default());
            return Err(AccountRefused::Unknown(detail));
        }
        let mut config = self.without_account(name);
        Additions::to(&mut config, &self.reader, &self.read_context(sources)).finish();
        config.api_accounts = self.api_accounts.with(name, None);
        let files = FileChange::Remove { files, name: name.clone() };
        Ok(PlannedChange { config, files })
    }

    /// Returns the directory of the API's accounts, unless this account is another's.
    fn own_files(&self, name: &AccountName) -> Result<StoredFiles, AccountRefused> {
        let used = self.accounts.iter().find(|account| account.name == *name);
        let place = match used.map(|account| &account.source) {
            Some(AccountSource::File(path)) => Some(path.display().to_string()),
            Some(AccountSource::Environment) => Some("variables of the environment".to_owned()),
            Some(AccountSource::Api) | None => None,
        };
        if let Some(place) = place {
            let detail = format!(
                "account {name} is configured in {place}; change it there and reload, or use another name"
            );
            return Err(AccountRefused::Conflict(detail));
        }
        StoredFiles::of(&self.state).ok_or_else(|| AccountRefused::Conflict(NO_DIRECTORY.into()))
    }

    fn with_account(
        &self,
        sources: &Sources,
        name: &AccountName,
        account: &StoredAccount,
        open_files: Option<u64>,
    ) -> Result<Self, AccountRefused> {
        let (mut config, mut report) = (self.without_account(name), Diagnostics::default());
        let context = self.read_context(sources);
        let mut additions = Additions::to(&mut config, &self.reader, &context);
        additions.add(name, account, &mut report).map_err(|problems| {
            // The account is in no file yet.
            AccountRefused::Invalid(problems.into_iter().map(|problem| with_place(problem, None)).collect())
        })?;
        additions.finish();
        if let Some(problem) = config.check_open_files(open_files) {
            return Err(AccountRefused::Invalid(vec![problem]));
        }
        config.api_accounts = self.api_accounts.with(name, Some(account.clone()));
        Ok(config)
    }

    fn without_account(&self, name: &AccountName) -> Self {
        let mut config = self.clone();
        config.accounts.retain(|account| account.name != *name);
        config
    }

    fn read_context<'a>(&'a self, sources: &'a Sources) -> ReadContext<'a> {
        ReadContext {
            directory: sources.directory(),
            places: &self.reader.places,
            environment: &sources.environment,
            bots: &sources.bots,
        }
    }
}

/// Returns the token to use, or a message and a remedy.
fn token_of(
    new: Option<SecretString>,
    stored: Option<&StoredAccount>,
) -> Result<Token, (String, &'static str)> {
    match new {
        Some(text) => Token::new(text.expose_secret())
            .map_err(|error| (error.to_string(), "send only the bot's access token")),
        None => stored
            .and_then(|stored| stored.token.clone())
            .ok_or_else(|| ("there is no token".to_owned(), "add \"token\" with the bot's access token")),
    }
}

impl AccountRefused {
    fn into_problems(self) -> Vec<Problem> {
        match self {
            Self::Invalid(problems) => problems,
            Self::Unknown(_) | Self::Conflict(_) | Self::Unavailable(_) => Vec::new(),
        }
    }
}

impl StoredAccount {
    fn is_same_as(&self, other: &Self) -> bool {
        let same_token = match (&self.token, &other.token) {
            (Some(own), Some(other)) => own.same_as(other),
            _ => false,
        };
        same_token && self.settings == other.settings && self.fault.is_none()
    }
}

impl PlannedChange {
    /// Writes or removes the account's files, so that the change outlives the process.
    ///
    /// # Errors
    /// Fails with a description if the directory of the state cannot be written.
    pub fn write_files(&self) -> Result<(), String> {
        match &self.files {
            FileChange::Write { files, name, settings, token } => files.write(name, settings, token),
            FileChange::Remove { files, name } => files.remove(name),
        }
    }
}
