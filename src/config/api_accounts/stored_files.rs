//! The files of the accounts that the admin API keeps: the settings in `NAME.json`, the token in `NAME.token`.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use matterhost_actors::model::{AccountName, Token};

use super::{Settings, StoredAccount};
use crate::config::{
    Problem, SECRET_MODE, StateConfig, key_reader::Diagnostics, read_secret, sources::read_text, write_file,
};

/// The directory below that of the state.
const DIRECTORY: &str = "accounts";
const SETTINGS_ENDING: &str = ".json";
const TOKEN_ENDING: &str = ".token";

/// The mode of the directory.
const DIRECTORY_MODE: u32 = 0o700;

/// The largest file of settings; the API takes smaller ones.
const LARGEST_SETTINGS: u64 = 64 * 1024;

/// The directory of the accounts that the admin API keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFiles(PathBuf);

impl StoredFiles {
    /// Returns the directory; `None` if the state is in memory.
    pub(super) fn of(state: &StateConfig) -> Option<Self> {
        match state {
            StateConfig::Disk { dir, .. } => Some(Self(dir.join(DIRECTORY))),
            StateConfig::Memory => None,
        }
    }

    pub(super) fn settings(&self, account: &AccountName) -> PathBuf {
        self.0.join(format!("{account}{SETTINGS_ENDING}"))
    }

    fn token(&self, account: &AccountName) -> PathBuf {
        self.0.join(format!("{account}{TOKEN_ENDING}"))
    }

    /// Reads the accounts. Those whose files cannot be used have a fault.
    pub(super) fn load(&self, report: &mut Diagnostics) -> BTreeMap<AccountName, StoredAccount> {
        match self.names() {
            Ok(names) => names.into_iter().map(|name| (name.clone(), self.read(&name))).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                let message = format!("the accounts in {} cannot be read ({error})", self.0.display());
                let problem = Problem::new("accounts", message, "read it as the user that the host runs as");
                // A command of another user sees the rest of the configuration.
                let is_of_other = error.kind() == io::ErrorKind::PermissionDenied;
                if is_of_other { &mut report.warnings } else { &mut report.left_out }.push(problem);
                BTreeMap::new()
            }
        }
    }

    fn names(&self) -> io::Result<Vec<AccountName>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|name| name.strip_suffix(SETTINGS_ENDING));
            names.extend(name.and_then(|name| AccountName::new(name).ok()));
        }
        Ok(names)
    }

    fn read(&self, account: &AccountName) -> StoredAccount {
        let read = || {
            let settings = read_text(&self.settings(account), LARGEST_SETTINGS)?;
            let settings: Settings = serde_json::from_str(&settings).map_err(|error| error.to_string())?;
            let token = self.token(account);
            let token = read_secret(&token).map_err(|error| format!("{}: {error}", token.display()))?;
            Ok((settings, Token::new(token).map_err(|error| error.to_string())?))
        };
        match read() {
            Ok((settings, token)) => StoredAccount { settings, token: Some(token), fault: None },
            Err(message) => {
                let message: String = message;
                let remedy = "restore the files from a backup, or put the account again";
                let fault = Some(Problem::new(format!("accounts.{account}"), message, remedy));
                StoredAccount { settings: Settings::new(), token: None, fault }
            }
        }
    }

    /// Writes an account. It exists once its settings do, so that they come last.
    pub(super) fn write(
        &self,
        account: &AccountName,
        settings: &Settings,
        token: &Token,
    ) -> Result<(), String> {
        let failed =
            |path: &Path, error: io::Error| format!("{} cannot be written ({error})", path.display());
        self.create().map_err(|error| failed(&self.0, error))?;
        let (token_file, settings_file) = (self.token(account), self.settings(account));
        write_file(&token_file, token.expose(), SECRET_MODE).map_err(|error| failed(&token_file, error))?;
        let text = serde_json::to_string_pretty(settings).map_err(|error| error.to_string())?;
        write_file(&settings_file, &text, SECRET_MODE).map_err(|error| failed(&settings_file, error))
    }

    fn create(&self) -> io::Result<()> {
        if self.0.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.0)?;
        sync_directory(self.0.parent())
    }

    /// Removes an account. Without its settings it no longer exists.
    pub(super) fn remove(&self, account: &AccountName) -> Result<(), String> {
        for path in [self.settings(account), self.token(account)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("{} cannot be removed ({error})", path.display()));
                }
                _ => {}
            }
        }
        sync_directory(Some(&self.0)).map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

fn sync_directory(path: Option<&Path>) -> io::Result<()> {
    path.map_or(Ok(()), |path| File::open(path)?.sync_all())
}
