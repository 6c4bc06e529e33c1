//! A Mattermost server, as the API shows it.

use std::time::SystemTime;

use matterhost_actors::model::ServerSnapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::telemetry::time::rfc3339;

/// A Mattermost server at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// The name in the configuration.
    pub name: String,
    /// The URL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// True unless the server is known not to answer.
    pub up: bool,
    /// The time since which it has not answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub down_since: Option<String>,
    /// Accounts on this server.
    pub accounts: usize,
    /// The current rate of requests.
    pub requests_per_second: f64,
    /// Requests waiting to be sent.
    pub waiting: usize,
    /// Connections being opened, from dial to hello.
    pub dials: usize,
    /// The time until which its rate limit blocks all requests.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paused_until: Option<String>,
}

/// All servers, sorted by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Servers {
    /// The servers.
    pub servers: Vec<Server>,
}

impl Server {
    /// Converts the snapshot of a server and adds its URL.
    pub fn new(of: &ServerSnapshot, url: Option<String>) -> Self {
        let now = SystemTime::now();
        Self {
            name: of.server.to_string(),
            url,
            up: of.up,
            down_since: of.down_for.map(|down| rfc3339(now - down)),
            accounts: of.accounts,
            requests_per_second: of.requests_per_second,
            waiting: of.waiting,
            dials: of.dials,
            paused_until: of.paused_for.map(|pause| rfc3339(now + pause)),
        }
    }
}
