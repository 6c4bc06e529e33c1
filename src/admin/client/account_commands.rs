//! The commands that change accounts or the process: actions, health, log level and reload.

use std::{cell::Cell, fmt::Write as _};

use futures_util::TryStreamExt as _;
use matterhost_actors::{
    mattermost::content_pieces,
    model::{AccountName, Attachment},
};
use url::form_urlencoded;

use super::{
    Client, RemoteError,
    http_client::encode_path_segment,
    unknown_account::{is_of_unknown_account, suggest},
};
use crate::{
    actions::{ActionDone, BotAction},
    admin::{
        dto::{Action, ActionAccepted, LogLevel, SignInLink},
        ui::page_link,
    },
    config::ConfigDiff,
};

/// Requests the action for each account and returns one line per account. A refusal for one account does not stop
/// the others.
///
/// # Errors
/// When the host cannot be reached or refuses an account. With several accounts, the text says which were refused.
pub async fn apply_action(
    client: &Client,
    action: Action,
    accounts: &[AccountName],
) -> (String, Option<RemoteError>) {
    // Writing to a String cannot fail.
    let mut text = String::new();
    let mut failed = None;
    for account in accounts {
        let path = format!("/v1/accounts/{}/{}", encode_path_segment(account.as_str()), action.label());
        match client.post::<ActionAccepted>(&path).await {
            Ok(accepted) => {
                let progress = if accepted.already_running { "already running" } else { progress(action) };
                let _ = writeln!(text, "{account}: {progress}{}", started_sinks(&accepted));
            }
            Err(error) => match suggest(client, account, error).await {
                RemoteError::Refused { problem } if accounts.len() > 1 => {
                    let _ = writeln!(text, "{account}: not done: {}", problem.detail);
                    failed = Some(RemoteError::Unhealthy("some accounts were refused".into()));
                }
                error => return (text, Some(error)),
            },
        }
    }
    (text, failed)
}

/// Makes an account act on its Mattermost server, and returns the ids of the posts that it created.
///
/// # Errors
/// When the action is not valid or not done, or the host cannot be reached.
pub async fn take_action(
    client: &Client,
    account: &AccountName,
    action: &BotAction,
) -> Result<Vec<String>, RemoteError> {
    let path = format!("/v1/accounts/{}/actions", encode_path_segment(account.as_str()));
    match client.post_slow::<ActionDone>(&path, action).await {
        Ok(done) => Ok(done.ids),
        Err(error) if is_of_unknown_account(&error) => Err(suggest(client, account, error).await),
        Err(error) => Err(error),
    }
}

/// Uploads a file as an account, for a post in a channel, and returns its id. `progress` is called with the bytes sent so far.
///
/// # Errors
/// When the file cannot be read or is refused, or the host cannot be reached.
pub async fn upload_file(
    client: &Client,
    account: &AccountName,
    target: &str,
    file: &Attachment,
    progress: impl Fn(u64) + 'static,
) -> Result<String, RemoteError> {
    let query = [("target", target), ("name", &file.name)];
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let path = format!("/v1/accounts/{}/files?{query}", encode_path_segment(account.as_str()));
    let sent = Cell::new(0);
    let pieces = content_pieces(file.bytes.clone()).inspect_ok(move |piece| {
        sent.set(sent.get() + piece.len() as u64);
        progress(sent.get());
    });
    match client.post_file::<ActionDone>(&path, file.bytes.len(), pieces).await {
        Ok(done) => Ok(done.files.into_iter().next().unwrap_or_default()),
        Err(error) if is_of_unknown_account(&error) => Err(suggest(client, account, error).await),
        Err(error) => Err(error),
    }
}

fn started_sinks(accepted: &ActionAccepted) -> String {
    match &*accepted.started_sinks {
        [] => String::new(),
        sinks => format!("; sink {}, which rested, is started, too", sinks.join(", ")),
    }
}

fn progress(action: Action) -> &'static str {
    match action {
        Action::Restart => "restarting",
        Action::Stop => "stopping",
        Action::Start => "starting",
        Action::Reset => "restart budget restored",
        Action::Audit => "auditing; `matterhost tail` shows the result",
    }
}

/// Returns the host's answer to a liveness probe, or to a readiness probe if `ready` is set.
///
/// # Errors
/// When the host is not live or not ready, or cannot be reached.
pub async fn health(client: &Client, ready: bool) -> Result<String, RemoteError> {
    client.get_text(if ready { "/readyz" } else { "/livez" }).await
}

/// Returns the host's log level, after setting it if `level` is given.
///
/// # Errors
/// When the level is not valid, or the host cannot be reached.
pub async fn log_level(client: &Client, level: Option<String>) -> Result<String, RemoteError> {
    let answer: LogLevel = match level {
        Some(level) => client.put("/v1/log-level", &LogLevel { level }).await?,
        None => client.get("/v1/log-level").await?,
    };
    Ok(answer.level + "\n")
}

/// Returns a link that opens the page once.
///
/// # Errors
/// When the host needs no sign-in, cannot be reached, or not by a browser.
pub async fn sign_in_link(client: &Client) -> Result<String, RemoteError> {
    let url = client.url()?;
    let link: SignInLink = client.post("/v1/sign-in-links").await?;
    Ok(page_link(&url, &link.code) + "\n")
}

/// Returns the changes that a reload would make.
///
/// # Errors
/// When the configuration is not valid, or the host cannot be reached.
pub async fn preview_reload(client: &Client) -> Result<ConfigDiff, RemoteError> {
    client.get("/v1/reload").await
}

/// Reloads the host's configuration and returns the changes.
///
/// # Errors
/// When the configuration is not valid and nothing was changed, or the host cannot be reached.
pub async fn reload(client: &Client) -> Result<ConfigDiff, RemoteError> {
    client.reload("/v1/reload").await
}
