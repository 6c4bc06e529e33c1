//! The tests of servers and accounts, at the request rate that each server allows.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
    future::Future,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt as _, stream};
use matterhost_actors::{
    mattermost::{Client, Frame, Incoming, Me, SocketReader, User, parse_frame},
    model::{Excerpt, ServerName, UserId},
    policy::TokenBucket,
};
use tokio::time::{sleep, timeout};

use super::{
    permissions::{PermissionCheck, RoleCache},
    remedy,
    report::{AccountCounts, AccountRow, CheckReport, CheckResult, PermissionRow, ServerRow, SinkRow},
    sinks::check_sinks,
    store::check_store,
};
use crate::{
    cli::progress::Progress,
    config::{AccountConfig, Config, ServerConfig},
};

/// Number of concurrent tests: enough for thousands of accounts, few enough for any server.
const CONCURRENT: usize = 16;

/// A server under test.
struct Server<'a> {
    config: &'a ServerConfig,
    client: Client,
    rate_limit: RefCell<TokenBucket>,
    roles: RoleCache,
}

/// Tests all servers and tokens, and inspects the store.
pub(super) async fn run_checks(config: &Config) -> CheckReport {
    let servers: HashMap<ServerName, Server<'_>> =
        config.servers.iter().map(|server| (server.name.clone(), Server::new(server))).collect();
    let known = config.servers.iter().filter_map(|server| servers.get(&server.name));
    let server_rows: Vec<ServerRow> =
        stream::iter(known.map(Server::check)).buffered(CONCURRENT).collect().await;
    let hello_timeout = config.host.hello_timeout;
    let checks = config.accounts.iter().filter_map(|account| {
        let is_up = server_rows.iter().any(|row| row.server == account.server.as_str() && row.is_ok());
        Some(servers.get(&account.server)?.check_account(account, is_up, hello_timeout))
    });
    let mut accounts = collect_rows(stream::iter(checks).buffered(CONCURRENT), config.accounts.len()).await;
    warn_of_shared_users(&mut accounts);
    let sinks = check_sinks(config).await;
    let state = check_store(&config.state);
    let ok = state.is_ok()
        && config.left_out.is_empty()
        && server_rows.iter().all(ServerRow::is_ok)
        && accounts.iter().all(AccountRow::is_ok)
        && sinks.iter().all(SinkRow::is_ok);
    let working = accounts.iter().filter(|row| row.hello.ok == Some(true)).count();
    let counts = AccountCounts { all: accounts.len(), working };
    let left_out = config.left_out.iter().map(ToString::to_string).collect();
    let warnings = config.warnings.iter().map(ToString::to_string).collect();
    let state = Some(state);
    CheckReport { ok, servers: server_rows, accounts, sinks, counts, state, left_out, warnings }
}

/// Collects the results of the accounts. A terminal shows how many there are, because a server's rate limit makes many take
/// minutes.
async fn collect_rows(mut rows: impl Stream<Item = AccountRow> + Unpin, all: usize) -> Vec<AccountRow> {
    let progress = Progress::new();
    let mut accounts = Vec::with_capacity(all);
    while let Some(row) = rows.next().await {
        accounts.push(row);
        progress.show(|| format!("{} of {all} accounts tested", accounts.len()));
    }
    accounts
}

impl<'a> Server<'a> {
    fn new(config: &'a ServerConfig) -> Self {
        let rate_limit = TokenBucket::new(Instant::now(), config.limits.requests_per_second);
        Self {
            config,
            client: Client::new(&config.client),
            rate_limit: RefCell::new(rate_limit),
            roles: RoleCache::default(),
        }
    }

    async fn check(&self) -> ServerRow {
        self.wait_for_permit().await;
        let (answer, took_ms) = timed(self.client.system_ping()).await;
        let (version, reachable) = match answer {
            Ok(ping) => (
                ping.value.server_version.map(|version| Excerpt::of(&short_version(&version)).into()),
                success(took_ms),
            ),
            Err(error) => (None, remedy::explain_rest_error(&error)),
        };
        let url = self.config.client.url().to_string();
        let way = self.config.way();
        ServerRow { server: self.config.name.to_string(), url, way, version, reachable }
    }

