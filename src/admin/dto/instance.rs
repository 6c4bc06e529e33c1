//! The process that answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// The program's version.
    pub version: String,
    /// The id of this run of it.
    pub instance: String,
    /// When it started.
    pub started: String,
    /// The time on its clock.
    pub now: String,
    /// Whether the caller may look only.
    pub read_only: bool,
    /// Whether the caller had to show a token.
    pub authenticated: bool,
}
