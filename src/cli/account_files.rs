//! The files of accounts that commands add and remove: tokens, and the configuration beside them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use matterhost_actors::model::{AccountName, ServerName, Token};
use toml::de::{DeTable, DeValue};

use crate::config::{self, Config, Directory, SECRET_MODE};

/// The mode of a file of configuration, which holds no token; the service may run as another user.
const MODE: u32 = 0o644;

/// The directories of a configuration in which accounts can be added.
pub(super) struct AccountFiles {
    tokens: Option<Directory>,
    included: Option<Directory>,
    /// True if an account without a server of its own may be on another one than intended.
    needs_server: bool,
}

/// The reason why files cannot be written or removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// The configuration has no directory for accounts.
    #[error(
        "the configuration has no directory for accounts; write token_dir = \"tokens\" (or include = \
         [\"accounts.d/*.toml\"]) before its first section, create the directory, and reload"
    )]
    NoDirectory,
    /// A file cannot be written or removed.
    #[error("{}: {cause}; check the directory's permissions", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// A file of configuration holds more than the account.
    #[error("{} holds more than [accounts.{account}]; remove that table by hand, and then the account's token", .path.display())]
    Shared {
        /// The file.
        path: PathBuf,
        /// The account.
        account: AccountName,
    },
}

impl AccountFiles {
    /// Finds the directories.
    pub(super) fn of(config: &Config) -> Result<Self, FilesError> {
        let (tokens, included): (Vec<_>, Vec<_>) =
            config.layout.directories.iter().cloned().partition(Directory::has_tokens);
        let included = included.into_iter().find(|directory| directory.matches("x.toml"));
        let tokens = tokens.into_iter().next();
        if tokens.is_none() && included.is_none() {
            return Err(FilesError::NoDirectory);
        }
        Ok(Self { tokens, included, needs_server: config.servers.len() > 1 })
    }

    /// Returns the file of an account's token.
    pub(super) fn token_file(&self, account: &AccountName) -> PathBuf {
        match (&self.tokens, &self.included) {
            (Some(tokens), _) => tokens.token_file(account.as_str()),
            (None, Some(included)) => included.path().join(format!("{account}.token")),
            (None, None) => PathBuf::new(),
        }
    }

    fn table_file(&self, account: &AccountName) -> Option<PathBuf> {
        self.included.as_ref().map(|included| included.path().join(format!("{account}.toml")))
    }

    /// Writes an account's token, and its configuration if it needs one. An existing configuration stays as it is.
    pub(super) fn write(
        &self,
        account: &AccountName,
        server: &ServerName,
        token: &Token,
    ) -> Result<(), FilesError> {
        let token_file = self.token_file(account);
        let is_new = !token_file.exists();
        self.write_token(account, token)?;
        let written = self.write_table(account, server);
        if written.is_err() && is_new {
            // Without its table the account would be incomplete.
            let _ = fs::remove_file(&token_file);
        }
        written
    }

    fn write_table(&self, account: &AccountName, server: &ServerName) -> Result<(), FilesError> {
        let Some(table) = self.table_file(account) else { return Ok(()) };
        if (self.tokens.is_some() && !self.needs_server) || table.exists() {
            return Ok(());
        }
        let token_file =
            if self.tokens.is_none() { format!("token_file = \"{account}.token\"\n") } else { String::new() };
        // A name may contain dots, and no quotation marks.
        let text = format!("[accounts.\"{account}\"]\nserver = \"{server}\"\n{token_file}");
        write_file(&table, &text, MODE)
    }

    /// Replaces an account's token.
    pub(super) fn write_token(&self, account: &AccountName, token: &Token) -> Result<(), FilesError> {
        write_secret(&self.token_file(account), token.expose())
    }

    /// Removes an account's files, and returns those that existed. `token_file` is the one of its configuration: another is
    /// no file of the account, whatever its name is.
    pub(super) fn remove(
        &self,
        account: &AccountName,
        token_file: Option<&Path>,
    ) -> Result<Vec<PathBuf>, FilesError> {
        let table = self.table_file(account).filter(|path| path.exists());
        if let Some(path) = table.as_ref().filter(|path| !holds_only(path, account)) {
            return Err(FilesError::Shared { path: path.clone(), account: account.clone() });
        }
        let token = Some(self.token_file(account)).filter(|path| Some(path.as_path()) == token_file);
        let mut removed = Vec::new();
        // The configuration first: without its token it would be invalid for a moment.
        for path in table.into_iter().chain(token) {
            match fs::remove_file(&path) {
                Ok(()) => removed.push(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(FilesError::Io { path, cause }),
            }
        }
        Ok(removed)
    }
}

/// True if a file of configuration has the table of this account, and nothing else.
fn holds_only(path: &Path, account: &AccountName) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let Ok(parsed) = DeTable::parse(&text) else { return false };
    only(parsed.get_ref(), "accounts").is_some_and(|accounts| match accounts {
        DeValue::Table(accounts) => only(accounts, account.as_str()).is_some(),
        _ => false,
    })
}

/// Returns the value of a table's key, if it has no other one.
fn only<'a, 'b>(table: &'a DeTable<'b>, key: &str) -> Option<&'a DeValue<'b>> {
    let (found, value) = table.iter().next().filter(|_| table.len() == 1)?;
    (found.get_ref() == key).then(|| value.get_ref())
}

/// Writes a file as one step, readable by its owner only.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), FilesError> {
    write_file(path, text, SECRET_MODE)
}

fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), FilesError> {
    config::write_file(path, text, mode).map_err(|cause| FilesError::Io { path: path.to_owned(), cause })
}
