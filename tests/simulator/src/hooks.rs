//! Requests that the server makes to integrations: as the recordings show them, and as a script wants them.

mod script;
mod send;

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rest::request::RouteResult;
use crate::state::State;

pub(crate) use script::finish_call;
pub(crate) use send::send;

/// A request to an integration. A script can send it again, changed or slowly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRequest {
    /// The method.
    pub method: String,
    /// The URL, with `http`.
    pub url: String,
    /// The headers, without `Host` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The time before each byte of the body; the server waits for none.
    pub pace: Option<Duration>,
}

/// The answer of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// The status.
    pub status: u16,
    /// The content type, or nothing.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// A request and its answer, if one came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentHook {
    /// The request.
    pub request: HookRequest,
    /// The answer; none if the integration could not be asked.
    pub answer: Option<HookAnswer>,
    /// The time that it took.
    pub took: Duration,
}

/// A request that a route has to make before it can answer.
pub(crate) struct Call {
    pub(crate) request: HookRequest,
    /// Makes the route's answer.
    pub(crate) then: Then,
}

type Then = Box<dyn FnOnce(&mut State, Option<&HookAnswer>) -> RouteResult + Send>;

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}

impl HookRequest {
    pub(crate) fn new(method: &str, url: &str, body: &str) -> Self {
        let headers = [("User-Agent", "Mattermost-Bot/1.1"), ("Accept-Encoding", "gzip")];
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: body.to_owned(),
            pace: None,
        }
    }

    /// A request with JSON.
    pub(crate) fn json(url: &str, body: &Value) -> Self {
        let mut request = Self::new("POST", url, &body.to_string());
        request.header("Accept", "application/json");
        request.header("Content-Type", "application/json");
        request
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

impl HookAnswer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The answer to a command: plain text is shown to the person who ran it. None for JSON that is broken.
    pub(crate) fn as_command_answer(&self) -> Option<Value> {
        if self.content_type.starts_with("application/json") {
            return if self.body.is_empty() {
                Some(json!({}))
            } else {
                serde_json::from_str(&self.body).ok()
            };
        }
        let is_empty = self.body.is_empty();
        Some(if is_empty { json!({}) } else { json!({ "text": self.body, "response_type": "ephemeral" }) })
    }
}

/// A form as Go encodes it.
pub(crate) fn encode_form(fields: &[(&str, String)]) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut encoded, byte| {
            match byte {
                b' ' => encoded.push('+'),
                byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
                    encoded.push(char::from(byte));
                }
                byte => {
                    // Writing into a String cannot fail.
                    let _ = write!(encoded, "%{byte:02X}");
                }
            }
            encoded
        })
    };
    let fields = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    fields.collect::<Vec<_>>().join("&")
}
