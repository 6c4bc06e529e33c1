//! Small HTTP servers and clients for them.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc, time::Duration};

use futures_util::future::LocalBoxFuture;
use matterhost_actors::{
    mattermost::{Client, ClientConfig, ClientLimits, Tls},
    model::Token,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};

/// A token that must appear in its header only.
pub(crate) const SECRET: &str = "mustnotshow9x7q3token";

/// Runs a test on an actix system, and fails it if it hangs.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    // Boxed, so that the runtime is compiled once and not for each test.
    let test: LocalBoxFuture<'_, T> = Box::pin(test);
    actix_rt::System::new().block_on(async {
        let guarded = tokio::time::timeout(Duration::from_secs(30), test);
        guarded.await.expect("the test does not finish")
    })
}

pub(crate) fn token() -> Token {
    Token::new(SECRET).unwrap()
}

pub(crate) fn client(url: &str) -> Client {
    client_with(url, None, ClientLimits::default())
}

pub(crate) fn client_with(url: &str, tls: Option<Tls>, limits: ClientLimits) -> Client {
    Client::new(&ClientConfig::new(url.parse().unwrap(), tls, limits, "matterhost/test"))
}

/// The server's behavior after its response.
#[derive(Clone, Copy)]
pub(crate) enum AfterResponse {
    KeepAlive,
    Close,
    Hang,
}

/// A server that sends the same bytes in response to every request, and records the requests.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Rc<RefCell<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    heads: Vec<String>,
}

impl Server {
    pub(crate) async fn respond_with(answer: impl Into<Vec<u8>>, then: AfterResponse) -> Self {
        Self::bind("127.0.0.1:0", answer, then).await
    }

    pub(crate) async fn bind(address: &str, answer: impl Into<Vec<u8>>, then: AfterResponse) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Rc::default() };
        let (serving, answer) = (server.clone(), Rc::new(answer.into()));
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                actix_rt::spawn(serving.clone().serve(stream, Rc::clone(&answer), then));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    /// Returns the heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.borrow().heads.clone()
    }

    async fn serve<S>(self, mut stream: S, answer: Rc<Vec<u8>>, then: AfterResponse)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.seen.borrow_mut().connections += 1;
        while let Some(head) = read_head(&mut stream).await {
            self.seen.borrow_mut().heads.push(head);
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            match then {
                AfterResponse::KeepAlive => {}
                AfterResponse::Close => return,
                AfterResponse::Hang => std::future::pending().await,
            }
        }
    }
}

/// Reads a request up to and including its empty line.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Builds a response with these headers and a content length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

pub(crate) fn json(body: &str) -> String {
    response("200 OK", "content-type: application/json\r\n", body)
}

/// Returns the value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head
        .lines()
        .find(|line| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name)))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// Returns the first recorded response of a file with this path and status.
pub(crate) fn recorded(file: &str, path: &str, status: u64) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/wire/");
    let lines = std::fs::read_to_string(format!("{folder}{file}.jsonl")).unwrap();
    let mut lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let rest = lines.find_map(|line| {
        let rest = line["rest"].clone();
        (rest["path"] == path && rest["status"] == status).then_some(rest)
    });
    let rest = rest.unwrap_or_else(|| panic!("{file} has no {status} for {path}"));
    let headers = rest["headers"].as_object().unwrap();
    let mut lines = String::new();
    for (name, value) in headers {
        lines.extend([name, ": ", value.as_str().unwrap(), "\r\n"]);
    }
    let body = match &rest["answer"] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        json => json.to_string(),
    };
    response(&format!("{status} x"), &lines, &body)
}
