//! The files beside the configuration that hold tokens, secrets and authorities: they are changed while the host runs,
//! by whoever rotates them.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use matterhost_actors::{mattermost::Tls, model::Token};
use secrecy::zeroize::Zeroizing;

use super::{
    AccountConfig, CaFile, Config, Problem, Secrets, ServerConfig, SinkConfig, SinkKind,
    secret_source::LARGEST_FILE, sources::read_text,
};

/// What is told of a file that cannot be used.
const REMEDY: &str = "what was there before stays in use; put it right, and it is noticed by itself";

impl Config {
    /// The files that hold tokens, secrets and authorities.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let tokens = self.accounts.iter().filter_map(|account| account.token_file.clone());
        let of_servers = self.servers.iter().filter_map(|server| Some(server.ca.as_ref()?.path.clone()));
        let of_sinks = self.sinks.iter().flat_map(|sink| match &sink.kind {
            SinkKind::Webhook(hook) => {
                let ca = hook.ca.as_ref().map(|ca| ca.path.clone());
                hook.secret_file.clone().into_iter().chain(ca).collect()
            }
            SinkKind::Stdout | SinkKind::Exec(_) | SinkKind::File(_) => Vec::new(),
        });
        tokens.chain(of_servers).chain(of_sinks).collect()
    }

    /// The same with what those files hold now. What cannot be used is left as it was, and told.
    #[must_use]
    pub fn reread_files(&self) -> (Self, Vec<Problem>) {
        let (mut config, mut problems) = (self.clone(), Vec::new());
        for account in &mut config.accounts {
            note(account.read_token_file(), &mut problems);
        }
        for server in &mut config.servers {
            note(server.read_ca_file(), &mut problems);
        }
        for sink in &mut config.sinks {
            note(sink.read_secret_file(), &mut problems);
            note(sink.read_ca_file(), &mut problems);
        }
        problems.extend(take_back_doubles(&self.accounts, &mut config.accounts));
        (config, problems)
    }
}

fn note(read: Result<(), Problem>, problems: &mut Vec<Problem>) {
    problems.extend(read.err());
}

/// What a file holds, if it can be used.
fn content<T, E: ToString>(
    key: String,
    path: &Path,
    parse: impl FnOnce(Zeroizing<String>) -> Result<T, E>,
) -> Result<T, Problem> {
    let refuse = |what: String| Problem::new(key, format!("{}: {what}", path.display()), REMEDY);
    match read_text(path, LARGEST_FILE).map(Zeroizing::new) {
        Ok(text) => parse(text).map_err(|error| refuse(error.to_string())),
        Err(what) => Err(refuse(what)),
    }
}

/// An authority that is another than the one before, with those who are trusted then.
fn authority(key: String, before: Option<&CaFile>) -> Result<Option<(CaFile, Tls)>, Problem> {
    let Some(before) = before else { return Ok(None) };
    let refuse = |what: String| Problem::new(key, what, REMEDY);
    let ca = match CaFile::read(before.path.clone()) {
        Ok(ca) if ca == *before => return Ok(None),
        Ok(ca) => ca,
        Err(what) => return Err(refuse(what)),
    };
    let tls = CaFile::tls(Some(&ca)).map_err(|error| refuse(format!("{}: {error}", ca.path.display())))?;
    Ok(Some((ca, tls)))
}

impl AccountConfig {
    fn read_token_file(&mut self) -> Result<(), Problem> {
        let Some(path) = &self.token_file else { return Ok(()) };
        let key = format!("accounts.{}.token_file", self.name);
        let token = content(key, path, |text| Token::new(text.as_str()))?;
        if !token.same_as(&self.token) {
            self.token = token;
        }
        Ok(())
    }
}

impl ServerConfig {
    fn read_ca_file(&mut self) -> Result<(), Problem> {
        if let Some((ca, tls)) = authority(format!("servers.{}.ca_file", self.name), self.ca.as_ref())? {
            *self = self.with_ca(ca, tls);
        }
        Ok(())
    }
}

impl SinkConfig {
    fn read_secret_file(&mut self) -> Result<(), Problem> {
        let SinkKind::Webhook(hook) = &mut self.kind else { return Ok(()) };
        let Some(path) = &hook.secret_file else { return Ok(()) };
        let key = format!("sinks.{}.secret_file", self.name);
        let secrets = content(key, path, |text| Secrets::parse(&text))?;
        if !secrets.same_as(&hook.secrets) {
            hook.secrets = secrets;
        }
        Ok(())
    }

    fn read_ca_file(&mut self) -> Result<(), Problem> {
        let key = format!("sinks.{}.ca_file", self.name);
        let SinkKind::Webhook(hook) = &mut self.kind else { return Ok(()) };
        if let Some((ca, tls)) = authority(key, hook.ca.as_ref())? {
            **hook = hook.with_ca(ca, tls);
        }
        Ok(())
    }
}

/// Two accounts with one token would be one account, heard twice: the one whose token is new keeps its old one.
fn take_back_doubles(before: &[AccountConfig], now: &mut [AccountConfig]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What is taken back may be what another one has now. Each time one more has its old token at least.
    loop {
        let taken_back = take_back_once(before, now);
        if taken_back.is_empty() {
            return problems;
        }
        problems.extend(taken_back);
    }
}

fn take_back_once(before: &[AccountConfig], now: &mut [AccountConfig]) -> Vec<Problem> {
    let mut times: HashMap<u64, usize> = HashMap::new();
    for account in now.iter() {
        *times.entry(account.token.fingerprint()).or_default() += 1;
    }
    let mut problems = Vec::new();
    for (before, now) in before.iter().zip(now) {
        let is_double = times.get(&now.token.fingerprint()).is_some_and(|times| *times > 1);
        if is_double && !now.token.same_as(&before.token) {
            now.token = before.token.clone();
            let key = format!("accounts.{}.token_file", now.name);
            problems.push(Problem::new(key, "it has the same token as another account", REMEDY));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
