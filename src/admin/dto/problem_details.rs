//! Problem details (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config;

/// The media type of problem details.
pub const TYPE: &str = "application/problem+json";

/// A problem: the reason why a request failed (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: always `about:blank`, because the status says it.
    pub r#type: String,
    /// The name of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A description of the problem and, where possible, a way to fix it.
    pub detail: String,
    /// All errors of a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub problems: Vec<ConfigProblem>,
}

/// An error in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigProblem {
    /// The key.
    pub key: String,
    /// The error.
    pub problem: String,
    /// A way to fix it.
    pub remedy: String,
    /// The file and the line, as `FILE:LINE`, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl From<config::Problem> for ConfigProblem {
    fn from(problem: config::Problem) -> Self {
        let config::Problem { key, message, remedy, place, .. } = problem;
        Self { key, problem: message, remedy, place }
    }
}
