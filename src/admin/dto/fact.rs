//! What happens, as it happens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that happened to an account or a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fact {
    /// When.
    pub at: String,
    /// The account it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<String>,
    /// The number of the account's Connection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u64>,
    /// The server it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<String>,
    /// What, in one word.
    pub fact: String,
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// What, in words.
    pub message: String,
    /// Why a Connection ended, in one word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Whether an ending was charged to the restart budget.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub charged: Option<bool>,
    /// How long until the next attempt, or for how long something waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delay_ms: Option<u64>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub took_ms: Option<u64>,
    /// For how long the Connection had been ready.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready_ms: Option<u64>,
    /// Whether an old connection is or may be taken up again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resumed: Option<bool>,
}

/// Facts that a listener did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// How many, at least; 0 when that is not known.
    pub missed: u64,
}
