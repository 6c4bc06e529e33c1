//! The sinks of a running host and the commands to them.

use std::io;

use super::{Client, RemoteError, http_client::encode_path_segment, sink_text, watch::watch_view};
use crate::{
    admin::dto::{
        LetterSelection, RetriedLetters, Sink, SinkAction, SinkActionAccepted, Sinks, SkipRequest, Skipped,
    },
    telemetry::color,
};

/// A selection of sinks and an output format.
#[derive(Debug, Clone, Default)]
pub struct SinkQuery {
    /// Show the details of this sink.
    pub sink: Option<String>,
    /// Print the API's JSON.
    pub json: bool,
}

fn path(sink: &str) -> String {
    format!("/v1/sinks/{}", encode_path_segment(sink))
}

/// Returns the sinks as text.
///
/// # Errors
/// When the host cannot be reached or refuses the request.
pub async fn sinks(client: &Client, query: &SinkQuery) -> Result<String, RemoteError> {
    render(client, query, usize::MAX).await
}

async fn render(client: &Client, query: &SinkQuery, max_lines: usize) -> Result<String, RemoteError> {
    let path = query.sink.as_deref().map_or_else(|| "/v1/sinks".to_owned(), path);
    if query.json {
        let value: serde_json::Value = client.get(&path).await?;
        return Ok(format!("{value}\n"));
    }
    let colored = color::is_enabled(&io::stdout());
    if query.sink.is_some() {
        let sink: Sink = client.get(&path).await?;
        return Ok(sink_text::detail(&sink, colored));
    }
    let Sinks { sinks } = client.get(&path).await?;
    Ok(sink_text::table(&sinks, max_lines, colored))
}

/// Prints the sinks every second.
///
/// # Errors
/// When the first request fails, a later one fails for good, or standard output cannot be written.
pub async fn watch_sinks(client: &Client, query: &SinkQuery) -> Result<(), RemoteError> {
    watch_view(query.json, async |max_lines| render(client, query, max_lines).await).await
}

/// Carries out an action on a sink, and returns a line about it.
///
/// # Errors
/// When the host cannot be reached or refuses it.
pub async fn act_on_sink(client: &Client, sink: &str, action: SinkAction) -> Result<String, RemoteError> {
    let accepted: SinkActionAccepted = client.post(&format!("{}/{}", path(sink), action.label())).await?;
    let progress = match accepted.action {
        SinkAction::Restart => "restarting; what waits is tried at once",
        SinkAction::RetryNow => "trying at once what waits",
    };
    Ok(format!("{}: {progress}\n", accepted.sink))
}

/// Takes the first event of a channel from a sink, and returns a line about it.
///
/// # Errors
/// When the host cannot be reached or refuses it.
pub async fn skip(client: &Client, sink: &str, request: &SkipRequest) -> Result<String, RemoteError> {
    let skipped: Skipped = client.post_json(&format!("{}/skip", path(sink)), request).await?;
    Ok(format!("{}: event {} becomes a dead letter\n", skipped.sink, skipped.event))
}

/// Returns the names of the sinks with dead letters.
///
/// # Errors
/// When the host cannot be reached.
pub async fn sinks_with_letters(client: &Client) -> Result<Vec<String>, RemoteError> {
    let Sinks { sinks } = client.get("/v1/sinks").await?;
    Ok(sinks.into_iter().filter(|sink| sink.dead_letters > 0).map(|sink| sink.name).collect())
}

/// Delivers dead letters of a sink again.
///
/// # Errors
/// When the host cannot be reached or refuses it.
pub async fn retry_letters(
    client: &Client,
    sink: &str,
    selection: &LetterSelection,
) -> Result<RetriedLetters, RemoteError> {
    client.post_slow(&format!("{}/dead-letters/retry", path(sink)), selection).await
}
