//! Files beside the configuration that hold tokens, secrets and CA certificates. Operators rotate them while the host
//! runs.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use matterhost_actors::model::Token;
use secrecy::zeroize::Zeroizing;

use super::{
    AccountConfig, Config, NatsAccess, Problem, Secrets, ServerConfig, SinkConfig, SinkKind,
    secret_source::LARGEST_FILE, sources::read_text,
};

/// The remedy for a file that cannot be used.
const REMEDY: &str = "the previous content stays in use; fix the file, and it is read again automatically";

impl Config {
    /// Returns the files that hold tokens, secrets and CA certificates.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let tokens = self.accounts.iter().filter_map(|account| account.token_file.clone());
        let of_servers = self.servers.iter().flat_map(|server| server.transport.files());
        let of_sinks = self.sinks.iter().flat_map(|sink| match &sink.kind {
            SinkKind::Webhook(hook) => {
                hook.secret_file.clone().into_iter().chain(hook.transport.files()).collect()
            }
            SinkKind::Nats(nats) => nats.access.files(),
            SinkKind::Stdout | SinkKind::Exec(_) | SinkKind::File(_) | SinkKind::Bot(_) => Vec::new(),
        });
        tokens.chain(of_servers).chain(of_sinks).collect()
    }

    /// Returns this configuration with the current content of those files. A file that cannot be used keeps its
    /// previous content and is reported.
    #[must_use]
    pub fn reread_files(&self) -> (Self, Vec<Problem>) {
        let (mut config, mut problems) = (self.clone(), Vec::new());
        for account in &mut config.accounts {
            problems.extend(account.read_token_file().err());
        }
        for server in &mut config.servers {
            problems.extend(server.read_transport_files().err());
        }
        for sink in &mut config.sinks {
            problems.extend(sink.read_secret_file().err());
            problems.extend(sink.read_transport_files().err());
        }
        problems.extend(restore_duplicate_tokens(&self.accounts, &mut config.accounts));
        (config, problems)
    }
}

/// Reads and parses a file.
fn read_content<T, E: ToString>(
    key: String,
    path: &Path,
    parse: impl FnOnce(Zeroizing<String>) -> Result<T, E>,
) -> Result<T, Problem> {
    let refuse = |message: String| Problem::new(key, format!("{}: {message}", path.display()), REMEDY);
    match read_text(path, LARGEST_FILE).map(Zeroizing::new) {
        Ok(text) => parse(text).map_err(|error| refuse(error.to_string())),
        Err(message) => Err(refuse(message)),
    }
}

impl AccountConfig {
    fn read_token_file(&mut self) -> Result<(), Problem> {
        let Some(path) = &self.token_file else { return Ok(()) };
        let key = format!("accounts.{}.token_file", self.name);
        let token = read_content(key, path, |text| Token::new(text.as_str()))?;
        if !token.same_as(&self.token) {
            self.token = token;
        }
        Ok(())
    }
}

impl ServerConfig {
    fn read_transport_files(&mut self) -> Result<(), Problem> {
        let section = format!("servers.{}", self.name);
        if let Some((transport, client)) = self.transport.reread(&section, &self.client, REMEDY)? {
            (self.transport, self.client) = (transport, client);
        }
        Ok(())
    }
}

impl SinkConfig {
    fn read_secret_file(&mut self) -> Result<(), Problem> {
        if let SinkKind::Nats(nats) = &mut self.kind {
            return read_nats_secret(&self.name, &mut nats.access);
        }
        let SinkKind::Webhook(hook) = &mut self.kind else { return Ok(()) };
        let Some(path) = &hook.secret_file else { return Ok(()) };
        let key = format!("sinks.{}.secret_file", self.name);
        let secrets = read_content(key, path, |text| Secrets::parse(&text))?;
        if !secrets.same_as(&hook.secrets) {
            hook.secrets = secrets;
        }
        Ok(())
    }

    fn read_transport_files(&mut self) -> Result<(), Problem> {
        let section = format!("sinks.{}", self.name);
        let SinkKind::Webhook(hook) = &mut self.kind else { return Ok(()) };
        if let Some((transport, client)) = hook.transport.reread(&section, &hook.client, REMEDY)? {
            (hook.transport, hook.client) = (transport, client);
        }
        Ok(())
    }
}

/// Reads the secret of credentials for NATS. Their certificates are read for each connection.
fn read_nats_secret(sink: &str, access: &mut NatsAccess) -> Result<(), Problem> {
    let Some(path) = &access.secret_file else { return Ok(()) };
    let credentials = &access.credentials;
    let read = |text: Zeroizing<String>| match text.trim() {
        "" => Err("it is empty"),
        text => Ok(credentials.with_secret(text)),
    };
    access.credentials = read_content(format!("sinks.{sink}.{}_file", credentials.key()), path, read)?;
    Ok(())
}

/// Gives accounts that now share a token their previous tokens back: they would be the same bot, hosted twice.
fn restore_duplicate_tokens(before: &[AccountConfig], now: &mut [AccountConfig]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // A restored token may collide with another account's new one. Each round restores at least one more account, so
    // the loop ends.
    loop {
        let restored = restore_once(before, now);
        if restored.is_empty() {
            return problems;
        }
        problems.extend(restored);
    }
}

fn restore_once(before: &[AccountConfig], now: &mut [AccountConfig]) -> Vec<Problem> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for account in now.iter() {
        *counts.entry(account.token.fingerprint()).or_default() += 1;
    }
    let mut problems = Vec::new();
    for (before, now) in before.iter().zip(now) {
        let is_duplicate = counts.get(&now.token.fingerprint()).is_some_and(|count| *count > 1);
        if is_duplicate && !now.token.same_as(&before.token) {
            now.token = before.token.clone();
            let key = format!("accounts.{}.token_file", now.name);
            problems.push(Problem::new(key, "it has the same token as another account", REMEDY));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
