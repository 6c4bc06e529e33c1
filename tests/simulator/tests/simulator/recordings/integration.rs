//! The integration of a recording: it notes what the server sends, and answers as the recorder's did.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::client::TIMEOUT;

/// A listening integration.
pub(crate) struct Integration {
    pub(crate) address: SocketAddr,
    answers: Arc<Mutex<VecDeque<Value>>>,
    requests: Receiver<Value>,
}

impl Integration {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = Arc::<Mutex<VecDeque<Value>>>::default();
        let (sender, requests) = mpsc::channel();
        let queue = Arc::clone(&answers);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = || queue.lock().expect("a queue").pop_front().expect("an answer");
                if sender.send(exchange(stream.expect("a connection"), answer)).is_err() {
                    return;
                }
            }
        });
        Self { address, answers, requests }
    }

    /// Queues the answer to the next request: that of a recorded one.
    pub(crate) fn answer_as(&self, recorded: &Value) {
        self.answers.lock().expect("a queue").push_back(recorded.clone());
    }

    /// The next request, in the form of a recording.
    pub(crate) fn request(&self) -> Value {
        self.requests.recv_timeout(TIMEOUT).expect("a request to the integration")
    }
}

fn exchange(stream: TcpStream, answer: impl FnOnce() -> Value) -> Value {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    };
    let first = line();
    let head: Vec<String> = std::iter::repeat_with(line).take_while(|line| !line.is_empty()).collect();
    let headers: Map<String, Value> = head
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)))
        .collect();
    let length = headers["content-length"].as_str().and_then(|text| text.parse().ok()).expect("a length");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let answer = answer();
    let (kind, text) = match answer["answer"].as_str() {
        Some(text) => ("text/plain", text.to_owned()),
        None => ("application/json", answer["answer"].to_string()),
    };
    let (status, length) = (&answer["status"], text.len());
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    reader.get_mut().write_all((head + &text).as_bytes()).expect("an answer sent");
    let mut words = first.split(' ');
    json!({
        "method": words.next(), "path": words.next(), "headers": headers,
        "body": String::from_utf8(body).expect("UTF-8"),
    })
}

/// A request in a form that two of them are compared in: header names in small letters, the body taken apart, the trigger
/// without its signature, the token by its place only.
pub(crate) fn comparable(request: &Value) -> Value {
    let headers = request["headers"].as_object().expect("headers").iter();
    let mut headers: Map<String, Value> =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    // The length hangs on that of a signature; the host is the integration's own.
    headers.insert("content-length".to_owned(), json!("N"));
    headers.remove("host");
    let text = request["body"].as_str().expect("a body");
    let is_form = headers["content-type"] == "application/x-www-form-urlencoded";
    let mut body = if is_form { form(text) } else { serde_json::from_str(text).expect("JSON") };
    if let Some(trigger) = body["trigger_id"].as_str() {
        let trigger = BASE64_STANDARD.decode(trigger).expect("a trigger in Base64");
        let trigger = String::from_utf8(trigger).expect("UTF-8");
        let parts: Vec<&str> = trigger.split(':').collect();
        assert_eq!(parts.len(), 4, "{trigger}");
        BASE64_STANDARD.decode(parts[3]).expect("a signature in Base64");
        body["trigger_id"] = json!(parts[..3]);
    }
    if let Some(token) = body["token"].as_str() {
        // That of an outgoing webhook stands in the body only.
        if let Some(header) = headers.get_mut("authorization") {
            assert_eq!(*header, format!("Token {token}"));
            *header = json!("Token T");
        }
        body["token"] = json!("T");
    }
    json!({ "method": request["method"], "path": request["path"], "headers": headers, "body": body })
}

/// The trigger in a request with JSON.
pub(crate) fn trigger(request: &Value) -> Option<String> {
    let body: Value = serde_json::from_str(request["body"].as_str()?).ok()?;
    body["trigger_id"].as_str().map(ToOwned::to_owned)
}

fn form(text: &str) -> Value {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(bytes).expect("UTF-8")
    };
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (decode(name), json!(decode(value)))).collect::<Map<_, _>>().into()
}
