//! Requests to a handler and their answers.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use awc::{
    ClientResponse,
    error::{PayloadError, SendRequestError},
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
    },
};
use futures_util::{Stream, StreamExt as _};
use matterhost_actors::{
    mattermost::{describe_send_error, foreign_encoding, http_client},
    model::Excerpt,
};
use tokio::time::timeout;

use super::{
    sign,
    verdict::{Verdict, for_status},
};
use crate::{
    actions::{MAX_ACTIONS_BYTES, ReplyTokens},
    config::WebhookConfig,
    sinks::{
        failing_events::Failure,
        message::Message,
        reply::{self, ReplyParseError},
    },
};

/// The content type of a single event.
const SINGLE_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// The header with the token by which the handler may answer later.
const REPLY_TOKEN: &str = "matterhost-reply-token";

/// The text in the place of such a token.
const HIDDEN_TOKEN: &str = "[reply token]";

/// The content type of a list of events.
const BATCH_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

/// An HTTP client for one handler. It cannot leave its thread.
pub(super) struct HandlerClient {
    sink: Arc<str>,
    config: WebhookConfig,
    http: awc::Client,
    reply_tokens: Option<ReplyTokens>,
    /// The address with the scheme `http`, because TLS is handled below the HTTP client.
    uri: String,
}

impl HandlerClient {
    pub(super) fn new(sink: &Arc<str>, config: WebhookConfig, reply_tokens: Option<ReplyTokens>) -> Self {
        let server = config.client.url().to_string();
        let plain = server.strip_prefix("https://").or(server.strip_prefix("http://")).unwrap_or(&server);
        let uri = format!("http://{plain}{}", config.path);
        Self { sink: Arc::clone(sink), http: http_client(&config.client), reply_tokens, uri, config }
    }

    /// Sends one or more events and returns the result.
    pub(super) async fn deliver(&self, events: &[&Message]) -> Verdict {
        self.deliver_answered(events, 0).await
    }

    /// Sends events that were answered by that many posts before.
    pub(super) async fn deliver_answered(&self, events: &[&Message], posts: usize) -> Verdict {
        let limit = self.config.timeout;
        timeout(limit, Box::pin(self.send(events, posts))).await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(limit);
            let cause = format!("{} did not answer within {limit} (timeout)", self.address());
            Verdict::failed(Failure::Event, cause)
        })
    }

    async fn send(&self, events: &[&Message], posts: usize) -> Verdict {
        let (kind, body) = self.body(events);
        let id = sign::request_id(events);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs().to_string();
        let signature = sign::signature(&self.config.secrets, &id, &timestamp, body.as_bytes());
        let mut request = self
            .http
            .post(&self.uri)
            .insert_header((CONTENT_TYPE, kind))
            .insert_header(("webhook-id", id))
            .insert_header(("webhook-timestamp", timestamp))
            .insert_header(("webhook-signature", signature));
        let token = self.reply_token(events);
        if let Some(token) = &token {
            request = request.insert_header((REPLY_TOKEN, &**token));
        }
        match request.send_body(body).await {
            Ok(mut response) => self.verdict(&mut response, token.as_deref(), events, posts).await,
            Err(error) => {
                let blame = blame(&error);
                let error = Excerpt::of(&describe_send_error(error));
                Verdict::failed(blame, format!("{} cannot be asked: {error}", self.address()))
            }
        }
    }

    /// Returns the token by which the handler may answer later. The tokens of a batch would be too much for a header.
    fn reply_token(&self, events: &[&Message]) -> Option<String> {
        let ([only], Some(tokens), 1) = (events, &self.reply_tokens, self.config.batch) else { return None };
        tokens.issue(&only.answered(&self.sink), SystemTime::now())
    }

    fn body(&self, events: &[&Message]) -> (&'static str, String) {
        match events {
            [only] if self.config.batch == 1 => (SINGLE_TYPE, only.json.to_string()),
            several => {
                let list = several.iter().map(|event| &*event.json).collect::<Vec<_>>().join(",");
                (BATCH_TYPE, format!("[{list}]"))
            }
        }
    }

    async fn verdict<S>(
        &self,
        response: &mut ClientResponse<S>,
        token: Option<&str>,
        events: &[&Message],
        posts: usize,
    ) -> Verdict
    where
        S: Stream<Item = Result<bytes::Bytes, PayloadError>> + Unpin,
    {
        let status = response.status();
        // The body is read in any case: a connection with an unread body cannot be reused.
        let body = read_body(response).await.map(|body| without(body, token));
        if !status.is_success() {
            let body = body.unwrap_or_default();
            return for_status(status, response.headers(), &body, &self.config.reject_on);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = if status == StatusCode::NO_CONTENT { Ok(Vec::new()) } else { body };
        Verdict::Accepted(body.and_then(|body| reply::parse(&body, kind, events, &self.sink, posts)))
    }

    /// Returns the address without its path, which may hold a secret.
    fn address(&self) -> String {
        self.config.client.url().to_string()
    }
}

/// Returns the kind of a request's failure. A handler that dies on an event closes the connection.
fn blame(error: &SendRequestError) -> Failure {
    match error {
        SendRequestError::Send(_) | SendRequestError::Response(_) => Failure::Event,
        _ => Failure::Handler,
    }
}

async fn read_body<S>(response: &mut ClientResponse<S>) -> Result<Vec<u8>, ReplyParseError>
where
    S: Stream<Item = Result<bytes::Bytes, PayloadError>> + Unpin,
{
    if let Some(message) = foreign_encoding(response.headers()) {
        return Err(ReplyParseError::Encoded(message));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|_| ReplyParseError::Truncated)?;
        if body.len() + chunk.len() > MAX_ACTIONS_BYTES {
            return Err(ReplyParseError::TooLarge(MAX_ACTIONS_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
    if is_complete(response.headers(), body.len()) { Ok(body) } else { Err(ReplyParseError::Truncated) }
}

/// Returns a body without the token, which a handler that fails may show, and which would then be in the log.
fn without(body: Vec<u8>, token: Option<&str>) -> Vec<u8> {
    match (token, str::from_utf8(&body)) {
        (Some(token), Ok(text)) if text.contains(token) => text.replace(token, HIDDEN_TOKEN).into_bytes(),
        _ => body,
    }
}

/// Returns true if the body is complete. The HTTP client does not report a body that was cut short.
fn is_complete(headers: &HeaderMap, length: usize) -> bool {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // The announced length of a compressed body is that before decompression.
    headers.contains_key(CONTENT_ENCODING) || announced.is_none_or(|announced: usize| length >= announced)
}
