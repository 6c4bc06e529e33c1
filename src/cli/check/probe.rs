//! Asks the servers: bounded in number, and at the pace that each may be asked at.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::Future,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use matterhost_actors::{
    mattermost::{Client, Frame, Incoming, Me, SocketReader, parse_frame},
    model::ServerName,
    policy::TokenBucket,
};
use tokio::time::{sleep, timeout};

use super::{AccountRow, CheckReport, CheckResult, ServerRow, remedy, state};
use crate::config::{AccountConfig, Config, ServerConfig};

/// Questions under way at once: enough for thousands of accounts, few enough for any server.
const AT_ONCE: usize = 16;

/// A server as it is asked.
struct Server<'a> {
    config: &'a ServerConfig,
    client: Client,
    pace: RefCell<TokenBucket>,
}

/// Asks everything.
pub(super) async fn run_checks(config: &Config) -> CheckReport {
    let servers: HashMap<ServerName, Server<'_>> =
        config.servers.iter().map(|server| (server.name.clone(), Server::new(server))).collect();
    let known = config.servers.iter().filter_map(|server| servers.get(&server.name));
    let server_rows: Vec<ServerRow> = stream::iter(known.map(Server::ask)).buffered(AT_ONCE).collect().await;
    let hello_timeout = config.host.hello_timeout;
    let asked = config.accounts.iter().filter_map(|account| {
        let up = server_rows.iter().any(|row| row.server == account.server.as_str() && row.is_ok());
        Some(servers.get(&account.server)?.ask_account(account, up, hello_timeout))
    });
    let accounts: Vec<AccountRow> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let state = state::inspect_store(&config.state);
    let ok =
        state.is_ok() && server_rows.iter().all(ServerRow::is_ok) && accounts.iter().all(AccountRow::is_ok);
    let warnings = config.warnings.iter().map(ToString::to_string).collect();
    CheckReport { ok, servers: server_rows, accounts, state, warnings }
}

impl<'a> Server<'a> {
    fn new(config: &'a ServerConfig) -> Self {
        let pace = TokenBucket::new(Instant::now(), config.limits.requests_per_second);
        Self { config, client: Client::new(&config.client), pace: RefCell::new(pace) }
    }

    async fn ask(&self) -> ServerRow {
        self.turn().await;
        let (answer, took_ms) = timed(self.client.system_ping()).await;
        let (version, reachable) = match answer {
            Ok(ping) => (ping.value.server_version.map(|version| plain(&version)), good(took_ms)),
            Err(error) => (None, remedy::explain_rest_error(&error)),
        };
        let url = self.config.client.url().to_string();
        ServerRow { server: self.config.name.to_string(), url, version, reachable }
    }

    async fn ask_account(&self, account: &AccountConfig, up: bool, hello_timeout: Duration) -> AccountRow {
        let mut row = AccountRow {
            account: account.name.to_string(),
            server: account.server.to_string(),
            user: None,
            token: CheckResult::default(),
            hello: CheckResult::default(),
        };
        if !up {
            return row;
        }
        self.turn().await;
        let (answer, took_ms) = timed(self.client.me(&account.token, None)).await;
        match answer.map(|answer| answer.value) {
            Ok(Me::User { user, .. }) => row.user = Some(user.username.into()),
            // Only an answer to an ETag, and none was sent.
            Ok(Me::Unmodified) => {}
            Err(error) => {
                row.token = remedy::explain_rest_error(&error);
                return row;
            }
        }
        row.token = good(took_ms);
        row.hello = self.ask_hello(account, hello_timeout).await;
        row
    }

    async fn ask_hello(&self, account: &AccountConfig, hello_timeout: Duration) -> CheckResult {
        self.turn().await;
        let (outcome, took_ms) = timed(async {
            let dialed = self
                .client
                .dial(&account.token, None)
                .await
                .map_err(|error| remedy::explain_dial_error(&error))?;
            let (_writer, mut reader) = dialed.socket.split();
            let said = timeout(hello_timeout, hello(&mut reader)).await;
            said.unwrap_or_else(|_| Err("no hello came in time".into()))
                .map_err(remedy::explain_missing_hello)
        })
        .await;
        outcome.map_or_else(|finding| finding, |()| good(took_ms))
    }

    /// Waits until this server may be asked again.
    async fn turn(&self) {
        loop {
            let turn = self.pace.borrow_mut().take(Instant::now());
            match turn {
                Ok(()) => return,
                Err(wait) => sleep(wait).await,
            }
        }
    }
}

/// Reads until the server says hello.
async fn hello(reader: &mut SocketReader) -> Result<(), String> {
    while let Some(frame) = reader.next().await {
        match frame.map_err(|error| error.to_string())? {
            Frame::Text(text) => match parse_frame(&text).map_err(|error| error.to_string())? {
                Incoming::Event(event) if event.event == "hello" => return Ok(()),
                Incoming::Event(_) | Incoming::Reply(_) => {}
            },
            Frame::Close(_) => break,
            Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) => {}
        }
    }
    Err("the server ended the socket before hello".into())
}

impl ServerRow {
    fn is_ok(&self) -> bool {
        self.reachable.ok == Some(true)
    }
}

impl AccountRow {
    fn is_ok(&self) -> bool {
        self.token.ok == Some(true) && self.hello.ok == Some(true)
    }
}

fn good(took_ms: u64) -> CheckResult {
    CheckResult { ok: Some(true), took_ms: Some(took_ms), problem: None, remedy: None }
}

/// `5.37.0..521f…` has the build and the licence behind the version.
fn plain(version: &str) -> String {
    version.split("..").next().unwrap_or(version).trim_end_matches('.').to_owned()
}

async fn timed<T>(question: impl Future<Output = T>) -> (T, u64) {
    let start = Instant::now();
    let answer = question.await;
    (answer, u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_without_its_build() {
        assert_eq!(plain("5.37.0..521f211fcc4f02e1dcd53eec4fead3ef.false"), "5.37.0");
        assert_eq!(plain("9.5.0.9.5.0.abc.true"), "9.5.0.9.5.0.abc.true");
        assert_eq!(plain("9.5.0"), "9.5.0");
    }
}
