//! What went wrong, as RFC 9457 says it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a problem.
pub const TYPE: &str = "application/problem+json";

/// What went wrong (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: `about:blank`, for the status says it.
    pub r#type: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, and how to mend it.
    pub detail: String,
    /// Everything that is wrong with a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub problems: Vec<ConfigProblem>,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigProblem {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub remedy: String,
}
