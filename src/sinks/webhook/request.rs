//! One request, and its answer.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use awc::{
    ClientResponse,
    error::PayloadError,
    http::{
        StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
    },
};
use futures_util::{Stream, StreamExt as _};
use matterhost_actors::{mattermost::http_client, model::Excerpt};
use tokio::time::timeout;

use super::{
    sign,
    verdict::{Verdict, for_status},
};
use crate::config::WebhookConfig;
use crate::sinks::{
    message::Message,
    reply::{self, ReplyParseError},
};

/// The longest answer that is read: a post of the greatest length, with props, is a tenth of it.
pub(super) const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// One event a request.
const ONE: &str = "application/cloudevents+json; charset=utf-8";
/// Several events a request, as a list.
const SEVERAL: &str = "application/cloudevents-batch+json; charset=utf-8";

/// Asks a handler. It belongs to the thread that made it.
pub(super) struct HandlerClient {
    sink: Arc<str>,
    config: WebhookConfig,
    http: awc::Client,
    /// Where it is, as the HTTP client wants it: TLS is beneath.
    uri: String,
}

impl HandlerClient {
    pub(super) fn new(sink: &Arc<str>, config: WebhookConfig) -> Self {
        let server = config.client.url().to_string();
        let plain = server.strip_prefix("https://").or(server.strip_prefix("http://")).unwrap_or(&server);
        let uri = format!("http://{plain}{}", config.path);
        Self { sink: Arc::clone(sink), http: http_client(&config.client), uri, config }
    }

    /// Sends events, at least one, and says what became of them.
    pub(super) async fn deliver(&self, events: &[&Message]) -> Verdict {
        let limit = self.config.timeout;
        timeout(limit, Box::pin(self.send(events))).await.unwrap_or_else(|_| Verdict::RetryLater {
            cause: format!("{} did not answer within {}", self.place(), humantime::format_duration(limit)),
            pause: None,
        })
    }

    async fn send(&self, events: &[&Message]) -> Verdict {
        let (kind, body) = self.body(events);
        let id = sign::request_id(events);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = now.as_secs().to_string();
        let signature = sign::signature(&self.config.secrets, &id, &timestamp, body.as_bytes());
        let request = self
            .http
            .post(&self.uri)
            .insert_header((CONTENT_TYPE, kind))
            .insert_header(("webhook-id", id))
            .insert_header(("webhook-timestamp", timestamp))
            .insert_header(("webhook-signature", signature));
        match request.send_body(body).await {
            Ok(mut response) => self.answered(&mut response, events).await,
            Err(error) => Verdict::RetryLater {
                cause: format!("{} cannot be asked: {}", self.place(), Excerpt::of(&error)),
                pause: None,
            },
        }
    }

    fn body(&self, events: &[&Message]) -> (&'static str, String) {
        match events {
            [only] if self.config.batch == 1 => (ONE, only.json.to_string()),
            several => {
                let list = several.iter().map(|event| &*event.json).collect::<Vec<_>>().join(",");
                (SEVERAL, format!("[{list}]"))
            }
        }
    }

    async fn answered<S>(&self, response: &mut ClientResponse<S>, events: &[&Message]) -> Verdict
    where
        S: Stream<Item = Result<bytes::Bytes, PayloadError>> + Unpin,
    {
        let status = response.status();
        // Read also where it means nothing: a connection whose answer is unread cannot be used again.
        let body = read(response).await;
        if !status.is_success() {
            return for_status(status, response.headers());
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = if status == StatusCode::NO_CONTENT { Ok(Vec::new()) } else { body };
        Verdict::Accepted(body.and_then(|body| reply::parse(&body, kind, events, &self.sink)))
    }

    /// Where the handler is, without what may hold a secret.
    fn place(&self) -> String {
        self.config.client.url().to_string()
    }
}

async fn read<S>(response: &mut ClientResponse<S>) -> Result<Vec<u8>, ReplyParseError>
where
    S: Stream<Item = Result<bytes::Bytes, PayloadError>> + Unpin,
{
    let mut body = Vec::new();
    while let Some(piece) = response.next().await {
        let piece = piece.map_err(|_| ReplyParseError::Truncated)?;
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(ReplyParseError::TooLarge(MAX_ANSWER_BYTES));
        }
        body.extend_from_slice(&piece);
    }
    if is_whole(response.headers(), body.len()) { Ok(body) } else { Err(ReplyParseError::Truncated) }
}

/// The HTTP client hands out a body that was cut short as if it were whole.
fn is_whole(headers: &HeaderMap, length: usize) -> bool {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // Of a compressed body the announced length is another one.
    headers.contains_key(CONTENT_ENCODING) || announced.is_none_or(|announced: usize| length >= announced)
}
