//! A small HTTP server with scripted responses.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::fixtures::DEADLINE;

/// A received request.
#[derive(Debug, Clone)]
pub(in crate::sinks) struct Request {
    pub(in crate::sinks) target: String,
    pub(in crate::sinks) headers: HashMap<String, String>,
    pub(in crate::sinks) body: Vec<u8>,
}

/// The reaction of the server to a request.
pub(in crate::sinks) enum FakeResponse {
    /// Sends a status, headers and a body.
    Answer(u16, &'static str, Vec<u8>),
    /// Sends bytes that are not a complete response, and closes.
    Raw(Vec<u8>),
    /// Closes without a response.
    Close,
    /// Sends nothing until the end of the test.
    Hang,
}

/// A running server.
pub(in crate::sinks) struct Server {
    pub(in crate::sinks) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<dyn Fn(&Request) -> FakeResponse + Send + Sync>,
    requests: Mutex<Vec<Request>>,
    /// Responses are sent only while this is true.
    open: (Mutex<bool>, Condvar),
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    max_concurrent: AtomicUsize,
    stopped: AtomicBool,
}

impl Server {
    pub(in crate::sinks) fn start(answer: impl Fn(&Request) -> FakeResponse + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            requests: Mutex::default(),
            open: (Mutex::new(true), Condvar::new()),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            max_concurrent: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stopped.load(Ordering::Acquire) {
                    return;
                }
                serving.connections.fetch_add(1, Ordering::AcqRel);
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(&stream));
            }
        });
        Self { address, shared }
    }

    pub(in crate::sinks) fn url(&self) -> String {
        format!("http://{}/events?key=not-shown", self.address)
    }

    /// Holds all responses back, or releases them.
    pub(in crate::sinks) fn hold(&self, hold: bool) {
        *self.shared.open.0.lock().unwrap() = !hold;
        self.shared.open.1.notify_all();
    }

    pub(in crate::sinks) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until at least `count` requests have come.
    pub(in crate::sinks) async fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        let end = Instant::now() + DEADLINE;
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            assert!(Instant::now() < end, "{} of {count} requests came", requests.len());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(in crate::sinks) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Returns the highest number of requests in flight at the same time.
    pub(in crate::sinks) fn max_concurrent(&self) -> usize {
        self.shared.max_concurrent.load(Ordering::Acquire)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.hold(false);
        // Wakes the listener, which then stops.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read(&mut reader) {
            let now = self.in_flight.fetch_add(1, Ordering::AcqRel) + 1;
            self.max_concurrent.fetch_max(now, Ordering::AcqRel);
            self.requests.lock().unwrap().push(request.clone());
            let open = self.open.1.wait_while(self.open.0.lock().unwrap(), |open| !*open).unwrap();
            drop(open);
            let response = (self.answer)(&request);
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            if !self.answer(stream, response) {
                return;
            }
        }
    }

    /// Sends the response. Returns true if the connection stays open.
    fn answer(&self, mut stream: &TcpStream, response: FakeResponse) -> bool {
        match response {
            FakeResponse::Answer(status, headers, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
                stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
            }
            FakeResponse::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                false
            }
            FakeResponse::Close => false,
            FakeResponse::Hang => {
                while !self.stopped.load(Ordering::Acquire) {
                    thread::sleep(Duration::from_millis(20));
                }
                false
            }
        }
    }
}

/// Reads one request; `None` if there is none.
pub(in crate::sinks) fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { target, headers, body })
}

impl Request {
    /// Returns the events in the body.
    pub(in crate::sinks) fn events(&self) -> Vec<Value> {
        match serde_json::from_slice(&self.body).unwrap() {
            Value::Array(events) => events,
            event => vec![event],
        }
    }

    /// Returns the ids of the events.
    pub(in crate::sinks) fn ids(&self) -> Vec<String> {
        self.events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The response of a handler that accepts the event.
pub(in crate::sinks) fn ok() -> FakeResponse {
    FakeResponse::Answer(200, "", Vec::new())
}
