//! The log at an OpenTelemetry collector: here a small HTTP server that records its requests.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Instant,
};

use matterhost_simulator::{Fault, FaultKind};

use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram};

/// A request: its first line, headers and body.
struct Request {
    head: Vec<String>,
    body: Vec<u8>,
}

/// A collector that answers each request with the same status.
struct Collector {
    url: String,
    requests: Receiver<Request>,
}

impl Collector {
    fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || serve(stream, status, &sender));
            }
        });
        Self { url, requests }
    }

    /// Waits for a request whose body contains the bytes.
    fn until(&self, wanted: &[u8]) -> Request {
        let end = Instant::now() + DEADLINE;
        let mut seen = 0;
        while let Ok(request) = self.requests.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if request.body.windows(wanted.len()).any(|window| window == wanted) {
                return request;
            }
            seen += 1;
        }
        panic!("none of {seen} requests contains {:?}", String::from_utf8_lossy(wanted));
    }
}

fn serve(stream: TcpStream, status: &str, sender: &Sender<Request>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_ascii_lowercase()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "))?;
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
        sender.send(Request { head, body }).ok()?;
    }
}

/// Encodes a protocol buffer field.
fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    let length = u8::try_from(inner.len()).unwrap();
    [&[number << 3 | 2, length], inner].concat()
}

/// Encodes an attribute of OTLP: a `KeyValue` whose `AnyValue` is a text.
fn attribute(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat()
}

#[test]
fn each_line_is_a_record_with_its_fields() {
    let (fixture, collector) = (Fixture::new(), Collector::answering("200 OK"));
    let dir = ConfigDir::with(&format!("{}otlp_endpoint = \"{}\"\n", fixture.config(), collector.url));
    let running = RunningProgram::ready(&fixture, &dir);
    let request = collector.until(&attribute("account", "helpdesk"));
    assert_eq!(request.head[0], "post /v1/logs http/1.1");
    assert!(request.head.contains(&"content-type: application/x-protobuf".to_owned()), "{:?}", request.head);
    let holds = |wanted: &[u8]| request.body.windows(wanted.len()).any(|window| window == wanted);
    assert!(holds(&attribute("service.name", "matterhost")) && holds(&attribute("fact", "ready")));
    assert!(holds(b"ready after") && !holds(fixture.bot.token.as_bytes()));
    running.signal("TERM");
    // The last record is sent before the program ends.
    collector.until(b"all events are delivered");
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
}

#[test]
fn the_standard_variable_names_a_collector_as_well() {
    let (fixture, collector) = (Fixture::new(), Collector::answering("200 OK"));
    let dir = ConfigDir::with(&fixture.config());
    let mut command = dir.matterhost(&["run"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let _running = RunningProgram::start(command);
    assert_eq!(collector.until(&attribute("account", "helpdesk")).head[0], "post /v1/logs http/1.1");
}

#[test]
fn a_collector_that_fails_is_told_once_and_the_bots_go_on() {
    let (fixture, collector) = (Fixture::new(), Collector::answering("503 Service Unavailable"));
    let dir = ConfigDir::with(&format!("{}otlp_endpoint = \"{}\"\n", fixture.config(), collector.url));
    let mut running = RunningProgram::ready(&fixture, &dir);
    for _ in 0..3 {
        collector.requests.recv_timeout(DEADLINE).unwrap();
        // Causes further log lines.
        fixture.simulator.inject(Fault::new(FaultKind::Close(1001)).times(1));
        running.log.wait_for_fact("ready");
    }
    fixture.post("still here");
    running.events.wait_for_post("still here");
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    let warnings = log.iter().filter(|line| line.contains("does not reach the collector")).count();
    assert_eq!(warnings, 1, "{log:#?}");
}
