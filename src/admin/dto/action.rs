//! The requests that change something, and their results.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An action on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ends its Connection and starts the next at once; starts a stopped account.
    Restart,
    /// Stops it until someone starts it.
    Stop,
    /// Starts it if it is stopped, tripped, or waiting.
    Start,
    /// Restores its whole restart budget.
    Reset,
    /// Compares the server's posts with those received, now.
    Audit,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 5] = [Self::Restart, Self::Stop, Self::Start, Self::Reset, Self::Audit];

    /// Returns the word for the action in paths and commands.
    pub fn label(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Reset => "reset",
            Self::Audit => "audit",
        }
    }
}

/// The response to an accepted action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionAccepted {
    /// The account.
    pub account: String,
    /// The action.
    pub action: Action,
    /// True if there was nothing to start: the account is running.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub already_running: bool,
    /// The sinks of the account that rested and were started, too.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub started_sinks: Vec<String>,
}

/// The log level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevel {
    /// A level, or a list of modules with levels such as `matterhost=debug,info`.
    #[schema(
        pattern = "^([A-Za-z0-9_:-]+=)?(off|error|warn|info|debug|trace)(,([A-Za-z0-9_:-]+=)?(off|error|warn|info|debug|trace)){0,63}$"
    )]
    pub level: String,
}