    async fn check_account(
        &self,
        account: &AccountConfig,
        is_up: bool,
        hello_timeout: Duration,
    ) -> AccountRow {
        let mut row = AccountRow {
            account: account.name.to_string(),
            server: account.server.to_string(),
            user: None,
            user_id: None,
            warnings: Vec::new(),
            token: CheckResult::default(),
            hello: CheckResult::default(),
            permissions: PermissionRow::default(),
        };
        if !is_up {
            return row;
        }
        self.wait_for_permit().await;
        let (answer, took_ms) = timed(self.client.me(&account.token, None)).await;
        match answer.map(|answer| answer.value) {
            Ok(Me::User { user, .. }) => row.set_user(&user),
            // Only a request with an ETag is answered so, and none was sent.
            Ok(Me::Unmodified) => {}
            Err(error) => {
                row.token = remedy::explain_rest_error(&error);
                return row;
            }
        }
        row.token = success(took_ms);
        row.hello = self.check_hello(account, hello_timeout).await;
        let (client, token, cache) = (&self.client, &account.token, &self.roles);
        let wait_for_permit = async || self.wait_for_permit().await;
        row.permissions = PermissionCheck { client, token, cache, wait_for_permit }.run().await;
        row
    }

    async fn check_hello(&self, account: &AccountConfig, hello_timeout: Duration) -> CheckResult {
        self.wait_for_permit().await;
        let (outcome, took_ms) = timed(async {
            let dialed = self
                .client
                .dial(&account.token, None)
                .await
                .map_err(|error| remedy::explain_dial_error(&error))?;
            let (_writer, mut reader) = dialed.socket.split();
            let hello = timeout(hello_timeout, wait_for_hello(&mut reader)).await;
            hello
                .unwrap_or_else(|_| Err("no hello arrived in time".into()))
                .map_err(|problem| remedy::explain_missing_hello(&problem))
        })
        .await;
        outcome.map_or_else(|failure| failure, |()| success(took_ms))
    }

    /// Waits until the rate limit allows another request.
    async fn wait_for_permit(&self) {
        loop {
            let permit = self.rate_limit.borrow_mut().take(Instant::now());
            match permit {
                Ok(()) => return,
                Err(wait) => sleep(wait).await,
            }
        }
    }
}

impl AccountRow {
    /// Sets the user, and warns of one that is no bot or may do anything.
    fn set_user(&mut self, user: &User) {
        self.user = Some(Excerpt::of(&user.username).into());
        self.user_id = Some(user.id.clone());
        let name = Excerpt::of(&user.username);
        if !user.is_bot {
            self.warnings.push(format!(
                "the token belongs to a person, @{name}, not to a bot: everything said to them goes to the sinks"
            ));
        }
        if user.roles.is_admin {
            self.warnings.push(format!(
                "@{name} is an administrator: whoever gets the token can do anything; use an ordinary bot"
            ));
        }
    }
}

/// Warns of accounts on one server whose tokens belong to one user: each receives, and answers, every post.
fn warn_of_shared_users(rows: &mut [AccountRow]) {
    let mut first: HashMap<(String, UserId), String> = HashMap::new();
    for row in rows {
        let Some(id) = row.user_id.clone() else { continue };
        match first.entry((row.server.clone(), id)) {
            Entry::Vacant(vacant) => drop(vacant.insert(row.account.clone())),
            Entry::Occupied(other) => row.warnings.push(format!(
                "its token belongs to the same user as that of {}: both receive and answer every post",
                other.get()
            )),
        }
    }
}

/// Reads frames until a hello.
async fn wait_for_hello(reader: &mut SocketReader) -> Result<(), String> {
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
    Err("the server closed the socket before hello".into())
}

fn success(took_ms: u64) -> CheckResult {
    CheckResult { ok: Some(true), took_ms: Some(took_ms), problem: None, remedy: None }
}

/// Strips the build and the licence from a version such as `5.37.0..521f…`.
fn short_version(version: &str) -> String {
    version.split("..").next().unwrap_or(version).trim_end_matches('.').to_owned()
}

async fn timed<T>(request: impl Future<Output = T>) -> (T, u64) {
    let start = Instant::now();
    let answer = request.await;
    (answer, u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_shown_without_its_build() {
        assert_eq!(short_version("5.37.0..521f211fcc4f02e1dcd53eec4fead3ef.false"), "5.37.0");
        assert_eq!(short_version("9.5.0.9.5.0.abc.true"), "9.5.0.9.5.0.abc.true");
        assert_eq!(short_version("9.5.0"), "9.5.0");
    }
}
