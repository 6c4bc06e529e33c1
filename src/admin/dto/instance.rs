//! The host process.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The host process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// The version of matterhost.
    pub version: String,
    /// A random id of this process.
    pub instance: String,
    /// The time of its start.
    pub started: String,
    /// The time by the host's clock.
    pub now: String,
    /// True if the caller may only read.
    pub read_only: bool,
    /// True if the caller authenticated with a token.
    pub authenticated: bool,
    /// The accounts that the caller may act as, if it may do nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_as: Option<Vec<String>>,
}
