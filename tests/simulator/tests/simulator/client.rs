//! A plain blocking client: HTTP by hand and WebSocket by tungstenite, so that nothing of the project's
//! own client is between the test and the server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Longer than anything here takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer of REST.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| Value::from(self.body.clone()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// One request on a connection of its own.
pub(crate) fn rest(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Response {
    rest_with(server, method, path, token, body, &[])
}

/// The same with headers.
pub(crate) fn rest_with(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Response {
    try_rest(server, method, path, token, body, headers).expect("an answer")
}

/// The same, where it may fail.
pub(crate) fn try_rest(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // A text is no JSON: the content of a file.
    let text = |body: &Value| body.as_str().map_or_else(|| body.to_string(), ToOwned::to_owned);
    let body = body.map(text).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    if let Some(token) = token {
        head.push_str(&["Authorization: Bearer ", token, "\r\n"].concat());
    }
    for (name, value) in headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    let end = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all((head + &end).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("0");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(Response { status: status.parse().expect("a status"), headers, body: body.to_owned() })
}

/// A WebSocket client.
pub(crate) struct Socket {
    pub(crate) socket: WebSocket<TcpStream>,
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SocketEnd {
    /// By a close frame with this code, if it has one.
    Close(Option<u16>),
    /// Without one.
    Dropped,
    /// It did not end: nothing came for as long as the test reads.
    Silent,
}

impl Socket {
    /// Opens a socket with a Bearer token and a query.
    pub(crate) fn open(server: SocketAddr, token: Option<&str>, query: &str) -> Self {
        let url = format!("ws://{server}/api/v4/websocket{query}");
        let mut request = url.into_client_request().expect("a URL");
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("Authorization", value);
        }
        let stream = TcpStream::connect(server).expect("a connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let (socket, response) = tungstenite::client(request, stream).expect("an upgrade");
        assert_eq!(response.status(), 101);
        Self { socket }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("a frame sent");
    }

    /// The next text frame as it is.
    pub(crate) fn recv(&mut self) -> String {
        match self.next() {
            Ok(text) => text,
            Err(end) => panic!("a frame was wanted, the socket ended: {end:?}"),
        }
    }

    /// The next text frame, parsed.
    pub(crate) fn json(&mut self) -> Value {
        serde_json::from_str(&self.recv()).expect("JSON")
    }

    /// The next text frame, or how the socket ended.
    pub(crate) fn next(&mut self) -> Result<String, SocketEnd> {
        loop {
            if let Message::Text(text) = self.next_frame()? {
                return Ok(text.to_string());
            }
        }
    }

    /// Reads up to a ping of the server.
    pub(crate) fn ping(&mut self) -> Result<(), SocketEnd> {
        while !matches!(self.next_frame()?, Message::Ping(_)) {}
        Ok(())
    }

    /// The next frame, or how the socket ended.
    fn next_frame(&mut self) -> Result<Message, SocketEnd> {
        match self.socket.read() {
            Ok(Message::Close(frame)) => Err(SocketEnd::Close(frame.map(|frame| frame.code.into()))),
            Ok(frame) => Ok(frame),
            Err(tungstenite::Error::Io(error)) if is_timeout(&error) => Err(SocketEnd::Silent),
            Err(_) => Err(SocketEnd::Dropped),
        }
    }

    /// Waits for the end; frames before it are left out.
    pub(crate) fn end(&mut self) -> SocketEnd {
        loop {
            if let Err(end) = self.next() {
                return end;
            }
        }
    }

    /// Sends an action and waits for its reply; events before it are given too.
    pub(crate) fn request(&mut self, seq: u64, action: &str) -> (Vec<Value>, Value) {
        self.send(&format!(r#"{{"seq":{seq},"action":"{action}"}}"#));
        let mut events = Vec::new();
        loop {
            let frame = self.json();
            if frame["seq_reply"] == seq {
                return (events, frame);
            }
            events.push(frame);
        }
    }

    /// Returns true when nothing comes before the server has answered a ping of the protocol.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.socket.send(Message::Ping(b"quiet?".to_vec().into())).expect("a ping sent");
        loop {
            match self.socket.read().expect("a pong") {
                Message::Pong(_) => return true,
                Message::Text(_) => return false,
                _ => {}
            }
        }
    }

    /// Cuts the connection without a close frame.
    pub(crate) fn disconnect(self) {
        drop(self.socket);
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
