//! The process itself: whether it is well, what it logs, its configuration.

use super::{Client, RemoteError};
use crate::{admin::dto::LogLevel, config::ConfigDiff};

/// Whether the host lives, or is ready; gives back what it said.
///
/// # Errors
/// When it is not, or cannot be asked.
pub async fn health(client: &Client, ready: bool) -> Result<String, RemoteError> {
    client.get_text(if ready { "/readyz" } else { "/livez" }).await
}

/// What the host logs, after it was changed to `level` if one is given.
///
/// # Errors
/// When that is no level, or the host cannot be asked.
pub async fn log_level(client: &Client, level: Option<String>) -> Result<String, RemoteError> {
    let answer: LogLevel = match level {
        Some(level) => client.put("/v1/log-level", &LogLevel { level }).await?,
        None => client.get("/v1/log-level").await?,
    };
    Ok(answer.level + "\n")
}

/// What a reload would change.
///
/// # Errors
/// When the configuration is wrong, or the host cannot be asked.
pub async fn preview_reload(client: &Client) -> Result<ConfigDiff, RemoteError> {
    client.get("/v1/reload").await
}

/// Has the configuration read again; gives back what was changed.
///
/// # Errors
/// When the configuration is wrong and nothing was changed, or the host cannot be asked.
pub async fn reload(client: &Client) -> Result<ConfigDiff, RemoteError> {
    client.reload("/v1/reload").await
}
