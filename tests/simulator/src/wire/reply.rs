//! Replies to WebSocket actions, and the error object that REST shares.

use serde::Serialize;
use serde_json::Value;

use crate::wire::json::to_text;

/// The server's error object; REST adds a `request_id`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AppError {
    pub(crate) id: &'static str,
    pub(crate) message: String,
    pub(crate) detailed_error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    pub(crate) status_code: u16,
}

impl AppError {
    pub(crate) fn new(id: &'static str, message: &str, status_code: u16) -> Self {
        Self { id, message: message.to_owned(), detailed_error: String::new(), request_id: None, status_code }
    }
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the wire")]
struct Reply<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq_reply: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a AppError>,
}

/// A reply with status `OK`.
pub(crate) fn ok(seq_reply: u64, data: Option<&Value>) -> String {
    line(&Reply { status: "OK", seq_reply: Some(seq_reply), data, error: None })
}

/// A reply with status `FAIL`; a request without a number gets one without (connect).
pub(crate) fn fail(seq_reply: Option<u64>, error: &AppError) -> String {
    line(&Reply { status: "FAIL", seq_reply, data: None, error: Some(error) })
}

fn line(reply: &Reply<'_>) -> String {
    let mut text = to_text(reply);
    text.push('\n');
    text
}
