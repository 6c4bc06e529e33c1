//! A Mattermost server.

use std::time::SystemTime;

use matterhost_actors::model::ServerSnapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::telemetry::time::rfc3339;

/// A Mattermost server at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Its name in the configuration.
    pub name: String,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Whether it answers, as far as is known.
    pub up: bool,
    /// Since when it has not answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub down_since: Option<String>,
    /// Accounts that are on it.
    pub accounts: usize,
    /// The pace of requests at the moment.
    pub requests_per_second: f64,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Connections between dial and hello.
    pub dials: usize,
    /// Until when its rate limit lets nothing through.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paused_until: Option<String>,
}

/// All servers, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Servers {
    /// The servers.
    pub servers: Vec<Server>,
}

impl Server {
    /// What is known of a server, and where it is.
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
