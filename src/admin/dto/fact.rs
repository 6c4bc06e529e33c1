//! The events of the stream of facts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A fact: something that happened to an account or a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fact {
    /// The time.
    pub at: String,
    /// The account, for a fact about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<String>,
    /// The number of the account's Connection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// The server, for a fact about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<String>,
    /// The fact, in one word.
    pub fact: String,
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// The fact, in words.
    pub message: String,
    /// The reason for the end of a Connection, in one word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// True if an ending was charged to the restart budget.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub charged: Option<bool>,
    /// The time until the next attempt, or the duration of another wait.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delay_ms: Option<u64>,
    /// The duration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took_ms: Option<u64>,
    /// The time for which the Connection had been ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready_ms: Option<u64>,
    /// True if an earlier connection was resumed or can be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resumed: Option<bool>,
}

/// A gap in the stream: facts that the client did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// The least number of missing facts; 0 if it is not known.
    pub missed: u64,
}
